//! Environments of programs: made once from lock files, part of the key, and nothing in the way of what needs none.
//!
//! Packages are wheels that the tests write, so that nothing is downloaded. Tests with uv need it in `PATH`, and say when it is not there.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{Paper, Run};

/// Writes a wheel of a package `toy` whose only module knows its version.
const WHEEL: &str = r#"
import base64, hashlib, sys, zipfile
folder, version = sys.argv[1:]
name = f"toy-{version}"
files = {
    "toy.py": f"version = '{version}'\n",
    f"{name}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: toy\nVersion: {version}\n",
    f"{name}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{name}.dist-info/entry_points.txt": "[console_scripts]\ntoy = toy:main\n",
}
files["toy.py"] += "def main():\n    print(version)\n"
record = ""
for path, text in files.items():
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    record += f"{path},sha256={digest},{len(text)}\n"
files[f"{name}.dist-info/RECORD"] = record + f"{name}.dist-info/RECORD,,\n"
with zipfile.ZipFile(f"{folder}/{name}-py3-none-any.whl", "w") as wheel:
    for path, text in files.items():
        wheel.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), text)
"#;

const PAPER: &str = "\
repro: 1
environments:
  py: {pip: requirements.txt}
stages:
  try:
    exec:
      run: python3 -c 'import toy; print(toy.version)' > out.txt
      outputs: [out.txt]
      in: py
";

/// A project with wheels of `toy` 1.0 and 2.0, and a `PATH` with or without uv.
fn project(yaml: &str) -> Paper {
    let paper = Paper::new().yaml(yaml);
    std::fs::create_dir(paper.path("wheels")).expect("a folder");
    for version in ["1.0", "2.0"] {
        let folder = paper.path("wheels");
        let made = Command::new("python3").args(["-c", WHEEL]).arg(folder).arg(version).status();
        assert!(made.expect("python3 runs").success());
    }
    paper.write("requirements.txt", "--no-index\n--find-links wheels\ntoy==1.0\n");
    paper
}

/// The folders in `PATH`, without those that have uv.
fn folders_without_uv() -> Vec<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).filter(|folder| !folder.join("uv").exists()).collect()
}

/// The folder of uv: from `PATH`, or where continuous integration installs it.
fn folder_of_uv() -> Option<PathBuf> {
    let own = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/uv/bin"));
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).chain([own]).find(|folder| folder.join("uv").exists())
}

fn with_path(paper: Paper, folders: &[PathBuf]) -> Paper {
    let path = std::env::join_paths(folders).expect("a PATH");
    paper.env("PATH", path.to_str().expect("text"))
}

/// So that pip installs.
fn without_uv(paper: Paper) -> Paper {
    with_path(paper, &folders_without_uv())
}

/// So that uv installs, which is faster; or pip, if there is no uv.
fn with_any(paper: Paper) -> Paper {
    let folders: Vec<PathBuf> = folder_of_uv().into_iter().chain(folders_without_uv()).collect();
    with_path(paper, &folders)
}

/// Whether uv is there; says so if it is not.
fn has_uv() -> bool {
    let there = folder_of_uv().is_some();
    if !there {
        eprintln!("uv is neither in PATH nor in target/uv: nothing is checked");
    }
    there
}

/// The environments in the cache.
fn environments(paper: &Paper) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(paper.path("cache/environments")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Exports the stage, and lists the files of the archive.
fn archived_names(paper: &Paper) -> String {
    paper.run("export try --output copy.zip").ok();
    let mut archive = Command::new("python3");
    archive.args(["-c", "import sys, zipfile; print(sorted(zipfile.ZipFile('copy.zip').namelist()))"]);
    archive.current_dir(paper.path(""));
    String::from_utf8(archive.output().expect("python3 runs").stdout).expect("text")
}

fn started(run: &Run) -> Vec<String> {
    let events = run.events_of("environment-started");
    events.iter().map(|event| event["environment"].as_str().unwrap_or_default().to_string()).collect()
}

/// A paper whose program puts its output into `figures/`, where a test can read it.
fn shown(paper: Paper) -> Paper {
    let text = paper.read("paper.yaml").replace("out.txt", "figures/out.txt");
    paper.write("paper.yaml", &text);
    paper
}

#[test]
fn a_program_runs_in_an_environment_that_is_made_once() {
    let paper = shown(without_uv(project(PAPER)));
    let run = paper.build("").ok();
    assert_eq!(started(&run), ["py"]);
    let finished = run.events_of("environment-finished");
    assert_eq!(finished[0]["installer"], "pip");
    assert_eq!(paper.read("figures/out.txt"), "1.0\n");
    assert_eq!(environments(&paper).len(), 1);
    assert!(paper.read("cache/logs/environment-py.log").contains("Successfully installed toy-1.0"));
    // Another program in it makes nothing.
    paper.edit("print(toy.version)", "print(toy.version, 2)");
    let run = paper.build("").ok();
    assert_eq!(started(&run), Vec::<String>::new());
    assert_eq!(paper.read("figures/out.txt"), "1.0 2\n");
    paper.run("status").ok();
    assert_eq!(paper.build("").ok().built(), Vec::<String>::new());
}

#[test]
fn programs_of_the_environment_come_first_and_the_environment_is_sealed_in() {
    let paper = shown(with_any(project(&PAPER.replace(
        "python3 -c 'import toy; print(toy.version)'",
        "(toy; echo $PYTHONNOUSERSITE; test -x \"$VIRTUAL_ENV/bin/python3\"; command -v python3 | grep -c environments)",
    ))));
    paper.build("").ok();
    assert_eq!(paper.read("figures/out.txt"), "1.0\n1\n1\n");
    // It cannot change what others run in.
    paper.edit("(toy;", "(echo x > \"$VIRTUAL_ENV/x\" || toy;");
    paper.build("").ok();
    let written = environments(&paper)[0].join("x").exists();
    assert_ne!(written, repro::program::seal_support().files);
}

#[test]
fn another_version_in_the_lock_file_reruns_the_program_and_explains_why() {
    let paper = shown(with_any(project(PAPER)));
    paper.build("").ok();
    paper.write("requirements.txt", "--no-index\n--find-links wheels\ntoy==2.0\n");
    paper.explain("try").ok().says("environment py: toy 1.0 -> 2.0 (paper.yaml:3)");
    paper.build("").ok();
    assert_eq!(paper.read("figures/out.txt"), "2.0\n");
    // Back to the first: nothing is made or run.
    paper.write("requirements.txt", "--no-index\n--find-links wheels\ntoy==1.0\n");
    let run = paper.build("").ok();
    assert!(started(&run).is_empty() && run.events_of("unit-finished").is_empty());
    assert_eq!(paper.read("figures/out.txt"), "1.0\n");
}

#[test]
fn a_file_that_a_lock_file_names_is_part_of_it() {
    let paper = shown(with_any(project(PAPER)));
    paper.write("requirements.txt", "-r locks/base.txt\n");
    paper.write("locks/base.txt", "--no-index\n--find-links ../wheels\ntoy==1.0\n");
    paper.build("").ok();
    paper.write("locks/base.txt", "--no-index\n--find-links ../wheels\ntoy==2.0\n");
    paper.explain("try").ok().says("environment py: toy 1.0 -> 2.0");
    paper.build("").ok();
    assert_eq!(paper.read("figures/out.txt"), "2.0\n");
    // A wheel of other content.
    paper.write("wheels/other-1.0-py3-none-any.whl", "no wheel");
    paper.explain("try").ok().says("its lock files have new content, the same versions");
}

#[test]
fn a_lock_file_that_does_not_install_shows_the_place_the_reason_and_the_log() {
    let paper = with_any(project(PAPER));
    paper.build("").ok();
    paper.write("requirements.txt", "--no-index\n--find-links wheels\ntoy==3.0\n");
    let run = paper.run("build").code(1);
    let run = run.says("the environment `py` cannot be made: ");
    let run = run.says("3 |   py: {pip: requirements.txt}").says("toy==3.0");
    run.says("correct `requirements.txt`").says("cache/logs/environment-py.log");
    assert_eq!(environments(&paper).len(), 1, "the first is kept, and nothing is left of the second");
    paper.write("requirements.txt", "--no-index\n--find-links wheels\ntoy==1.0\n");
    assert!(paper.build("").ok().built().is_empty(), "nothing was lost");
}

#[test]
fn all_points_of_a_sweep_and_two_builds_at_once_share_one_environment() {
    let paper = with_any(project(
        "\
repro: 1
environments: {default: {pip: requirements.txt}}
stages:
  points:
    sweep:
      exec:
        run: python3 -c 'import toy; print(toy.version)' > out.csv
        outputs: [out.csv]
        params: {x: 0}
      axes:
        x: [1, 2, 3, 4]
",
    ));
    let running: Vec<_> = (0..2).map(|_| paper.command("build --json").spawn().expect("start")).collect();
    let runs: Vec<Run> = running.into_iter().map(|child| crate::support::finish(child, "build")).collect();
    let made: usize = runs.iter().map(|run| started(run).len()).sum();
    runs.into_iter().for_each(|run| drop(run.ok()));
    assert_eq!(made, 1);
    assert_eq!(environments(&paper).len(), 1);
}

#[test]
fn a_half_made_environment_is_made_again() {
    let paper = shown(with_any(project(PAPER)));
    paper.build("").ok();
    let folder = environments(&paper).remove(0);
    // As after a kill: the last file is missing.
    std::fs::remove_file(folder.join(".repro-environment")).expect("the mark");
    std::fs::write(folder.join("left"), "").expect("write");
    paper.edit("print(toy.version)", "print(toy.version, 2)");
    assert_eq!(started(&paper.build("").ok()), ["py"]);
    assert_eq!(environments(&paper), std::slice::from_ref(&folder));
    assert!(!folder.join("left").exists());
}

#[test]
fn what_runs_in_no_environment_keeps_its_key() {
    let plain = "repro: 1\nstages:\n  try:\n    exec: {run: echo 1 > out.txt, outputs: [out.txt]}\n";
    let paper = project(plain);
    paper.build("").ok();
    paper.write("paper.yaml", &plain.replace("stages:", "environments: {py: {pip: requirements.txt}}\nstages:"));
    assert!(paper.build("").ok().built().is_empty());
    paper.write("paper.yaml", &plain.replace("stages:", "environments: {default: {pip: requirements.txt}}\nstages:"));
    paper.explain("try").ok().says("environment default: is used now");
    paper.edit("outputs: [out.txt]", "outputs: [out.txt], in: none");
    assert!(paper.build("").ok().built().is_empty());
}

#[test]
fn gc_keeps_the_environments_of_the_paper_and_deletes_others() {
    let paper = with_any(project(PAPER));
    paper.build("").ok();
    paper.write("requirements.txt", "--no-index\n--find-links wheels\ntoy==2.0\n");
    paper.build("").ok();
    assert_eq!(environments(&paper).len(), 2);
    paper.run("gc").ok();
    assert_eq!(environments(&paper).len(), 2, "they are young");
    paper.run("gc --older-than 0").ok();
    assert_eq!(environments(&paper).len(), 1);
    assert!(paper.path("cache/logs/environment-py.log").exists());
    assert!(paper.build("").ok().built().is_empty());
    paper.edit("print(toy.version)", "print(toy.version, 2)");
    assert!(started(&paper.build("").ok()).is_empty());
}

#[test]
fn an_archive_holds_the_lock_files_and_is_rebuilt_in_a_new_environment() {
    let paper = with_any(project(PAPER));
    paper.build("").ok();
    let names = archived_names(&paper);
    assert!(names.contains("requirements.txt") && names.contains("wheels/toy-1.0-py3-none-any.whl"), "{names}");
    paper.run("verify copy.zip").ok();
    let run = paper.run("verify copy.zip --rebuild --yes").ok();
    run.says("try installs packages from the network: requirements.txt");
}

#[test]
fn mistakes_in_the_paper_file_are_located() {
    let wrong = "\
repro: 1
environments:
  one: {pip: requirements.txt, uv: uv.lock}
  two: {python: \"3.12\"}
  three: {pip: requirements.txt, python: 3.10}
  none: {pip: requirements.txt}
  four: {uv: other.lock}
  five: {pip: requirements.txt}
stages:
  try:
    exec: {run: echo 1 > out.txt, outputs: [out.txt], in: fiv}
";
    let run = project(wrong).run("build").code(2);
    let run = run.says("the environment `one` has both `pip` and `uv`").says("the environment `two` has neither");
    let run = run.says("`3.1` is a number, and a version is text").says("an environment cannot be called `none`");
    let run = run.says("uv reads a file of the name `uv.lock` only").says("there is no environment `fiv`");
    run.says("did you mean `five`?");
}

#[test]
fn what_a_key_cannot_hold_is_an_error() {
    let paper = project(PAPER);
    paper.write("requirements.txt", "-e .\n");
    paper.run("build").code(1).says("`requirements.txt` installs `-e .`, which may change without it");
    std::fs::remove_file(paper.path("requirements.txt")).expect("delete");
    paper.run("build").code(1).says("there is no file `requirements.txt`").says("pip freeze");
    let paper = project(&PAPER.replace("requirements.txt}", "requirements.txt, python: \"2.99\"}"));
    paper.run("build").code(1).says("tool `python2.99` not found").says("uv python install 2.99");
}

#[test]
fn another_version_of_the_interpreter_reruns_the_program() {
    let paper = with_any(project(&PAPER.replace("requirements.txt}", "requirements.txt, python: ./python}")));
    let interpreter = |version: &str| {
        let script =
            format!("#!/bin/sh\necho cpython {version}\nexec python3 -c 'import sys; print(sys.executable)'\n");
        paper.write("python", &script);
        Command::new("chmod").arg("+x").arg(paper.path("python")).status().expect("chmod");
    };
    interpreter("3.99.0");
    paper.build("").ok();
    assert!(paper.build("").ok().built().is_empty());
    interpreter("3.99.1");
    // Only a build runs it.
    paper.explain("try").ok().says("up to date");
    let run = paper.build("").ok();
    assert_eq!((run.built(), started(&run)), (vec!["try".to_string()], vec!["py".to_string()]));
    paper.explain("try").ok().says("up to date");
}

#[test]
fn a_clone_without_a_cache_is_checked_against_the_lock_files() {
    let paper = with_any(project(PAPER));
    paper.build("").ok();
    std::fs::remove_dir_all(paper.path("cache")).expect("delete");
    paper.run("check").ok();
    assert!(environments(&paper).is_empty(), "nothing is made");
    paper.write("requirements.txt", "--no-index\n--find-links wheels\ntoy==2.0\n");
    paper.run("check").code(1).says("`requirements.txt` has changed");
    paper.write("requirements.txt", "--no-index\n--find-links wheels\ntoy==1.0\n");
    paper.run("check").ok();
    paper.edit("requirements.txt}", "requirements.txt, python: python}");
    paper.run("check").code(1).says("`python` is read now").says("`python3` is not read any more");
}

#[test]
fn an_interpreter_that_does_not_run_is_located() {
    let paper = project(&PAPER.replace("requirements.txt}", "requirements.txt, python: ./broken}"));
    paper.write("broken", "#!/bin/sh\necho broken >&2\nexit 3\n");
    Command::new("chmod").arg("+x").arg(paper.path("broken")).status().expect("chmod");
    let run = paper.run("build").code(1).says("`./broken` does not tell its version as Python does");
    run.says("3 |   py: {pip: requirements.txt, python: ./broken}").says("exit code 3");
}

#[test]
fn ctrl_c_leaves_no_half_of_an_environment() {
    let paper = with_any(project(PAPER));
    // A package whose making takes long.
    paper.write("slow/setup.py", "import time, pathlib\npathlib.Path(r'MARK').write_text('')\ntime.sleep(60)\n");
    let mark = paper.path("mark").display().to_string();
    paper.write("slow/setup.py", &paper.read("slow/setup.py").replace("MARK", &mark));
    paper.write("slow/backend.py", "import setup\n");
    paper.write(
        "slow/pyproject.toml",
        "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n",
    );
    paper.write("requirements.txt", "--no-index\n./slow\n");
    let build = paper.command("build").spawn().expect("start");
    crate::support::wait_for("the package", || paper.path("mark").exists());
    let asked = Command::new("kill").args(["-INT", &build.id().to_string()]).status().expect("kill");
    assert!(asked.success());
    crate::support::finish(build, "build").code(130);
    assert!(environments(&paper).is_empty());
}

#[test]
fn read_only_commands_make_nothing_and_ask_nothing() {
    let paper = with_any(project(PAPER));
    paper.plan("").ok();
    paper.explain("try").ok().says("not built yet");
    assert!(environments(&paper).is_empty());
    paper.build("").ok();
    let before = paper.fingerprint();
    paper.plan("").ok();
    paper.explain("try").ok();
    assert_eq!(paper.fingerprint(), before);
}

#[test]
fn uv_installs_where_it_is() {
    if !has_uv() {
        return;
    }
    let paper = shown(with_any(project(PAPER)));
    let run = paper.build("").ok();
    assert_eq!(run.events_of("environment-finished")[0]["installer"], "uv");
    assert_eq!(paper.read("figures/out.txt"), "1.0\n");
}

#[test]
fn a_lock_file_of_uv_is_installed_as_it_is() {
    if !has_uv() {
        return;
    }
    let paper = shown(with_any(project(&PAPER.replace("pip: requirements.txt", "uv: uv.lock"))));
    let project = "[project]\nname = \"paper\"\nversion = \"0\"\nrequires-python = \">=3.9\"\ndependencies = [\"toy==1.0\"]\n\n\
         [[tool.uv.index]]\nname = \"local\"\nurl = \"wheels\"\nformat = \"flat\"\ndefault = true\n";
    paper.write("pyproject.toml", project);
    let lock = || {
        assert!(
            Command::new(folder_of_uv().expect("uv").join("uv"))
                .args(["lock", "-q"])
                .current_dir(paper.path(""))
                .status()
                .expect("uv")
                .success()
        )
    };
    lock();
    paper.build("").ok();
    assert_eq!(paper.read("figures/out.txt"), "1.0\n");
    paper.write("pyproject.toml", &project.replace("1.0", "2.0"));
    // The project asks for what the lock file does not have.
    paper.run("build").code(1).says("uv failed").says("uv.lock");
    lock();
    paper.explain("try").ok().says("environment py: toy 1.0 -> 2.0");
    paper.build("").ok();
    assert_eq!(paper.read("figures/out.txt"), "2.0\n");
}
