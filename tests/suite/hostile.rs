//! Malicious and malformed paper files, paths and files: each is refused quickly with a clear error and its location, and nothing outside the
//! project is read or written.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Paper, Run};

/// The time limit of a refusal, also on a busy machine.
const SOON: Duration = Duration::from_secs(20);

fn paper(stages: &str) -> Paper {
    Paper::new().yaml(&format!("repro: 1\nstages:\n{stages}"))
}

/// A project with `data/points.csv` and a program that lists the files that it gets for `path`.
fn reads(path: &str) -> Paper {
    let path = serde_json::json!(path);
    paper(&format!(
        "  points: {{data: {{path: {path}}}}}\n  \
         seen: {{exec: {{run: \"find . -type f | LC_ALL=C sort > seen.txt\", inputs: [points], outputs: [seen.txt]}}}}\n"
    ))
    .file("data/points.csv", "x,y\n1,2\n")
}

/// A program with this script and these outputs.
fn makes(script: &str, outputs: &[&str]) -> Paper {
    let (script, outputs) = (serde_json::json!(script), serde_json::json!(outputs));
    paper(&format!("  fit: {{exec: {{run: {script}, outputs: {outputs}}}}}\n"))
}

/// Assert that a build fails quickly, with this exit code, this message and a location in the paper file.
#[track_caller]
fn refused(paper: &Paper, code: i32, message: &str) -> Run {
    let started = Instant::now();
    let run = paper.run("build --color never").code(code).says(message);
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    assert!(run.stderr.contains("--> paper.yaml:"), "without a location:\n{}", run.stderr);
    assert!(!run.stderr.contains("bug in repro") && !run.stderr.contains("panicked"), "{}", run.stderr);
    run
}

fn shell(paper: &Paper, script: &str) {
    assert!(Command::new("sh").args(["-ec", script]).current_dir(paper.path("")).status().unwrap().success());
}

/// A folder outside the project, whose files must not change.
struct Elsewhere(tempfile::TempDir);

impl Elsewhere {
    fn new() -> Elsewhere {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret.csv"), "x,y\n7,7\n").unwrap();
        std::fs::create_dir(folder.path().join("in")).unwrap();
        Elsewhere(folder)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    #[track_caller]
    fn is_untouched(&self) {
        let names = |folder: &Path| {
            let mut names: Vec<_> =
                std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(self.0.path()), ["in", "secret.csv"]);
        assert_eq!(names(&self.path("in")), [""; 0]);
        assert_eq!(std::fs::read_to_string(self.path("secret.csv")).unwrap(), "x,y\n7,7\n");
    }
}

#[test]
fn a_huge_paper_file_is_not_read() {
    let paper = Paper::new();
    // A sparse file takes no space on disk.
    let file = std::fs::File::create(paper.path("paper.yaml")).unwrap();
    for (megabytes, told) in [(100, "100 MB"), (40_000, "40000 MB")] {
        file.set_len(megabytes << 20).unwrap();
        let started = Instant::now();
        paper.run("build").code(2).says(&format!("the paper file is {told}; the limit is 32 MB"));
        assert!(started.elapsed() < SOON);
    }
    paper.run("build -f /dev/zero").code(2).says("MB; the limit is 32 MB");
    std::fs::remove_file(paper.path("paper.yaml")).unwrap();
    paper.write("paper.yaml", &format!("repro: 1\nx-a: \"{}\"\nstages: {{}}\n", "x".repeat(31 << 20)));
    paper.run("plan").code(0);
}

#[test]
fn deep_nesting_is_refused() {
    let closed = |open: &str, close: &str| format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
    let block: String = (1..2000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    for value in [closed("[", "]"), closed("{a: ", "}"), format!("\n  {}x", "- ".repeat(10_000)), format!("\n{block}")]
    {
        let paper = Paper::new().yaml(&format!("repro: 1\nx-a: {value}\nstages: {{}}\n"));
        refused(&paper, 2, "error: lists and mappings are nested more than 64 deep\n");
    }
}

#[test]
fn alias_and_merge_bombs_are_refused() {
    let names = |i: usize| vec![format!("*a{}", i - 1); 10].join(",");
    let lists: String = (1..30).map(|i| format!("x-{i}: &a{i} [{}]\n", names(i))).collect();
    let merges: String = (1..30).map(|i| format!("x-{i}: &a{i} {{k{i}: *a{}, <<: [{}]}}\n", i - 1, names(i))).collect();
    for bomb in [format!("x-0: &a0 [x, x, x]\n{lists}"), format!("x-0: &a0 {{x: 1}}\n{merges}")] {
        let paper = Paper::new().yaml(&format!("repro: 1\nstages: {{}}\n{bomb}"));
        refused(&paper, 2, "error: the paper file expands to more than 400000 values\n")
            .says("hint: aliases and merges (`*name`, `<<`) repeat everything that they refer to\n");
    }
    let long = format!("x-0: &a {}\nx-1: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 20_000].join(","));
    let paper = Paper::new().yaml(&format!("repro: 1\nstages: {{}}\n{long}"));
    refused(&paper, 2, "error: the paper file expands to more than 64 MB of text\n");
}

#[test]
fn invalid_stage_names_are_refused() {
    for name in
        ["../x", "a/b", "..", ".hidden", "-rf", "", " ", "a b", "\u{e4}", "a\nb", "\u{202e}x", "a\0b", &"x".repeat(101)]
    {
        let stage = format!("  {}: {{exec: {{run: x, outputs: [o]}}}}\n", serde_json::json!(name));
        refused(&paper(&stage), 2, "is not a valid stage name");
    }
    // Control characters reach no terminal.
    let run = paper("  \"a\\e[31mb\": {data: x}\n").run("plan").code(2);
    assert!(!run.stderr.contains("\u{1b}[31m"), "{:?}", run.stderr);
}

#[test]
fn inputs_outside_the_project_are_refused() {
    for (path, message) in [
        ("../x", "`../x` is outside the project"),
        ("a/../../x", "`a/../../x` is outside the project"),
        ("data/..", "`data/..` is outside the project"),
        ("/etc/passwd", "`/etc/passwd` is not a path inside the project"),
        ("~/x", "`~/x` is not a path inside the project"),
        ("", "`` is the whole project"),
        ("./", "`./` is the whole project"),
        ("data/*/../..", "is outside the project"),
        ("/*", "is not a path inside the project"),
    ] {
        refused(&reads(path), 2, message);
        let input = serde_json::json!(path);
        refused(&paper(&format!("  fit: {{exec: {{run: x, inputs: [{input}], outputs: [o]}}}}\n")), 2, message);
    }
}

#[test]
fn symbolic_links_out_of_the_project_are_refused() {
    let elsewhere = Elsewhere::new();
    for (target, link, path, message) in [
        ("ELSEWHERE/secret.csv", "link.csv", "link.csv", "`link.csv` leads out of the project, to "),
        ("ELSEWHERE/secret.csv", "data/link.csv", "data", "`data/link.csv` leads out of the project, to "),
        ("ELSEWHERE/secret.csv", "data/link.csv", "data/*.csv", "`data/link.csv` leads out of the project, to "),
        ("ELSEWHERE", "folder", "folder", "`folder` leads out of the project, to "),
        ("ELSEWHERE", "folder", "folder/secret.csv", "`folder/secret.csv` leads out of the project, to "),
        ("ELSEWHERE", "data/folder", "data/folder/in/../secret.csv", "is outside the project"),
        ("ELSEWHERE", "data/folder", "data/*/secret.csv", "no file matches `data/*/secret.csv`"),
        ("ELSEWHERE", "data/folder", "data", "`data/folder` leads out of the project, to "),
        ("/dev/zero", "zero.csv", "zero.csv", "`zero.csv` leads out of the project, to /dev/zero"),
        ("ELSEWHERE/none.csv", "link.csv", "link.csv", "`link.csv` is a link that leads to no file"),
        ("none.csv", "link.csv", "link.csv", "`link.csv` is a link that leads to no file"),
        ("none.csv", "data/link.csv", "data", "`data/link.csv` is a link that leads to no file"),
        ("loop.csv", "loop.csv", "loop.csv", "`loop.csv` is a link that leads to no file"),
        ("../data", "data/again", "data", "`data/again` is a link to a folder"),
        (".", "data/again", "data/again/again/again", "data/again"),
        ("loop", "loop", "loop/points.csv", "there is no file `loop/points.csv`"),
    ] {
        let paper = reads(path);
        symlink(target.replace("ELSEWHERE", &elsewhere.0.path().display().to_string()), paper.path(link)).unwrap();
        let code = paper.run("plan").code.unwrap();
        let run = paper.run("build --color never");
        assert!(matches!(run.code, Some(1 | 2)), "{link} -> {target}: {}", run.stderr);
        run.says(message);
        assert!(code <= 2);
    }
    elsewhere.is_untouched();
    // Patterns do not follow links in cycles.
    let paper = reads("**/*.csv");
    symlink("../data", paper.path("data/again")).unwrap();
    paper.run("build").ok();
}

#[test]
fn pipes_and_sockets_are_refused_without_waiting() {
    for path in ["pipe.csv", "data", "data/*.csv", "**/*.csv"] {
        let paper = reads(path);
        shell(&paper, "mkfifo pipe.csv data/pipe.csv");
        refused(&paper, 1, "pipe.csv` is neither a file nor a folder");
    }
    let paper = reads("data");
    let _socket = std::os::unix::net::UnixListener::bind(paper.path("data/s")).unwrap();
    refused(&paper, 1, "`data/s` is neither a file nor a folder");
    // A paper file may be a pipe that another process writes to.
    let paper = makes("echo 1 > o", &["o"]);
    shell(&paper, "mkfifo pipe; cat paper.yaml > pipe & true");
    paper.run("build -f pipe").ok();
}

#[test]
fn unusual_file_names_work_or_are_refused() {
    for name in [
        "a b",
        "it's",
        "q\"q",
        "$(touch x)",
        "`x`",
        "a;b",
        "{a}",
        "#a",
        "%41",
        "ab:c",
        "\u{e4}",
        "a\u{308}",
        "!a",
        "&a",
        " a ",
    ] {
        let file = format!("data/{name}.csv");
        let paper = reads(&file).file(&file, "x\n1\n");
        paper.run("build").ok();
        paper.run("build").ok().says("nothing to do");
        let out = format!("{name}.txt");
        let made = makes("for i in 1; do printf 1 > \"$REPRO_PARAM_NAME\"; done", &[&out]);
        made.edit("run:", &format!("params: {{name: {}}}, run:", serde_json::json!(out)));
        made.run("build").ok();
    }
    for (name, message) in [
        (&b"caf\xe9.csv"[..], "contains characters that are not allowed"),
        (b"a\nb.csv", "the name of \"data/a\\nb.csv\" contains characters that are not allowed"),
        (b"a\x1bb.csv", "contains characters that are not allowed"),
        (b"a\\b.csv", "contains characters that are not allowed"),
    ] {
        for path in ["data", "data/*.csv"] {
            let paper = reads(path);
            std::fs::write(paper.path("data").join(std::ffi::OsStr::from_bytes(name)), "x\n1\n").unwrap();
            let run = refused(&paper, 1, message);
            assert!(!run.stderr.contains('\u{1b}'), "{:?}", run.stderr);
        }
    }
    refused(&reads("data/-a.csv"), 2, "`data/-a.csv`: programs would read a name that begins with `-` as an option");
    refused(&reads("a\tb"), 2, "a path must not contain the character '\\t'");
}

#[test]
fn outputs_outside_the_sandbox_are_refused() {
    for (path, message) in [
        ("../x", "`../x` is outside the project"),
        ("a/../../x", "`a/../../x` is outside the project"),
        ("/tmp/x", "`/tmp/x` is not a path inside the project"),
        ("~/x", "`~/x` is not a path inside the project"),
        (".", "`.` is the whole project"),
        ("figures/../../x", "is outside the project"),
        ("figures/", "list the files in `figures` one by one"),
        ("a\nb", "a path must not contain the character '\\n'"),
        ("-x", "programs would read a name that begins with `-` as an option"),
        ("*.txt", "`*.txt` is a pattern; list outputs one by one"),
    ] {
        let run = refused(&makes("x", &[path]), 2, message);
        assert!(!run.stderr.contains("data: {url"), "advice on inputs: {}", run.stderr);
    }
}

#[test]
fn outputs_that_are_not_files_are_refused() {
    let elsewhere = Elsewhere::new();
    let outside = elsewhere.path("secret.csv").display().to_string();
    for (script, output, message) in [
        ("mkfifo o", "o", "created `o`, which is neither a file nor a folder"),
        ("mkfifo o/p; echo > o/x", "o/", "created `o/p`, which is neither a file nor a folder"),
        ("ln -s /dev/null o", "o", "created a symbolic link at `o`"),
        (&format!("ln -s {outside} o"), "o", "created a symbolic link at `o`"),
        (&format!("ln -s {outside} o/x"), "o/", "created a symbolic link at `o/x`"),
        ("ln -s o o", "o", "created a symbolic link at `o`"),
        ("ln -s . o/again; echo > o/x", "o/", "created a symbolic link at `o/again`"),
        ("mkdir o", "o", "left the folder `o` empty"),
        (
            "echo > \"o/$(printf 'a\\nb')\"",
            "o/",
            "created \"o/a\\nb\", but a path must not contain the character '\\n'",
        ),
        ("echo > \"o/$(printf 'a\\351')\"", "o/", "created \"o/a\u{fffd}\", but a path must not contain the character"),
        (
            "echo > o/-x",
            "o/",
            "created \"o/-x\", but `o/-x`: programs would read a name that begins with `-` as an option",
        ),
    ] {
        let paper = makes(script, &[output]);
        refused(&paper, 1, message);
        assert_eq!(paper.shards().len(), 0, "{script}");
    }
    elsewhere.is_untouched();
}

#[test]
fn published_files_stay_in_the_figures_folder() {
    let elsewhere = Elsewhere::new();
    let made = || makes("echo new > figures/sub/x", &["figures/sub/x"]);
    let paper = made();
    std::fs::create_dir(paper.path("figures")).unwrap();
    symlink(elsewhere.path("in"), paper.path("figures/sub")).unwrap();
    paper.run("build --color never").code(1).says("figures/sub` is a link: it may lead out of the project");
    elsewhere.is_untouched();
    std::fs::remove_file(paper.path("figures/sub")).unwrap();
    paper.run("build").ok();
    assert_eq!(paper.read("figures/sub/x"), "new\n");
    // A link, or whatever else is in the place of a file, is replaced; what it leads to is not.
    for script in
        ["ln -sf SECRET figures/sub/x", "ln -sf ELSEWHERE/new figures/sub/x", "rm figures/sub/x; mkfifo figures/sub/x"]
    {
        let script = script.replace("SECRET", &elsewhere.path("secret.csv").display().to_string());
        shell(&paper, &script.replace("ELSEWHERE", &elsewhere.0.path().display().to_string()));
        paper.run("build").ok();
        assert_eq!(paper.read("figures/sub/x"), "new\n", "{script}");
        assert!(!paper.path("figures/sub/x").is_symlink());
        elsewhere.is_untouched();
    }
}

#[test]
fn two_stages_must_not_write_the_same_file() {
    let stages = |one: &str, other: &str| {
        let stage =
            |name: &str, path: &str| format!("  {name}: {{exec: {{run: \"echo > '{path}'\", outputs: ['{path}']}}}}\n");
        paper(&(stage("a", one) + &stage("b", other)))
    };
    for (one, other, message) in [
        ("figures/x.pdf", "figures/x.pdf", "`b` and `a` would both write `figures/x.pdf`"),
        ("figures/x.pdf", "./figures//x.pdf", "`b` and `a` would both write `figures/x.pdf`"),
        ("figures/x.pdf", "figures/X.pdf", "`b` and `a` would both write `figures/X.pdf`"),
        ("figures/s/x", "figures/./s/X", "`b` and `a` would both write `figures/s/X`"),
        ("figures/x", "figures/x/y", "`b` would write into `figures/x`, which is a file of `a`"),
        ("figures/x/y/z", "figures/X", "`b` would write `figures/X`, which is a folder of `a`"),
    ] {
        refused(&stages(one, other), 2, message);
    }
    // Side by side in one folder they are welcome, and what is not published is each program's own.
    stages("figures/s/x", "figures/s/y").run("build").ok();
    stages("x", "x").run("build").ok();
    let twice = makes("x", &["a", "./a"]);
    refused(&twice, 2, "outputs `a` and `a` overlap");
}

#[test]
fn folders_that_run_in_circles_and_names_without_end() {
    let paper = makes("echo 1 > o", &["o"]);
    symlink("cache", paper.path("cache")).unwrap();
    paper.run("build").code(1).says("too many levels of symbolic links");
    let long = "x".repeat(300);
    refused(&makes(&format!("echo 1 > {long}"), &[&long]), 1, "name too long");
    refused(&reads(&format!("data/{long}.csv")), 1, "there is no file `data/xxx");
}

#[test]
fn a_project_in_a_folder_with_a_line_break_in_its_name_is_built_like_any_other() {
    let paper = makes("echo 1 > a.txt", &["a.txt"]);
    let folder = "x\n+ 1\n";
    std::fs::create_dir(paper.path(folder)).unwrap();
    std::fs::rename(paper.path("paper.yaml"), paper.path(folder).join("paper.yaml")).unwrap();
    let mut command = paper.command("build --json");
    command.current_dir(paper.path(folder));
    crate::support::finish(command.spawn().unwrap(), "build").ok();
}

#[test]
fn programs_run_under_a_parent_that_ignores_sigchld() {
    let paper = makes("sh -c 'exit 0'; echo 1 > a.txt", &["a.txt"]);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("trap '' CHLD; exec {} build", env!("CARGO_BIN_EXE_repro"))]);
    let run = command.current_dir(paper.path("")).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
#[cfg(target_os = "linux")]
fn a_build_with_few_threads_uses_fewer_or_reports_it() {
    let yaml = crate::support::GRID.to_string()
        + "  figure: {figure: {of: measures, panels: [{marks: [{points: {x: probability, y: loss}}], where: {run: 1}}], formats: [svg, png]}}\n";
    let paper = Paper::new().yaml(&yaml);
    // The limit does not hold for root. No other process has this user.
    let root = rustix::process::getuid().is_root();
    let user = if root { "exec setpriv --reuid 61803 --regid 61803 --clear-groups " } else { "exec " };
    let program = paper.path("repro");
    std::fs::copy(env!("CARGO_BIN_EXE_repro"), &program).unwrap();
    shell(&paper, "chmod 777 .");
    let mut built = 0;
    for limit in [1, 2, 3, 4, 5, 6, 8, 40] {
        shell(&paper, "rm -rf cache figures");
        let script = format!("ulimit -u {limit}; {user}{} build -j 4", program.display());
        let run = Command::new("bash").args(["-c", &script]).current_dir(paper.path("")).output().unwrap();
        let text = String::from_utf8_lossy(&run.stderr);
        assert!(!text.contains("bug in repro") && !text.contains("panicked"), "{limit}: {text}");
        assert!(matches!(run.status.code(), Some(0 | 1)), "{limit}: {:?} {text}", run.status);
        if run.status.success() {
            built += 1;
        } else {
            assert!(text.contains("no more threads") || text.contains("resource temporarily"), "{limit}: {text}");
        }
    }
    assert!(built > 0 || !root, "not even with 40 threads");
}

/// A data file with these names, and a table and a figure of it.
fn names(names: &[&str], more: &str) -> Paper {
    let records = names.iter().enumerate().map(|(i, name)| format!("\"{name}\",{}\n", i + 1));
    // YAML takes them only in this form.
    let written = |c: char| match c.is_control() || c == '\u{202e}' {
        true => format!("\\u{:04x}", u32::from(c)),
        false => c.to_string(),
    };
    let rows: String = serde_json::json!(names).to_string().chars().map(written).collect();
    paper(&format!(
        "  points: {{data: {{path: points.csv, axes: [name]}}}}\n  \
         table1: {{table: {{of: points, rows: {{name: {rows}}}, columns: [y], formats: [latex, markdown, typst, html]{more}}}}}\n  \
         fig1: {{figure: {{of: points, panels: [{{marks: [{{bars: {{x: name, y: y}}}}]}}], formats: [pgf, svg]{more}}}}}\n"
    ))
    .file("points.csv", &format!("name,y\n{}", records.collect::<String>()))
}

#[test]
fn names_in_data_are_plain_text_by_default() {
    let paper = names(&[r"$\input{/etc/passwd}$", "100$ or 200$", r"$\text{\input{x}}$", r"\$x\$", "^^5c"], "");
    paper.build("").ok();
    for file in ["figures/table1.tex", "figures/fig1.pgf"] {
        let text = paper.read(file);
        assert!(!text.contains("\\input{/"), "{file}: {text}");
        for shown in
            [r"\$\textbackslash{}input\{/etc/passwd\}\$", r"100\$ or 200\$", r"\textasciicircum{}\textasciicircum{}5c"]
        {
            assert!(text.contains(shown), "{file} without {shown}: {text}");
        }
    }
    assert!(paper.read("figures/fig1.svg").contains("100$ or 200$"));
    assert!(paper.read("figures/table1.md").contains(r"100\$ or 200\$"));
    paper.run("show table1").ok().says("100$ or 200$");
}

#[test]
fn names_in_data_are_mathematics_with_math_true() {
    let paper = names(&["$k$-hot", r"$\input{/etc/passwd}$", r"$\alpha$"], ", math: true");
    paper.build("").ok();
    for file in ["figures/table1.tex", "figures/fig1.pgf"] {
        let text = paper.read(file);
        assert!(text.contains("$k$-hot") && text.contains(r"$\alpha$"), "{file}: {text}");
        assert!(text.contains(r"$\backslash \mathrm{input}{/etc/passwd}$"), "{file}: {text}");
    }
}

#[test]
fn names_in_data_cannot_send_terminal_escapes() {
    let odd = "a\u{1b}]0;title\u{7}\u{9b}2J\u{7f}\u{202e}b";
    let paper = names(&[odd, "c"], "");
    paper.build("").ok();
    for command in ["show points", "show table1", "show fig1", "show --json points", "show --json table1", "plan"] {
        let out = paper.run(&format!("{command} --color never")).ok().stdout;
        let obeyed = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!out.contains(obeyed), "{command}: {out:?}");
    }
    let line = paper.run("show --json points").ok().stdout;
    let json: serde_json::Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    assert_eq!(json["axes"][0]["coords"][0], odd);
    // Colours are for terminals.
    assert!(!paper.run("show fig1").ok().stdout.contains('\u{1b}'));
    assert!(paper.run("show fig1 --color always").ok().stdout.contains("\u{1b}[38;2;"));
}
