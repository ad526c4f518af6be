//! The embedded faces: glyphs, advances, kerning and bounds in font units (2048 per em; y grows upwards).

use std::sync::OnceLock;

use skrifa::charmap::Charmap;
use skrifa::outline::OutlinePen;
use skrifa::raw::TableProvider;
use skrifa::raw::tables::gpos::{PairPos, PositionSubtables};
use skrifa::{FontRef, GlyphId16, MetadataProvider};

use super::outline::Outlines;

/// Font units per em.
pub const UNITS: f64 = 2048.0;

/// A face of the embedded font family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Face {
    Regular,
    Bold,
    Italic,
}

/// A parsed face.
pub struct Font {
    /// The bytes of the font file.
    pub data: &'static [u8],
    /// Present in every embedded face; a test checks this.
    parsed: Option<Parsed>,
}

/// The tables of a font file that figures need.
struct Parsed {
    characters: Charmap<'static>,
    outlines: Outlines,
    pairs: Vec<PairPos<'static>>,
    metrics: Metrics,
}

/// A glyph of a run: its offset from the run's start, and the character it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glyph {
    pub id: u16,
    pub x: i32,
    pub advance: i32,
    pub character: char,
}

/// The lowest and highest extent of glyphs, and how far they overhang the right end of their advance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GlyphExtent {
    pub bottom: i32,
    pub top: i32,
    pub lean: i32,
}

/// The metrics of a face.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Left, bottom, right and top of the union of all glyph bounds.
    pub bounds: [i32; 4],
    pub ascent: i32,
    pub descent: i32,
    /// The height of capitals.
    pub capitals: i32,
}

impl Face {
    pub const ALL: [Face; 3] = [Face::Regular, Face::Bold, Face::Italic];

    /// Returns the face's font, which is parsed once.
    pub fn font(self) -> &'static Font {
        static FONTS: OnceLock<[Font; 3]> = OnceLock::new();
        let [regular, bold, italic] = FONTS.get_or_init(|| {
            [
                Font::parse(include_bytes!("../../../assets/fonts/DejaVuSans.ttf")),
                Font::parse(include_bytes!("../../../assets/fonts/DejaVuSans-Bold.ttf")),
                Font::parse(include_bytes!("../../../assets/fonts/DejaVuSans-Oblique.ttf")),
            ]
        });
        match self {
            Face::Regular => regular,
            Face::Bold => bold,
            Face::Italic => italic,
        }
    }
}

impl Font {
    fn parse(data: &'static [u8]) -> Font {
        Font { data, parsed: Parsed::new(data) }
    }

    /// Returns the glyph of a character, or `None` if the face lacks it.
    pub fn glyph(&self, character: char) -> Option<u16> {
        let glyph = self.parsed.as_ref()?.characters.map(character)?;
        u16::try_from(glyph.to_u32()).ok()
    }

    pub fn advance(&self, glyph: u16) -> i32 {
        self.parsed.as_ref().and_then(|font| font.outlines.advance(glyph.into())).unwrap_or(0)
    }

    /// Returns the kerning between two glyphs.
    pub fn kern(&self, left: u16, right: u16) -> i32 {
        let mut pairs = self.parsed.iter().flat_map(|font| &font.pairs);
        pairs.find_map(|pair| kern(pair, left.into(), right.into())).map_or(0, i32::from)
    }

    /// Returns left, bottom, right and top of a glyph's outline; `None` for a space.
    pub fn bounds(&self, glyph: u16) -> Option<[i32; 4]> {
        self.parsed.as_ref()?.outlines.bounds(glyph.into())
    }

    /// Draws a glyph's outline.
    pub fn outline(&self, glyph: u16, pen: &mut impl OutlinePen) {
        if let Some(font) = &self.parsed {
            font.outlines.draw(glyph.into(), pen);
        }
    }

    /// Lays out characters side by side. Characters that the face lacks become its replacement box.
    pub fn set(&self, text: &str) -> Vec<Glyph> {
        let mut glyphs: Vec<Glyph> = Vec::new();
        for character in text.chars() {
            let id = self.glyph(character).unwrap_or(0);
            let x = match glyphs.last() {
                Some(left) => left.x + left.advance + self.kern(left.id, id),
                None => 0,
            };
            glyphs.push(Glyph { id, x, advance: self.advance(id), character });
        }
        glyphs
    }

    /// Returns the extent of glyphs.
    pub fn extent(&self, glyphs: &[Glyph]) -> GlyphExtent {
        let mut extent = GlyphExtent::default();
        for glyph in glyphs {
            if let Some([_, bottom, right, top]) = self.bounds(glyph.id) {
                extent.bottom = extent.bottom.min(bottom);
                extent.top = extent.top.max(top);
                extent.lean = (right - glyph.advance).max(0);
            }
        }
        extent
    }

    pub fn metrics(&self) -> Metrics {
        let Some(font) = &self.parsed else { return Metrics::default() };
        let capitals = self.glyph('H').and_then(|glyph| self.bounds(glyph)).map_or(0, |[.., top]| top);
        Metrics { capitals, ..font.metrics }
    }

    /// The height of the minus sign, which is also the height of fraction bars.
    pub fn axis(&self) -> i32 {
        let minus = self.glyph('\u{2212}').and_then(|glyph| self.bounds(glyph));
        minus.map_or(642, |[_, bottom, _, top]| (bottom + top) / 2)
    }
}

impl Parsed {
    fn new(data: &'static [u8]) -> Option<Parsed> {
        let font = FontRef::new(data).ok()?;
        let (head, lines) = (font.head().ok()?, font.hhea().ok()?);
        let bounds = [head.x_min(), head.y_min(), head.x_max(), head.y_max()].map(i32::from);
        let (ascent, descent) = (lines.ascender().to_i16(), lines.descender().to_i16());
        let mut pairs = Vec::new();
        // The font files contain no positioning except pair kerning.
        for lookup in font.gpos().ok()?.lookup_list().ok()?.lookups().iter().flatten() {
            if let Ok(PositionSubtables::Pair(subtables)) = lookup.subtables() {
                pairs.extend(subtables.iter().flatten());
            }
        }
        Some(Parsed {
            characters: font.charmap(),
            outlines: Outlines::new(&font)?,
            pairs,
            metrics: Metrics { bounds, ascent: ascent.into(), descent: descent.into(), capitals: 0 },
        })
    }
}

/// The kerning of two glyphs in one table; `None` if the table says nothing about them.
fn kern(table: &PairPos, left: GlyphId16, right: GlyphId16) -> Option<i16> {
    let kerning = match table {
        PairPos::Format1(pairs) => {
            let index = pairs.coverage().ok()?.get(left)?;
            let set = pairs.pair_sets().get(usize::try_from(index).ok()?).ok()?;
            *set.find_pair_value_record(right)?.value_record1()
        }
        PairPos::Format2(classes) => {
            classes.coverage().ok()?.get(left)?;
            let (first, second) = (classes.class_def1().ok()?, classes.class_def2().ok()?);
            let (first, second) = (u16::try_from(first.get(left)).ok()?, u16::try_from(second.get(right)).ok()?);
            let [kerning, _] = classes.class_value_records().get(first, second)?;
            kerning
        }
        PairPos::Format3(_) | PairPos::Format4(_) => return None,
    };
    Some(kerning.x_advance().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_face_has_letters_greek_arrows_and_a_replacement_box() {
        for face in Face::ALL {
            let font = face.font();
            for character in "Aaz09αΩ→−²×‖∑√ℝ□\u{fffd}".chars() {
                assert!(font.glyph(character).is_some(), "{face:?} lacks {character}");
            }
            assert_eq!(font.glyph('漢'), None);
            assert_eq!(font.set("漢"), [Glyph { id: 0, x: 0, advance: 1229, character: '漢' }]);
            assert!(font.bounds(0).is_some(), "the replacement box has ink");
        }
    }

    #[test]
    fn pairs_are_kerned_as_fonttools_reads_the_table() {
        let kern = |face: Face, left, right| {
            let font = face.font();
            font.kern(font.glyph(left).unwrap(), font.glyph(right).unwrap())
        };
        assert_eq!(kern(Face::Regular, 'A', 'V'), -131);
        assert_eq!(kern(Face::Regular, 'n', 'n'), 0);
        assert_eq!(kern(Face::Bold, 'A', 'V'), -139);
        assert_eq!(kern(Face::Italic, 'T', 'o'), -253);
    }

    /// Records an outline: a letter for each command, and its numbers bit by bit.
    struct Recorder<'a>(&'a mut blake3::Hasher);

    impl Recorder<'_> {
        fn record(&mut self, command: u8, numbers: &[f32]) {
            self.0.update(&[command]);
            numbers.iter().for_each(|x| _ = self.0.update(&x.to_bits().to_le_bytes()));
        }
    }

    impl OutlinePen for Recorder<'_> {
        fn move_to(&mut self, x: f32, y: f32) {
            self.record(b'M', &[x, y]);
        }
        fn line_to(&mut self, x: f32, y: f32) {
            self.record(b'L', &[x, y]);
        }
        fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
            self.record(b'Q', &[x1, y1, x, y]);
        }
        fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
            self.record(b'C', &[x1, y1, x2, y2, x, y]);
        }
        fn close(&mut self) {
            self.record(b'z', &[]);
        }
    }

    /// The hash of everything that figures read from a face.
    fn everything(face: Face) -> String {
        let font = face.font();
        let mut hasher = blake3::Hasher::new();
        let number = |hasher: &mut blake3::Hasher, x: i32| _ = hasher.update(&x.to_le_bytes());
        let glyphs: BTreeSet<u16> = ('\0'..=char::MAX).filter_map(|c| font.glyph(c)).chain([0]).collect();
        for character in '\0'..=char::MAX {
            // ttf-parser shows U+FFFF, which is no character, as the replacement box.
            if let Some(glyph) = font.glyph(character).filter(|glyph| *glyph != 0) {
                number(&mut hasher, character as i32);
                number(&mut hasher, i32::from(glyph));
            }
        }
        for &glyph in &glyphs {
            number(&mut hasher, font.advance(glyph));
            font.bounds(glyph).unwrap_or([i32::MAX; 4]).into_iter().for_each(|x| number(&mut hasher, x));
            font.outline(glyph, &mut Recorder(&mut hasher));
        }
        // Letters of Latin and Greek; glyphs without kerning would only take time.
        let letters: Vec<u16> = (' '..'\u{180}').chain('Ͱ'..'Ѐ').filter_map(|c| font.glyph(c)).collect();
        for &left in &letters {
            for &right in &letters {
                number(&mut hasher, font.kern(left, right));
            }
        }
        let Metrics { bounds, ascent, descent, capitals } = font.metrics();
        bounds.into_iter().chain([ascent, descent, capitals, font.axis()]).for_each(|x| number(&mut hasher, x));
        hasher.finalize().to_hex()[..16].to_string()
    }

    /// The hashes were computed with ttf-parser 0.25.1. Any other value changes the bytes of figures.
    #[test]
    fn outlines_advances_bounds_and_kerning_stay_the_same() {
        assert_eq!(Face::ALL.map(everything), ["5533c673adbfbe5d", "01d78beec09938f2", "39e823f43a0edc90"]);
    }
}
