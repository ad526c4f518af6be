//! PGF output for LaTeX: the including document typesets the text in its own fonts, at the figure's font sizes.
//!
//! Baselines and anchors are the same as in other formats, so that the labels of an axis are aligned whatever their letters.
//! The file needs the packages pgf and amsmath (amssymb for letters such as `\mathbb{R}`).

use std::fmt::Write;

use super::cells::{blocks, rows};
use super::label::baseline;
use super::looks::{Element, Look, Outline, dashes, elements};
use super::svg::number;
use crate::markup::{self, latex};
use crate::value::{Color, Horizontal, Item, Label, Rect, Scene, Stroke};

/// Coordinates are clamped to this: TeX's largest length is 16383 pt.
const FAR: f64 = 16_000.0;

/// Short macros for frequent commands, local to the group. `\rC` and `\rB` are cells with and without a colour.
const COMMANDS: &str = r"\makeatletter%
\def\rM#1 #2;{\pgfpathmoveto{\pgfqpoint{#1bp}{#2bp}}}%
\def\rL#1 #2;{\pgfpathlineto{\pgfqpoint{#1bp}{#2bp}}}%
\def\rO#1 #2 #3;{\pgfpathcircle{\pgfqpoint{#1bp}{#2bp}}{#3bp}}%
\def\rR#1 #2 #3 #4;{\pgfpathrectangle{\pgfqpoint{#1bp}{#2bp}}{\pgfqpoint{#3bp}{#4bp}}}%
\def\rF#1;{\definecolor{reprofill}{RGB}{#1}\pgfsetfillcolor{reprofill}}%
\def\rS#1;{\definecolor{reprostroke}{RGB}{#1}\pgfsetstrokecolor{reprostroke}}%
\def\rB#1 #2 #3 #4;{\pgfsys@rect{#1bp}{#2bp}{#3bp}{#4bp}\pgfsys@fill}%
\def\rC#1 #2 #3 {\pgfsys@color@rgb@fill{#1}{#2}{#3}\rB}%
\makeatother%
";

/// The PGF file of a scene; `key` is written in a comment.
pub fn pgf(scene: &Scene, key: &str) -> String {
    let mut writer = PgfWriter { out: format!("% repro: key {}\n", key), height: scene.height };
    let title = markup::plain(&scene.title);
    if !title.is_empty() {
        writer.out += &format!("% {title}\n");
    }
    writer.out += "% \\usepackage{pgf,amsmath} in the preamble, \\input{this file} where the figure stands\n";
    writer.out += "\\begingroup%\n";
    writer.out += COMMANDS;
    writer.out += "\\begin{pgfpicture}\n";
    let (width, height) = (number(scene.width), number(scene.height));
    let _ = writeln!(writer.out, "\\rR0 0 {width} {height};\\pgfusepath{{use as bounding box}}");
    writer.out += "\\color{black}\n";
    writer.items(&scene.items);
    writer.out + "\\end{pgfpicture}%\n\\endgroup%\n"
}

struct PgfWriter {
    out: String,
    /// Height of the page; in PGF, y grows upwards.
    height: f64,
}

impl PgfWriter {
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
            let paint = match (look.fill.is_some(), look.stroke.is_some()) {
                (true, true) => "fill,stroke",
                (true, false) => "fill",
                (false, _) => "stroke",
            };
            // Consecutive outlines of one style share a scope.
            let _ = writeln!(self.out, "\\begin{{pgfscope}}{style}");
            self.outline(outline, paint);
            while let Some(Element::Outline(outline, _)) = elements.next_if(alike) {
                self.outline(outline, paint);
            }
            self.out += "\\end{pgfscope}\n";
        }
    }

    /// A point, clamped to what TeX can represent.
    fn at(&self, [x, y]: [f64; 2]) -> String {
        let near = |x: f64| number(x.clamp(-FAR, FAR));
        format!("{} {}", near(x), near(self.height - y))
    }

    fn outline(&mut self, outline: Outline, paint: &str) {
        match outline {
            Outline::Line { points, close } => {
                // A point that is not finite breaks the line.
                let stretches = points.split(|point| !point.iter().all(|x| x.is_finite()));
                for stretch in stretches.filter(|stretch| stretch.len() > 1) {
                    let mut last = String::new();
                    for (i, point) in stretch.iter().enumerate() {
                        let here = self.at(*point);
                        if here == last {
                            continue;
                        }
                        // TeX's input lines are limited to 200 000 characters.
                        let end = if i % 8 == 7 { "\n" } else { "" };
                        let _ = write!(self.out, "\\r{}{here};{end}", if i == 0 { 'M' } else { 'L' });
                        last = here;
                    }
                    if close {
                        self.out += "\\pgfpathclose";
                    }
                }
            }
            Outline::Circle { center, radius } => {
                let _ = write!(self.out, "\\rO{} {};", self.at(center), number(radius.min(FAR)));
            }
        }
        let _ = writeln!(self.out, "\\pgfusepath{{{paint}}}");
    }

    fn other(&mut self, item: &Item) {
        match item {
            Item::Label(label) => self.label(label),
            Item::Image { area, columns, cells } => self.image(*area, *columns, cells),
            Item::Clip { area, items } => {
                let corner = self.at([area.x, area.bottom()]);
                let (width, height) = (number(area.width.min(FAR)), number(area.height.min(FAR)));
                let _ = writeln!(self.out, "\\begin{{pgfscope}}\\rR{corner} {width} {height};\\pgfusepath{{clip}}");
                self.items(items);
                self.out += "\\end{pgfscope}\n";
            }
            // A figure with `raster` has no pgf file.
            Item::Raster { items } => self.items(items),
            Item::Path { .. } | Item::Circles { .. } => {}
        }
    }

    fn label(&mut self, label: &Label) {
        let [x, y] = baseline(label);
        if label.markup.trim().is_empty() || label.color.3 == 0 || !(x.is_finite() && y.is_finite()) {
            return;
        }
        let horizontal = match label.horizontal {
            Horizontal::Left => "left,",
            Horizontal::Middle => "",
            Horizontal::Right => "right,",
        };
        let rotate = match number(label.rotation) {
            angle if angle == "0" => String::new(),
            angle => format!(",rotate={angle}"),
        };
        let place = self.at([x, y]).replacen(' ', "bp,y=", 1);
        let (size, skip) = (number(label.size), number(1.2 * label.size));
        let mut style = format!("\\fontsize{{{size}bp}}{{{skip}bp}}\\selectfont");
        if label.bold {
            style += "\\bfseries\\boldmath";
        }
        let Color(r, g, b, alpha) = label.color;
        if (r, g, b) != (0, 0, 0) {
            let _ = write!(style, "\\color[RGB]{{{r},{g},{b}}}");
        }
        let text = latex(&label.markup);
        let command = format!("\\pgftext[{horizontal}base,x={place}bp{rotate}]{{{style} {text}}}");
        let _ = match alpha {
            255 => writeln!(self.out, "{command}"),
            _ => {
                writeln!(self.out, "\\begin{{pgfscope}}{}{command}\\end{{pgfscope}}", opacity("fill", label.color))
            }
        };
    }

    fn image(&mut self, area: Rect, columns: usize, cells: &[Option<Color>]) {
        let blocks = blocks(area, columns, cells);
        if blocks.is_empty() {
            return;
        }
        let (wide, high) = (area.width / columns as f64, area.height / rows(columns, cells) as f64);
        self.out += "\\begin{pgfscope}\n";
        let mut last = Color(0, 0, 0, 255);
        for (i, block) in blocks.iter().enumerate() {
            if block.color.3 != last.3 {
                self.out += &format!("\\pgfsetfillopacity{{{}}}", unit(block.color.3));
            }
            if i > 0 && block.color == last {
                self.out += "\\rB";
            } else {
                let Color(r, g, b, _) = block.color;
                let _ = write!(self.out, "\\rC{} {} {} ", unit(r), unit(g), unit(b));
            }
            last = block.color;
            let corner = self.at([area.x + block.x * wide, area.y + (block.y + block.height) * high]);
            let _ = writeln!(self.out, "{corner} {} {};", number(block.width * wide), number(block.height * high));
        }
        self.out += "\\end{pgfscope}\n";
    }
}

/// The style options that consecutive outlines may share.
fn style(Look { fill, stroke, mitre }: Look) -> String {
    let fill = fill.map(|color| format!("\\rF{};{}", rgb(color), opacity("fill", color)));
    let stroke = stroke.map(|stroke| pen(stroke, mitre));
    fill.unwrap_or_default() + &stroke.unwrap_or_default()
}

fn pen(stroke: &Stroke, mitre: bool) -> String {
    let mut text = format!("\\rS{};{}", rgb(stroke.color), opacity("stroke", stroke.color));
    text += &format!("\\pgfsetlinewidth{{{}bp}}", number(stroke.width));
    let dashes: String = dashes(stroke).iter().map(|length| format!("{{{}bp}}", number(*length))).collect();
    if !dashes.is_empty() {
        text += &format!("\\pgfsetdash{{{dashes}}}{{0bp}}");
    }
    // Closed paths have mitred corners, open ones round.
    text + if mitre { "\\pgfsetmiterjoin" } else { "\\pgfsetroundjoin" }
}

fn rgb(Color(r, g, b, _): Color) -> String {
    format!("{r},{g},{b}")
}

fn opacity(of: &str, color: Color) -> String {
    if color.3 == 255 { String::new() } else { format!("\\pgfset{of}opacity{{{}}}", unit(color.3)) }
}

/// Map 0..=255 to 0..=1.
fn unit(byte: u8) -> String {
    number(f64::from(byte) / 255.0)
}
