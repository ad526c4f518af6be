//! A picture in a vector file: the pixels of some shapes, with opacity.

use resvg::tiny_skia::Pixmap;

use crate::error::{Error, Result};
use crate::value::Rect;

/// A picture and its place on the page.
#[derive(Clone)]
pub struct Picture {
    pub area: Rect,
    pub pixels: Pixmap,
}

impl Picture {
    pub fn width(&self) -> u32 {
        self.pixels.width()
    }

    pub fn height(&self) -> u32 {
        self.pixels.height()
    }

    /// The picture as a png file.
    pub fn png(&self) -> Result<Vec<u8>> {
        self.pixels.encode_png().map_err(|cause| Error::internal(format!("a picture cannot be encoded: {cause}")))
    }

    /// Red, green and blue of all pixels, and their opacities; rows from the top.
    pub fn colors(&self) -> (Vec<u8>, Vec<u8>) {
        let (mut colors, mut opacities) = (Vec::new(), Vec::new());
        for pixel in self.pixels.pixels() {
            let color = pixel.demultiply();
            colors.extend([color.red(), color.green(), color.blue()]);
            opacities.push(color.alpha());
        }
        (colors, opacities)
    }
}
