//! Data flows one way: a module uses only what stands above it in the list of `src/lib.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The modules of a crate in the order of its `lib.rs`.
fn order(lib: &str) -> Vec<String> {
    lib.lines().filter_map(|line| Some(line.strip_prefix("pub mod ")?.strip_suffix(';')?.to_string())).collect()
}

/// The code without comments; tests at the end of a file may use anything above them too, so they stay.
pub fn code(source: &str) -> String {
    source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Every `crate::module` that a source names, with its line: in `use` lists, in paths and in macros (`$crate::`).
fn uses(source: &str) -> Vec<(usize, String)> {
    let code = code(source);
    let mut found = Vec::new();
    let mut add = |at: usize, name: &str| {
        let name: String = name.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if !name.is_empty() {
            found.push((code[..at].matches('\n').count() + 1, name));
        }
    };
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => add(at, rest),
            // `use crate::{error::Error, spec::{Node, Problems}};`: the names at the first level.
            Some(list) => {
                let mut depth = 0;
                let mut start = true;
                for (i, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if c.is_whitespace() => {}
                        _ if start => {
                            add(at, &list[i..]);
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

/// What a source of `module` uses though it must not: `line: module`.
fn upward(module: &str, source: &str, order: &[String]) -> Vec<String> {
    let position = |name: &str| order.iter().position(|known| known == name);
    let Some(own) = position(module) else { return vec![format!("0: {module} is not in src/lib.rs")] };
    let wrong = |(_, name): &(usize, String)| position(name).is_some_and(|used| used > own);
    uses(source).into_iter().filter(wrong).map(|(line, name)| format!("{line}: {name}")).collect()
}

pub fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder of sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn no_module_uses_one_below_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let order = order(&std::fs::read_to_string(src.join("lib.rs")).expect("lib.rs"));
    assert!(order.len() > 10, "the list of modules in src/lib.rs is not understood: {order:?}");
    let mut wrong = Vec::new();
    for path in sources(&src) {
        let inside = path.strip_prefix(&src).expect("below src");
        let module = inside.components().next().expect("a name").as_os_str().to_string_lossy().replace(".rs", "");
        if ["lib", "main"].contains(&module.as_str()) {
            continue;
        }
        let source = std::fs::read_to_string(&path).expect("a source");
        wrong.extend(
            upward(&module, &source, &order).into_iter().map(|use_| format!("src/{}:{use_}", inside.display())),
        );
    }
    assert!(wrong.is_empty(), "these uses point up the list in src/lib.rs:\n{}", wrong.join("\n"));
}

#[test]
fn the_main_program_uses_the_command_line_alone() {
    let main = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/main.rs")).expect("main.rs");
    let paths: Vec<&str> = main.match_indices("repro::").map(|(at, _)| &main[at + 7..]).collect();
    assert!(!paths.is_empty() && paths.iter().all(|path| path.starts_with("cli")), "{paths:?}");
}

#[test]
fn every_module_says_what_it_does() {
    let silent: Vec<PathBuf> = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
        .into_iter()
        .filter(|path| !std::fs::read_to_string(path).expect("a source").starts_with("//! "))
        .collect();
    assert!(silent.is_empty(), "these files do not open with a `//!` line: {silent:?}");
}

#[test]
fn the_check_finds_wrong_uses_however_they_are_written() {
    let order = order("//! Docs.\n\npub mod error;\npub mod spec;\npub mod graph;\npub mod cli;\n");
    assert_eq!(order, ["error", "spec", "graph", "cli"]);
    let check = |source: &str| upward("spec", source, &order);
    assert_eq!(check("use crate::error::Error;\nuse super::Node;\nuse crate::spec::Key;\n"), [""; 0]);
    assert_eq!(check("use crate::graph::Graph;"), ["1: graph"]);
    assert_eq!(check("\nuse crate::{error::{Error, Result}, cli::Console};"), ["2: cli"]);
    assert_eq!(check("use crate::{\n    error::Error,\n    graph::{self, Graph},\n};"), ["1: graph"]);
    assert_eq!(check("fn f() -> crate::graph::Graph {}\n"), ["1: graph"]);
    assert_eq!(check("macro_rules! m { () => { $crate::cli::x() } }"), ["1: cli"]);
    assert_eq!(check("pub(crate) use crate::cli as x;"), ["1: cli"]);
    assert_eq!(check("// crate::graph is spoken of in comments\n/// [`crate::cli`]\n"), [""; 0]);
    assert_eq!(upward("new", "", &order), ["0: new is not in src/lib.rs"]);
}

/// The paths that a source imports from its own crate, `use` trees flattened; re-exports and tests at the end of the file do not count.
fn imported_paths(source: &str) -> Vec<String> {
    let code = code(source);
    let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut paths = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("use ") {
        let before = rest[..at].rsplit('\n').next().unwrap_or_default().trim();
        let end = rest[at..].find(';').map_or(rest.len(), |end| at + end);
        if before.is_empty() {
            flatten("", &rest[at + 4..end], &mut paths);
        }
        rest = &rest[end..];
    }
    paths.retain(|path| ["crate", "super"].contains(&path.split("::").next().unwrap_or_default()));
    paths
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d` and `a::c::e`.
fn flatten(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((head, list)) = tree.split_once('{') else {
        paths.push(format!("{prefix}{tree}").split(" as ").next().unwrap_or_default().to_string());
        return;
    };
    let list = list.trim_end().strip_suffix('}').unwrap_or(list);
    let (mut depth, mut start) = (0, 0);
    for (at, c) in list.char_indices().chain([(list.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !list[start..at].trim().is_empty() {
                    flatten(&format!("{prefix}{head}"), &list[start..at], paths);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// The file of `files`, by module path, that an imported path leads to from the module `from`.
fn imported_file<'a>(
    from: &[String],
    path: &str,
    files: &'a BTreeMap<Vec<String>, Vec<String>>,
) -> Option<&'a Vec<String>> {
    let mut module: Vec<String> = Vec::new();
    let mut parts = path.split("::").peekable();
    if parts.peek() == Some(&"super") {
        module = from.to_vec();
        while parts.next_if_eq(&"super").is_some() {
            module.pop();
        }
    } else {
        parts.next();
    }
    module.extend(parts.map(str::to_string));
    while !module.is_empty() {
        if let Some((file, _)) = files.get_key_value(&module) {
            return Some(file);
        }
        module.pop();
    }
    None
}

/// A cycle of files that import each other, if there is one: files by module path, with the paths that they import.
fn import_cycle(files: &BTreeMap<Vec<String>, Vec<String>>) -> Option<Vec<String>> {
    let mut left: BTreeMap<&Vec<String>, Vec<&Vec<String>>> = files
        .iter()
        .map(|(file, paths)| {
            let imports = paths.iter().filter_map(|path| imported_file(file, path, files));
            (file, imports.filter(|other| *other != file).collect())
        })
        .collect();
    // Files that import none of the files left are in no cycle.
    loop {
        let before = left.len();
        let names: BTreeSet<&Vec<String>> = left.keys().copied().collect();
        left.retain(|_, imports| imports.iter().any(|file| names.contains(file)));
        if left.is_empty() {
            return None;
        }
        if left.len() == before {
            return Some(left.keys().map(|file| file.join("::")).collect());
        }
    }
}

/// The modules whose files form layers without cycles.
const LAYERED: [&str; 1] = ["train"];

#[test]
fn files_of_layered_modules_do_not_import_each_other_in_cycles() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for module in LAYERED {
        let mut files = BTreeMap::new();
        for path in sources(&src.join(module)) {
            let inside = path.strip_prefix(&src).expect("below src").with_extension("");
            let mut name: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            if name.last().is_some_and(|last| last == "mod") {
                name.pop();
            }
            if !name.contains(&"tests".to_string()) {
                files.insert(name, imported_paths(&std::fs::read_to_string(&path).expect("a source")));
            }
        }
        assert!(files.len() > 3 && files.values().flatten().count() > 10, "{module}: {files:?}");
        assert_eq!(import_cycle(&files), None, "these files of {module} are in cycles, or import files that are");
    }
}

#[test]
fn one_file_of_the_trainer_reads_yaml() {
    let train = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/train");
    let reads_yaml = |path: &PathBuf| {
        let paths = imported_paths(&std::fs::read_to_string(path).expect("a source"));
        paths
            .iter()
            .any(|path| ["crate::spec::Node", "crate::spec::Yaml", "crate::spec::Problems"].contains(&path.as_str()))
    };
    let found: Vec<PathBuf> = sources(&train).into_iter().filter(reads_yaml).collect();
    assert_eq!(found, [train.join("settings/decode.rs")]);
}

#[test]
fn the_check_finds_import_cycles_however_they_are_written() {
    let files = |sources: [(&str, &str); 3]| {
        sources.map(|(name, source)| (name.split("::").map(str::to_string).collect(), imported_paths(source))).into()
    };
    let facade = "mod a;\npub use a::A;\n";
    let cycle = |a: &str, b: &str| import_cycle(&files([("m", facade), ("m::a", a), ("m::b", b)]));
    assert_eq!(cycle("use super::b::B;\n", "use std::fmt;\n"), None);
    assert_eq!(cycle("use super::b::{B, C};\n", "use crate::m::a;\n").expect("a cycle"), ["m::a", "m::b"]);
    let list = "use crate::{\n    error::Error,\n    m::{b::B as X, a::A},\n};\n";
    assert_eq!(cycle(list, "use super::a::A;\n").expect("a cycle"), ["m::a", "m::b"]);
    assert_eq!(cycle("use super::b::B;\n", "// use super::a::A;\n"), None);
    assert_eq!(cycle("use super::b::B;\n", "#[cfg(test)]\nmod tests {\n    use super::super::a::A;\n}\n"), None);
}
