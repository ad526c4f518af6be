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

/// A figure of a thousand points.
const CLOUD: &str = "\
repro: 1
title: A cloud
stages:
  cloud: {data: {path: cloud.csv}}
  figure:
    figure:
      of: cloud
      width: 3
      height: 2
      dpi: 100
      formats: [svg, pdf, png, html]
      panels: [{x: {label: Width}, marks: [{points: {x: width, y: height}}]}]
";

fn cloud() -> Paper {
    let row = |i: u32| format!("{},{}\n", i * 37 % 101, i * 53 % 97);
    let table = "width,height\n".to_string() + &(0..1000).map(row).collect::<String>();
    Paper::new().yaml(CLOUD).file("cloud.csv", &table)
}

#[test]
fn a_mark_with_raster_is_a_picture_between_vector_axes() {
    let paper = cloud();
    paper.build("").ok();
    let (svg, png) = (paper.read("figures/figure.svg"), fs::read(paper.path("figures/figure.png")).expect("a png"));
    assert_eq!([svg.matches("<circle").count(), svg.matches("<image").count()], [1000, 0]);

    paper.edit("y: height}", "y: height, raster: true}");
    paper.build("").ok();
    let raster = paper.read("figures/figure.svg");
    assert_eq!([raster.matches("<circle").count(), raster.matches("<image").count()], [0, 1]);
    assert!(raster.contains("aria-label=\"Width\"") && raster.len() < svg.len());
    assert_eq!(paper.read("figures/figure.html").matches("<image").count(), 1);
    let pdf = fs::read(paper.path("figures/figure.pdf")).expect("a pdf");
    assert!(pdf.windows(14).any(|part| part == b"/Subtype/Image" || part == b"/Subtype /Imag"));
    // The picture of a png is the same; its key is not.
    let same = fs::read(paper.path("figures/figure.png")).expect("a png");
    let data = |png: &[u8]| png[png.windows(4).position(|part| part == b"IDAT").expect("pixels")..].to_vec();
    assert!(data(&png) == data(&same));

    // The picture has the resolution of the figure.
    paper.edit("dpi: 100", "dpi: 50");
    paper.build("").ok();
    assert!(paper.read("figures/figure.svg").len() < raster.len());
}

#[test]
fn raster_false_has_the_key_of_a_mark_without_it() {
    let paper = cloud();
    paper.build("").ok();
    paper.edit("y: height}", "y: height, raster: false}");
    assert!(paper.build("").ok().built().is_empty());
}

#[test]
fn raster_is_refused_for_pgf() {
    let paper = cloud();
    paper.edit("y: height}", "y: height, raster: true}").edit("[svg, pdf, png, html]", "[svg, pgf]");
    paper
        .build("")
        .code(2)
        .says("`raster` is not for pgf: a pgf file holds no pictures")
        .says("take `pgf` out of `formats`, or `raster` out of the mark");
}
