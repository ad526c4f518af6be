//! Outlines of glyphs with the coordinates of the font file.
//!
//! Every contour ends with a line to its start, also one of a single point; skrifa leaves it out. Glyphs are where the file puts them; skrifa
//! moves them to their left side bearing, as FreeType does, which is up to a unit elsewhere.

use skrifa::instance::{LocationRef, Size};
use skrifa::metrics::GlyphMetrics;
use skrifa::outline::pen::PathStyle;
use skrifa::outline::{DrawSettings, OutlineGlyphCollection, OutlinePen};
use skrifa::raw::TableProvider;
use skrifa::raw::tables::glyf::{CompositeGlyphFlags, Glyf, Glyph};
use skrifa::raw::tables::loca::Loca;
use skrifa::{FontRef, GlyphId, MetadataProvider};

/// Components may nest in components; more levels than this are not followed.
const DEPTH: u8 = 8;

/// The outlines of a font.
pub struct Outlines {
    outlines: OutlineGlyphCollection<'static>,
    metrics: GlyphMetrics<'static>,
    places: Loca<'static>,
    glyphs: Glyf<'static>,
}

impl Outlines {
    /// Returns `None` if the font has no TrueType outlines.
    pub fn new(font: &FontRef<'static>) -> Option<Outlines> {
        Some(Outlines {
            outlines: font.outline_glyphs(),
            metrics: font.glyph_metrics(Size::unscaled(), LocationRef::default()),
            places: font.loca(None).ok()?,
            glyphs: font.glyf().ok()?,
        })
    }

    pub fn advance(&self, glyph: GlyphId) -> Option<i32> {
        self.metrics.advance_width(glyph).map(|width| width as i32)
    }

    /// Draws a glyph; nothing if the font has none.
    pub fn draw(&self, glyph: GlyphId, pen: &mut impl OutlinePen) {
        if let Some(outline) = self.outlines.get(glyph) {
            let settings = DrawSettings::unhinted(Size::unscaled(), LocationRef::default());
            let right = self.moved_left(glyph, DEPTH).unwrap_or(0.0);
            let mut pen = ContourPen { pen, right, start: [0.0; 2], end: [0.0; 2], point: false };
            // As in HarfBuzz, a contour begins at its first point on the curve.
            _ = outline.draw(settings.with_path_style(PathStyle::HarfBuzz), &mut pen);
        }
    }

    /// Returns left, bottom, right and top of the points of a glyph, rounded towards zero; `None` for a space.
    pub fn bounds(&self, glyph: GlyphId) -> Option<[i32; 4]> {
        let mut extent = Extent::default();
        self.draw(glyph, &mut extent);
        extent.0.map(|bounds| bounds.map(|x| x as i32))
    }

    /// How far skrifa moves a glyph to the left.
    fn moved_left(&self, glyph: GlyphId, depth: u8) -> Option<f32> {
        if let Glyph::Composite(composite) = self.places.get(glyph, &self.glyphs)?.into_glyph()? {
            let measured = |flags: CompositeGlyphFlags| flags.contains(CompositeGlyphFlags::USE_MY_METRICS);
            if let Some(component) = composite.components().filter(|part| measured(part.flags)).last() {
                return self.moved_left(component.glyph, depth.checked_sub(1)?);
            }
        }
        Some(self.metrics.bounds(glyph)?.x_min - self.metrics.left_side_bearing(glyph)?)
    }
}

/// Moves an outline to the right and closes its contours with lines.
struct ContourPen<'a, P> {
    pen: &'a mut P,
    right: f32,
    start: [f32; 2],
    end: [f32; 2],
    /// Whether the contour is a single point so far.
    point: bool,
}

impl<P> ContourPen<'_, P> {
    fn go(&mut self, x: f32, y: f32) {
        self.end = [x, y];
        self.point = false;
    }
}

impl<P: OutlinePen> OutlinePen for ContourPen<'_, P> {
    fn move_to(&mut self, x: f32, y: f32) {
        let x = x + self.right;
        self.go(x, y);
        (self.start, self.point) = ([x, y], true);
        self.pen.move_to(x, y);
    }
    fn line_to(&mut self, x: f32, y: f32) {
        let x = x + self.right;
        self.go(x, y);
        self.pen.line_to(x, y);
    }
    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let (x1, x) = (x1 + self.right, x + self.right);
        self.go(x, y);
        self.pen.quad_to(x1, y1, x, y);
    }
    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let [x1, x2, x] = [x1, x2, x].map(|x| x + self.right);
        self.go(x, y);
        self.pen.curve_to(x1, y1, x2, y2, x, y);
    }
    fn close(&mut self) {
        if self.point || self.start != self.end {
            self.pen.line_to(self.start[0], self.start[1]);
        }
        self.pen.close();
    }
}

/// Left, bottom, right and top of the points that were drawn, control points among them.
#[derive(Default)]
struct Extent(Option<[f32; 4]>);

impl Extent {
    fn add(&mut self, x: f32, y: f32) {
        let [left, bottom, right, top] = self.0.unwrap_or([x, y, x, y]);
        self.0 = Some([left.min(x), bottom.min(y), right.max(x), top.max(y)]);
    }
}

impl OutlinePen for Extent {
    fn move_to(&mut self, x: f32, y: f32) {
        self.add(x, y);
    }
    fn line_to(&mut self, x: f32, y: f32) {
        self.add(x, y);
    }
    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.add(x1, y1);
        self.add(x, y);
    }
    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.add(x1, y1);
        self.add(x2, y2);
        self.add(x, y);
    }
    fn close(&mut self) {}
}
