//! `data`: files that are tracked, pinned, or downloaded.

use crate::support::Paper;

/// A figure of the points in a file.
fn points(data: &str) -> Paper {
    let figure = "  fig: {figure: {of: points, width: 2, height: 2, panels: [{marks: [{points: {x: x, y: y}}]}], formats: [svg]}}\n";
    Paper::new()
        .yaml(&format!("repro: 1\nstages:\n  points: {data}\n{figure}"))
        .file("data/points.csv", "x,y\n1,2\n2,3\n")
}

fn built(paper: &Paper) -> Vec<String> {
    paper.build("").ok().built()
}

#[test]
fn a_changed_file_is_detected_and_its_figure_redrawn() {
    let paper = points("{data: data/points.csv}");
    assert_eq!(built(&paper), ["points", "fig"]);
    assert_eq!(built(&paper), [""; 0]);
    paper.write("data/points.csv", "x,y\n1,2\n2,4\n");
    paper.explain("fig").ok().stdout(
        "fig (figure) waits for its inputs\n    `points` is out of date\n\
         points (data) is out of date\n    `data/points.csv` has new content\n",
    );
    assert_eq!(built(&paper), ["points", "fig"]);
    paper.write("data/points.csv", "x,y\n1,2\n2,3\n");
    assert_eq!(built(&paper), ["fig"], "the old content is known; only the file is written again");
    // The same numbers in another spelling are other content, but not another figure.
    paper.write("data/points.csv", "x,y\n1.0,2\n2,3\n");
    assert_eq!(built(&paper), ["points", "fig"]);
}

#[test]
fn another_spelling_of_the_path_is_no_change() {
    let paper = points("{data: data/points.csv}");
    paper.build("").ok();
    paper.edit("points: {data: data/points.csv}", "points: {data: {path: [./data//points.csv]}}");
    assert_eq!(built(&paper), [""; 0]);
}

#[test]
fn a_missing_file_is_reported_before_anything_runs_with_a_suggestion() {
    let paper = points("{data: data/pionts.csv}");
    paper.edit("stages:\n", "stages:\n  one: {train: {model: {moe-autoencoder: {features: 2, hidden: 1}}, data: {sparse-uniform: {probability: 0.5}}, steps: 9000000}}\n");
    paper.run("build one fig").code(1).stdout("").stderr(
        "points  failed\n\
         error: points: there is no file `data/pionts.csv`\n \
         --> paper.yaml:4:18\n  \
         |\n\
         4 |   points: {data: data/pionts.csv}\n  \
         |                  ^^^^^^^^^^^^^^^\n\
         hint: did you mean `data/points.csv`?\n\
         skipped: fig, one\n\
         1 stage failed: 0 stages built\n",
    );
    paper.run("status").ok().says("points  data    blocked\n");
    paper
        .explain("points")
        .ok()
        .stdout("points (data) cannot be built\n    there is no file `data/pionts.csv` (paper.yaml:4)\n");
}

#[test]
fn a_changed_pinned_file_is_refused_and_the_error_shows_the_new_digest() {
    let digest = "81b11d4b66dcbd8f3c1f12e3d1dd8f4a1d1a7a7d1d5ef0f5aef5a8a2b9a6b0c1";
    let paper = points(&format!("{{data: {{path: data/points.csv, digest: {digest}}}}}"));
    let run = paper.run("build").code(1).says("`data/points.csv` does not match its `digest`");
    let right = run.stderr.split("write `digest: ").nth(1).unwrap().split('`').next().unwrap().to_string();
    assert_eq!(right, format!("blake3:{}", blake3::hash(b"x,y\n1,2\n2,3\n").to_hex()));
    paper.edit(digest, &right);
    assert_eq!(built(&paper), ["points", "fig"]);
    paper.write("data/points.csv", "x,y\n9,9\n");
    paper.build("").code(1);
    // It is refused by every build.
    paper.build("").code(1);
    paper.edit(&right, "blake3:12").build("").code(2).says("`blake3:12` is not a BLAKE3 digest");
}

#[test]
fn several_files_are_stacked_along_an_axis() {
    let paper = points("{data: runs/*.csv}").file("runs/a.csv", "x,y\n1,2\n").file("runs/b.csv", "x,y\n3,4\n");
    paper.write("runs/.hidden.csv", "no").write("runs/notes.txt", "no").write("runs/deep/c.csv", "x,y\n5,6\n");
    let run = paper.run("build points").ok();
    assert!(run.stdout.contains("1 stage built"));
    paper.run("show points").ok().stdout(
        "points\n  x  f64  file 2 x row 1  1 to 3\n      runs/a.csv | 1\n      runs/b.csv | 3\n  \
         y  f64  file 2 x row 1  2 to 4\n      runs/a.csv | 2\n      runs/b.csv | 4\n\
         axes\n  file  runs/a.csv, runs/b.csv\n  row   0\n",
    );
    // A new file that matches is new content.
    paper.write("runs/c.csv", "x,y\n7,8\n");
    assert_eq!(paper.build("points").ok().built(), ["points"]);
    paper.edit("runs/*.csv", "\"runs/**/c.csv\"").build("points").ok();
    paper.run("show points").ok().says("axes\n  file  runs/c.csv, runs/deep/c.csv\n");
    paper.edit("\"runs/**/c.csv\"", "nope/*.csv");
    paper.run("build points").code(1).says("points: no file matches `nope/*.csv`");
    paper.edit("nope/*.csv", "runs").build("points").ok();
}

#[test]
fn columns_can_be_axes_and_changing_them_rereads_the_file() {
    let paper = points("{data: {path: data/points.csv, axes: [x]}}");
    paper.edit("{points: {x: x, y: y}}", "{line: {y: y}}");
    assert_eq!(built(&paper), ["points", "fig"]);
    paper.edit("axes: [x]", "axes: []");
    assert_eq!(built(&paper), ["fig"], "the file is the same, its arrays are not");
    paper.edit("axes: []", "axes: [colour]");
    paper
        .run("build")
        .code(1)
        .says("`points`: `data/points.csv`: there is no column `colour`")
        .says("hint: known here: `x` or `y`");
}

#[test]
fn an_invalid_file_is_reported_with_its_line() {
    let paper = points("{data: data/points.csv}").file("data/points.csv", "x,y\n1,2\n3\n");
    paper.run("build").code(1).says("fig: `points`: `data/points.csv`: line 3 has 1 fields, the first line 2");
    paper.edit("data: data/points.csv", "data: data/points.txt").write("data/points.txt", "x");
    paper.run("build").code(1).says("fig: `points`: none of its files contains arrays: data/points.txt");
}

#[test]
fn paths_outside_the_project_are_refused() {
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("secret.csv"), "x,y\n1,1\n").unwrap();
    for (path, message) in [
        ("../x.csv", "`../x.csv` is outside the project"),
        ("/etc/passwd", "`/etc/passwd` is not a path inside the project"),
        ("~/x.csv", "`~/x.csv` is not a path inside the project"),
        ("a/../../x", "`a/../../x` is outside the project"),
        ("'.'", "`.` is the whole project"),
        ("-x", "`-x`: programs would read a name that begins with `-` as an option"),
        ("\"a\\nb\"", "a path must not contain the character '\\n'"),
    ] {
        points(&format!("{{data: {{path: {path}}}}}")).run("build").code(2).says(message);
    }
    let paper = points("{data: link.csv}");
    std::os::unix::fs::symlink(elsewhere.path().join("secret.csv"), paper.path("link.csv")).unwrap();
    paper.run("build").code(1).says("`link.csv` leads out of the project, to ");
    std::os::unix::fs::symlink(elsewhere.path(), paper.path("folder")).unwrap();
    paper.edit("link.csv", "folder/secret.csv").run("build").code(1).says("leads out of the project");
    paper.edit("folder/secret.csv", "folder/*.csv").run("build").code(1).says("leads out of the project");
    paper.edit("folder/*.csv", "data");
    std::os::unix::fs::symlink(elsewhere.path().join("secret.csv"), paper.path("data/link.csv")).unwrap();
    paper.run("build").code(1).says("`data/link.csv` leads out of the project");
    // A link that stays inside is a file like any other.
    std::fs::remove_file(paper.path("data/link.csv")).unwrap();
    std::os::unix::fs::symlink("points.csv", paper.path("data/link.csv")).unwrap();
    paper.edit("data: data", "data: data/link.csv").build("").ok();
    // Nothing waits for a writer that never comes.
    let made = std::process::Command::new("mkfifo").arg(paper.path("pipe.csv")).status().unwrap();
    assert!(made.success());
    paper.edit("data/link.csv", "pipe.csv").run("build").code(1).says("`pipe.csv` is neither a file nor a folder");
    paper.edit("pipe.csv", "cache").run("build").code(1).says("is in the cache");
}

#[test]
fn a_file_name_that_is_not_unicode_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let paper = points("{data: data}");
    std::fs::write(paper.path("data").join(std::ffi::OsStr::from_bytes(b"caf\xe9.csv")), "x").unwrap();
    paper.run("build").code(1).says("contains characters that are not allowed");
}

#[test]
fn a_url_is_downloaded_once_checked_and_cached() {
    let elsewhere = tempfile::tempdir().unwrap();
    let source = elsewhere.path().join("two words.csv");
    std::fs::write(&source, "x,y\n5,6\n").unwrap();
    let url = format!("file://{}", source.display().to_string().replace(' ', "%20"));
    let paper = points(&format!("{{data: {{url: \"{url}\"}}}}"));
    let run = paper.run("build").code(1).says("has no `digest`");
    let digest = run.stderr.split("write `digest: ").nth(1).unwrap().split('`').next().unwrap().to_string();
    paper.edit("\"}}", &format!("\", digest: {digest}}}}}"));
    assert_eq!(built(&paper), ["points", "fig"]);
    // It is not downloaded again, not even for another stage.
    std::fs::remove_file(&source).unwrap();
    assert_eq!(built(&paper), [""; 0]);
    paper.edit("points: {data: {url: \"file", "other: {data: {url: \"file").edit("of: points", "of: other");
    paper.build("").ok();
    std::fs::remove_dir_all(paper.path("cache")).unwrap();
    paper.run("build").code(1).says("cannot read `").says("two words.csv`: no such file or directory");
    std::fs::write(&source, "x,y\n5,7\n").unwrap();
    paper.run("build").code(1).says("`two words.csv` does not match its `digest`");
    paper.edit(&url, "gopher://x/y").build("").code(2).says("unsupported URL `gopher://x/y`");
}

#[test]
fn exactly_one_of_path_and_url_is_required() {
    points("{data: {}}").build("").code(2).says("`path` or `url` is missing");
    points("{data: {path: a, url: \"file:///a\"}}").build("").code(2).says("`path` and `url` cannot be used together");
    points("{data: {pth: a}}").build("").code(2).says("unknown key `pth`").says("did you mean `path`?");
}
