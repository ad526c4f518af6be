//! The top level of a paper file: version, title, theme, seal, environments and named stages.

use super::{MapKey, Node, Problems, Yaml, suggest};
use crate::error::{Error, Span};

/// The supported version of the paper file format.
const FORMAT_VERSION: f64 = 1.0;

/// The theme is copied into every figure; this is the most values of all copies together.
const MAX_THEME_VALUES: usize = 4_000_000;

/// A paper file split into stages, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Paper {
    pub title: String,
    /// Settings that all figures share; they are copied into the settings of each figure.
    pub theme: Option<Node>,
    /// Whether programs are sealed that do not say so themselves.
    pub seal: Option<Node>,
    /// The environments that programs run in, by name.
    pub environments: Option<Node>,
    pub entries: Vec<StageEntry>,
}

/// A stage as written: its name, its kind and the kind's settings.
#[derive(Clone, Debug)]
pub struct StageEntry {
    pub name: String,
    pub name_span: Span,
    pub kind: String,
    pub kind_span: Span,
    pub body: Node,
}

const KEYS: [&str; 6] = ["repro", "title", "theme", "seal", "environments", "stages"];

impl Paper {
    /// Split a tree into stages. Reports all errors of the top level, and returns the stages that are valid.
    pub fn from_node(root: &Node, problems: &mut Problems) -> Paper {
        let mut paper = Paper::default();
        let Some(entries) = root.as_map() else {
            problems.push(
                Error::user(format!(
                    "a paper file is a mapping with `repro`, `title` and `stages`, found {}",
                    root.describe()
                ))
                .at(root.span)
                .hint("`repro init` writes one to start from"),
            );
            return paper;
        };
        for (key, _) in entries {
            // Keys that start with `x-` are ignored: they can define anchors.
            if !KEYS.contains(&key.name.as_str()) && !key.name.starts_with("x-") {
                problems.push(
                    Error::user(format!("unknown key `{}`", key.name))
                        .at(key.span)
                        .hint(suggest(&key.name, &KEYS))
                        .hint("keys that start with `x-` are ignored: use them for anchors"),
                );
            }
        }
        match root.get("repro") {
            None => problems.push(
                Error::user("`repro` is missing: the version of the paper file format")
                    .at(root.span)
                    .hint("add `repro: 1` at the top"),
            ),
            Some(node) if node.as_number() != Some(FORMAT_VERSION) => problems.push(
                Error::user(format!("unsupported paper file version: expected 1, found {}", node.describe()))
                    .at(node.span)
                    .hint("write `repro: 1`, or use a newer repro"),
            ),
            Some(_) => {}
        }
        if let Some(title) = root.get("title") {
            match title.as_text() {
                Some(text) => paper.title = text.to_string(),
                None => problems.push(Error::user(format!("expected text, found {}", title.describe())).at(title.span)),
            }
        }
        paper.theme = root.get("theme").cloned();
        paper.seal = root.get("seal").cloned();
        paper.environments = root.get("environments").cloned();
        match root.get("stages") {
            None => problems.push(
                Error::user("`stages` is missing: the named stages of the paper")
                    .at(root.span)
                    .hint("`repro init` writes an example"),
            ),
            Some(stages) => match stages.as_map() {
                None => problems.push(
                    Error::user(format!("expected a mapping from names to stages, found {}", stages.describe()))
                        .at(stages.span),
                ),
                Some(stages) => {
                    paper.entries.extend(stages.iter().filter_map(|(key, node)| parse_stage(key, node, problems)));
                    if let Some(theme) = &paper.theme {
                        let figures = paper.entries.iter_mut().filter(|entry| entry.kind == "figure");
                        let figures: Vec<&mut StageEntry> = figures.collect();
                        let size = theme.size();
                        if size.saturating_mul(figures.len()) > MAX_THEME_VALUES {
                            let message =
                                format!("a theme of {size} values is too large for {} figures", figures.len());
                            problems.push(Error::user(message).at(theme.span));
                            return paper;
                        }
                        figures.into_iter().for_each(|figure| apply_theme(theme, &mut figure.body));
                    }
                }
            },
        }
        paper
    }
}

/// Add the paper's theme to a figure's settings; the figure's own theme takes precedence.
fn apply_theme(theme: &Node, figure: &mut Node) {
    let (Some(shared), Yaml::Map(settings)) = (theme.as_map(), &mut figure.value) else { return };
    match settings.iter_mut().find(|(key, _)| key.name == "theme") {
        None => settings.push((MapKey { name: "theme".into(), span: theme.span }, theme.clone())),
        Some((_, Node { value: Yaml::Map(own), .. })) => {
            let missing = |(key, _): &&(MapKey, Node)| !own.iter().any(|(own, _)| own.name == key.name);
            let missing: Vec<(MapKey, Node)> = shared.iter().filter(missing).cloned().collect();
            own.extend(missing);
        }
        // A theme that is not a mapping is reported when the figure is decoded.
        Some(_) => {}
    }
}

fn parse_stage(key: &MapKey, node: &Node, problems: &mut Problems) -> Option<StageEntry> {
    let name = &key.name;
    let fine = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= 100;
    if !fine {
        problems.push(Error::user(format!("`{name}` is not a valid stage name")).at(key.span).hint(
            "names start with a letter or digit and contain only letters, digits, `-`, `_` and `.`, because files are named after them",
        ));
    }
    match node.as_map() {
        Some([(kind, body)]) if fine => Some(StageEntry {
            name: name.clone(),
            name_span: key.span,
            kind: kind.name.clone(),
            kind_span: kind.span,
            body: body.clone(),
        }),
        Some([_]) => None,
        Some(entries) => {
            let kinds: Vec<&str> = entries.iter().map(|(kind, _)| kind.name.as_str()).collect();
            problems.push(
                Error::user(match kinds.as_slice() {
                    [] => format!("stage `{name}` is empty"),
                    kinds => format!(
                        "stage `{name}` has {} keys ({}); it needs exactly one, its kind",
                        kinds.len(),
                        kinds.join(", ")
                    ),
                })
                .at(key.span)
                .hint(format!(
                    "write it as `{name}: {{train: ...}}`, or `data`, `exec`, `sweep`, `metric`, `figure`, `table`"
                )),
            );
            None
        }
        None => {
            problems.push(
                Error::user(format!("stage `{name}` needs a kind and its settings, found {}", node.describe()))
                    .at(if node.span.line > 0 { node.span } else { key.span })
                    .hint(format!(
                        "write it as `{name}: {{train: ...}}`, or `data`, `exec`, `sweep`, `metric`, `figure`, `table`"
                    )),
            );
            None
        }
    }
}
