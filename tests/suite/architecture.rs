//! Data flows one way: a module uses only what stands above it in the list of its `lib.rs`.

use std::path::{Path, PathBuf};

/// The folders of sources: the program and the crates that it is built on.
pub fn crates() -> [PathBuf; 3] {
    ["crates/base/src", "crates/train/src", "src"].map(|src| Path::new(env!("CARGO_MANIFEST_DIR")).join(src))
}

/// The module in which a source is as the program names it: the crate of the trainer is its module `train`.
fn module(src: &Path, path: &Path) -> String {
    if src.ends_with("crates/train/src") {
        return "train".to_string();
    }
    let inside = path.strip_prefix(src).expect("below src");
    inside.components().next().expect("a name").as_os_str().to_string_lossy().replace(".rs", "")
}

/// The modules of a crate in the order of its `lib.rs`.
fn order(lib: &str) -> Vec<String> {
    let name = |line: &str| Some(line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';')?.to_string());
    lib.lines().filter_map(name).collect()
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
    let Some(own) = position(module) else { return vec![format!("0: {module} is not in lib.rs")] };
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
    let mut wrong = Vec::new();
    for src in crates() {
        let order = order(&std::fs::read_to_string(src.join("lib.rs")).expect("lib.rs"));
        assert!(order.len() > 4, "the list of modules in {}/lib.rs is not understood: {order:?}", src.display());
        for path in sources(&src) {
            let inside = path.strip_prefix(&src).expect("below src");
            let module = inside.components().next().expect("a name").as_os_str().to_string_lossy().replace(".rs", "");
            if ["lib", "main"].contains(&module.as_str()) {
                continue;
            }
            let source = std::fs::read_to_string(&path).expect("a source");
            wrong.extend(upward(&module, &source, &order).into_iter().map(|use_| format!("{}:{use_}", path.display())));
        }
    }
    assert!(wrong.is_empty(), "these uses point up the list in lib.rs:\n{}", wrong.join("\n"));
}

#[test]
fn the_main_program_uses_the_command_line_alone() {
    let main = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/main.rs")).expect("main.rs");
    let paths: Vec<&str> = main.match_indices("repro::").map(|(at, _)| &main[at + 7..]).collect();
    assert!(!paths.is_empty() && paths.iter().all(|path| path.starts_with("cli")), "{paths:?}");
}

#[test]
fn every_module_says_what_it_does() {
    let silent: Vec<PathBuf> = crates()
        .iter()
        .flat_map(|src| sources(src))
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
    assert_eq!(upward("new", "", &order), ["0: new is not in lib.rs"]);
}

/// Names that only these modules may write: libraries that are wrapped in one place, and what only the command line or the trainer does.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("clap::", &["cli"]),
    ("indicatif::", &["cli"]),
    ("eprintln!", &["cli"]),
    ("process::exit", &["cli"]),
    ("serde_saphyr::", &["spec"]),
    ("Yaml::", &["spec", "stages", "figures", "tables", "exchange", "graph", "train"]),
    ("petgraph::", &["graph"]),
    ("pdf_writer::", &["render"]),
    ("subsetter::", &["render"]),
    ("resvg::", &["render", "cli"]),
    ("cudarc::", &["train"]),
    ("dfdx::", &["train"]),
    ("libloading::", &["train"]),
    ("rustix::process", &["program"]),
];

/// What a module of the table in docs/architecture.md must not know, beside the modules below it.
const MUST_NOT_NAME: &[(&str, &[&str])] = &[
    ("error", &["crate::"]),
    ("train", &["cache/"]),
    ("metrics", &["Sweep", "cache/"]),
    ("figures", &["dpi *", "resvg", "svg::", "pdf::"]),
    ("plan", &["fs::write", "File::create", "std::thread"]),
    ("exec", &["std::io::stderr", "std::io::stdout"]),
    ("stages", &["std::thread", "crate::cli"]),
    ("key", &["std::fs"]),
    ("graph", &["std::fs"]),
];

#[test]
fn a_library_is_used_in_one_place_and_modules_do_not_know_what_they_need_not() {
    let mut wrong = Vec::new();
    for (src, path) in crates().iter().flat_map(|src| sources(src).into_iter().map(move |path| (src, path))) {
        let module = module(src, &path);
        let source = std::fs::read_to_string(&path).expect("a source");
        let code = code(source.split("#[cfg(test)]\nmod ").next().unwrap_or_default());
        let elsewhere = ONLY_IN.iter().filter(|(_, modules)| module != "main" && !modules.contains(&module.as_str()));
        let unknown = MUST_NOT_NAME.iter().filter(|(name, _)| *name == module).flat_map(|(_, names)| names.iter());
        for name in elsewhere.map(|(name, _)| name).chain(unknown) {
            if code.contains(name) {
                wrong.push(format!("{}: {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "these names do not belong here:\n{}", wrong.join("\n"));
}

#[test]
fn one_file_of_the_trainer_reads_yaml() {
    let train = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/train/src");
    let reads_yaml = |path: &PathBuf| {
        let source = std::fs::read_to_string(path).expect("a source");
        let code = code(source.split("#[cfg(test)]\nmod ").next().unwrap_or_default());
        ["Node", "Yaml", "Problems"].iter().any(|name| code.contains(name))
    };
    let found: Vec<PathBuf> = sources(&train).into_iter().filter(reads_yaml).collect();
    assert_eq!(found, [train.join("settings/decode.rs")]);
}
