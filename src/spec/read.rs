//! Text to tree.
//!
//! The YAML crate is serde-saphyr: it is maintained, `Spanned` gives the place of every value (the anchor's place for aliases and
//! merge keys), it refuses duplicate keys, and its budgets stop YAML bombs. serde_yaml is archived and forgets places while parsing;
//! saphyr and yaml-rust2 alone have no merge keys and no budgets.

use std::collections::HashMap;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Location, Spanned};

use super::{Key, Node, Problems, Yaml};
use crate::error::{Error, Span};

/// A paper file larger than this is refused unread: it is a mistake or an attack. A hundred thousand stages fit.
pub const MAX_BYTES: usize = 32 << 20;
/// Aliases may unfold to so many values.
const UNFOLDED: usize = 400_000;
/// The most values of all.
const MAX_NODES: usize = 4_000_000;
/// The most lists and mappings inside each other.
const MAX_DEPTH: usize = 64;
/// The most bytes of text, with what aliases repeat.
const MAX_TEXT: usize = 64 << 20;

/// The tree of one YAML document; `None` (and a problem) if the text is not YAML, is too large, or unfolds to too much.
pub fn read(text: &str, problems: &mut Problems) -> Option<Node> {
    if text.len() > MAX_BYTES {
        problems.push(too_large(text.len() as u64));
        return None;
    }
    let nodes = text.len().clamp(UNFOLDED, MAX_NODES);
    let options = serde_saphyr::options! {
        with_snippet: false,
        // YAML 1.1 reads `y` and `no` as booleans; here they are text.
        strict_booleans: true,
        // Both are told with all other problems instead of ending the reading.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        budget: serde_saphyr::budget! {
            max_events: 3 * nodes,
            max_depth: MAX_DEPTH,
            max_nodes: nodes,
            max_total_scalar_bytes: MAX_TEXT,
            // What they unfold to is bounded; how many there are is not: a recipe may be shared by thousands of stages.
            max_aliases: nodes,
            max_anchors: nodes,
            max_merge_keys: nodes,
            enforce_alias_anchor_ratio: false,
        },
    };
    match serde_saphyr::from_str_with_options::<Tree>(text, options) {
        Ok(Tree(mut node)) => {
            unique(&mut node, problems);
            Some(node)
        }
        Err(error) => {
            let place = error.location().map(|location| span(&location));
            let mut problem = message(&error, nodes);
            if problem.message.contains("tabs disallowed") {
                problem = problem.hint("indent with spaces");
            }
            // What lacks quotes is often noticed only some lines below.
            match place.filter(|place| place.line > 0).map(|place| (place, unquoted(text, place.line))) {
                Some((_, Some((place, hint)))) => problem = problem.at(place).hint(hint),
                Some((place, None)) => problem = problem.at(place),
                None => {}
            }
            problems.push(problem);
            None
        }
    }
}

/// A value that needs quotes, in this line or in one of a few above it, with advice.
fn unquoted(text: &str, line: u32) -> Option<(Span, String)> {
    const ABOVE: usize = 5;
    const LONG: usize = 200;
    let end = line as usize;
    let lines = text.lines().enumerate().take(end).skip(end.saturating_sub(ABOVE + 1));
    let lines: Vec<(usize, &str)> = lines.collect();
    let at = |number: usize, before: &str, length: usize| Span {
        line: u32::try_from(number + 1).unwrap_or(u32::MAX),
        column: u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX),
        length: u32::try_from(length).unwrap_or(u32::MAX),
    };
    lines.into_iter().rev().find_map(|(number, line)| {
        // `color: #ff0000`: a comment, which may hide the end of a list or a mapping.
        if let Some((before, color)) = line.split_once(": #") {
            let digits = color.chars().take_while(char::is_ascii_hexdigit).count();
            if matches!(digits, 3 | 4 | 6 | 8) {
                let written = &color[..digits];
                let hint = format!("`#` begins a comment: write the colour in quotes, `\"#{written}\"`");
                return Some((at(number, &format!("{before}: "), digits + 1), hint));
            }
        }
        // `title: One: two`: a second mapping within the value of the first.
        let (key, value) = line.split_once(": ")?;
        let value = value.trim();
        let plain =
            !value.starts_with(['"', '\'', '{', '[', '|', '>', '&', '*', '!', '#']) && !key.contains(['"', '{', '[']);
        let value = value.split(" #").next().unwrap_or(value).trim_end();
        if plain && value.len() < LONG && (value.contains(": ") || value.ends_with(':')) {
            let name = key.trim_start_matches(['-', ' ']);
            let hint = format!("text with `: ` needs quotes: `{name}: \"{}\"`", value.replace('"', "\\\""));
            let before = &line[..line.len() - line[key.len() + 2..].trim_start().len()];
            return Some((at(number, before, value.chars().count()), hint));
        }
        None
    })
}

/// Report keys that stand twice in a mapping; the first is kept.
fn unique(node: &mut Node, problems: &mut Problems) {
    match &mut node.value {
        Yaml::List(items) => items.iter_mut().for_each(|item| unique(item, problems)),
        Yaml::Map(entries) => {
            let mut first: HashMap<String, Span> = HashMap::new();
            entries.retain_mut(|(key, value)| {
                unique(value, problems);
                let before = *first.entry(key.name.clone()).or_insert(key.span);
                if before != key.span {
                    problems.push(
                        Error::user(format!("`{}` stands twice in the same mapping", key.name))
                            .at(key.span)
                            .hint(format!("the first is in line {}; rename or remove one of them", before.line)),
                    );
                }
                before == key.span
            });
        }
        _ => {}
    }
}

/// The problem of a paper file that is larger than is read.
pub fn too_large(bytes: u64) -> Error {
    let (found, most) = (bytes >> 20, MAX_BYTES >> 20);
    Error::user(format!("the paper file is {found} MB large; at most {most} MB are read"))
        .hint("keep data in files of its own and name them in the paper file")
}

/// The parser's words, without the place, which is shown with the source line; of its limits in ours.
fn message(error: &serde_saphyr::Error, nodes: usize) -> Error {
    let text = error.without_snippet().to_string();
    let text = text.split(" at line ").next().unwrap_or(&text).trim_end_matches(':').to_string();
    let text = text.trim_start_matches("error: ").trim_end_matches(" (defined");
    let repeats = "aliases and merges (`*name`, `<<`) repeat all that they name";
    match text.strip_prefix("budget breached: ").map(|limit| limit.split(' ').next().unwrap_or_default()) {
        Some("Depth") => Error::user(format!("lists and mappings are nested more than {MAX_DEPTH} deep")),
        None if text == "recursion limit exceeded" => {
            Error::user(format!("lists and mappings are nested more than {MAX_DEPTH} deep"))
        }
        Some("ScalarBytes") => {
            Error::user(format!("the paper file unfolds to more than {} MB of text", MAX_TEXT >> 20)).hint(repeats)
        }
        Some("Documents") => Error::user("a paper file is one document; `---` begins another"),
        Some(_) => Error::user(format!("the paper file unfolds to more than {nodes} values")).hint(repeats),
        None if text.starts_with("multiple YAML documents") => {
            Error::user("a paper file is one document; `---` begins another")
        }
        None => Error::user(format!("this is not valid YAML: {text}")),
    }
}

fn span(location: &Location) -> Span {
    let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Span { line: small(location.line()), column: small(location.column()), length: small(location.span().len()).max(1) }
}

struct Tree(Node);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Raw>::deserialize(deserializer)?;
        Ok(Tree(Node::new(spanned.value.0, span(&spanned.defined))))
    }
}

struct Raw(Yaml);

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor).map(Raw)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Yaml;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Yaml, E> {
        Ok(Yaml::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Yaml, E> {
        Ok(Yaml::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Yaml, E> {
        Ok(i64::try_from(value).map_or(Yaml::Float(value as f64), Yaml::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Yaml, E> {
        Ok(Yaml::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Yaml, E> {
        Ok(Yaml::Text(value.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_none<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Yaml, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Yaml, A::Error> {
        let mut list = Vec::new();
        while let Some(Tree(node)) = items.next_element()? {
            list.push(node);
        }
        Ok(Yaml::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Yaml, A::Error> {
        let mut map = Vec::new();
        // Keys are text as written: an axis value `0.10` used as a label stays `0.10`.
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            let Tree(node) = entries.next_value()?;
            map.push((Key { name: key.value, span: span(&key.defined) }, node));
        }
        Ok(Yaml::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(text: &str) -> Node {
        let mut problems = Problems::default();
        let node = read(text, &mut problems);
        assert!(problems.is_empty(), "{:?}", problems.into_errors());
        node.unwrap()
    }

    #[test]
    fn every_value_knows_its_place() {
        let node = ok("a: 1\nb:\n  - x\n  - 2.5\n");
        let item = node.deepest(&["b", "1"]);
        assert_eq!(item.value, Yaml::Float(2.5));
        assert_eq!(item.span, Span { line: 4, column: 5, length: 3 });
    }

    #[test]
    fn merged_values_point_at_where_they_are_written() {
        let node = ok("a: &base {x: 1, y: 2}\nb:\n  <<: *base\n  y: 3\n");
        assert_eq!(node.deepest(&["b", "x"]).span.line, 1);
        assert_eq!(node.deepest(&["b", "y"]).value, Yaml::Int(3));
        assert_eq!(node.get("b").unwrap().as_map().unwrap().len(), 2);
        // The merge may stand last, and several may be merged: what is written here wins, then the first.
        let node = ok("a: &a {x: 1, y: 2}\nc: &c {x: 5, z: 6}\nb:\n  y: 3\n  <<: [*a, *c]\n");
        let values: Vec<_> = ["x", "y", "z"].map(|key| node.deepest(&["b", key]).value.clone()).to_vec();
        assert_eq!(values, [Yaml::Int(1), Yaml::Int(3), Yaml::Int(6)]);
        assert_eq!(node.get("b").unwrap().as_map().unwrap().len(), 3);
    }

    #[test]
    fn a_key_that_stands_twice_is_a_problem_with_both_places() {
        let mut problems = Problems::default();
        let node = read("a: 1\nb: {c: 1, c: 2}\na: .nan\n", &mut problems).unwrap();
        let lines = problems.into_errors().into_iter().map(|e| format!("{} {}", e.span.unwrap().line, e.message));
        let told = ["2 `c` stands twice in the same mapping", "3 `a` stands twice in the same mapping"];
        assert_eq!(lines.collect::<Vec<_>>(), told);
        assert_eq!(node.get("a").unwrap().value, Yaml::Int(1));
    }

    #[test]
    fn values_that_need_quotes_are_told_where_they_stand() {
        let told = |text: &str| {
            let mut problems = Problems::default();
            assert!(read(text, &mut problems).is_none(), "{text}");
            let error = problems.into_errors().remove(0);
            let place = error.span.unwrap();
            (place.line, place.column, place.length, error.hints.join(" "))
        };
        let quotes = |written: &str| format!("`#` begins a comment: write the colour in quotes, `\"{written}\"`");
        let flow = "a:\n  - points: {x: p, color: #ff0000}\n\nb:\n  c: 1\n";
        assert_eq!(told(flow), (2, 27, 7, quotes("#ff0000")));
        let title = "title: Break me: a study\nstages: {}\n";
        let hint = "text with `: ` needs quotes: `title: \"Break me: a study\"`";
        assert_eq!(told(title), (1, 8, 17, hint.to_string()));
        assert_eq!(told("a: [1\nb: 2\n").3, "");
    }

    #[test]
    fn scientific_notation_is_a_number() {
        assert_eq!(ok("1e-3").value, Yaml::Float(0.001));
        assert_eq!(ok("'1e-3'").value, Yaml::Text("1e-3".into()));
    }

    #[test]
    fn a_yaml_bomb_is_refused_quickly() {
        let mut text = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for i in 1..12 {
            let refs = vec![format!("*a{}", i - 1); 10].join(",");
            text += &format!("a{i}: &a{i} [{refs}]\n");
        }
        let told = |text: &str| {
            let mut problems = Problems::default();
            assert!(read(text, &mut problems).is_none());
            problems.into_errors().into_iter().map(|error| error.message).collect::<Vec<_>>()
        };
        assert_eq!(told(&text), ["the paper file unfolds to more than 400000 values"]);
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 1000].join(","));
        assert_eq!(told(&long), ["the paper file unfolds to more than 64 MB of text"]);
        assert_eq!(told("a: 1\n---\nb: 1\n"), ["a paper file is one document; `---` begins another"]);
    }

    #[test]
    fn one_anchor_may_be_used_thousands_of_times() {
        let mut text = String::from("a: &a {x: 1}\n");
        (0..20_000).for_each(|i| text += &format!("b{i}: {{<<: *a}}\nc{i}: *a\n"));
        assert_eq!(ok(&text).as_map().unwrap().len(), 40_001);
    }

    #[test]
    fn deep_nesting_and_huge_input_are_refused() {
        let deep = "lists and mappings are nested more than 64 deep";
        let indented = (0..1000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect::<String>();
        for (text, message) in [
            ("[".repeat(100_000), deep),
            ("{a: ".repeat(50_000), deep),
            (format!("a: {}{}", "[".repeat(10_000), "]".repeat(10_000)), deep),
            (format!("a:\n  {}x", "- ".repeat(10_000)), deep),
            (indented, deep),
            ("a: ".repeat(50_000), "this is not valid YAML: mapping values are not allowed in this context"),
            ("x".repeat(MAX_BYTES + 1), "the paper file is 32 MB large; at most 32 MB are read"),
        ] {
            let told = move || {
                let mut problems = Problems::default();
                assert!(read(&text, &mut problems).is_none());
                let told: Vec<String> = problems.into_errors().into_iter().map(|error| error.message).collect();
                assert_eq!(told, [message], "{}", &text[..20]);
            };
            // With the stack of a program's first thread: that of a test is small for code that is not optimised.
            std::thread::Builder::new().stack_size(8 << 20).spawn(told).unwrap().join().unwrap();
        }
    }
}
