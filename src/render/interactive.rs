//! A figure as a self-contained web page: the SVG, and a script that shows the values under the pointer. It loads nothing else.

use std::io::{self, Write};

use serde::{Serialize, Serializer as _};
use serde_json::ser::{Formatter, Serializer};

use super::picture::Picture;
use super::svg::{escape, svg};
use crate::error::{Error, Result};
use crate::markup;
use crate::value::{FieldValues, Hint, Scene, Spots};

/// Finds the mark under the pointer and shows its values.
const SCRIPT: &str = include_str!("interactive.js");
const STYLE: &str = include_str!("interactive.css");

/// The HTML page.
pub fn page(scene: &Scene, pictures: Vec<Picture>, key: &str) -> Result<Vec<u8>> {
    let title = escape(&markup::plain(&scene.title));
    let head = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"generator\" content=\"repro key {}\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<figure>\n",
        escape(key)
    );
    let mut page = svg(scene, pictures, key)?;
    page.insert_str(0, &head);
    page += "</figure>\n<div id=\"tip\" role=\"status\" hidden></div>\n<script>\nconst hints = ";
    let mut page = page.into_bytes();
    let mut serializer = Serializer::with_formatter(&mut page, ScriptFormatter);
    serializer
        .collect_seq(scene.hints.iter().map(ScriptHint::new))
        .map_err(|cause| Error::internal(cause.to_string()))?;
    page.extend(format!(";\n{SCRIPT}</script>\n</body>\n</html>\n").into_bytes());
    Ok(page)
}

/// JSON inside a script element, where `<` must be escaped.
struct ScriptFormatter;

impl Formatter for ScriptFormatter {
    fn write_string_fragment<W: Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        for (i, part) in fragment.split('<').enumerate() {
            if i > 0 {
                writer.write_all(b"\\u003c")?;
            }
            writer.write_all(part.as_bytes())?;
        }
        Ok(())
    }
}

/// A hint for the script: texts without markup, positions, and their shape.
#[derive(Serialize)]
struct ScriptHint<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Corners<'a>>,
    fields: Vec<(String, ScriptValues<'a>)>,
    kind: &'static str,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<&'a [f64]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<&'a [f64]>,
}

/// The places of points or boxes.
#[derive(Serialize)]
#[serde(untagged)]
enum Corners<'a> {
    Points(&'a [[f64; 2]]),
    Boxes(&'a [[[f64; 2]; 2]]),
}

/// Values as texts without markup.
struct ScriptValues<'a>(&'a FieldValues);

impl Serialize for ScriptValues<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.texts().map(|text| markup::plain(&text)))
    }
}

impl<'a> ScriptHint<'a> {
    fn new(hint: &'a Hint) -> ScriptHint<'a> {
        let fields =
            hint.fields.iter().map(|field| (markup::plain(&field.name), ScriptValues(&field.values))).collect();
        let (kind, at, edges) = match &hint.spots {
            Spots::Points(points) => ("points", Some(Corners::Points(points)), None),
            Spots::Boxes(boxes) => ("boxes", Some(Corners::Boxes(boxes)), None),
            Spots::Cells { x, y } => ("cells", None, Some((x.as_slice(), y.as_slice()))),
        };
        let (x, y) = edges.unzip();
        ScriptHint { at, fields, kind, title: markup::plain(&hint.title), x, y }
    }
}
