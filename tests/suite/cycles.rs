//! No files of a module import each other in a cycle. A parent and its children may: the parent declares them and re-exports their names.

use std::collections::{BTreeMap, BTreeSet};

use crate::architecture::{code, crates, sources};

/// A path of modules from the root of the crate: `["exec", "inputs"]`.
type Module = Vec<String>;

/// All files by their modules; the crate of the trainer is the module `train`, as in the program.
fn files() -> BTreeMap<Module, String> {
    let mut files = BTreeMap::new();
    for src in crates() {
        let root = if src.ends_with("crates/train/src") { vec!["train".to_string()] } else { Vec::new() };
        for path in sources(&src) {
            let inside = path.strip_prefix(&src).expect("below src").with_extension("");
            let parts = inside.components().map(|part| part.as_os_str().to_string_lossy().to_string());
            let inside = parts.filter(|part| !["mod", "lib", "main"].contains(&part.as_str()));
            let module: Module = root.iter().cloned().chain(inside).collect();
            if module.last().is_some_and(|last| last != "tests") {
                let code = code(&std::fs::read_to_string(&path).expect("a source"));
                files.insert(module, without_tests(&code));
            }
        }
    }
    files
}

/// The code above the unit tests at the end of a file.
fn without_tests(code: &str) -> String {
    code.split("#[cfg(test)]\nmod ").next().unwrap_or_default().to_string()
}

/// `a::{b, c::{self, d}}` as `a::b`, `a::c`, `a::c::d`.
fn expand(path: &str) -> Vec<String> {
    let path = path.trim();
    let Some(open) = path.find('{') else {
        let name = path.split(" as ").next().unwrap_or_default().trim();
        return vec![name.trim_end_matches("::self").to_string()];
    };
    let (before, list) = (&path[..open], &path[open + 1..path.rfind('}').unwrap_or(path.len())]);
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (i, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&list[from..i]);
                from = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[from..]);
    let named = parts.iter().filter(|part| !part.trim().is_empty());
    named.flat_map(|part| expand(part)).map(|part| format!("{before}{part}").replace("::self", "")).collect()
}

/// The paths in `use` items, public or not; `public` keeps only re-exports.
fn used(code: &str, public: bool) -> Vec<String> {
    let mut found = Vec::new();
    for item in code.split(';') {
        let Some(at) = item.rfind("use ") else { continue };
        let before = item[..at].lines().last().unwrap_or_default().trim();
        if before.is_empty() && !public || before.starts_with("pub") {
            found.extend(expand(&item[at + 4..].split_whitespace().collect::<Vec<_>>().join(" ")));
        }
    }
    found
}

/// Paths in expressions: `super::figure::check(...)`.
fn inline(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for start in ["super::", "crate::"] {
        for (at, _) in code.match_indices(start) {
            let path: String = code[at..].chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect();
            found.push(path.trim_end_matches(':').to_string());
        }
    }
    found
}

/// The module that a path names from inside `here`, through re-exports.
fn resolve(path: &str, here: &Module, files: &BTreeMap<Module, String>) -> Option<Module> {
    let mut at: Module = here.clone();
    let mut steps: Vec<&str> = path.split("::").map(str::trim).collect();
    match *steps.first()? {
        "crate" => at.truncate(usize::from(at[0] == "train")),
        "self" => {}
        "super" => drop(at.pop()),
        // A child, as re-exports of a parent name it.
        first if files.contains_key(&[here.clone(), vec![first.to_string()]].concat()) => steps.insert(0, "self"),
        _ => return None,
    }
    steps.remove(0);
    while steps.first() == Some(&"super") {
        at.pop();
        steps.remove(0);
    }
    for step in steps {
        let child = [at.clone(), vec![step.to_string()]].concat();
        if files.contains_key(&child) {
            at = child;
            continue;
        }
        let exports = files.get(&at).map(|code| used(code, true)).unwrap_or_default();
        let export = exports.iter().find(|path| path.rsplit("::").next() == Some(step));
        return match export.and_then(|path| resolve(path, &at, files)) {
            Some(module) => Some(module),
            None => files.contains_key(&at).then_some(at),
        };
    }
    files.contains_key(&at).then_some(at)
}

fn edges(files: &BTreeMap<Module, String>) -> BTreeMap<Module, BTreeSet<Module>> {
    let related = |a: &Module, b: &Module| a.starts_with(b) || b.starts_with(a);
    let of = |(module, code): (&Module, &String)| {
        let paths = used(code, false).into_iter().chain(inline(code));
        let targets = paths.filter_map(|path| resolve(&path, module, files));
        (module.clone(), targets.filter(|target| target[0] == module[0] && !related(target, module)).collect())
    };
    files.iter().map(of).collect()
}

/// Everything that can be reached from a module.
fn reached(from: &Module, edges: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<Module> {
    let mut found = BTreeSet::new();
    let mut open = vec![from.clone()];
    while let Some(next) = open.pop() {
        for target in edges.get(&next).into_iter().flatten() {
            if found.insert(target.clone()) {
                open.push(target.clone());
            }
        }
    }
    found
}

/// The groups of files that import each other.
fn cycles(files: &BTreeMap<Module, String>) -> Vec<String> {
    let edges = edges(files);
    let reach: BTreeMap<&Module, BTreeSet<Module>> =
        edges.keys().map(|module| (module, reached(module, &edges))).collect();
    let mut found = BTreeSet::new();
    for (module, targets) in &reach {
        if targets.contains(*module) {
            let together = targets.iter().filter(|other| reach[other].contains(*module));
            let names: BTreeSet<String> = together.map(|module| module.join("/")).collect();
            found.insert(names.into_iter().collect::<Vec<_>>().join(", "));
        }
    }
    found.into_iter().collect()
}

#[test]
fn no_files_of_a_module_import_each_other_in_a_cycle() {
    assert_eq!(cycles(&files()), [""; 0], "files that import each other");
}

#[test]
fn a_cycle_is_found_through_re_exports_and_paths_in_expressions() {
    let file = |module: &str, code: &str| (module.split('/').map(str::to_string).collect(), code.to_string());
    let files = BTreeMap::from([
        file("m", "mod a; mod b; mod c;\npub use b::{B, Other};"),
        file("m/a", "use super::B;\n"),
        file("m/b", "fn f() { super::c::g() }\n"),
        file("m/c", "use crate::{m::a::{self, A}, other};\n"),
        file("other", "use crate::m::a::A;\n"),
    ]);
    assert_eq!(cycles(&files), ["m/a, m/b, m/c"]);
    let mut without = files.clone();
    without.insert(vec!["m".into(), "c".into()], "use crate::other;".into());
    assert_eq!(cycles(&without), [""; 0]);
}
