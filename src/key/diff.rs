//! What changed between two manifests: the "why" of `repro explain`.

use serde_json::Value as Json;

/// One changed setting: where it stands in the manifest, its old and its new value (`None`: not there).
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub path: Vec<String>,
    pub old: Option<Json>,
    pub new: Option<Json>,
}

impl Change {
    /// The path as it stands in the paper file.
    pub fn name(&self) -> String {
        self.path.join(".")
    }

    /// "0.7 -> 0.8", "added 0.05", "removed 0.1": lists of plain values by what came and went.
    pub fn words(&self) -> String {
        match (&self.old, &self.new) {
            (Some(Json::Array(old)), Some(Json::Array(new))) => {
                let lacking = |these: &[Json], others: &[Json]| -> Vec<String> {
                    // A value and its label are often the same text.
                    let mut texts: Vec<String> = these.iter().filter(|v| !others.contains(v)).map(show).collect();
                    texts.dedup();
                    texts
                };
                let (came, went) = (lacking(new, old), lacking(old, new));
                let mut words = Vec::new();
                if !came.is_empty() {
                    words.push(format!("added {}", came.join(", ")));
                }
                if !went.is_empty() {
                    words.push(format!("removed {}", went.join(", ")));
                }
                if words.is_empty() { "another order".into() } else { words.join("; ") }
            }
            (Some(Json::String(old)), Some(Json::String(new))) => {
                let from = parting(old, new);
                format!("{} -> {}", part(old, from), part(new, from))
            }
            (Some(old), Some(new)) => format!("{} -> {}", show(old), show(new)),
            (None, Some(new)) => format!("added {}", show(new)),
            (Some(old), None) => format!("removed {}", show(old)),
            (None, None) => String::new(),
        }
    }
}

/// Characters of a value that are shown.
const SHOWN: usize = 60;

/// Where to begin to show two texts of which only the beginning fits: a little before they part.
fn parting(old: &str, new: &str) -> usize {
    let common = old.chars().zip(new.chars()).take_while(|(a, b)| a == b).count();
    let fits = old.chars().count().max(new.chars().count()) <= SHOWN || common < SHOWN / 2;
    if fits { 0 } else { common - SHOWN / 6 }
}

/// A text in few words, from the character `from` on.
fn part(text: &str, from: usize) -> String {
    let (rest, before) = (text.chars().skip(from), if from > 0 { "..." } else { "" });
    let rest: Vec<char> = rest.collect();
    let (shown, after) = if rest.len() > SHOWN { (&rest[..SHOWN - 3], "...") } else { (&rest[..], "") };
    format!("{before}{}{after}", shown.iter().collect::<String>())
}

/// A value in few words.
fn show(value: &Json) -> String {
    let text = match value {
        Json::String(text) => text.clone(),
        Json::Null => "nothing".into(),
        other => other.to_string(),
    };
    part(&text, 0)
}

/// Every setting that differs, deepest first cause: mappings are entered, lists of mappings of equal length too.
pub fn diff(old: &Json, new: &Json) -> Vec<Change> {
    let mut changes = Vec::new();
    walk(old, new, &mut Vec::new(), &mut changes);
    changes
}

fn walk(old: &Json, new: &Json, path: &mut Vec<String>, changes: &mut Vec<Change>) {
    if old == new {
        return;
    }
    let mut enter = |name: String, old: Option<&Json>, new: Option<&Json>, changes: &mut Vec<Change>| {
        path.push(name);
        match (old, new) {
            (Some(old), Some(new)) => walk(old, new, path, changes),
            _ => changes.push(Change { path: path.clone(), old: old.cloned(), new: new.cloned() }),
        }
        path.pop();
    };
    match (old, new) {
        (Json::Object(a), Json::Object(b)) if tag(old).is_some() && tag(new).is_some() && tag(old) != tag(new) => {
            // Another kind: that is the cause, whatever else its settings are.
            let (old, new) = (a.keys().next().cloned(), b.keys().next().cloned());
            changes.push(Change { path: path.clone(), old: old.map(Json::String), new: new.map(Json::String) });
        }
        (Json::Object(a), Json::Object(b)) => {
            for (name, value) in a {
                enter(name.clone(), Some(value), b.get(name), changes);
            }
            for (name, value) in b.iter().filter(|(name, _)| !a.contains_key(*name)) {
                enter(name.clone(), None, Some(value), changes);
            }
        }
        (Json::Array(a), Json::Array(b))
            if a.len() == b.len() && a.iter().chain(b).any(|v| v.is_object() || v.is_array()) =>
        {
            for (i, (x, y)) in a.iter().zip(b).enumerate() {
                enter(i.to_string(), Some(x), Some(y), changes);
            }
        }
        _ => changes.push(Change { path: path.clone(), old: Some(old.clone()), new: Some(new.clone()) }),
    }
}

/// The kind of a tagged value such as `{"adam": {...}}` or `{"linear": null}`.
fn tag(value: &Json) -> Option<&String> {
    let map = value.as_object()?;
    let (name, body) = map.iter().next()?;
    (map.len() == 1 && (body.is_null() || body.is_object())).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn words(old: Json, new: Json) -> Vec<String> {
        diff(&old, &new).iter().map(|c| format!("{}: {}", c.name(), c.words())).collect()
    }

    #[test]
    fn a_change_is_named_with_its_old_and_new_value() {
        assert_eq!(
            words(
                json!({"data": {"importance": {"powers": 0.7}}, "seed": 1}),
                json!({"data": {"importance": {"powers": 0.8}}, "seed": 1})
            ),
            ["data.importance.powers: 0.7 -> 0.8"]
        );
    }

    #[test]
    fn of_long_texts_the_part_that_differs_is_shown() {
        let (old, new) = (format!("{} one", "x".repeat(80)), format!("{} two{}", "x".repeat(80), "y".repeat(80)));
        let begin = format!("...{} ", "x".repeat(9));
        assert_eq!(
            words(json!({"run": old}), json!({"run": new})),
            [format!("run: {begin}one -> {begin}two{}...", "y".repeat(44))]
        );
    }

    #[test]
    fn values_that_came_and_went_are_listed() {
        assert_eq!(
            words(json!({"values": [1, 2, 3]}), json!({"values": [1, 3, 4, 5]})),
            ["values: added 4, 5; removed 2"]
        );
        assert_eq!(words(json!({"a": 1}), json!({"b": "x"})), ["a: removed 1", "b: added x"]);
        assert_eq!(words(json!([1, 2]), json!([2, 1])), [": another order"]);
    }

    #[test]
    fn another_kind_is_one_change() {
        let (old, new) = (json!({"schedule": {"constant": null}}), json!({"schedule": {"linear": null}}));
        assert_eq!(words(old, new), ["schedule: constant -> linear"]);
        assert_eq!(words(json!({"adam": {"lr": 1}}), json!({"adamw": {"lr": 1, "x": 2}})), [": adam -> adamw"]);
    }

    #[test]
    fn lists_of_settings_are_compared_item_by_item() {
        assert_eq!(words(json!([{"x": 1}, {"x": 2}]), json!([{"x": 1}, {"x": 3}])), ["1.x: 2 -> 3"]);
    }
}
