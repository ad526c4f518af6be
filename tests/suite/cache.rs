//! The folder of the cache: only a cache is used as one, only what this program made is deleted, and several papers may share one.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{Paper, Run, finish};

const PAPER: &str = "\
repro: 1
stages:
  fit: {exec: {run: 'echo fitted > fit.txt; head -c 100000 /dev/zero > big', outputs: [fit.txt, big]}}
  fig1: {exec: {run: cp fit/fit.txt figures/fig1.txt, inputs: [fit], outputs: [figures/fig1.txt]}}
";

fn paper() -> Paper {
    Paper::new().yaml(PAPER)
}

fn thesis(folder: &Path) -> PathBuf {
    std::fs::create_dir_all(folder).expect("make a folder");
    let file = folder.join("thesis.tex");
    std::fs::write(&file, "years of work").expect("write");
    file
}

/// All commands that open a cache.
const COMMANDS: [&str; 11] = [
    "build",
    "build -n",
    "plan",
    "status",
    "explain fig1",
    "show fig1",
    "verify",
    "export",
    "gc -n",
    "gc --older-than 0",
    "gc --max-size 1kB",
];

/// Run a shell script in the project; `$REPRO` is the program.
fn shell(paper: &Paper, script: &str) -> Run {
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(paper.path("")).env("REPRO", env!("CARGO_BIN_EXE_repro"));
    command.env_remove("REPRO_CACHE").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command.spawn().expect("start a shell"), script)
}

#[test]
fn a_folder_of_other_files_is_refused_as_a_cache_and_not_changed() {
    let paper = paper();
    let home = tempfile::tempdir().unwrap();
    for folder in ["scratch/thesis", "scratch/abc123", "tmp", "logs", "last", "objects/ab"] {
        thesis(&home.path().join(folder));
    }
    std::fs::write(home.path().join("scratch/notes"), "notes").unwrap();
    std::fs::set_permissions(home.path().join("scratch/notes"), PermissionsExt::from_mode(0o640)).unwrap();
    let told =
        format!("`{}` is not a cache of repro: it holds `last`, `logs`, `objects` and 2 more", home.path().display());
    for command in COMMANDS {
        let run = paper.run(&format!("{command} --cache {}", home.path().display())).code(2);
        assert!(run.stderr.contains(&told), "{command}: {}", run.stderr);
        assert!(run.stderr.contains("name a new or empty folder with `--cache DIR` or REPRO_CACHE"), "{}", run.stderr);
    }
    for folder in ["scratch/thesis", "scratch/abc123", "tmp", "logs", "last", "objects/ab"] {
        assert!(home.path().join(folder).join("thesis.tex").exists(), "{folder}");
    }
    let mode = std::fs::metadata(home.path().join("scratch/notes")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert!(!home.path().join("FORMAT").exists() && !home.path().join("lock").exists());
    // A FORMAT file of something else does not make it a cache.
    std::fs::write(home.path().join("FORMAT"), "A4\n").unwrap();
    paper.run(&format!("build --cache {}", home.path().display())).code(2).says("is not a cache of repro");
}

#[test]
fn a_symbolic_link_inside_the_cache_is_refused_and_its_target_is_not_touched() {
    for folder in ["scratch", "tmp", "logs", "last", "objects", "partial", "replaced", "kernels", "diff", "view"] {
        let paper = paper();
        let home = tempfile::tempdir().unwrap();
        let kept = [thesis(&home.path().join("thesis")), thesis(home.path()), thesis(&home.path().join("abc123"))];
        // As in a cloned repository: a FORMAT file, and a link that leads out of the cache.
        paper.write("cache/FORMAT", "repro cache 1\n");
        symlink(home.path(), paper.path("cache").join(folder)).unwrap();
        for command in COMMANDS {
            let run = paper.run(command).code(2);
            let told = format!("`cache/{folder}` is a symbolic link, and nothing inside a cache may be one");
            assert!(run.stderr.contains(&told), "{command}: {}", run.stderr);
        }
        assert!(kept.iter().all(|file| file.exists()), "{folder}");
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 3);
    }
    // The cache itself may be a link.
    let (paper, disk) = (paper(), tempfile::tempdir().unwrap());
    symlink(disk.path(), paper.path("cache")).unwrap();
    paper.build("").ok();
    assert!(disk.path().join("FORMAT").exists());
}

#[test]
fn only_scratch_folders_that_repro_made_are_deleted() {
    let paper = paper();
    paper.build("").ok();
    let scratch = paper.path("cache/scratch");
    let kept =
        [thesis(&scratch.join("thesis")), thesis(&scratch.join("repro-abc123")), thesis(&scratch.join("repro-locked"))];
    let home = tempfile::tempdir().unwrap();
    let far = thesis(home.path());
    symlink(home.path(), scratch.join("repro-linked")).unwrap();
    for name in ["repro-locked.lock", "repro-linked.lock", "poetry.lock", "notes"] {
        std::fs::write(scratch.join(name), "").unwrap();
        std::fs::set_permissions(scratch.join(name), PermissionsExt::from_mode(0o640)).unwrap();
    }
    // What killed builds leave: a folder with its marker and its lock, or only one of them.
    std::fs::create_dir_all(scratch.join("repro-dead01/0/results")).unwrap();
    std::fs::write(scratch.join("repro-dead01/.repro-scratch"), "").unwrap();
    std::fs::write(scratch.join("repro-dead01/0/results/a"), "x").unwrap();
    std::fs::create_dir_all(scratch.join("repro-dead02")).unwrap();
    for name in ["repro-dead01.lock", "repro-dead02.lock", "repro-dead03.lock"] {
        std::fs::write(scratch.join(name), "").unwrap();
    }
    paper.build("").ok();
    paper.run("gc --older-than 0").ok();
    assert!(kept.iter().all(|file| file.exists()) && far.exists());
    let mut names: Vec<String> =
        std::fs::read_dir(&scratch).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let expected = [
        "notes",
        "poetry.lock",
        "repro-abc123",
        "repro-linked",
        "repro-linked.lock",
        "repro-locked",
        "repro-locked.lock",
        "thesis",
    ];
    assert_eq!(names, expected);
    let mode = std::fs::metadata(scratch.join("notes")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[test]
fn gc_keeps_foreign_files_in_the_cache() {
    let paper = paper();
    paper.build("").ok();
    let names = [
        "tmp/notes.txt",
        "logs/notes.txt",
        "last/notes.txt",
        "partial/notes.txt",
        "kernels/notes.txt",
        "diff/notes.txt",
        "view/notes.txt",
        "objects/notes.txt",
        "objects/ab/notes.txt",
        "projects/notes.txt",
        "notes.txt",
    ];
    for name in names {
        paper.write(&format!("cache/{name}"), "mine");
    }
    paper.run("gc --older-than 0").ok();
    for name in names {
        assert_eq!(paper.read(&format!("cache/{name}")), "mine", "{name}");
    }
}

#[test]
fn a_build_after_a_killed_first_build_finishes_creating_the_cache() {
    // Nothing yet; the folder; a half-written FORMAT beside what git keeps in empty folders.
    for left in [&[][..], &["cache/"], &["cache/.repro-a1b2c3", "cache/.gitignore"]] {
        let paper = paper();
        for name in left {
            if name.ends_with('/') {
                std::fs::create_dir(paper.path(name)).unwrap();
            } else {
                paper.write(name, "");
            }
        }
        paper.run("status").ok();
        paper.run("gc").ok();
        paper.build("").ok();
        assert_eq!(paper.read("cache/FORMAT"), "repro cache 1\n");
        assert!(!paper.path("cache/.repro-a1b2c3").exists());
        paper.run("gc").ok();
        assert_eq!(paper.build("").ok().built(), [""; 0]);
    }
    // The first system calls that change something, one after the other: killed after each, the next build succeeds.
    if !Command::new("strace").arg("--version").output().is_ok_and(|run| run.status.success()) {
        eprintln!("SKIPPED: there is no strace here");
        return;
    }
    let calls = "mkdir,openat,write,fsync,rename,renameat,renameat2,flock,unlink";
    for call in calls.split(',') {
        for n in (1..30).step_by(6) {
            let paper = paper();
            let inject = format!("inject={call}:signal=KILL:when={n}");
            let killed =
                shell(&paper, &format!("strace -f -qq -o /dev/null -e trace={call} -e '{inject}' $REPRO build -q"));
            paper.build("").ok();
            assert_eq!(paper.read("figures/fig1.txt"), "fitted\n", "{call} {n}");
            if killed.code == Some(0) {
                break;
            }
        }
    }
}

#[test]
fn a_cache_without_its_format_file_says_how_to_restore_it() {
    let paper = paper();
    paper.build("").ok();
    std::fs::remove_file(paper.path("cache/FORMAT")).unwrap();
    let run =
        paper.run("build").code(2).says("`cache` is not a cache of repro: it holds `claims`, `last`, `lock` and ");
    assert!(run.stderr.contains("`echo 'repro cache 1' > cache/FORMAT`"), "{}", run.stderr);
    paper.write("cache/FORMAT", "repro cache 1\n");
    assert_eq!(paper.build("").ok().built(), [""; 0]);
}

/// Two papers with one cache.
fn two() -> (Paper, Paper, tempfile::TempDir) {
    let cache = tempfile::tempdir().unwrap();
    let place = cache.path().join("cache").display().to_string();
    let paper = |text: &str| Paper::new().yaml(&PAPER.replace("fitted", text)).env("REPRO_CACHE", &place);
    (paper("one"), paper("two"), cache)
}

#[test]
fn papers_that_share_a_cache_do_not_confuse_their_files() {
    let (one, two, cache) = two();
    one.build("").ok();
    two.write("figures/fig1.txt", "drawn by hand\n");
    two.run("build").ok().says("existed before this paper wrote it");
    assert_eq!(std::fs::read_to_string(cache.path().join("cache/replaced/fig1.txt")).unwrap(), "drawn by hand\n");
    // What they explain is their own, too.
    one.explain("fig1").ok().stdout("fig1 (exec) is up to date\n");
    one.edit("echo one", "echo three");
    let run = one.explain("fit").ok();
    assert!(run.stdout.contains("echo one") && !run.stdout.contains("echo two"), "{}", run.stdout);
}

#[test]
fn gc_of_one_paper_keeps_what_another_one_built() {
    let (one, two, cache) = two();
    two.build("").ok();
    let interrupted = "\
repro: 1
stages:
  grid:
    sweep:
      recipe:
        model: {moe-autoencoder: {features: 4, hidden: 2, experts: 2, active: 1}}
        data: {sparse-uniform: {probability: 0.3}}
        optimizer: {adamw: {lr: 1e-3}}
        batch: 16
        steps: 20
        seed: 1
      axes: {run: {field: seed, count: 3}}
  never: {exec: {run: 'false', inputs: [grid], outputs: [a]}}
";
    let third = Paper::new().yaml(interrupted).env("REPRO_CACHE", &cache.path().join("cache").display().to_string());
    third.build("").code(1);
    one.build("").ok();
    let run = one.run("gc --older-than 0").ok();
    let told = "kept the last results of 2 other papers with this cache: ";
    assert!(run.stdout.contains("deleted 0 results") && run.stdout.contains(told), "{}", run.stdout);
    assert_eq!(two.build("").ok().built(), [""; 0]);
    third.build("grid").ok().trained(0);
    // Its figures come from the cache again, from small and large files.
    std::fs::remove_dir_all(two.path("figures")).unwrap();
    let run = two.build("").ok();
    assert_eq!((run.events_of("unit-finished").len(), two.read("figures/fig1.txt").as_str()), (0, "two\n"));
    two.run("verify fit --only").ok();
    // What it no longer builds is deleted.
    let event = |paper: &Paper| paper.run("gc --json --older-than 0").ok().events()[0].clone();
    two.edit("echo two", "echo 2").build("").ok();
    assert_eq!(event(&one)["results"], 4, "two results, the file of both, and the file in figures");
    assert_eq!(two.build("").ok().built(), [""; 0]);
    // So is what a deleted paper needed, with a message.
    let gone = two.path("paper.yaml").canonicalize().unwrap();
    std::fs::remove_file(&gone).unwrap();
    let told = event(&one);
    assert_eq!(told["gone-papers"], serde_json::json!([gone]));
    assert!(told["results"].as_u64().unwrap() > 0);
    assert_eq!(event(&one)["gone-papers"], serde_json::json!([]), "it is forgotten");
    assert_eq!(one.build("").ok().built(), [""; 0]);
    third.build("grid").ok().trained(0);
}

#[test]
fn gc_deletes_nothing_while_the_needs_of_another_paper_are_unknown() {
    let (one, two, cache) = two();
    one.build("").ok();
    two.build("").ok();
    let mut records: Vec<PathBuf> = std::fs::read_dir(cache.path().join("cache/last"))
        .unwrap()
        .map(|entry| entry.unwrap().path().join("fit.keys"))
        .collect();
    records.sort();
    for record in &records {
        let whole = std::fs::read(record).unwrap();
        std::fs::write(record, &whole[..whole.len() - 1]).unwrap();
    }
    one.run("gc --older-than 0").code(1).says("is damaged").says("nothing was deleted");
    // A build of that paper restores the record.
    two.edit("outputs: [fit.txt, big]", "outputs: [big, fit.txt]").build("").ok();
    one.run("gc --older-than 0").ok();
    assert_eq!(two.build("").ok().built(), [""; 0]);
}

#[test]
fn records_of_builds_in_the_old_layout_are_still_read() {
    let paper = paper();
    paper.build("").ok();
    let folder = std::fs::read_dir(paper.path("cache/last")).unwrap().next().unwrap().unwrap().path();
    std::fs::rename(folder.join("fit.json"), paper.path("cache/last/fit.json")).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    paper.edit("echo fitted", "echo other");
    paper.explain("fit").ok().says("echo fitted");
    paper.build("").ok();
    assert_eq!(paper.read("figures/fig1.txt"), "other\n");
    assert!(!paper.path("cache/replaced").exists(), "the figure before is in the cache");
}

#[test]
fn a_log_that_cannot_be_replaced_is_an_error_not_an_endless_loop() {
    let paper = paper();
    paper.build("fit").ok();
    paper.edit("echo fitted", "echo other");
    // Another user's log in a folder where everybody may write but delete only what is theirs.
    let script = "chown -R 12345 cache/logs && chmod 1777 cache/logs && \
                  exec unshare --user --map-root-user timeout 20 $REPRO build fit --color never";
    let run = shell(&paper, script);
    if run.stderr.contains("unshare") || run.stderr.contains("chown") {
        eprintln!("SKIPPED: no user can be changed here: {}", run.stderr);
        return;
    }
    let run = run.code(1);
    assert!(
        run.stderr.contains("cannot replace the log `cache/logs/fit.log`: operation not permitted"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("hint: it may belong to another user"), "{}", run.stderr);
}

#[test]
fn files_have_the_permissions_that_the_umask_gives() {
    for (umask, file, folder) in [("077", 0o600, 0o700), ("027", 0o640, 0o750), ("002", 0o664, 0o775)] {
        let paper = paper();
        shell(&paper, &format!("umask {umask}; $REPRO build -q && $REPRO export -q -o paper.zip")).ok();
        let mut folders = vec![paper.path("cache"), paper.path("figures")];
        let mut seen = 0;
        while let Some(path) = folders.pop() {
            let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&path), folder, "{} with {umask}", path.display());
            for entry in std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() {
                    folders.push(entry);
                } else {
                    assert_eq!(mode(&entry), file, "{} with {umask}", entry.display());
                    seen += 1;
                }
            }
        }
        assert!(seen > 5);
    }
}

#[test]
fn temporary_files_of_a_killed_build_in_figures_are_deleted_by_the_next_one() {
    let paper = paper();
    // Another file system for the cache: memory, where there is one.
    let shared = Path::new("/dev/shm");
    let device = |path: &Path| std::fs::metadata(path).map(|meta| std::os::unix::fs::MetadataExt::dev(&meta)).ok();
    if device(shared).is_none() || device(shared) == device(&paper.path("")) {
        eprintln!("SKIPPED: there is no second file system here");
        return;
    }
    let disk = tempfile::tempdir_in(shared).unwrap();
    paper.write("figures/.repro-a1b2c3", "half a figure").write("figures/.repro-notes", "notes");
    paper.build(&format!("--cache {}", disk.path().join("cache").display())).ok();
    let names: Vec<String> = paper.files("figures").into_keys().collect();
    assert_eq!(names, ["figures/.repro-notes", "figures/fig1.txt"]);
}

#[test]
fn after_a_power_cut_that_loses_the_record_own_figures_are_not_moved_aside() {
    let paper = paper();
    paper.build("").ok();
    std::fs::remove_dir_all(paper.path("cache/last")).unwrap();
    paper.edit("echo fitted", "echo better");
    let run = paper.run("build").ok();
    assert_eq!(
        (run.stderr.matches("was there before").count(), paper.read("figures/fig1.txt").as_str()),
        (0, "better\n")
    );
    assert!(!paper.path("cache/replaced").exists());
}

#[test]
fn figures_of_a_fresh_clone_are_not_reported_as_edited() {
    let paper = paper();
    paper.run("status fig1").ok().stdout("fig1  exec  waiting    missing: fig1.txt\n1 stage: 1 waiting\n");
    paper.build("").ok();
    paper.run("status fig1").ok().stdout("fig1  exec  up to date    fig1.txt\n1 stage: 1 up to date\n");
    std::fs::remove_dir_all(paper.path("cache")).unwrap();
    paper
        .run("status fig1")
        .ok()
        .stdout("fig1  exec  up to date, results not here    fig1.txt\n1 stage: 1 up to date, results not here\n");
    // Without the lock file nothing is known about them.
    std::fs::remove_file(paper.path("paper.lock")).unwrap();
    paper.run("status fig1").ok().stdout(
        "fig1  exec  waiting    not checked: fig1.txt\n\
         1 stage: 1 waiting (not checked: the cache has no result to compare these files with)\n",
    );
    paper.build("").ok();
    paper.edit("echo fitted", "echo other");
    paper.run("status fig1").ok().stdout("fig1  exec  waiting    may be out of date: fig1.txt\n1 stage: 1 waiting\n");
    paper.edit("cp fit/fit.txt", "cp ./fit/fit.txt").build("fit").ok();
    paper.run("status fig1").ok().stdout("fig1  exec  out of date    out of date: fig1.txt\n1 stage: 1 out of date\n");
    paper.build("").ok();
    paper.write("figures/fig1.txt", "edited");
    paper.run("status fig1").ok().stdout("fig1  exec  out of date    differs: fig1.txt\n1 stage: 1 out of date\n");
}

const COPY: &str = "\
repro: 1
stages:
  copy: {exec: {run: cp in.txt figures/copy.txt, inputs: [in.txt], outputs: [figures/copy.txt]}}
";

#[test]
fn no_change_is_missed_on_a_file_system_with_whole_second_timestamps() {
    let paper = Paper::new().yaml(COPY).file("a", "aaaa\n").file("b", "bbbb\n");
    // Inodes of 128 bytes have no room for parts of seconds. A file of the same size and of the same, old time of change takes the place of
    // another, within one second of its clock.
    let script = "\
set -e
truncate -s 32M disk; mkfs.ext4 -q -F -I 128 disk > /dev/null 2>&1 || { echo no mkfs >&2; exit 77; }; mkdir small; mount -o loop disk small || { echo no mount >&2; exit 77; }
cp paper.yaml a b small; cd small; touch -d '2 hours ago' a b
tried=0; met=0
while [ $met -lt 3 ] && [ $tried -lt 60 ]; do
  tried=$((tried + 1))
  cp -p a in.txt; $REPRO build -q; first=$(stat -c %Z in.txt)
  cp -p b in.txt; [ $(stat -c %Z in.txt) = $first ] || continue
  met=$((met + 1))
  $REPRO build -q; cmp -s figures/copy.txt b || { echo stale after $tried; exit 1; }
  $REPRO build -q; cmp -s figures/copy.txt b || { echo stale again; exit 1; }
done
echo met $met";
    let run = shell(&paper, &format!("exec unshare --mount sh -c '{}'", script.replace('\'', "'\\''")));
    if run.code == Some(77) || run.stderr.contains("unshare") {
        eprintln!("SKIPPED: no file system can be mounted here: {}", run.stderr);
        return;
    }
    let run = run.ok();
    assert!(run.stdout.contains("met ") && !run.stdout.contains("met 0"), "{}", run.stdout);
}

#[test]
fn reread_finds_a_change_that_left_size_and_times_unchanged() {
    let paper = Paper::new().yaml(COPY).file("in.txt", "aaaa\n");
    crate::support::age(&paper.path("in.txt"));
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    paper.build("").ok();
    // As a program that writes through a mapping of the file into memory: the content is another, the times are not. What is known of the file
    // is made to say so.
    let known = paper.read("cache/stat");
    let (json, _) = known.split_once('\n').expect("two lines");
    let wrong = json.replace(&digest("aaaa\n"), &digest("bbbb\n"));
    assert_ne!(wrong, json, "the input is known by its times");
    paper.write("cache/stat", &format!("{wrong}\n{}", blake3::hash(wrong.as_bytes())));
    paper.edit("repro: 1", "repro: 1 # once more");
    paper.run("status copy").ok().says("out of date");
    paper.build("--reread").ok();
    paper.run("status copy").ok().says("up to date");
    assert_eq!(paper.build("").ok().built(), [""; 0]);
}

fn digest(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}
