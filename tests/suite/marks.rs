//! The examples of the documentation: one for each mark, drawn as the pictures beside them, and shown on the page about figures.

use std::fs;
use std::path::Path;

use crate::support::Paper;
use repro::figures::MARKS;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/marks");

#[test]
fn examples_of_marks_are_drawn_as_their_pictures_show() {
    let mut paper = Paper::new();
    for entry in fs::read_dir(FOLDER).expect("the examples") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
            paper = paper.file(name, &fs::read_to_string(&path).expect("text"));
        }
    }
    paper.build("").ok();
    let drawn = fs::read_dir(paper.path("figures")).expect("figures").count();
    let mut compared = 0;
    for entry in fs::read_dir(Path::new(FOLDER).join("figures")).expect("pictures") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        let (picture, ours) =
            (fs::read(Path::new(FOLDER).join("figures").join(&name)), fs::read(paper.path("figures").join(&name)));
        assert!(picture.expect("a picture") == ours.expect(&name), "{name} differs: run `repro -C docs/marks build`");
        compared += 1;
    }
    assert_eq!(compared, drawn, "every picture of an example stands in docs/marks/figures");
}

#[test]
fn every_mark_has_an_example_and_a_place_in_the_documentation() {
    let paper = fs::read_to_string(Path::new(FOLDER).join("paper.yaml")).expect("the examples");
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/figures.md")).expect("the page");
    for mark in MARKS {
        assert!(paper.contains(&format!("{mark}:")) || paper.contains(&format!("[{mark}]")), "{mark} has no example");
        assert!(page.contains(&format!("| `{mark}` |")), "{mark} is not in docs/figures.md");
    }
    let shown = |name: &str| page.contains(&format!("(marks/figures/{name})"));
    for entry in fs::read_dir(Path::new(FOLDER).join("figures")).expect("pictures") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        assert!(shown(&name), "{name} is not shown in docs/figures.md");
    }
}
