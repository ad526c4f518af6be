//! SVG output, written directly. plotters' `SVGBackend` does not suffice: it rounds coordinates to integers, cannot clip, rotates text by
//! quarter turns only, and depends on the viewer's fonts.
//!
//! Text is drawn as outlines, so it is the same in every viewer; the text of a label is in `aria-label`. Ids are derived from their content,
//! so that several figures can be inlined in one web page.

use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine;
use skrifa::outline::OutlinePen;

use super::cells::{blocks, rows};
use super::label::place;
use super::looks::{Element, Look, Outline, dashes, elements};
use super::picture::Picture;
use crate::error::Result;
use crate::figures::text::{Face, UNITS};
use crate::markup;
use crate::value::{Color, Item, Label, Rect, Scene};

/// The SVG file of a scene; `key` is written into its metadata. Without the scene's pictures it holds shapes in their place.
pub fn svg(scene: &Scene, pictures: Vec<Picture>, key: &str) -> Result<String> {
    let title = markup::plain(&scene.title);
    let mut about = String::new();
    if !title.is_empty() {
        about += &format!("<title>{}</title>\n", escape(&title));
    }
    about += &format!("<metadata>repro key {}</metadata>\n", escape(key));
    let (width, height) = (number(scene.width), number(scene.height));
    document(scene, &about, &format!("<path fill=\"#fff\" d=\"M0 0h{width}v{height}H0z\"/>\n"), &scene.items, pictures)
}

/// Some items on a transparent page of the scene's size.
pub(super) fn layer(scene: &Scene, items: &[Item]) -> Result<String> {
    document(scene, "", "", items, Vec::new())
}

fn document(scene: &Scene, about: &str, page: &str, items: &[Item], pictures: Vec<Picture>) -> Result<String> {
    let mut writer = SvgWriter { pictures: embedded(pictures)?.into_iter(), ..SvgWriter::default() };
    writer.items(items);
    let SvgWriter { mut body, glyphs, clips, .. } = writer;
    let (width, height) = (number(scene.width), number(scene.height));
    let mut head = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"{width}pt\" \
         height=\"{height}pt\" viewBox=\"0 0 {width} {height}\" role=\"graphics-document\" stroke-linejoin=\"round\">\n"
    );
    head += about;
    if !glyphs.is_empty() || !clips.is_empty() {
        head += "<defs>\n";
        for (id, path) in glyphs.iter().filter(|(_, path)| !path.is_empty()) {
            head += &format!("<path id=\"{id}\" d=\"{path}\"/>\n");
        }
        for (id, path) in &clips {
            head += &format!("<clipPath id=\"{id}\"><path d=\"{path}\"/></clipPath>\n");
        }
        head += "</defs>\n";
    }
    head += page;
    body += "</svg>\n";
    // The body may be large: there is no second copy of it.
    body.insert_str(0, &head);
    Ok(body)
}

/// Pictures as elements.
fn embedded(pictures: Vec<Picture>) -> Result<Vec<String>> {
    let element = |picture: Picture| {
        let Rect { x, y, width, height } = picture.area;
        let [x, y, width, height] = [x, y, width, height].map(|length| digits(length, 6));
        let data = base64::engine::general_purpose::STANDARD.encode(picture.png()?);
        Ok(format!(
            "<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" preserveAspectRatio=\"none\" \
             xlink:href=\"data:image/png;base64,{data}\"/>\n"
        ))
    };
    pictures.into_iter().map(element).collect()
}

/// The body so far, and its definitions: id to path.
#[derive(Default)]
struct SvgWriter {
    body: String,
    glyphs: BTreeMap<String, String>,
    clips: BTreeMap<String, String>,
    /// The elements of pictures still to come.
    pictures: std::vec::IntoIter<String>,
}

impl SvgWriter {
    fn items(&mut self, items: &[Item]) {
        let mut elements = elements(items).peekable();
        while let Some(element) = elements.next() {
            let (outline, look) = match element {
                Element::Outline(outline, look) => (outline, look),
                Element::Other(item) => {
                    self.other(item);
                    continue;
                }
                Element::Invisible => continue,
            };
            let style = style(look);
            let alike = |next: &Element| match next {
                Element::Outline(_, other) => *other == look || self::style(*other) == style,
                Element::Other(_) | Element::Invisible => false,
            };
            if !elements.peek().is_some_and(alike) {
                self.outline(outline, &style);
                continue;
            }
            // Consecutive outlines of one style share a group.
            let _ = writeln!(self.body, "<g{style}>");
            self.outline(outline, "");
            while let Some(Element::Outline(outline, _)) = elements.next_if(alike) {
                self.outline(outline, "");
            }
            self.body += "</g>\n";
        }
    }

    fn outline(&mut self, outline: Outline, style: &str) {
        match outline {
            Outline::Line { points, close } => {
                let _ = write!(self.body, "<path{style} d=\"");
                polyline(points, close, &mut self.body);
            }
            Outline::Circle { center: [x, y], radius } => {
                let _ = write!(self.body, "<circle{style} cx=\"");
                decimal(thousandths(x), 3, &mut self.body);
                self.body += "\" cy=\"";
                decimal(thousandths(y), 3, &mut self.body);
                self.body += "\" r=\"";
                decimal(thousandths(radius), 3, &mut self.body);
            }
        }
        self.body += "\"/>\n";
    }

    fn other(&mut self, item: &Item) {
        match item {
            Item::Label(label) => self.label(label),
            Item::Image { area, columns, cells } => self.image(*area, *columns, cells),
            Item::Clip { area, items } => {
                let numbers = [area.x, area.y, area.width, area.height].map(number);
                let id = format!("clip_{}", numbers.join("_"));
                let [x, y, width, height] = numbers;
                self.body += &format!("<g clip-path=\"url(#{id})\">\n");
                self.clips.insert(id, format!("M{x} {y}h{width}v{height}h-{width}z"));
                self.items(items);
                self.body += "</g>\n";
            }
            Item::Raster { items } => match self.pictures.next() {
                Some(picture) => self.body += &picture,
                None => self.items(items),
            },
            Item::Path { .. } | Item::Circles { .. } => {}
        }
    }

    fn label(&mut self, label: &Label) {
        let placed = place(label);
        if placed.line.runs.is_empty() || !placed.matrix.iter().all(|x| x.is_finite()) {
            return;
        }
        let [a, b, _, _, x, y] = placed.matrix;
        let reads = escape(&markup::plain(&label.markup));
        let turn = match (-b).atan2(a).to_degrees() {
            0.0 => String::new(),
            angle => format!("rotate({})", number(-angle)),
        };
        self.body += &format!("<g role=\"img\" aria-label=\"{reads}\"{}", paint("fill", label.color, Color::BLACK));
        self.body += &format!(" transform=\"translate({} {}){turn}\">\n", number(x), number(y));
        for run in &placed.line.runs {
            let mut uses = String::new();
            for glyph in run.glyphs() {
                let id = format!("{}{}", letter(run.face), glyph.id);
                if !self.glyphs.contains_key(&id) {
                    let mut pen = PathData::default();
                    run.face.font().outline(glyph.id, &mut pen);
                    self.glyphs.insert(id.clone(), pen.0);
                }
                // Spaces have no outline; an empty path in the table records that.
                if self.glyphs.get(&id).is_some_and(|path| !path.is_empty()) {
                    let x = if glyph.x == 0 { String::new() } else { format!(" x=\"{}\"", glyph.x) };
                    uses += &format!("<use xlink:href=\"#{id}\"{x}/>");
                }
            }
            if !uses.is_empty() {
                let place = match (number(run.x), number(run.y)) {
                    (x, y) if x == "0" && y == "0" => String::new(),
                    (x, y) => format!("translate({x} {y})"),
                };
                let scale = digits(run.size / UNITS, 8);
                self.body += &format!("<g transform=\"{place}scale({scale})\">{uses}</g>\n");
            }
        }
        for &[x, y, width, thickness] in &placed.line.rules {
            let (x, y) = (number(x), number(y - 0.5 * thickness));
            let (width, thickness) = (number(width), number(thickness));
            self.body += &format!("<path d=\"M{x} {y}h{width}v{thickness}h-{width}z\"/>\n");
        }
        self.body += "</g>\n";
    }

    fn image(&mut self, area: Rect, columns: usize, cells: &[Option<Color>]) {
        let blocks = blocks(area, columns, cells);
        if blocks.is_empty() {
            return;
        }
        let (x, y) = (number(area.x), number(area.y));
        let wide = digits(area.width / columns as f64, 6);
        let high = digits(area.height / rows(columns, cells) as f64, 6);
        self.body += &format!("<g transform=\"translate({x} {y})scale({wide} {high})\">\n");
        for block in blocks {
            let fill = paint("fill", block.color, Color::BLACK);
            let [x, y, right, bottom] = [block.x, block.y, block.x + block.width, block.y + block.height].map(number);
            let _ = writeln!(self.body, "<path{fill} d=\"M{x} {y}H{right}V{bottom}H{x}z\"/>");
        }
        self.body += "</g>\n";
    }
}

/// The style attributes that consecutive outlines may share.
fn style(Look { fill, stroke, mitre }: Look) -> String {
    let mut text = fill.map_or_else(|| " fill=\"none\"".into(), |color| paint("fill", color, Color::BLACK));
    if let Some(stroke) = stroke {
        text += &paint("stroke", stroke.color, Color(0, 0, 0, 0));
        text += &format!(" stroke-width=\"{}\"", number(stroke.width));
        let dashes: Vec<String> = dashes(stroke).iter().copied().map(number).collect();
        if !dashes.is_empty() {
            text += &format!(" stroke-dasharray=\"{}\"", dashes.join(" "));
        }
        if mitre {
            text += " stroke-linejoin=\"miter\"";
        }
    }
    text
}

/// Colour and opacity as attributes; default values are omitted.
fn paint(attribute: &str, color: Color, default: Color) -> String {
    if color == default {
        return String::new();
    }
    let hex = color.hex();
    let short: String = match hex.as_bytes() {
        [hash, a, b, c, d, e, f] if a == b && c == d && e == f => [*hash, *a, *c, *e].map(char::from).iter().collect(),
        _ => hex,
    };
    let opacity = match color.3 {
        255 => String::new(),
        alpha => format!(" {attribute}-opacity=\"{}\"", number(f64::from(alpha) / 255.0)),
    };
    format!(" {attribute}=\"{short}\"{opacity}")
}

/// Write path data of straight lines, in relative coordinates, which are shorter. Points that are not finite break the line.
fn polyline(points: &[[f64; 2]], close: bool, out: &mut String) {
    let stretches = points.split(|point| !point.iter().all(|x| x.is_finite()));
    for stretch in stretches.filter(|stretch| stretch.len() > 1) {
        let mut last: Option<[i64; 2]> = None;
        for point in stretch {
            let here = point.map(thousandths);
            match last.map(|last| [here[0].saturating_sub(last[0]), here[1].saturating_sub(last[1])]) {
                None => {
                    out.push('M');
                    pair(here, out);
                }
                Some([0, 0]) => {}
                Some([x, 0]) => {
                    out.push('h');
                    decimal(x, 3, out);
                }
                Some([0, y]) => {
                    out.push('v');
                    decimal(y, 3, out);
                }
                Some(step) => {
                    out.push('l');
                    pair(step, out);
                }
            }
            last = Some(here);
        }
        if close {
            out.push('z');
        }
    }
}

/// Write two numbers; a minus sign also separates them.
fn pair([x, y]: [i64; 2], out: &mut String) {
    decimal(x, 3, out);
    if y >= 0 {
        out.push(' ');
    }
    decimal(y, 3, out);
}

fn thousandths(x: f64) -> i64 {
    (x * 1e3).round() as i64
}

/// A length with at most three decimals, without trailing zeros.
pub fn number(x: f64) -> String {
    digits(x, 3)
}

fn digits(x: f64, places: u32) -> String {
    let mut out = String::new();
    decimal((x * 10f64.powi(places as i32)).round() as i64, places, &mut out);
    out
}

/// Write `x` 10^-`places` in as few characters as possible.
fn decimal(x: i64, places: u32, out: &mut String) {
    let unit = 10u64.pow(places);
    let (whole, part) = (x.unsigned_abs() / unit, x.unsigned_abs() % unit);
    if x < 0 {
        out.push('-');
    }
    if whole > 0 || part == 0 {
        let _ = write!(out, "{whole}");
    }
    if part > 0 {
        let _ = write!(out, ".{part:0width$}", width = places as usize);
        out.truncate(out.trim_end_matches('0').len());
    }
}

fn letter(face: Face) -> char {
    match face {
        Face::Regular => 'r',
        Face::Bold => 'b',
        Face::Italic => 'i',
    }
}

/// Escape text for an element or an attribute.
pub fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Not allowed in XML, not even escaped.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Path data of glyph outlines in font units, flipped so that y grows downwards.
#[derive(Default)]
struct PathData(String);

impl PathData {
    fn go(&mut self, command: char, numbers: &[f32]) {
        self.0.push(command);
        for (i, x) in numbers.iter().enumerate() {
            let x = if i % 2 == 0 { *x } else { -*x };
            if i > 0 && x >= 0.0 {
                self.0.push(' ');
            }
            self.0 += &number(f64::from(x));
        }
    }
}

impl OutlinePen for PathData {
    fn move_to(&mut self, x: f32, y: f32) {
        self.go('M', &[x, y]);
    }
    fn line_to(&mut self, x: f32, y: f32) {
        self.go('L', &[x, y]);
    }
    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.go('Q', &[x1, y1, x, y]);
    }
    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.go('C', &[x1, y1, x2, y2, x, y]);
    }
    fn close(&mut self) {
        self.0.push('z');
    }
}
