//! PDF output: one page of vector graphics with searchable text.
//!
//! Written with `pdf-writer` and `subsetter`, which svg2pdf is built on. svg2pdf itself is not used: it iterates over randomly seeded hash
//! maps, so its output is not reproducible; it writes text one glyph at a time and a graphics state per translucent shape, and no metadata.

mod deflate;
mod fonts;
mod page;

use std::collections::BTreeSet;

use pdf_writer::types::LineJoinStyle;
use pdf_writer::{Filter, Finish, Name, Pdf, Rect as Box, Ref, Str, TextStr};

use super::cells::{blocks, rows};
use super::label::place;
use super::looks::{Element, Look, Outline, dashes, elements};
use super::picture::Picture;
use crate::error::Result;
use crate::figures::text::UNITS;
use crate::markup;
use crate::value::{Color, Item, Label, Rect, Scene, Stroke};
use deflate::deflate;
use fonts::EmbeddedFonts;
use page::PageContent;

/// The PDF file of a scene; `key` is written into its metadata. Without the scene's pictures it holds shapes in their place.
pub fn pdf(scene: &Scene, pictures: Vec<Picture>, key: &str) -> Result<Vec<u8>> {
    let mut painter = Painter {
        content: PageContent::new(),
        state: GraphicsState::default(),
        fonts: EmbeddedFonts::default(),
        opacities: BTreeSet::new(),
        pictures: &pictures,
        placed: 0,
    };
    // From here on y grows downwards, as in the scene.
    painter.content.transform([1.0, 0.0, 0.0, -1.0, 0.0, real(scene.height)]);
    painter.fill_color(Color::WHITE);
    painter.content.rect(0.0, 0.0, real(scene.width), real(scene.height)).fill_nonzero();
    painter.items(&scene.items);
    let Painter { content, fonts, opacities, .. } = painter;

    let mut next = Ref::new(1);
    let [catalog, pages, page, contents, info] = std::array::from_fn(|_| next.bump());
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(pages);
    pdf.pages(pages).kids([page]).count(1);
    pdf.stream(contents, &content.finish()).filter(Filter::FlateDecode);
    let fonts = fonts.write(&mut pdf, &mut next)?;
    let images: Vec<Ref> = pictures.iter().map(|picture| embed(&mut pdf, &mut next, picture)).collect();

    let mut sheet = pdf.page(page);
    sheet.parent(pages).contents(contents).media_box(Box::new(0.0, 0.0, real(scene.width), real(scene.height)));
    if !opacities.is_empty() || !images.is_empty() {
        sheet.group().transparency().color_space().device_rgb();
    }
    let mut resources = sheet.resources();
    if !opacities.is_empty() {
        let mut states = resources.ext_g_states();
        for (kind, alpha) in opacities {
            let alpha_value = real(f64::from(alpha) / 255.0);
            let mut state = states
                .insert(Name(opacity_name(kind, alpha).as_bytes()))
                .start::<pdf_writer::writers::ExtGraphicsState>();
            match kind {
                PaintKind::Fill => state.non_stroking_alpha(alpha_value),
                PaintKind::Stroke => state.stroking_alpha(alpha_value),
            };
        }
    }
    if !fonts.is_empty() {
        let mut dict = resources.fonts();
        for (name, reference) in fonts {
            dict.pair(Name(name.as_bytes()), reference);
        }
    }
    if !images.is_empty() {
        let mut objects = resources.x_objects();
        for (i, image) in images.into_iter().enumerate() {
            objects.pair(Name(picture_name(i).as_bytes()), image);
        }
    }
    resources.finish();
    sheet.finish();

    let title = markup::plain(&scene.title);
    let mut about = pdf.document_info(info);
    if !title.is_empty() {
        about.title(TextStr(&title));
    }
    about.creator(TextStr("repro")).producer(TextStr("repro")).keywords(TextStr(&format!("repro key {key}")));
    about.finish();
    Ok(pdf.finish())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum PaintKind {
    Fill,
    Stroke,
}

fn opacity_name(kind: PaintKind, alpha: u8) -> String {
    match kind {
        PaintKind::Fill => format!("f{alpha}"),
        PaintKind::Stroke => format!("s{alpha}"),
    }
}

/// The current graphics state; only changes are written.
#[derive(Clone, Debug, PartialEq)]
struct GraphicsState {
    fill: Color,
    stroke: Color,
    width: f64,
    dashes: Vec<f64>,
    join: i32,
}

impl Default for GraphicsState {
    fn default() -> Self {
        GraphicsState { fill: Color::BLACK, stroke: Color::BLACK, width: 1.0, dashes: Vec::new(), join: 0 }
    }
}

/// Write a picture and its opacities.
fn embed(pdf: &mut Pdf, next: &mut Ref, picture: &Picture) -> Ref {
    let [image, mask] = std::array::from_fn(|_| next.bump());
    let (width, height) = (picture.width() as i32, picture.height() as i32);
    let (colors, opacities) = picture.colors();
    let colors = deflate(&colors);
    let mut object = pdf.image_xobject(image, &colors);
    object.width(width).height(height).bits_per_component(8).color_space().device_rgb();
    object.s_mask(mask).filter(Filter::FlateDecode);
    object.finish();
    let opacities = deflate(&opacities);
    let mut object = pdf.image_xobject(mask, &opacities);
    object.width(width).height(height).bits_per_component(8).color_space().device_gray();
    object.filter(Filter::FlateDecode);
    image
}

fn picture_name(i: usize) -> String {
    format!("P{i}")
}

struct Painter<'a> {
    content: PageContent,
    state: GraphicsState,
    fonts: EmbeddedFonts,
    opacities: BTreeSet<(PaintKind, u8)>,
    pictures: &'a [Picture],
    /// The number of pictures drawn so far.
    placed: usize,
}

impl Painter<'_> {
    fn opacity(&mut self, kind: PaintKind, before: u8, alpha: u8) {
        if before != alpha {
            self.opacities.insert((kind, alpha));
            self.content.set_parameters(Name(opacity_name(kind, alpha).as_bytes()));
        }
    }

    fn fill_color(&mut self, color: Color) {
        let before = std::mem::replace(&mut self.state.fill, color);
        self.opacity(PaintKind::Fill, before.3, color.3);
        if [before.0, before.1, before.2] != [color.0, color.1, color.2] {
            let [r, g, b] = unit(color);
            self.content.set_fill_rgb(r, g, b);
        }
    }

    fn stroke(&mut self, stroke: &Stroke, join: LineJoinStyle) {
        let before = std::mem::replace(&mut self.state.stroke, stroke.color);
        self.opacity(PaintKind::Stroke, before.3, stroke.color.3);
        if [before.0, before.1, before.2] != [stroke.color.0, stroke.color.1, stroke.color.2] {
            let [r, g, b] = unit(stroke.color);
            self.content.set_stroke_rgb(r, g, b);
        }
        if self.state.width != stroke.width {
            self.state.width = stroke.width;
            self.content.set_line_width(real(stroke.width));
        }
        let dashes = dashes(stroke);
        if self.state.dashes != dashes {
            self.state.dashes = dashes.to_vec();
            self.content.set_dash_pattern(dashes.iter().copied().map(real), 0.0);
        }
        if self.state.join != join as i32 {
            self.state.join = join as i32;
            self.content.set_line_join(join);
        }
    }

    /// Run a closure between saving and restoring the graphics state.
    fn within(&mut self, paint: impl FnOnce(&mut Self)) {
        let state = self.state.clone();
        self.content.save_state();
        paint(self);
        self.content.restore_state();
        self.state = state;
    }

    fn items(&mut self, items: &[Item]) {
        for element in elements(items) {
            match element {
                Element::Outline(outline, look) => self.outline(outline, look),
                Element::Other(item) => self.other(item),
                Element::Invisible => {}
            }
        }
    }

    fn other(&mut self, item: &Item) {
        match item {
            Item::Label(label) => self.label(label),
            Item::Image { area, columns, cells } => self.image(*area, *columns, cells),
            Item::Clip { area, items } => self.within(|painter| {
                let Rect { x, y, width, height } = *area;
                painter.content.rect(real(x), real(y), real(width), real(height)).clip_nonzero().end_path();
                painter.items(items);
            }),
            Item::Raster { items } => match self.pictures.get(self.placed) {
                Some(picture) => self.picture(picture.area),
                None => self.items(items),
            },
            Item::Path { .. } | Item::Circles { .. } => {}
        }
    }

    /// Set the graphics state, draw an outline, and paint it.
    fn outline(&mut self, outline: Outline, Look { fill, stroke, mitre }: Look) {
        if let Some(color) = fill {
            self.fill_color(color);
        }
        if let Some(stroke) = stroke {
            self.stroke(stroke, if mitre { LineJoinStyle::MiterJoin } else { LineJoinStyle::RoundJoin });
        }
        match outline {
            Outline::Line { points, close } => self.polyline(points, close),
            Outline::Circle { center, radius } => self.circle(center, radius),
        }
        match (fill.is_some(), stroke.is_some()) {
            (true, true) => self.content.fill_nonzero_and_stroke(),
            (true, false) => self.content.fill_nonzero(),
            (false, _) => self.content.stroke(),
        };
        self.content.pack_if_large();
    }

    fn polyline(&mut self, points: &[[f64; 2]], close: bool) {
        for stretch in points.split(|point| !point.iter().all(|x| x.is_finite())) {
            if stretch.len() < 2 {
                continue;
            }
            for (i, [x, y]) in stretch.iter().enumerate() {
                match i {
                    0 => self.content.move_to(real(*x), real(*y)),
                    _ => self.content.line_to(real(*x), real(*y)),
                };
            }
            if close {
                self.content.close_path();
            }
        }
    }

    fn circle(&mut self, [x, y]: [f64; 2], radius: f64) {
        // Four cubic curves; off by at most 0.03 % of the radius.
        let bend = radius * 0.552_284_75;
        let (left, right, top, bottom) = (real(x - radius), real(x + radius), real(y - radius), real(y + radius));
        let (before, after, above, below) = (real(x - bend), real(x + bend), real(y - bend), real(y + bend));
        let (x, y) = (real(x), real(y));
        self.content.move_to(right, y);
        self.content.cubic_to(right, below, after, bottom, x, bottom);
        self.content.cubic_to(before, bottom, left, below, left, y);
        self.content.cubic_to(left, above, before, top, x, top);
        self.content.cubic_to(after, top, right, above, right, y).close_path();
    }

    fn label(&mut self, label: &Label) {
        let placed = place(label);
        if placed.line.runs.is_empty() || !placed.matrix.iter().all(|x| x.is_finite()) {
            return;
        }
        self.fill_color(label.color);
        let [a, b, c, d, e, f] = placed.matrix;
        let onto = |x: f64, y: f64| [a * x + c * y + e, b * x + d * y + f];
        self.content.begin_text();
        for run in &placed.line.runs {
            let [x, y] = onto(run.x, run.y);
            self.content.set_font(Name(fonts::name(run.face).as_bytes()), real(run.size));
            // Flip the text back: in text space y grows upwards.
            self.content.set_text_matrix([fine(a), fine(b), fine(-c), fine(-d), real(x), real(y)]);
            let glyphs = run.glyphs();
            let mut shown = self.content.show_positioned();
            let mut items = shown.items();
            let mut codes: Vec<u8> = Vec::new();
            let mut end = 0;
            for glyph in &glyphs {
                if glyph.x != end {
                    items.show(Str(&codes)).adjust(fine(f64::from(end - glyph.x) * 1000.0 / UNITS));
                    codes.clear();
                }
                codes.extend(self.fonts.code(run.face, glyph).to_be_bytes());
                end = glyph.x + glyph.advance;
            }
            items.show(Str(&codes));
        }
        self.content.end_text();
        for &[x, y, width, thickness] in &placed.line.rules {
            let (top, bottom) = (y - 0.5 * thickness, y + 0.5 * thickness);
            self.polyline(&[onto(x, top), onto(x + width, top), onto(x + width, bottom), onto(x, bottom)], true);
            self.content.fill_nonzero();
        }
    }

    /// Draw the next picture.
    fn picture(&mut self, area: Rect) {
        let name = picture_name(self.placed);
        self.placed += 1;
        self.within(|painter| {
            // Opacity applies to pictures too.
            painter.fill_color(Color::BLACK);
            let matrix = [fine(area.width), 0.0, 0.0, fine(-area.height), fine(area.x), fine(area.bottom())];
            painter.content.transform(matrix).x_object(Name(name.as_bytes()));
        });
    }

    fn image(&mut self, area: Rect, columns: usize, cells: &[Option<Color>]) {
        let blocks = blocks(area, columns, cells);
        if blocks.is_empty() {
            return;
        }
        self.within(|painter| {
            let wide = fine(area.width / columns as f64);
            let high = fine(area.height / rows(columns, cells) as f64);
            painter.content.transform([wide, 0.0, 0.0, high, real(area.x), real(area.y)]);
            for block in blocks {
                painter.fill_color(block.color);
                let [x, y, width, height] = [block.x, block.y, block.width, block.height].map(real);
                painter.content.rect(x, y, width, height).fill_nonzero();
                painter.content.pack_if_large();
            }
        });
    }
}

/// A length, to a thousandth of a point.
fn real(x: f64) -> f32 {
    ((x * 1e3).round() / 1e3) as f32
}

/// A factor.
fn fine(x: f64) -> f32 {
    ((x * 1e6).round() / 1e6) as f32
}

fn unit(color: Color) -> [f32; 3] {
    [color.0, color.1, color.2].map(|byte| real(f64::from(byte) / 255.0))
}
