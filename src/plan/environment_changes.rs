//! What has changed in the environment of a program since its last build, in words: `numpy 2.1.0 -> 2.2.0`.

use std::collections::BTreeSet;

use serde_json::Value as Json;

/// The most changes that are named.
const SHOWN: usize = 8;

/// The name of the environment, and what has changed in it; `None` if nothing has.
pub fn describe(old: Option<&Json>, new: Option<&Json>) -> Option<(String, String)> {
    let text = |json: &Json, name: &str| json.get(name).and_then(Json::as_str).unwrap_or_default().to_string();
    let (old, new) = match (old, new) {
        (None, None) => return None,
        (None, Some(new)) => return Some((text(new, "name"), "is used now".into())),
        (Some(old), None) => return Some((text(old, "name"), "is not used any more".into())),
        (Some(old), Some(new)) => (old, new),
    };
    let decides = ["version", "kind", "locks", "python"];
    // A version that no build has asked for yet may be the same.
    let known = |name: &&&str| !(**name == "python" && new.get("python").is_none_or(Json::is_null));
    if decides.iter().filter(known).all(|name| old.get(name) == new.get(name)) {
        return None;
    }
    let mut changes = Vec::new();
    for name in decides.iter().filter(known).filter(|name| **name != "locks" && old.get(name) != new.get(name)) {
        match *name {
            "version" => changes.push("is made in another way".to_string()),
            name => changes.push(format!("{} -> {}", text(old, name), text(new, name))),
        }
    }
    changes.extend(packages(old, new));
    changes.extend(lines(old, new));
    if changes.is_empty() {
        changes.push("its lock files have new content, the same versions".into());
    }
    let more = changes.len().saturating_sub(SHOWN);
    changes.truncate(SHOWN);
    if more > 0 {
        changes.push(format!("and {more} more"));
    }
    Some((text(new, "name"), changes.join(", ")))
}

/// `numpy 2.1.0 -> 2.2.0`, `added scipy 1.14.1`, `removed six 1.16.0`.
fn packages(old: &Json, new: &Json) -> Vec<String> {
    let versions = |json: &Json| json.get("packages").and_then(Json::as_object).cloned().unwrap_or_default();
    let (old, new) = (versions(old), versions(new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let change = |name: &String| {
        let of = |json: Option<&Json>| json.and_then(Json::as_str).map(str::to_string);
        match (of(old.get(name)), of(new.get(name))) {
            (Some(old), Some(new)) if old == new => None,
            (Some(old), Some(new)) => Some(format!("{name} {old} -> {new}")),
            (None, Some(new)) => Some(format!("added {name} {new}")),
            (Some(old), None) => Some(format!("removed {name} {old}")),
            (None, None) => None,
        }
    };
    names.into_iter().filter_map(change).collect()
}

/// Lines of lock files that name no version, as they are.
fn lines(old: &Json, new: &Json) -> Vec<String> {
    let lines = |json: &Json| json.get("others").and_then(Json::as_array).cloned().unwrap_or_default();
    let (old, new) = (lines(old), lines(new));
    let only = |these: &[Json], others: &[Json], what: &str| -> Vec<String> {
        let these = these.iter().filter(|line| !others.contains(line)).filter_map(Json::as_str);
        these.map(|line| format!("{what} `{line}`")).collect()
    };
    [only(&new, &old, "added"), only(&old, &new, "removed")].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn environment(locks: &str, python: Option<&str>, packages: Json) -> Json {
        json!({"name": "py", "version": 1, "kind": "pip", "locks": locks, "python": python, "packages": packages, "others": []})
    }

    #[test]
    fn packages_and_the_interpreter_are_compared_by_version() {
        let old = environment("a", Some("cpython 3.11.7"), json!({"numpy": "2.1.0", "six": "1.16.0"}));
        let new = environment("b", Some("cpython 3.12.1"), json!({"numpy": "2.2.0", "scipy": "1.14.1"}));
        let (name, what) = describe(Some(&old), Some(&new)).unwrap();
        assert_eq!(name, "py");
        assert_eq!(
            what,
            "cpython 3.11.7 -> cpython 3.12.1, numpy 2.1.0 -> 2.2.0, added scipy 1.14.1, removed six 1.16.0"
        );
        assert_eq!(describe(Some(&old), Some(&old)), None);
        assert_eq!(describe(None, Some(&new)).unwrap().1, "is used now");
    }

    #[test]
    fn a_version_that_is_not_known_is_no_change() {
        let old = environment("a", Some("cpython 3.11.7"), json!({}));
        assert_eq!(describe(Some(&old), Some(&environment("a", None, json!({})))), None);
        let (_, what) = describe(Some(&old), Some(&environment("b", None, json!({})))).unwrap();
        assert_eq!(what, "its lock files have new content, the same versions");
    }
}
