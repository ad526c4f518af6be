//! The command line: help, targets, flags, text output and JSON output.

use crate::support::{GRID, Paper};

const FIGURE: &str = "  fig1: {figure: {of: measures, width: 2, height: 1.5, panels: [{where: {run: 1}, marks: [{points: {x: probability, y: loss}}]}], formats: [svg, png]}}
  table1: {table: {of: measures, rows: [probability], columns: [loss], formats: [markdown]}}
";

fn paper() -> Paper {
    Paper::new().yaml(&(GRID.to_string() + FIGURE))
}

#[test]
fn help_and_version() {
    let paper = Paper::new();
    paper.run("--version").ok().stdout(&format!("repro {}\n", env!("CARGO_PKG_VERSION")));
    paper.run("").code(2).says("Usage: repro [OPTIONS] <COMMAND>");
    paper.run("--help").ok().says("Exit codes: 0 done, 1 a stage failed, 2 the paper file or the arguments are wrong");
    let commands = ["build", "plan", "status", "explain", "graph", "show", "compare", "init", "schema", "completions"];
    for command in commands {
        paper.run("--help").ok().says(&format!("  {command} "));
        let short = paper.run(&format!("{command} -h")).ok();
        assert!(short.stderr.is_empty() && short.stdout.contains("Usage: repro"), "{command}");
        let widest = short.stdout.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(100), "{command}: {widest:?}");
        if !["schema"].contains(&command) {
            short.says("Examples:\n");
        }
    }
}

#[test]
fn typos_on_the_command_line_get_suggestions() {
    let paper = paper();
    paper.run("biuld").code(2).says("a similar subcommand exists: 'build'");
    paper.run("build --kep-going").code(2).says("a similar argument exists: '--keep-going'");
    paper
        .run("build --device gpu")
        .code(2)
        .says("invalid value 'gpu' for '--device <DEVICE>'")
        .says("[possible values: auto, cpu, cuda]");
    paper.run("build -j 0").code(2).says("0 is not in 1..=4096");
    paper.run("build -j many").code(2).says("invalid value 'many' for '--jobs <N>'");
    paper.run("explain").code(2).says("<TARGET>...");
    paper.run("build -q -v").code(2).says("cannot be used with");
    assert!(!paper.path("cache").exists());
}

#[test]
fn targets_are_names_patterns_kinds_and_files() {
    let paper = paper();
    let wanted = |targets: &str| -> Vec<String> {
        let events = paper.run(&format!("status --json {targets}")).ok().events();
        events.iter().map(|event| event["stage"].as_str().unwrap().to_string()).collect()
    };
    assert_eq!(wanted("fig1"), ["fig1"]);
    assert_eq!(wanted("fig1.png figures/table1.md"), ["fig1", "table1"]);
    assert_eq!(wanted("*1"), ["fig1", "table1"]);
    assert_eq!(wanted("o?e g*"), ["one", "grid"]);
    assert_eq!(wanted("metric train"), ["one", "measures"]);
    assert_eq!(wanted(""), ["one", "grid", "measures", "fig1", "table1"]);
    // A build without targets builds every figure and table.
    let run = paper.build("").ok();
    assert_eq!(run.built()[..2], ["grid", "measures"]);
    assert_eq!(run.built_by_name(), ["fig1", "grid", "measures", "table1"]);
}

#[test]
fn text_output_of_a_build() {
    let paper = paper();
    paper
        .run("build -j 1")
        .ok()
        .stdout(
            "\
grid      6 points trained  TIME
measures  6 points computed  TIME
fig1      drawn, fig1.svg fig1.png  TIME
table1    3 cells computed, table1.md  TIME
done: 4 stages built, 6 models trained, 3 files written in TIME
",
        )
        .stderr(
            "\
grid      6 points to train, less than a second
measures  6 points to compute, less than a second
fig1      1 figure to draw, less than a second
table1    3 cells to compute, less than a second
",
        );
    paper.run("build").ok().stdout("nothing to do: 4 stages are up to date (TIME)\n").stderr("");
    paper.edit("0.2, 0.5", "0.2, 0.3, 0.5").run("build fig1 -q").ok().stdout("").stderr("");
    paper.edit("run: 1}, marks", "run: 2}, marks").run("build fig1 -v").ok().says("fig1      done (");
}

#[test]
fn json_output_of_a_build() {
    let paper = paper();
    let run = paper.run("build --json one fig1").ok().stderr("");
    let names: std::collections::BTreeSet<String> =
        run.events().iter().map(|event| event["event"].as_str().expect("an event").to_string()).collect();
    let known = ["build-finished", "progress", "stage-finished", "stage-started", "unit-finished"];
    assert!(names.iter().all(|name| known.contains(&name.as_str())), "{names:?}");
    let end = run.events().pop().unwrap();
    assert_eq!(end["event"], "build-finished");
    let numbers = ["ran", "trained", "current", "exit-code"].map(|name| end[name].as_u64());
    assert_eq!(numbers, [Some(14), Some(7), Some(0), Some(0)]);
    assert_eq!(end["written"], serde_json::json!(["fig1.svg", "fig1.png"]));
    // The help documents every event.
    let help = paper.run("build --help").ok();
    for name in known.into_iter().chain(["stage-failed", "warning", "error"]) {
        assert!(help.stdout.contains(&format!("\n  {name} ")), "{name} is not in the help");
    }
}

#[test]
fn results_are_shown_in_the_terminal() {
    let paper = paper();
    paper.run("show one").code(1).stdout("").stderr("error: one is not built\nhint: run `repro build one`\n");
    paper.build("*").ok();
    paper.run("show one").ok().says("  weights       f32  expert 2 x feature 4 x hidden 2");
    paper
        .run("show grid")
        .ok()
        .says("loss          f64  probability 3 x run 2 ")
        .says("\n  probability  0.1, 0.2, 0.5\n");
    paper.run("show table1").ok().says("probability").says("0.5");
    let picture = paper.run("show fig1 --width 40 --color always").ok().stdout;
    let lines: Vec<&str> = picture.lines().collect();
    assert!(lines.iter().all(|line| line.matches('▀').count() == 40) && (10..20).contains(&lines.len()), "{picture}");
    assert!(picture.contains("\u{1b}[38;2;"));
    let array = &paper.run("show one --json").ok().events()[0];
    assert_eq!((&array["array"], &array["values"]), (&"active".into(), &serde_json::json!([1.0])));
    paper.edit("0.2, 0.5", "0.2, 0.4, 0.5");
    paper
        .run("show grid")
        .code(1)
        .stderr("error: grid is not complete: 2 of 8 units are missing\nhint: run `repro build grid`\n");
    paper.run("show fig1").code(1).says("error: fig1 waits for its inputs");
}

#[test]
fn the_graph_in_three_formats() {
    let paper = paper();
    paper.run("graph fig1").ok().stdout(
        "\
digraph paper {
  rankdir=LR;
  node [fontname=\"sans-serif\", fontsize=11];
  \"grid\" [label=\"grid\\nsweep, 6\", shape=box];
  \"measures\" [label=\"measures\\nmetric, 6\", shape=ellipse];
  \"fig1\" [label=\"fig1\\nfigure\", shape=note, style=bold];
  \"grid\" -> \"measures\";
  \"measures\" -> \"fig1\";
}
",
    );
    paper.run("graph measures --format mermaid").ok().stdout(
        "\
flowchart LR
  s1[\"grid<br/><small>sweep, 6</small>\"]
  s2([\"measures<br/><small>metric, 6</small>\"])
  s1 --> s2
",
    );
    let svg = paper.run("graph --format svg").ok().stdout;
    let tree = resvg::usvg::Tree::from_str(&svg, &resvg::usvg::Options::default()).expect("an SVG");
    assert!(tree.size().width() > 300.0 && svg.matches("<text").count() == 10);
    assert_eq!(svg.matches("<path").count(), 3);
    let lines = paper.run("graph --json").ok().events();
    assert_eq!(lines[2], serde_json::json!({"stage": "measures", "kind": "metric", "units": 6, "inputs": ["grid"]}));
}

#[test]
fn init_starts_a_paper_and_never_overwrites() {
    let paper = Paper::new();
    paper.run("init").ok().stdout("wrote paper.yaml, and `/cache/` to .gitignore\nnext: repro build\n");
    assert_eq!(paper.read(".gitignore"), "/cache/\n");
    paper.run("build").ok().says("12 models trained, 4 files written");
    let before = paper.read("paper.yaml");
    paper.run("init").code(2).stdout("").stderr(
        "error: `paper.yaml` is already there; nothing was changed\n\
         hint: `repro init DIR` starts a paper in another folder\n",
    );
    assert_eq!(paper.read("paper.yaml"), before);
    // An existing .gitignore is extended, once.
    std::fs::create_dir(paper.path("sub")).unwrap();
    paper.write("sub/.gitignore", "*.aux");
    paper.run("init sub").ok().says("next: repro -C sub build");
    assert_eq!(paper.read("sub/.gitignore"), "*.aux\n/cache/\n");
    paper.run("init deep/er").ok();
    assert!(paper.path("deep/er/paper.yaml").is_file());
    std::fs::remove_file(paper.path("sub/paper.yaml")).unwrap();
    paper.run("init sub").ok().stdout("wrote sub/paper.yaml\nnext: repro -C sub build\n");
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = Paper::new().run(&format!("completions {shell}")).ok().stdout;
        assert!(script.contains("explain") && script.contains("no-train"), "{shell}");
    }
    Paper::new().run("completions tcsh").code(2).says("[possible values: bash, elvish, fish, powershell, zsh]");
}

#[test]
fn cache_and_figures_folders_can_be_moved() {
    let paper = paper();
    std::fs::create_dir(paper.path("text")).unwrap();
    std::fs::rename(paper.path("paper.yaml"), paper.path("text/paper.yaml")).unwrap();
    // They are beside the paper file by default.
    paper.run("build -q -f text/paper.yaml").ok();
    assert!(paper.path("text/cache").is_dir() && paper.path("text/figures/fig1.svg").is_file());
    paper.run("-C text build").ok().says("nothing to do");
    paper.run("-C text build -q --cache ../elsewhere --figures ../pictures").ok();
    assert!(paper.path("elsewhere").is_dir() && paper.path("pictures/fig1.png").is_file());
    let paper = paper.env("REPRO_CACHE", "elsewhere");
    paper.run("build -f text/paper.yaml").ok().says("nothing to do");
    paper.run("build -f text/paper.yaml --json --cache third fig1").ok().trained(6);
}

#[test]
fn colour_is_for_terminals_or_with_color_always() {
    let paper = paper();
    let plain = paper.run("status").ok();
    assert!(!plain.stdout.contains('\u{1b}'));
    assert!(paper.run("status --color always").ok().stdout.contains("\u{1b}[33mout of date"));
    assert!(!paper.run("status --color never").ok().stdout.contains('\u{1b}'));
    paper.run("build nothing --color always").code(2).says("\u{1b}[1;31merror");
}
