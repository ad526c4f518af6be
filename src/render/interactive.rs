//! A figure as a self-contained web page: the SVG, and a script that shows the values under the pointer. It loads nothing else.

use serde_json::json;

use super::picture::Picture;
use super::svg::{escape, svg};
use crate::error::Result;
use crate::markup;
use crate::value::{Hint, Scene, Spots};

/// Finds the mark under the pointer and shows its values.
const SCRIPT: &str = include_str!("interactive.js");
const STYLE: &str = include_str!("interactive.css");

/// The HTML page.
pub fn page(scene: &Scene, pictures: Vec<Picture>, key: &str) -> Result<String> {
    let title = escape(&markup::plain(&scene.title));
    // `<` must be escaped inside a script element.
    let hints = json!(scene.hints.iter().map(hint).collect::<Vec<_>>()).to_string().replace('<', "\\u003c");
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"generator\" content=\"repro key {}\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<figure>\n{}</figure>\n\
         <div id=\"tip\" role=\"status\" hidden></div>\n<script>\nconst hints = {hints};\n{SCRIPT}</script>\n</body>\n</html>\n",
        escape(key),
        svg(scene, pictures, key)?
    ))
}

/// A hint for the script: texts without markup, positions, and their shape.
fn hint(hint: &Hint) -> serde_json::Value {
    let fields: Vec<_> = hint
        .fields
        .iter()
        .map(|field| {
            json!([markup::plain(&field.name), field.values.texts().map(|v| markup::plain(&v)).collect::<Vec<_>>()])
        })
        .collect();
    let title = markup::plain(&hint.title);
    match &hint.spots {
        Spots::Points(points) => json!({"kind": "points", "title": title, "fields": fields, "at": points}),
        Spots::Boxes(boxes) => json!({"kind": "boxes", "title": title, "fields": fields, "at": boxes}),
        Spots::Cells { x, y } => json!({"kind": "cells", "title": title, "fields": fields, "x": x, "y": y}),
    }
}
