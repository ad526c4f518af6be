//! A damaged, foreign or newer cache: never a wrong result, never a crash, and no more work than what was lost.

use std::path::{Path, PathBuf};

use crate::support::{GRID, Paper, age};

/// The grid with a figure and a table, and a metric whose result is large enough to be a file of its own.
fn yaml() -> String {
    GRID.to_string()
        + "  table: {table: {of: measures, rows: [probability], columns: [loss], formats: [markdown, csv]}}
  figure: {figure: {of: measures, title: A, width: 2, height: 1.5, dpi: 50, panels: [{where: {run: 1}, marks: [{points: {x: probability, y: loss}}]}], formats: [svg, png]}}
  two: {train: {<<: *recipe, model: {moe-autoencoder: {features: 2, hidden: 1, experts: 3}}}}
  cut: {metric: {of: two, compute: [partition]}}
  map: {figure: {of: cut, title: B, width: 2, height: 1.5, dpi: 50, panels: [{marks: [{heatmap: {x: x1, y: x2, color: {value: partition}}}]}], formats: [png]}}
"
}

fn built() -> Paper {
    let paper = Paper::new().yaml(&yaml());
    paper.build("*").ok().trained(8);
    paper
}

fn flip(path: &Path, position: usize) {
    let mut bytes = std::fs::read(path).expect("read");
    bytes[position] ^= 0x20;
    std::fs::write(path, bytes).expect("write");
}

fn objects(paper: &Paper) -> Vec<PathBuf> {
    paper.files("cache/objects").into_keys().map(|name| paper.path(&name)).collect()
}

/// Everything that readers see: files and numbers.
fn all(paper: &Paper) -> (std::collections::BTreeMap<String, Vec<u8>>, String) {
    (paper.files("figures"), ["one", "grid", "measures", "cut"].map(|stage| paper.result(stage)).concat())
}

#[test]
fn whatever_is_damaged_the_next_builds_end_with_the_right_bytes() {
    let whole = all(&built());
    let shard = built().shards();
    assert_eq!(shard.len(), 1, "one build leaves one shard");
    let length = std::fs::metadata(&built().shards()[0]).expect("metadata").len() as usize;
    let positions = (0..length).step_by(length / 40 + 1).chain(length.saturating_sub(90)..length);
    for position in positions.step_by(9) {
        let paper = built();
        flip(&paper.shards()[0], position);
        // A change that reads everything again: damage is found wherever it is.
        paper
            .edit("title: A", "title: C")
            .edit("compute: [loss, feature-geometry]", "compute: [feature-geometry, loss]");
        paper.build("*").ok();
        paper.rewrite(&yaml()).build("*").ok();
        // `show` reads what no build needed to read.
        for stage in ["one", "grid", "measures", "cut"] {
            if paper.run(&format!("show {stage}")).code == Some(1) {
                paper.build(stage).ok();
            }
        }
        let files = paper.files("figures");
        assert_eq!(files, whole.0, "flipped at {position} of {length}");
    }
}

#[test]
fn a_truncated_shard_is_a_miss_and_a_warning() {
    let paper = built();
    let whole = all(&paper);
    let shard = &paper.shards()[0];
    let bytes = std::fs::read(shard).unwrap();
    for length in [0, 7, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(shard, &bytes[..length]).unwrap();
        let run = paper.build("*").ok().trained(8);
        let name = shard.file_name().unwrap().to_string_lossy();
        let told = format!("cache/shards/{name}: truncated, or not a shard; its results will be rebuilt");
        assert_eq!(run.warnings(), [told], "{length}");
        assert_eq!(all(&paper), whole);
        // The damaged shard has made way, and nothing is told twice.
        assert_eq!(paper.build("*").ok().warnings(), [""; 0]);
        assert_eq!(paper.shards().len(), 1);
        std::fs::remove_file(&paper.shards()[0]).unwrap();
    }
}

#[test]
fn a_result_found_damaged_during_a_build_is_rebuilt() {
    let paper = built();
    let whole = all(&paper);
    let objects = objects(&paper);
    assert!(!objects.is_empty(), "no result is large");
    objects.iter().for_each(|object| flip(object, 1000));
    // Drawing the map again reads the damaged result of `cut`.
    let run = paper.edit("title: B", "title: C").build("map").ok().trained(0);
    assert_eq!(run.warnings().len(), 1, "{:?}", run.warnings());
    assert!(run.warnings()[0].ends_with("is damaged or missing; it will be rebuilt"));
    assert_eq!(run.built(), ["cut", "map"]);
    paper.rewrite(&yaml()).build("*").ok().trained(0);
    assert_eq!(all(&paper), whole);
}

#[test]
fn damaged_models_are_trained_again_when_something_reads_them() {
    let paper = built();
    let shard = &paper.shards()[0];
    let bytes = std::fs::read(shard).unwrap();
    let index = u64::from_le_bytes(bytes[bytes.len() - 64..bytes.len() - 56].try_into().unwrap()) as usize;
    let mut damaged = bytes.clone();
    damaged[8..index].iter_mut().for_each(|byte| *byte ^= 0xff);
    std::fs::write(shard, damaged).unwrap();
    // Digests alone decide that nothing is to be done.
    paper.build("*").ok().trained(0);
    let run = paper.edit("compute: [loss, feature-geometry]", "compute: [loss]").build("measures").ok().trained(6);
    // The damage may be noticed in two goes, and then the stage is told twice.
    let mut built = run.built();
    built.dedup();
    assert_eq!(built, ["grid", "measures"]);
    assert!(run.warnings().len() <= 6);
    // Nothing of it is left to be found again.
    let run = paper.edit("compute: [loss]", "compute: [loss, specialization]").build("measures").ok().trained(0);
    assert_eq!(run.warnings(), [""; 0]);
}

#[test]
fn damage_along_a_chain_of_programs_is_repaired_by_one_build() {
    let mut yaml = String::from("repro: 1\nstages:\n  s0: {exec: {run: echo 1 > a.txt, outputs: [a.txt]}}\n");
    for i in 1..8 {
        let before = i - 1;
        yaml += &format!(
            "  s{i}: {{exec: {{run: 'cat s{before}/a.txt > a.txt; echo {i} >> a.txt', inputs: [s{before}], outputs: [a.txt]}}}}\n"
        );
    }
    let paper = Paper::new().yaml(&yaml);
    paper.build("s7").ok();
    for shard in paper.shards() {
        let mut bytes = std::fs::read(&shard).unwrap();
        let index = u64::from_le_bytes(bytes[bytes.len() - 64..bytes.len() - 56].try_into().unwrap()) as usize;
        bytes[8..index].iter_mut().for_each(|byte| *byte ^= 0xff);
        std::fs::write(shard, bytes).unwrap();
    }
    let mut built = paper.edit("echo 7", "echo seven").build("s7").ok().built();
    built.sort();
    assert_eq!(built, ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"]);
    paper.run("verify s7").ok();
}

#[test]
fn parts_of_a_cache_that_are_gone_cost_what_they_held() {
    let paper = built();
    let whole = all(&paper);
    for part in ["objects", "last", "tmp", "partial", "stat", "projects"] {
        let path = paper.path("cache").join(part);
        let gone = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        gone.unwrap_or_else(|e| assert_eq!(part, "stat", "{part}: {e}"));
        paper.build("*").ok().trained(0);
        if paper.run("show cut").code == Some(1) {
            paper.edit("title: B", "title: D").build("map").ok();
            paper.rewrite(&yaml()).build("*").ok();
        }
        assert_eq!(all(&paper), whole, "without {part}");
    }
    std::fs::remove_dir_all(paper.path("cache")).unwrap();
    paper.build("*").ok().trained(8);
    assert_eq!(all(&paper), whole);
}

#[test]
fn damage_found_by_show_is_repaired_by_the_next_build() {
    let paper = built();
    let whole = all(&paper);
    // The only object file: no up to date stage reads it.
    let large = objects(&paper).remove(0);
    for damaged in [&b""[..], b"other bytes"] {
        std::fs::write(&large, damaged).unwrap();
        let stage = ["cut", "map"].into_iter().find(|stage| paper.run(&format!("show {stage}")).code == Some(1));
        let stage = stage.expect("one of them reads it");
        assert_eq!(paper.build(stage).ok().events_of("build-finished")[0]["ran"], 1);
        paper.run(&format!("show {stage}")).ok();
        assert_eq!(paper.build("*").ok().built(), [""; 0]);
        assert_eq!(all(&paper), whole);
        assert!(!paper.path("cache/damaged").exists(), "it is remembered no longer than it is so");
    }
}

#[test]
fn a_damaged_digest_of_a_file_is_not_trusted() {
    let yaml = "repro: 1\nstages:\n  out: {exec: {run: cp in.txt out.txt, inputs: [in.txt], outputs: [out.txt]}}\n";
    let paper = Paper::new().yaml(yaml).file("in.txt", "content\n");
    // A digest is remembered of files that were not changed for two seconds.
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    paper.build("").ok();
    let known = paper.read("cache/stat");
    let digest = known.find("digest\":\"").expect("a digest is kept") + 9;
    flip(&paper.path("cache/stat"), digest);
    paper.edit("cp in.txt out.txt", "cat in.txt > out.txt").build("").ok();
    // Nor is one whose sum was put right: the next build finds out.
    let (json, _) = known.split_once('\n').expect("two lines");
    let wrong = json.replace(&json[digest..digest + 8], "00000000");
    paper.write("cache/stat", &format!("{wrong}\n{}", blake3::hash(wrong.as_bytes())));
    paper.edit("cat in.txt", "cat < in.txt").build("").code(1).says("was changed while the build ran");
    paper.build("").ok();
}

#[test]
fn foreign_files_in_the_cache_do_no_harm() {
    let paper = built();
    paper
        .write("cache/shards/notes.txt", "not a shard")
        .write("cache/stat", "{]")
        .write(&paper.last("one.json"), "\u{0}");
    std::fs::create_dir(paper.path("cache/shards/folder")).unwrap();
    // A build that has something to do looks at all of them.
    let run = paper.edit("title: B", "title: D").build("*").ok().trained(0);
    assert_eq!(run.warnings().len(), 2, "{:?}", run.warnings());
    paper.run("status").ok();
}

#[test]
fn a_deleted_artifact_is_restored_without_running_anything() {
    let paper = built();
    let whole = paper.files("figures");
    std::fs::remove_file(paper.path("figures/figure.svg")).unwrap();
    paper.explain("figure").ok().stdout("figure (figure) is out of date: 1 file to write\n    figure.svg is missing\n");
    paper.write("figures/figure.svg", "edited");
    paper.explain("figure").ok().says("figure.svg is not the file that was built");
    std::fs::remove_file(paper.path("figures/figure.svg")).unwrap();
    let run = paper.build("*").ok().trained(0);
    let end = &run.events_of("build-finished")[0];
    assert_eq!((&end["ran"], &end["written"]), (&0.into(), &serde_json::json!(["figure.svg"])));
    std::fs::remove_dir_all(paper.path("figures")).unwrap();
    paper.build("*").ok().trained(0);
    assert_eq!(paper.files("figures"), whole);
}

#[test]
fn an_edited_artifact_is_restored_without_running_anything() {
    let paper = built();
    let whole = paper.files("figures");
    paper.write("figures/table.md", "edited by hand");
    let run = paper.build("table.md").ok().trained(0);
    assert_eq!(run.events_of("build-finished")[0]["written"], serde_json::json!(["table.md"]));
    assert_eq!(paper.files("figures"), whole);
    // Another file of the same size and, for a careless look, of the same time.
    let path = paper.path("figures/table.csv");
    age(&path);
    paper.build("*").ok();
    flip(&path, 3);
    let run = paper.build("*").ok();
    assert_eq!(run.events_of("build-finished")[0]["written"], serde_json::json!(["table.csv"]));
    assert_eq!(paper.files("figures"), whole);
}

#[test]
fn a_cache_of_a_newer_version_is_refused_and_left_alone() {
    let paper = built();
    paper.write("cache/FORMAT", "repro cache 9\n");
    let before = paper.fingerprint();
    for command in ["build", "plan", "status", "explain one", "show one"] {
        paper.run(command).code(2).stdout("").stderr(
            "error: the cache `cache` is of version 9; this program reads versions up to 1\n\
             hint: use a newer repro, or another folder with `--cache DIR`; nothing in it was touched\n",
        );
    }
    assert_eq!(paper.fingerprint(), before);
    paper.run("build --json --cache other").ok().trained(7);
}

#[test]
fn a_second_build_writes_nothing() {
    let paper = built();
    paper.files("figures").keys().for_each(|name| age(&paper.path(name)));
    // The first read of files that are not racy records their digests.
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    paper.build("*").ok();
    let before = paper.fingerprint();
    let run = paper.run("build *").ok().stderr("");
    assert_eq!(crate::support::timeless(&run.stdout), "nothing to do: 8 stages are up to date (TIME)\n");
    assert_eq!(paper.fingerprint(), before);
}

#[test]
fn missing_results_of_a_large_sweep_are_recomputed() {
    let large = "  large: {sweep: {recipe: *recipe, axes: {run: {field: seed, count: 600}}}}
  losses: {metric: {of: large, compute: [loss]}}
";
    let paper = Paper::new().yaml(&(GRID.to_string() + large));
    paper.build("losses").ok().trained(600);
    assert_eq!(paper.build("losses").ok().trained(0).built(), [""; 0]);
    // Only the new point is trained.
    paper.edit("count: 600", "count: 601").build("losses").ok().trained(1);
    paper.shards().iter().for_each(|shard| std::fs::remove_file(shard).expect("remove"));
    paper.build("losses").ok().trained(601);
}
