//! Parse YAML text into a tree of nodes.
//!
//! The YAML crate is serde-saphyr: it is maintained, `Spanned` gives the location of every value (for aliases and merge keys that of the
//! anchor), it detects duplicate keys, and its budgets stop YAML bombs. serde_yaml is archived and drops locations while parsing; saphyr
//! and yaml-rust2 have no merge keys and no budgets.

use std::collections::HashMap;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::granit_parser::ErrorKind;
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Error as YamlError, ExternalMessageSource, Location, Spanned};

use super::{MapKey, Node, Problems, Yaml};
use crate::error::{Error, Span};

/// The largest paper file that is read. A hundred thousand stages fit.
pub const MAX_BYTES: usize = 32 << 20;
/// Aliases may always expand to this many values, however small the file is.
const MIN_NODES: usize = 400_000;
/// The most values in total.
const MAX_NODES: usize = 4_000_000;
/// The deepest nesting of lists and mappings.
const MAX_DEPTH: usize = 64;
/// The most bytes of text, including what aliases repeat.
const MAX_TEXT: usize = 64 << 20;

/// Parse one YAML document; reports an error and returns `None` if it is not valid YAML, or too large.
pub fn read(text: &str, problems: &mut Problems) -> Option<Node> {
    if text.len() > MAX_BYTES {
        problems.push(too_large(text.len() as u64));
        return None;
    }
    let nodes = text.len().clamp(MIN_NODES, MAX_NODES);
    let options = serde_saphyr::options! {
        with_snippet: false,
        // YAML 1.1 reads `y` and `no` as booleans; here they are text.
        strict_booleans: true,
        // Both are reported later with all other errors, instead of stopping the parser.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        budget: serde_saphyr::budget! {
            max_events: 3 * nodes,
            max_depth: MAX_DEPTH,
            max_nodes: nodes,
            max_total_scalar_bytes: MAX_TEXT,
            // `max_nodes` bounds what they expand to. Their number may be large: thousands of stages can share a recipe.
            max_aliases: nodes,
            max_anchors: nodes,
            max_merge_keys: nodes,
            enforce_alias_anchor_ratio: false,
        },
    };
    match serde_saphyr::from_str_with_options::<SpannedNode>(text, options) {
        Ok(SpannedNode(mut node)) => {
            remove_duplicate_keys(&mut node, problems);
            Some(node)
        }
        Err(error) => {
            let location = error.location().map(|location| span(&location)).filter(|span| span.line > 0);
            let mut problem = convert_error(&error, nodes);
            // The parser often notices a missing quote only some lines below it.
            match location.map(|span| (span, find_missing_quotes(text, span.line))) {
                Some((_, Some((span, hint)))) => problem = problem.at(span).hint(hint),
                Some((span, None)) => problem = problem.at(span),
                None => {}
            }
            problems.push(problem);
            None
        }
    }
}

/// Add a hint to errors at an empty value that is followed by a comment which looks like a colour: `color: #ff0000`.
pub fn hint_at_colors(text: &str, problems: &mut Problems) {
    for (number, line) in text.lines().enumerate() {
        if let Some((before, digits)) = find_color(line) {
            // An empty value stands where its key's colon is.
            let column = u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX);
            let line = u32::try_from(number + 1).unwrap_or(u32::MAX);
            problems.add_hint(Span { line, column, length: 1 }, &color_hint(digits));
        }
    }
}

/// What stands before `: #ff0000` in a line, and the digits of the colour.
fn find_color(line: &str) -> Option<(&str, &str)> {
    let (before, color) = line.split_once(": #")?;
    let digits = color.chars().take_while(char::is_ascii_hexdigit).count();
    matches!(digits, 3 | 4 | 6 | 8).then(|| (before, &color[..digits]))
}

fn color_hint(digits: &str) -> String {
    format!("`#` begins a comment: write the colour in quotes, `\"#{digits}\"`")
}

/// A value that needs quotes, in this line or a few lines above it, and a hint.
fn find_missing_quotes(text: &str, line: u32) -> Option<(Span, String)> {
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
        // `color: #ff0000` is a comment, which may hide the end of a list or a mapping.
        if let Some((before, digits)) = find_color(line) {
            return Some((at(number, &format!("{before}: "), digits.len() + 1), color_hint(digits)));
        }
        // `title: One: two` is a mapping inside the value of another.
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

/// Report and remove duplicate keys.
fn remove_duplicate_keys(node: &mut Node, problems: &mut Problems) {
    match &mut node.value {
        Yaml::List(items) => items.iter_mut().for_each(|item| remove_duplicate_keys(item, problems)),
        Yaml::Map(entries) => {
            let mut first: HashMap<String, Span> = HashMap::new();
            entries.retain_mut(|(key, value)| {
                remove_duplicate_keys(value, problems);
                let before = *first.entry(key.name.clone()).or_insert(key.span);
                if before != key.span {
                    problems.push(
                        Error::user(format!("duplicate key `{}`", key.name))
                            .at(key.span)
                            .hint(format!("first defined in line {}; rename or remove one of them", before.line)),
                    );
                }
                before == key.span
            });
        }
        _ => {}
    }
}

/// The error for a paper file that is too large.
pub fn too_large(bytes: u64) -> Error {
    let (found, most) = (bytes >> 20, MAX_BYTES >> 20);
    Error::user(format!("the paper file is {found} MB; the limit is {most} MB"))
        .hint("put data into separate files and refer to them in the paper file")
}

/// The parser's error as one of ours. Its location is left out of the message: it is shown with the source line.
fn convert_error(error: &serde_saphyr::Error, nodes: usize) -> Error {
    let error = error.without_snippet();
    let mut cause = error;
    while let YamlError::AliasError { error: inner, .. } | YamlError::WithSnippet { error: inner, .. } = cause {
        cause = inner;
    }
    let syntax = match cause {
        YamlError::ExternalMessage { source, .. } => match &**source {
            ExternalMessageSource::Parser(scan_error) => Some(scan_error.kind()),
            _ => None,
        },
        _ => None,
    };
    let too_deep = || Error::user(format!("lists and mappings are nested more than {MAX_DEPTH} deep"));
    let two_documents = || Error::user("a paper file is a single YAML document, and `---` starts another one");
    let repeats = "aliases and merges (`*name`, `<<`) repeat everything that they refer to";
    match (cause, syntax) {
        (YamlError::Budget { breach: BudgetBreach::Depth { .. }, .. }, _)
        | (_, Some(ErrorKind::RecursionLimitExceeded)) => too_deep(),
        (YamlError::Budget { breach: BudgetBreach::Documents { .. }, .. } | YamlError::MultipleDocuments { .. }, _) => {
            two_documents()
        }
        (YamlError::Budget { breach: BudgetBreach::ScalarBytes { .. }, .. }, _) => {
            Error::user(format!("the paper file expands to more than {} MB of text", MAX_TEXT >> 20)).hint(repeats)
        }
        (YamlError::Budget { .. }, _) => {
            Error::user(format!("the paper file expands to more than {nodes} values")).hint(repeats)
        }
        (_, Some(ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation)) => {
            invalid_yaml(error).hint("indent with spaces")
        }
        _ => invalid_yaml(error),
    }
}

fn invalid_yaml(error: &serde_saphyr::Error) -> Error {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text).trim_end_matches(':');
    let text = text.trim_start_matches("error: ").trim_end_matches(" (defined");
    Error::user(format!("this is not valid YAML: {text}"))
}

fn span(location: &Location) -> Span {
    let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Span { line: small(location.line()), column: small(location.column()), length: small(location.span().len()).max(1) }
}

struct SpannedNode(Node);

impl<'de> Deserialize<'de> for SpannedNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<PlainValue>::deserialize(deserializer)?;
        Ok(SpannedNode(Node::new(spanned.value.0, span(&spanned.defined))))
    }
}

struct PlainValue(Yaml);

impl<'de> Deserialize<'de> for PlainValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(YamlVisitor).map(PlainValue)
    }
}

struct YamlVisitor;

impl<'de> Visitor<'de> for YamlVisitor {
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
        while let Some(SpannedNode(node)) = items.next_element()? {
            list.push(node);
        }
        Ok(Yaml::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Yaml, A::Error> {
        let mut map = Vec::new();
        // Keys are text as written: an axis value `0.10` used as a label stays `0.10`.
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            let SpannedNode(node) = entries.next_value()?;
            map.push((MapKey { name: key.value, span: span(&key.defined) }, node));
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
    fn every_value_has_its_location() {
        let node = ok("a: 1\nb:\n  - x\n  - 2.5\n");
        let item = node.deepest(&["b", "1"]);
        assert_eq!(item.value, Yaml::Float(2.5));
        assert_eq!(item.span, Span { line: 4, column: 5, length: 3 });
    }

    #[test]
    fn merged_values_have_the_location_of_their_definition() {
        let node = ok("a: &base {x: 1, y: 2}\nb:\n  <<: *base\n  y: 3\n");
        assert_eq!(node.deepest(&["b", "x"]).span.line, 1);
        assert_eq!(node.deepest(&["b", "y"]).value, Yaml::Int(3));
        assert_eq!(node.get("b").unwrap().as_map().unwrap().len(), 2);
        // The merge may come last, and several may be merged: own keys win, then the first merge.
        let node = ok("a: &a {x: 1, y: 2}\nc: &c {x: 5, z: 6}\nb:\n  y: 3\n  <<: [*a, *c]\n");
        let values: Vec<_> = ["x", "y", "z"].map(|key| node.deepest(&["b", key]).value.clone()).to_vec();
        assert_eq!(values, [Yaml::Int(1), Yaml::Int(3), Yaml::Int(6)]);
        assert_eq!(node.get("b").unwrap().as_map().unwrap().len(), 3);
    }

    #[test]
    fn duplicate_keys_are_reported_with_both_locations() {
        let mut problems = Problems::default();
        let node = read("a: 1\nb: {c: 1, c: 2}\na: .nan\n", &mut problems).unwrap();
        let lines = problems.into_errors().into_iter().map(|e| format!("{} {}", e.span.unwrap().line, e.message));
        let told = ["2 duplicate key `c`", "3 duplicate key `a`"];
        assert_eq!(lines.collect::<Vec<_>>(), told);
        assert_eq!(node.get("a").unwrap().value, Yaml::Int(1));
    }

    #[test]
    fn missing_quotes_are_reported_where_they_are_missing() {
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
        assert_eq!(told(&text), ["the paper file expands to more than 400000 values"]);
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 1000].join(","));
        assert_eq!(told(&long), ["the paper file expands to more than 64 MB of text"]);
        assert_eq!(told("a: 1\n---\nb: 1\n"), ["a paper file is a single YAML document, and `---` starts another one"]);
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
            ("x".repeat(MAX_BYTES + 1), "the paper file is 32 MB; the limit is 32 MB"),
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
