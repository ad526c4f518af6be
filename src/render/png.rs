//! PNG output: the scene's SVG, rasterised by resvg. Text is outlines, so system fonts are not used.

use resvg::{tiny_skia, usvg};

use super::layers::{self, Layer};
use super::svg;
use crate::error::{Error, Result};
use crate::value::Scene;

/// Maximum number of pixels; more would need half a gigabyte of memory.
const PIXELS: f64 = 1.2e8;

/// The PNG file of a scene at a resolution.
pub fn png(scene: &Scene, dpi: u32, key: &str) -> Result<Vec<u8>> {
    png_unless(scene, dpi, key, &|| false)?.ok_or_else(|| Error::internal("a png was given up that nobody stopped"))
}

/// Like [`png`]; `None` if `stop` returned true.
pub fn png_unless(scene: &Scene, dpi: u32, key: &str, stop: &dyn Fn() -> bool) -> Result<Option<Vec<u8>>> {
    let (wide, high) = size(scene, dpi)?;
    let mut picture = tiny_skia::Pixmap::new(wide, high).ok_or_else(|| broken(&"it has no size"))?;
    let page = Window { wide, high, left: 0, top: 0 };
    match layers::layers(scene)? {
        None => draw(&svg::svg(scene, Vec::new(), key)?, page, &mut picture)?,
        Some(layers) => {
            picture.fill(tiny_skia::Color::WHITE);
            for layer in layers {
                if !draw_layer(scene, &layer, page, &mut picture, stop)? {
                    return Ok(None);
                }
            }
        }
    }
    let bytes = picture.encode_png().map_err(|e| broken(&e))?;
    describe(&bytes, &crate::markup::plain(&scene.title), dpi, key)
        .map(Some)
        .ok_or_else(|| Error::internal("the encoder made no png"))
}

/// The width and height of a scene in pixels.
pub(super) fn size(scene: &Scene, dpi: u32) -> Result<(u32, u32)> {
    let pixels = |points: f64| (points / 72.0 * f64::from(dpi)).round().max(1.0);
    let (width, height) = (pixels(scene.width), pixels(scene.height));
    if width * height > PIXELS || width.max(height) > 65_000.0 {
        let error = Error::stage(format!("a png of {width} by {height} pixels is too large"));
        return Err(error.hint(format!("lower `dpi`, {dpi} now, or the size of the figure")));
    }
    Ok((width as u32, height as u32))
}

/// A part of a page in pixels: the size of the page, and the corner where the part begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub wide: u32,
    pub high: u32,
    pub left: u32,
    pub top: u32,
}

pub(super) fn broken(cause: &dyn std::fmt::Display) -> Error {
    Error::internal(format!("the figure's svg cannot be drawn: {cause}"))
}

/// Draw an SVG over the existing picture.
fn draw(svg: &str, window: Window, picture: &mut tiny_skia::Pixmap) -> Result<()> {
    let tree = usvg::Tree::from_str(svg, &usvg::Options::default()).map_err(|e| broken(&e))?;
    let Window { wide, high, left, top } = window;
    let scale = tiny_skia::Transform::from_scale(wide as f32 / tree.size().width(), high as f32 / tree.size().height());
    resvg::render(&tree, scale.post_translate(-(left as f32), -(top as f32)), &mut picture.as_mut());
    Ok(())
}

/// Draw the parts of a layer; false if `stop` returned true.
pub(super) fn draw_layer(
    scene: &Scene,
    layer: &Layer,
    window: Window,
    picture: &mut tiny_skia::Pixmap,
    stop: &dyn Fn() -> bool,
) -> Result<bool> {
    let mut own = match layer.opacity {
        Some(_) => {
            let own = tiny_skia::Pixmap::new(picture.width(), picture.height());
            Some(own.ok_or_else(|| broken(&"it has no size"))?)
        }
        None => None,
    };
    for part in &layer.parts {
        if stop() {
            return Ok(false);
        }
        draw(&svg::layer(scene, part)?, window, own.as_mut().unwrap_or(picture))?;
    }
    if let (Some(own), Some(opacity)) = (own, layer.opacity) {
        let paint = tiny_skia::PixmapPaint { opacity: f32::from(opacity) / 255.0, ..Default::default() };
        picture.draw_pixmap(0, 0, own.as_ref(), &paint, tiny_skia::Transform::identity(), None);
    }
    Ok(true)
}

/// 8 bytes of signature, then the header chunk: length, name, 13 bytes of data, checksum.
const HEADER: usize = 8 + 4 + 4 + 13 + 4;

/// Insert the name of the program after the header.
pub(super) fn signed(png: &[u8], program: &str) -> Option<Vec<u8>> {
    let mut out = png.get(..HEADER)?.to_vec();
    chunk(&mut out, b"tEXt", &[b"Software\0", program.as_bytes()].concat());
    out.extend(png.get(HEADER..)?);
    Some(out)
}

/// Whether a file is a png with the name of this program after the header.
pub(super) fn is_signed(png: &[u8], program: &str) -> bool {
    // The length and the name of the chunk come first.
    png.get(HEADER + 8..).is_some_and(|text| text.starts_with(&[b"Software\0", program.as_bytes()].concat()))
}

/// Insert resolution, title and key as chunks after the header; the encoder cannot write them.
fn describe(png: &[u8], title: &str, dpi: u32, key: &str) -> Option<Vec<u8>> {
    let mut out = png.get(..HEADER)?.to_vec();
    let per_metre = ((f64::from(dpi) / 0.0254).round() as u32).to_be_bytes();
    chunk(&mut out, b"pHYs", &[&per_metre[..], &per_metre[..], &[1]].concat());
    if !title.is_empty() {
        // An `iTXt` chunk: uncompressed, no language tag.
        chunk(&mut out, b"iTXt", &[b"Title\0\0\0\0\0", title.as_bytes()].concat());
    }
    chunk(&mut out, b"tEXt", &[b"Software\0", &b"repro"[..]].concat());
    chunk(&mut out, b"iTXt", &[b"repro key\0\0\0\0\0", key.as_bytes()].concat());
    out.extend(png.get(HEADER..)?);
    Some(out)
}

fn chunk(out: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    out.extend((data.len() as u32).to_be_bytes());
    let start = out.len();
    out.extend(name);
    out.extend(data);
    let sum = crc32fast::hash(&out[start..]);
    out.extend(sum.to_be_bytes());
}
