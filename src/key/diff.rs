//! The differences between two manifests, as `repro explain` reports them.

use serde_json::Value as Json;

/// One changed setting: its path in the manifest, its old and its new value (`None`: absent).
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub path: Vec<String>,
    pub old: Option<Json>,
    pub new: Option<Json>,
}

impl Change {
    /// The path as in the paper file: `data.importance.powers`.
    pub fn name(&self) -> String {
        self.path.join(".")
    }

    /// "0.7 -> 0.8", "added 0.05", "removed 0.1"; of lists the values that were added and removed.
    pub fn describe(&self) -> String {
        match (&self.old, &self.new) {
            (Some(Json::Array(old)), Some(Json::Array(new))) => {
                let only_in = |these: &[Json], others: &[Json]| -> Vec<String> {
                    // A value and its label often have the same text.
                    let mut texts: Vec<String> = these.iter().filter(|v| !others.contains(v)).map(abbreviate).collect();
                    texts.dedup();
                    texts
                };
                let (added, removed) = (only_in(new, old), only_in(old, new));
                let mut parts = Vec::new();
                if !added.is_empty() {
                    parts.push(format!("added {}", added.join(", ")));
                }
                if !removed.is_empty() {
                    parts.push(format!("removed {}", removed.join(", ")));
                }
                if parts.is_empty() { "reordered".into() } else { parts.join("; ") }
            }
            (Some(Json::String(old)), Some(Json::String(new))) => {
                let from = excerpt_start(old, new);
                format!("{} -> {}", excerpt(old, from), excerpt(new, from))
            }
            (Some(old), Some(new)) => format!("{} -> {}", abbreviate(old), abbreviate(new)),
            (None, Some(new)) => format!("added {}", abbreviate(new)),
            (Some(old), None) => format!("removed {}", abbreviate(old)),
            (None, None) => String::new(),
        }
    }
}

/// The longest value that is shown whole, in characters.
const MAX_CHARS: usize = 60;

/// Where the excerpts of two texts begin: at 0 if both fit, otherwise shortly before the first difference.
fn excerpt_start(old: &str, new: &str) -> usize {
    let common = old.chars().zip(new.chars()).take_while(|(a, b)| a == b).count();
    let fits = old.chars().count().max(new.chars().count()) <= MAX_CHARS || common < MAX_CHARS / 2;
    if fits { 0 } else { common - MAX_CHARS / 6 }
}

/// At most `MAX_CHARS` characters of a text, from the character `from` on, with `...` where something is cut off.
fn excerpt(text: &str, from: usize) -> String {
    let (rest, before) = (text.chars().skip(from), if from > 0 { "..." } else { "" });
    let rest: Vec<char> = rest.collect();
    let (shown, after) = if rest.len() > MAX_CHARS { (&rest[..MAX_CHARS - 3], "...") } else { (&rest[..], "") };
    format!("{before}{}{after}", shown.iter().collect::<String>())
}

/// A value as text, cut if it is long.
fn abbreviate(value: &Json) -> String {
    let text = match value {
        Json::String(text) => text.clone(),
        Json::Null => "nothing".into(),
        other => other.to_string(),
    };
    excerpt(&text, 0)
}

/// Every setting that differs. Mappings are compared key by key, lists of mappings of equal length item by item.
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
            // Another variant: its settings are not comparable.
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

/// The tag of a value such as `{"adam": {...}}` or `{"linear": null}`.
fn tag(value: &Json) -> Option<&String> {
    let map = value.as_object()?;
    let (name, body) = map.iter().next()?;
    (map.len() == 1 && (body.is_null() || body.is_object())).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn describe(old: Json, new: Json) -> Vec<String> {
        diff(&old, &new).iter().map(|c| format!("{}: {}", c.name(), c.describe())).collect()
    }

    #[test]
    fn a_change_is_described_with_path_and_old_and_new_value() {
        assert_eq!(
            describe(
                json!({"data": {"importance": {"powers": 0.7}}, "seed": 1}),
                json!({"data": {"importance": {"powers": 0.8}}, "seed": 1})
            ),
            ["data.importance.powers: 0.7 -> 0.8"]
        );
    }

    #[test]
    fn of_long_texts_an_excerpt_around_the_difference_is_shown() {
        let (old, new) = (format!("{} one", "x".repeat(80)), format!("{} two{}", "x".repeat(80), "y".repeat(80)));
        let begin = format!("...{} ", "x".repeat(9));
        assert_eq!(
            describe(json!({"run": old}), json!({"run": new})),
            [format!("run: {begin}one -> {begin}two{}...", "y".repeat(44))]
        );
    }

    #[test]
    fn added_and_removed_values_are_listed() {
        assert_eq!(
            describe(json!({"values": [1, 2, 3]}), json!({"values": [1, 3, 4, 5]})),
            ["values: added 4, 5; removed 2"]
        );
        assert_eq!(describe(json!({"a": 1}), json!({"b": "x"})), ["a: removed 1", "b: added x"]);
        assert_eq!(describe(json!([1, 2]), json!([2, 1])), [": reordered"]);
    }

    #[test]
    fn another_variant_is_one_change() {
        let (old, new) = (json!({"schedule": {"constant": null}}), json!({"schedule": {"linear": null}}));
        assert_eq!(describe(old, new), ["schedule: constant -> linear"]);
        assert_eq!(describe(json!({"adam": {"lr": 1}}), json!({"adamw": {"lr": 1, "x": 2}})), [": adam -> adamw"]);
    }

    #[test]
    fn lists_of_settings_are_compared_item_by_item() {
        assert_eq!(describe(json!([{"x": 1}, {"x": 2}]), json!([{"x": 1}, {"x": 3}])), ["1.x: 2 -> 3"]);
    }
}
