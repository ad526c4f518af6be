//! The dependency graph of a paper: resolves names, rejects dependency cycles, computes layouts and selects targets. It knows no cache and
//! runs nothing.

mod load;
mod overrides;
mod pending;
mod targets;

pub use load::{LoadError, decode_text, load, load_with};
pub use overrides::Override;
pub use pending::{KnownValues, PendingStage};
pub use targets::{Points, Selection};

use overrides::Overrides;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::error::Error;
use crate::figures::Theme;
use crate::spec::{Decode, Node, Paper, Problems, suggest};
use crate::stages::{Definition, Environment, Kind, Layout, Outline, SealSetting};

/// After this many problems no more "did you mean" hints are computed: each one compares all names.
const MAX_SUGGESTIONS: usize = 100;

/// A checked paper: every name, setting and shape in it is valid.
#[derive(Debug)]
pub struct Graph {
    pub title: String,
    /// Whether programs are sealed that do not say so themselves.
    pub seal: SealSetting,
    /// Programs are sealed whatever the paper says: it is not trusted.
    pub always_sealed: bool,
    /// In the order of the file; a stage is named by its position here.
    pub stages: Vec<Definition>,
    /// The axes and units of each stage.
    pub layouts: Vec<Layout>,
    /// For each stage the stages it reads, in the order of its inputs.
    pub inputs: Vec<Vec<usize>>,
    /// All stages in topological order: inputs before the stages that read them.
    pub order: Vec<usize>,
    /// Stages that are left out until values of their axes are known.
    pub pending: Vec<PendingStage>,
}

impl Graph {
    /// Build the graph of a paper; `None` if at least one problem was reported.
    pub fn from_paper(paper: &Paper, problems: &mut Problems) -> Option<Graph> {
        Graph::with_known(paper, &[], &KnownValues::new(), problems)
    }

    /// The graph of a paper with some settings replaced, and with values that stages have made.
    pub fn with_known(
        paper: &Paper,
        overrides: &[Override],
        known: &KnownValues,
        problems: &mut Problems,
    ) -> Option<Graph> {
        let before = problems.len();
        let seal = paper.seal.as_ref().and_then(|node| SealSetting::decode(node, problems)).unwrap_or_default();
        let (mut stages, mut pending) = decode_stages(paper, overrides, known, problems);
        pending::remove_readers(paper, &mut stages, &mut pending, problems);
        let names: HashMap<&str, usize> =
            stages.iter().enumerate().map(|(i, stage)| (stage.name.as_str(), i)).collect();
        check_output_paths(&stages, problems);
        let inputs = resolve_inputs(paper, &stages, &names, problems);
        let order = sort_topologically(&stages, &inputs, problems)?;
        if problems.len() > before {
            // Layouts depend on valid inputs: after another problem they would only report consequences of it.
            return None;
        }
        let mut layouts = vec![Layout::default(); stages.len()];
        for &stage in &order {
            let outlines: Vec<Outline> = inputs[stage].iter().map(|&i| outline(&stages[i], &layouts[i])).collect();
            layouts[stage] = stages[stage].stage.layout(&outlines, problems);
        }
        (problems.len() == before).then(|| Graph {
            title: paper.title.clone(),
            seal,
            always_sealed: false,
            stages,
            layouts,
            inputs,
            order,
            pending,
        })
    }

    /// The names, settings and layouts of a stage's inputs.
    pub fn outlines(&self, stage: usize) -> Vec<Outline<'_>> {
        self.inputs[stage].iter().map(|&i| outline(&self.stages[i], &self.layouts[i])).collect()
    }

    /// The position of the stage of this name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.stages.iter().position(|stage| stage.name == name)
    }
}

fn outline<'a>(stage: &'a Definition, layout: &'a Layout) -> Outline<'a> {
    Outline { name: &stage.name, stage: &*stage.stage, layout }
}

/// Decode every stage that has no error of its own.
fn decode_stages(
    paper: &Paper,
    overrides: &[Override],
    known: &KnownValues,
    problems: &mut Problems,
) -> (Vec<Definition>, Vec<PendingStage>) {
    let mut overrides = Overrides::new(overrides, &paper.entries);
    let environments = paper.environments.as_ref().map(|node| (Environment::decode_all(node, problems), node));
    let (environments, written) = environments.unzip();
    let environments = environments.unwrap_or_default();
    // Those with problems are known by name, too.
    let written = written.and_then(Node::as_map).unwrap_or_default();
    let written: Vec<&str> = written.iter().map(|(key, _)| key.name.as_str()).collect();
    let (mut stages, mut pending) = (Vec::new(), Vec::new());
    if let Some(node) = &paper.theme
        && let Some(theme) = Theme::decode(node, problems)
    {
        theme.check(&|setting| node.deepest(&[setting]).span, problems);
    }
    let names: HashSet<&str> = paper.entries.iter().map(|entry| entry.name.as_str()).collect();
    for entry in &paper.entries {
        if !Kind::NAMES.contains(&entry.kind.as_str()) {
            problems.push(
                Error::user(format!("unknown kind of stage `{}`", entry.kind))
                    .at(entry.kind_span)
                    .hint(suggest(&entry.kind, Kind::NAMES)),
            );
            continue;
        }
        let key = crate::spec::MapKey { name: entry.kind.clone(), span: entry.kind_span };
        let node = Node::new(crate::spec::Yaml::Map(vec![(key, entry.body.clone())]), entry.body.span);
        if let Some(mut kind) = Kind::decode(&node, problems) {
            overrides.apply(entry, &mut kind, problems);
            if let Some(values) = pending::fill(&mut kind, known, &names, problems).into_iter().next() {
                let (name, kind, waits_for) = (entry.name.clone(), entry.kind.clone(), values.of.value.clone());
                pending.push(PendingStage { name, kind, waits_for, values: Some(values) });
                continue;
            }
            let stage = kind.entry().resolve(&names, problems);
            stage.check(&entry.body, problems);
            let environment = match stage.kind().is_program {
                true => Environment::choose(&environments, stage.environment(), &written, problems),
                false => None,
            };
            stages.push(Definition {
                name: entry.name.clone(),
                span: entry.name_span,
                stage,
                environment,
                body: entry.body.clone(),
            });
        }
    }
    overrides.finish(problems);
    (stages, pending)
}

/// Report stages that would write the same file in `figures/`.
fn check_output_paths(stages: &[Definition], problems: &mut Problems) {
    let mut writers: HashMap<String, &str> = HashMap::new();
    let mut folders: HashMap<String, &str> = HashMap::new();
    for stage in stages {
        for (file, span) in stage.files() {
            // On case-insensitive file systems `a.pdf` and `A.pdf` are the same file.
            let name = file.to_lowercase();
            let above: Vec<&str> = name.match_indices('/').map(|(end, _)| &name[..end]).collect();
            let other = |known: &HashMap<String, &str>, name: &str| -> Option<String> {
                known.get(name).filter(|other| **other != stage.name).map(|other| other.to_string())
            };
            let message = if let Some(other) = other(&writers, &name) {
                Some(format!("`{}` and `{other}` would both write `figures/{file}`", stage.name))
            } else if let Some(other) = other(&folders, &name) {
                Some(format!("`{}` would write `figures/{file}`, which is a folder of `{other}`", stage.name))
            } else {
                let taken = above.iter().find_map(|folder| Some((folder, other(&writers, folder)?)));
                taken.map(|(folder, other)| {
                    format!("`{}` would write into `figures/{folder}`, which is a file of `{other}`", stage.name)
                })
            };
            if let Some(message) = message {
                problems.push(Error::user(message).at(span).hint("rename one of them"));
            }
            folders.extend(above.into_iter().map(|folder| (folder.to_string(), stage.name.as_str())));
            writers.insert(name, &stage.name);
        }
    }
}

/// The stages that each stage reads, by position; unknown names are reported.
fn resolve_inputs(
    paper: &Paper,
    stages: &[Definition],
    names: &HashMap<&str, usize>,
    problems: &mut Problems,
) -> Vec<Vec<usize>> {
    let known: Vec<&str> = paper.entries.iter().map(|entry| entry.name.as_str()).collect();
    let written: HashSet<&str> = known.iter().copied().collect();
    let mut resolved = Vec::new();
    for stage in stages {
        let mut inputs = Vec::new();
        for name in stage.stage.inputs() {
            match names.get(name.value.as_str()) {
                Some(&input) => inputs.push(input),
                // The stage exists, but its definition is invalid, which was reported.
                None if written.contains(name.value.as_str()) => {}
                None => {
                    let error = Error::user(format!("there is no stage `{}`", name.value)).at(name.span);
                    let few = problems.len() < MAX_SUGGESTIONS;
                    problems.push(if few { error.hint(suggest(&name.value, &known)) } else { error });
                }
            }
        }
        resolved.push(inputs);
    }
    resolved
}

/// All stages, inputs before the stages that read them, otherwise in the order of the file; `None` after reporting a dependency cycle.
fn sort_topologically(stages: &[Definition], inputs: &[Vec<usize>], problems: &mut Problems) -> Option<Vec<usize>> {
    let mut graph = DiGraph::<usize, ()>::new();
    let nodes: Vec<NodeIndex> = (0..stages.len()).map(|stage| graph.add_node(stage)).collect();
    for (stage, inputs) in inputs.iter().enumerate() {
        for &input in inputs {
            graph.add_edge(nodes[input], nodes[stage], ());
        }
    }
    let mut awaited: Vec<usize> = inputs.iter().map(Vec::len).collect();
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..stages.len()).filter(|&stage| awaited[stage] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(stages.len());
    while let Some(Reverse(stage)) = ready.pop() {
        order.push(stage);
        for reader in graph.neighbors(nodes[stage]) {
            let reader = graph[reader];
            awaited[reader] -= 1;
            if awaited[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    if order.len() == stages.len() {
        return Some(order);
    }
    // Not `tarjan_scc`: it is recursive in petgraph, and a cycle of thousands of stages would overflow the stack.
    for component in kosaraju_scc(&graph) {
        let members: Vec<usize> = component.iter().map(|&node| graph[node]).collect();
        let cyclic = members.len() > 1 || members.iter().any(|&m| inputs[m].contains(&m));
        if cyclic {
            let path = shortest_cycle(&members, inputs);
            let names: Vec<&str> = path.iter().map(|&stage| stages[stage].name.as_str()).collect();
            let mut error = Error::user(format!("dependency cycle: {}", names.join(" -> ")));
            if let Some(&first) = path.first() {
                error = error.at(stages[first].span);
            }
            problems.push(error.hint("a -> b means that a reads b; remove one of these inputs"));
        }
    }
    None
}

/// A shortest cycle through the first stage of a strongly connected component: `a -> b -> c -> a`, where each reads the next.
fn shortest_cycle(members: &[usize], inputs: &[Vec<usize>]) -> Vec<usize> {
    let Some(&start) = members.iter().min() else { return Vec::new() };
    let inside: HashSet<usize> = members.iter().copied().collect();
    let mut came_from: HashMap<usize, usize> = HashMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(stage) = queue.pop_front() {
        for &next in inputs[stage].iter().filter(|next| inside.contains(next)) {
            if next == start {
                let mut path = vec![start];
                let mut at = stage;
                while at != start {
                    path.push(at);
                    at = came_from[&at];
                }
                path.push(start);
                path.reverse();
                return path;
            }
            if let std::collections::hash_map::Entry::Vacant(slot) = came_from.entry(next) {
                slot.insert(stage);
                queue.push_back(next);
            }
        }
    }
    members.to_vec()
}
