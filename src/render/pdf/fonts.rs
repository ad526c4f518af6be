//! Font embedding: subsets with only the glyphs in use, and a `ToUnicode` map so that text can be searched.

use std::collections::BTreeMap;

use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Filter, Finish, Name, Pdf, Rect, Ref, Str};
use subsetter::GlyphRemapper;

use super::deflate::deflate;
use crate::error::{Error, Result};
use crate::figures::text::{Face, Glyph, UNITS};

const SYSTEM: SystemInfo = SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };

/// The glyphs of each face that are in use so far.
#[derive(Default)]
pub struct EmbeddedFonts(BTreeMap<Face, UsedGlyphs>);

struct UsedGlyphs {
    glyphs: GlyphRemapper,
    /// New glyph ids, and the first character of each.
    reads: BTreeMap<u16, char>,
}

impl EmbeddedFonts {
    /// The glyph's code in the document.
    pub fn code(&mut self, face: Face, glyph: &Glyph) -> u16 {
        let used =
            self.0.entry(face).or_insert_with(|| UsedGlyphs { glyphs: GlyphRemapper::new(), reads: BTreeMap::new() });
        let code = used.glyphs.remap(glyph.id);
        // The replacement glyph is shared by many characters.
        if glyph.id != 0 {
            used.reads.entry(code).or_insert(glyph.character);
        }
        code
    }

    /// Write all fonts; returns their resource names.
    pub fn write(self, pdf: &mut Pdf, next: &mut Ref) -> Result<Vec<(&'static str, Ref)>> {
        self.0.into_iter().map(|(face, used)| Ok((name(face), write(pdf, next, face, &used)?))).collect()
    }
}

/// The resource name of a face.
pub fn name(face: Face) -> &'static str {
    match face {
        Face::Regular => "R",
        Face::Bold => "B",
        Face::Italic => "I",
    }
}

fn write(pdf: &mut Pdf, next: &mut Ref, face: Face, used: &UsedGlyphs) -> Result<Ref> {
    let [font_ref, cid_ref, descriptor_ref, cmap_ref, file_ref] = std::array::from_fn(|_| next.bump());
    let font = face.font();
    let file = subsetter::subset(font.data, 0, &used.glyphs)
        .map_err(|cause| Error::internal(format!("a font cannot be embedded: {cause}")))?;
    let postscript = match face {
        Face::Regular => "DejaVuSans",
        Face::Bold => "DejaVuSans-Bold",
        Face::Italic => "DejaVuSans-Oblique",
    };
    // The subset tag: six letters derived from the glyphs.
    let tag: String = blake3::hash(&file).as_bytes().iter().take(6).map(|byte| char::from(b'A' + byte % 26)).collect();
    let name = format!("{tag}+{postscript}");
    let name = Name(name.as_bytes());

    let mut type0 = pdf.type0_font(font_ref);
    type0.base_font(name).encoding_predefined(Name(b"Identity-H")).descendant_font(cid_ref).to_unicode(cmap_ref);
    type0.finish();

    let thousandths = |units: i32| (f64::from(units) * 1000.0 / UNITS).round() as f32;
    let mut cid = pdf.cid_font(cid_ref);
    cid.subtype(CidFontType::Type2).base_font(name).system_info(SYSTEM).font_descriptor(descriptor_ref);
    cid.default_width(0.0).cid_to_gid_map_predefined(Name(b"Identity"));
    // Widths are not rounded: the positions of letters follow from them.
    let exact = |glyph: u16| (f64::from(font.advance(glyph)) * 1000.0 / UNITS) as f32;
    cid.widths().consecutive(0, used.glyphs.remapped_gids().map(exact));
    cid.finish();

    let metrics = font.metrics();
    let [left, bottom, right, top] = metrics.bounds.map(thousandths);
    let mut flags = FontFlags::SYMBOLIC;
    flags.set(FontFlags::ITALIC, face == Face::Italic);
    let mut descriptor = pdf.font_descriptor(descriptor_ref);
    descriptor.name(name).flags(flags).bbox(Rect::new(left, bottom, right, top));
    descriptor.italic_angle(if face == Face::Italic { -11.0 } else { 0.0 });
    descriptor.ascent(thousandths(metrics.ascent)).descent(thousandths(metrics.descent));
    descriptor.cap_height(thousandths(metrics.capitals)).stem_v(if face == Face::Bold { 165.0 } else { 90.0 });
    descriptor.font_file2(file_ref);
    descriptor.finish();

    let mut cmap = UnicodeCmap::new(Name(b"Reads"), SYSTEM);
    used.reads.iter().for_each(|(code, character)| cmap.pair(*code, *character));
    let cmap = deflate(cmap.finish().as_slice());
    pdf.cmap(cmap_ref, &cmap).filter(Filter::FlateDecode);

    let packed = deflate(&file);
    pdf.stream(file_ref, &packed).filter(Filter::FlateDecode).pair(Name(b"Length1"), file.len() as i32);
    Ok(font_ref)
}
