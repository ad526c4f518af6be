//! No-op builds: a build with nothing to do only compares what the last one read, and notices every change.

use std::path::PathBuf;

use crate::support::{Paper, Run, age};

const PAPER: &str = "\
repro: 1
stages:
  copy:
    exec:
      run: 'cat one.txt many/*.txt parts/*.csv > out.txt; echo $MOOD >> out.txt; cp out.txt figures/copy.txt'
      inputs: [one.txt, many, 'parts/*.csv']
      outputs: [out.txt, figures/copy.txt]
      env: [MOOD]
";

fn paper() -> Paper {
    let paper = Paper::new().yaml(PAPER).env("MOOD", "good");
    for (name, text) in [("one.txt", "1\n"), ("many/a.txt", "a\n"), ("parts/x.csv", "x\n"), ("parts/note.txt", "-\n")] {
        paper.write(name, text);
        age(&paper.path(name));
    }
    paper.build("").ok();
    paper
}

fn records(paper: &Paper) -> Vec<PathBuf> {
    let names = paper.files("cache/last").into_keys().filter(|name| name.contains("/."));
    names.map(|name| paper.path(&name)).collect()
}

fn ran(run: &Run) -> u64 {
    run.events_of("build-finished")[0]["ran"].as_u64().expect("a number")
}

#[test]
fn a_no_op_build_is_recorded_and_prints_the_same_text() {
    let paper = paper();
    assert_eq!(records(&paper).len(), 1);
    let nothing = paper.run("build").ok().stderr("");
    assert_eq!(crate::support::timeless(&nothing.stdout), "nothing to do: 1 stage is up to date (TIME)\n");
    std::fs::remove_file(&records(&paper)[0]).unwrap();
    let again = paper.run("build").ok().stderr("");
    assert_eq!(crate::support::timeless(&nothing.stdout), crate::support::timeless(&again.stdout));
    assert_eq!(records(&paper).len(), 1);
    // Other targets have a record of their own.
    paper.build("copy").ok();
    assert_eq!(records(&paper).len(), 2);
}

#[test]
fn every_change_is_noticed() {
    let same_time = |paper: &Paper, name: &str, text: &str| {
        let before = std::fs::metadata(paper.path(name)).unwrap().modified().unwrap();
        paper.write(name, text);
        let file = std::fs::File::options().write(true).open(paper.path(name)).unwrap();
        file.set_modified(before).unwrap();
    };
    type Change<'a> = (&'a str, u64, &'a dyn Fn(&Paper));
    let changes: [Change; 11] = [
        ("a file of the same size and time", 1, &|paper| same_time(paper, "one.txt", "2\n")),
        ("a file in a folder", 1, &|paper| same_time(paper, "many/a.txt", "b\n")),
        ("a new file in a folder", 1, &|paper| {
            paper.write("many/b.txt", "b\n");
        }),
        ("a new file of a pattern", 1, &|paper| {
            paper.write("parts/y.csv", "y\n");
        }),
        ("a file that no pattern means", 0, &|paper| {
            paper.write("parts/note.md", "y\n");
        }),
        ("a folder inside a folder", 1, &|paper| {
            paper.write("many/deep/c.txt", "c\n");
        }),
        ("an artifact that is gone", 0, &|paper| std::fs::remove_file(paper.path("figures/copy.txt")).unwrap()),
        ("an artifact that was edited", 0, &|paper| same_time(paper, "figures/copy.txt", "1\nb\nx\ngood\n")),
        ("results that are gone", 1, &|paper| std::fs::remove_dir_all(paper.path("cache/shards")).unwrap()),
        ("a setting", 1, &|paper| {
            paper.edit("cp out.txt", "cp ./out.txt");
        }),
        ("a comment", 0, &|paper| {
            paper.edit("repro: 1", "repro: 1 # one");
        }),
    ];
    for (what, runs, change) in changes {
        let paper = paper();
        assert_eq!(ran(&paper.build("").ok()), 0, "{what}");
        change(&paper);
        assert_eq!(ran(&paper.build("").ok()), runs, "{what}");
        let whole = ["one.txt", "many/a.txt"].map(|name| paper.read(name)).concat();
        assert!(paper.read("figures/copy.txt").starts_with(&whole), "{what}");
        // The new state is recorded.
        assert_eq!(ran(&paper.build("").ok()), 0, "{what}");
    }
}

#[test]
fn a_changed_variable_is_noticed() {
    let paper = paper().env("MOOD", "bad");
    assert_eq!(ran(&paper.build("").ok()), 1);
    assert!(paper.read("figures/copy.txt").ends_with("bad\n"));
    let paper = paper.env("MOOD", "good");
    assert_eq!(ran(&paper.build("").ok()), 0, "it is in the cache");
    assert!(paper.read("figures/copy.txt").ends_with("good\n"));
}

#[test]
fn a_missing_file_is_reported() {
    let paper = paper();
    std::fs::rename(paper.path("one.txt"), paper.path("other.txt")).unwrap();
    paper.run("build").code(1).says("there is no stage and no file `one.txt`");
}

#[test]
fn a_folder_that_became_a_link_out_of_the_project_is_refused() {
    let paper = paper();
    let outside = tempfile::tempdir().unwrap();
    std::fs::rename(paper.path("many"), outside.path().join("many")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("many"), paper.path("many")).unwrap();
    paper.run("build").code(1).says("leads out of the project");
}

#[test]
fn a_no_op_build_writes_nothing_once_no_file_is_racy() {
    let paper = paper();
    // Racy files are compared by content; after two seconds, by stat.
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    paper.build("").ok();
    let before = paper.fingerprint();
    paper.build("").ok();
    assert_eq!(paper.fingerprint(), before);
}

#[test]
fn a_damaged_record_is_ignored() {
    let paper = paper();
    let memo = records(&paper).remove(0);
    let whole = std::fs::read(&memo).unwrap();
    for position in (0..whole.len()).step_by(whole.len() / 12 + 1) {
        let mut bytes = whole.clone();
        bytes[position] ^= 1;
        std::fs::write(&memo, bytes).unwrap();
        paper.write("one.txt", "3\n");
        assert!(ran(&paper.build("").ok()) <= 1);
        assert!(paper.read("figures/copy.txt").starts_with("3\n"));
        std::fs::write(&memo, &whole).unwrap();
        assert_eq!(ran(&paper.build("").ok()), 0);
        assert!(paper.read("figures/copy.txt").starts_with("3\n"));
    }
}
