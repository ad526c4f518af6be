//! Sealed programs: they touch what they declare, their environment and the system, and nothing else.
//!
//! Tests need Landlock; without it they say that they check nothing.

use std::net::TcpListener;
use std::path::Path;

use repro::program::{NetworkAccess, seal_support};

use crate::support::{Paper, Run};

/// A paper with one program that writes `out.txt`, and more settings of it.
fn program(run: &str, settings: &str) -> Paper {
    let run = serde_json::to_string(run).expect("text");
    Paper::new()
        .yaml(&format!("repro: 1\nstages:\n  try:\n    exec:\n      run: {run}\n      outputs: [out.txt]\n{settings}"))
}

/// Whether this system seals programs; says so if it does not.
fn sealed() -> bool {
    let support = seal_support();
    if !support.files {
        eprintln!("this system has no Landlock: nothing is checked");
    }
    support.files
}

/// Whether this system gives programs a network of their own.
fn cut_off() -> bool {
    let own = seal_support().network == NetworkAccess::OwnLoopback;
    if !own {
        eprintln!("this system allows no network namespaces: nothing is checked");
    }
    own
}

fn refused(run: &Run) -> String {
    assert_eq!(run.code, Some(1), "{}{}", run.stdout, run.stderr);
    run.stderr.clone()
}

fn assert_has(text: &str, wanted: &str) {
    assert!(text.contains(wanted), "`{wanted}` should stand in:\n{text}");
}

#[test]
fn a_file_of_the_project_that_is_no_input_is_not_readable() {
    if !sealed() {
        return;
    }
    let paper = program("cat ORIGIN > out.txt", "").file("data.csv", "1\n");
    let origin = paper.path("data.csv").display().to_string();
    paper.edit("ORIGIN", &origin);
    let text = refused(&paper.run("build"));
    assert_has(&text, "`data.csv` is in the project, but not an input: add `inputs: [data.csv]`");
    assert_has(&text, "`seal: off`");
    // As an input it is still read by its own path only.
    paper.edit("outputs: [out.txt]", "outputs: [out.txt]\n      inputs: [data.csv]");
    assert_has(&refused(&paper.run("build")), "`data.csv` is an input: the program must read it as `data.csv`");
    paper.edit(&origin, "data.csv");
    paper.build("").ok();
}

#[test]
fn the_cache_and_other_sandboxes_are_not_readable() {
    if !sealed() {
        return;
    }
    let tries = ["ls ..", "ls ../..", "cat ../../../FORMAT", "echo > ../left", "echo > ../../../objects"];
    for attempt in tries {
        let paper = program(&format!("echo > out.txt; {attempt}"), "");
        refused(&paper.run("build"));
        paper.edit("outputs: [out.txt]", "outputs: [out.txt]\n      seal: off");
        if !attempt.ends_with("objects") {
            paper.build("").ok();
        }
    }
}

#[test]
fn a_file_in_the_home_folder_is_not_readable_unless_declared() {
    if !sealed() {
        return;
    }
    let home = tempfile::tempdir().expect("a folder");
    std::fs::write(home.path().join("notes.txt"), "mine\n").expect("write");
    let paper = program("cat \"$HOME/notes.txt\" > out.txt", "").env("HOME", &home.path().display().to_string());
    let text = refused(&paper.run("build"));
    assert_has(&text, &format!("add `reads: [{}]`", home.path().join("notes.txt").display()));
    paper.edit("outputs: [out.txt]", "outputs: [out.txt]\n      reads: [~/notes.txt]");
    paper.build("").ok();
}

#[test]
fn programs_write_only_into_their_folders() {
    if !sealed() {
        return;
    }
    let outside = tempfile::tempdir().expect("a folder");
    let path = outside.path().join("left").display().to_string();
    let paper = program(&format!("echo x > {path}; echo > out.txt"), "");
    let text = refused(&paper.run("build"));
    assert_has(&text, &format!("the program may not write into `{}`", outside.path().display()));
    assert!(!Path::new(&path).exists());
    // Its own folder, the one for temporary files, and its own output by name.
    let all = "mkdir d && echo 1 > d/a && mv d/a b && echo 2 > $TMPDIR/c && mv $TMPDIR/c c && echo 3 > /dev/stdout && cat b c > out.txt";
    program(all, "").build("").ok();
}

#[test]
fn a_program_may_change_its_copies_of_inputs() {
    let paper =
        program("echo 2 >> data.csv; cat data.csv > out.txt", "      inputs: [data.csv]\n").file("data.csv", "1\n");
    paper.build("").ok();
    assert_eq!(paper.read("data.csv"), "1\n");
}

#[test]
fn an_unsealed_program_reads_everything_for_a_stage_or_a_paper() {
    let paper = program("cat ORIGIN > out.txt", "      seal: off\n").file("data.csv", "1\n");
    paper.edit("ORIGIN", &paper.path("data.csv").display().to_string());
    paper.build("").ok();
    paper.run("build --rerun try").ok();
    paper.edit("      seal: off\n", "").edit("repro: 1\n", "repro: 1\nseal: off\n");
    paper.run("build --rerun try").ok();
    if sealed() {
        paper.edit("outputs: [out.txt]", "outputs: [out.txt]\n      seal: on");
        assert_has(&refused(&paper.run("build --rerun try")), "`data.csv` is in the project");
    }
}

/// Connects to a port of this machine.
fn connecting() -> (TcpListener, Paper) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let script = format!(
        "import socket; socket.create_connection(('127.0.0.1', {port}), 20).close(); open('out.txt', 'w').write('1')"
    );
    (listener, program(&format!("python3 -c \"{script}\""), ""))
}

#[test]
fn the_network_is_there_only_if_declared() {
    if !cut_off() {
        return;
    }
    let (listener, paper) = connecting();
    assert_has(&refused(&paper.run("build")), "add `network: true`");
    listener.set_nonblocking(true).expect("a socket");
    assert!(listener.accept().is_err(), "nobody came");
    paper.edit("outputs: [out.txt]", "outputs: [out.txt]\n      network: true");
    paper.build("").ok();
}

#[test]
fn a_program_without_network_reaches_itself() {
    if !cut_off() {
        return;
    }
    let script = "import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname(), 20); open('out.txt', 'w').write('1')";
    program(&format!("python3 -c \"{script}\""), "").build("").ok();
}

#[test]
fn a_program_of_the_project_that_is_no_input_cannot_be_started() {
    if !sealed() {
        return;
    }
    let paper = program("PLACE", "").file("fit.sh", "#!/bin/sh\necho 1 > out.txt\n");
    let script = paper.path("fit.sh");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).expect("make it a program");
    paper.edit("\"PLACE\"", &format!("[{}]", script.display()));
    let text = refused(&paper.run("build"));
    assert_has(&text, "cannot be started: the program is sealed from it");
    assert_has(&text, "must be an input, written as `./name`");
    paper.edit(&script.display().to_string(), "./fit.sh").edit("outputs:", "inputs: [fit.sh]\n      outputs:");
    paper.build("").ok();
}

#[test]
fn a_failure_of_another_kind_says_nothing_of_seals() {
    let text = refused(&program("echo wrong >&2; exit 3", "").run("build"));
    assert!(!text.contains("seal") && !text.contains("network"), "{text}");
}

#[test]
fn points_of_a_sweep_are_sealed_too() {
    if !sealed() {
        return;
    }
    let paper = Paper::new().file("data.csv", "1\n");
    let origin = paper.path("data.csv").display().to_string();
    paper.rewrite(&format!(
        "repro: 1\nstages:\n  try:\n    sweep:\n      exec: {{run: cat {origin} > out.txt, outputs: [out.txt], params: {{a: 1}}}}\n      axes: {{a: [1, 2]}}\n"
    ));
    assert_has(&refused(&paper.run("build")), "add `inputs: [data.csv]`");
    paper.edit("params: {a: 1}", "params: {a: 1}, seal: off");
    paper.build("").ok();
}

#[test]
fn data_outside_is_read_in_place_and_its_listing_is_in_the_key() {
    let data = tempfile::tempdir().expect("a folder");
    let file = data.path().join("a.txt");
    std::fs::write(&file, "1\n").expect("write");
    let place = data.path().display().to_string();
    let paper =
        program(&format!("cat {place}/a.txt linked/a.txt > out.txt"), "      reads: [{path: PLACE, as: linked}]\n");
    paper.edit("PLACE", &place);
    let ran = |paper: &Paper| paper.build("").ok().built().len();
    assert_eq!((ran(&paper), ran(&paper)), (1, 0));
    std::fs::write(&file, "22\n").expect("write");
    assert_has(&paper.explain("try").ok().stdout, &format!("`{place} as linked` has new content"));
    assert_eq!((ran(&paper), ran(&paper)), (1, 0));
    // The same content with another time is another listing, and the same content.
    let touch = || {
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
        std::fs::File::options().append(true).open(&file).and_then(|file| file.set_modified(later)).expect("a time");
    };
    touch();
    assert_eq!(ran(&paper), 1);
    paper.edit("as: linked", "as: linked, hash: content");
    assert_eq!(ran(&paper), 1);
    touch();
    assert_eq!(ran(&paper), 0);
    std::fs::write(&file, "23\n").expect("write");
    assert_eq!(ran(&paper), 1);
    if sealed() {
        paper.edit("cat ", &format!("echo x > {place}/b; cat "));
        refused(&paper.run("build"));
        assert!(!data.path().join("b").exists(), "it is only read");
    }
}

#[test]
fn wrong_settings_are_told_with_their_place() {
    let cases = [
        ("reads: [/no/such/folder]", "there is no `/no/such/folder` on this machine", 1),
        ("reads: [data.csv]", "`data.csv` is not a path outside of the project", 2),
        ("reads: [/]", "`/` contains the project", 1),
        ("reads: [{path: /usr, hash: names}]", "`names` cannot be hashed", 2),
        ("reads: [{path: /usr, as: ../x}]", "`../x` is outside the project", 2),
        ("reads: [{path: /usr, as: out.txt}]", "the link `out.txt` and the output `out.txt` overlap", 2),
        ("seal: of", "`of` is neither `on` nor `off`", 2),
        ("network: always", "expected `true` or `false`", 2),
    ];
    for (setting, message, code) in cases {
        let run = program("echo > out.txt", &format!("      {setting}\n")).run("build");
        assert_eq!(run.code, Some(code), "{setting}: {}", run.stderr);
        assert_has(&run.stderr, message);
        assert_has(&run.stderr, "paper.yaml:7:");
    }
    let paper = program("echo > out.txt", "");
    paper.edit("repro: 1\n", "repro: 1\nseal: maybe\n");
    assert_has(&paper.run("plan").stderr, "paper.yaml:2:7");
}

#[test]
fn settings_of_the_seal_are_not_in_the_key() {
    let paper = program("echo 1 > out.txt", "");
    assert_eq!(paper.build("").ok().built(), ["try"]);
    for setting in ["network: true", "seal: off", "seal: on", "reads: []"] {
        paper.edit("outputs: [out.txt]\n", &format!("outputs: [out.txt]\n      {setting}\n"));
        assert_eq!(paper.build("").ok().built(), [""; 0], "{setting}");
        paper.edit(&format!("      {setting}\n"), "");
    }
    paper.edit("repro: 1\n", "repro: 1\nseal: off\n");
    assert_eq!(paper.build("").ok().built(), [""; 0]);
}

/// A virtual environment of the python3 in `PATH`; `None` if it cannot be made.
fn environment(folder: &Path) -> Option<()> {
    let made = std::process::Command::new("python3").args(["-m", "venv", "--without-pip"]).arg(folder).status();
    let made = made.is_ok_and(|status| status.success());
    if !made {
        eprintln!("python3 makes no virtual environments here: nothing is checked");
    }
    made.then_some(())
}

#[test]
fn a_virtual_environment_in_the_project_works_and_an_editable_install_is_named() {
    let paper = program("VENV/bin/python use.py > out.txt", "      inputs: [use.py]\n")
        .file("use.py", "import mypackage\nprint(mypackage.one)\n")
        .file("src/mypackage/__init__.py", "one = 1\n");
    let venv = paper.path(".venv");
    let Some(()) = environment(&venv) else { return };
    paper.edit("VENV", &venv.display().to_string());
    let libraries = std::fs::read_dir(venv.join("lib")).expect("lib").next().expect("a version").expect("an entry");
    let packages = libraries.path().join("site-packages");
    // As `pip install -e .` does it.
    std::fs::write(packages.join("mine.pth"), format!("{}\n", paper.path("src").display())).expect("write");
    if sealed() {
        let text = refused(&paper.run("build"));
        assert_has(&text, "`mypackage` is an editable install of");
        assert_has(&text, "add `inputs: [src/mypackage]` and run with `PYTHONPATH=src`");
    }
    // Installed.
    std::fs::remove_file(packages.join("mine.pth")).expect("remove");
    std::fs::create_dir(packages.join("mypackage")).expect("a folder");
    std::fs::copy(paper.path("src/mypackage/__init__.py"), packages.join("mypackage/__init__.py")).expect("copy");
    paper.build("").ok();
}

#[test]
fn an_activated_environment_in_the_home_folder_works() {
    let home = tempfile::tempdir().expect("a folder");
    let venv = home.path().join("envs/one");
    let Some(()) = environment(&venv) else { return };
    let path = format!("{}:{}", venv.join("bin").display(), std::env::var("PATH").unwrap_or_default());
    let paper = program("python3 -c 'import sys; print(sys.prefix)' > out.txt; cat out.txt", "");
    let paper = paper.env("HOME", &home.path().display().to_string()).env("PATH", &path);
    paper.env("VIRTUAL_ENV", &venv.display().to_string()).build("").ok();
}

/// An archive of a paper whose program copies `data.csv`, with other settings of the program.
fn archive(settings: &str) -> Paper {
    let paper = program("cat data.csv > out.txt", "      inputs: [data.csv]\n").file("data.csv", "1\n");
    paper.edit("outputs: [out.txt]", &format!("outputs: [out.txt]\n{settings}"));
    paper.build("").ok();
    paper.run("export try -o paper.zip").ok();
    paper
}

#[test]
fn a_foreign_archive_is_sealed_whatever_it_says_and_says_what_it_runs() {
    if !sealed() {
        return;
    }
    let outside = tempfile::tempdir().expect("a folder");
    let mark = outside.path().join("mark");
    let paper = program(&format!("echo 1 > out.txt; touch {} || true", mark.display()), "      seal: off\n");
    paper.build("").ok();
    assert!(mark.exists());
    paper.run("export try -o paper.zip").ok();
    std::fs::remove_file(&mark).expect("remove");
    let run = paper.run("verify paper.zip --rebuild --yes").ok();
    assert!(!mark.exists(), "the archive wrote outside of its folder");
    assert_has(&run.stderr, "they are sealed");
    assert_has(&run.stderr, "try: echo 1 > out.txt");
    let data = tempfile::tempdir().expect("a folder");
    let place = data.path().display().to_string();
    let paper = archive(&format!("      reads: [{place}]"));
    paper.run("export try -o paper.zip").ok().says(&format!("does not contain the data that programs read at {place}"));
    paper.run("verify paper.zip").ok();
    paper.run("verify paper.zip --rebuild --yes").ok().says(&format!("try reads {place}"));
    std::fs::remove_dir(data.path()).expect("remove");
    paper.run("verify paper.zip").ok();
    paper.run("verify paper.zip --rebuild --yes").code(1).says(&format!("there is no `{place}` on this machine"));
    archive("      network: true").run("verify paper.zip --rebuild --yes").ok().says("try uses the network");
}

#[test]
fn tools_of_a_foreign_archive_are_sealed() {
    if !sealed() {
        return;
    }
    let outside = tempfile::tempdir().expect("a folder");
    let mark = outside.path().join("mark");
    let tool = format!("      tools: [[sh, -c, \"touch {}; echo 1\"]]", mark.display());
    let paper = archive(&tool);
    assert!(mark.exists(), "a paper of one's own is trusted");
    std::fs::remove_file(&mark).expect("remove");
    paper.run("verify paper.zip --rebuild --yes");
    assert!(!mark.exists(), "a tool of the archive wrote outside of its folder");
}

#[test]
fn what_a_sealed_program_starts_is_sealed_and_ends_with_it() {
    if !sealed() {
        return;
    }
    let script = "(setsid sh -c 'echo $$ > checkpoints/pid; exec sleep 300' &) ; while [ ! -s checkpoints/pid ]; do sleep 0.05; done; exit 3";
    let paper = program(script, "      resume: [checkpoints/]\n");
    refused(&paper.run("build"));
    let files = paper.files("cache/resume");
    let (_, pid) = files.iter().find(|(name, _)| name.ends_with("pid")).expect("the program wrote its number");
    let pid = String::from_utf8_lossy(pid).trim().to_string();
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "the daemon still runs");
}
