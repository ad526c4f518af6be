//! Draws pixels in a terminal: half blocks in 24-bit colour, two pixels per character.

/// Opaque pixels, row by row.
pub struct Pixels {
    pub width: usize,
    pub height: usize,
    pub rgb: Vec<[u8; 3]>,
}

impl Pixels {
    /// From a PNG file, over white; `None` if it is not one.
    pub fn from_png(bytes: &[u8]) -> Option<Pixels> {
        let map = resvg::tiny_skia::Pixmap::decode_png(bytes).ok()?;
        // The pixmap's colours are premultiplied with opacity.
        let over = |c: u8, alpha: u8| c.saturating_add(255 - alpha);
        let rgb = map.pixels().iter().map(|p| [p.red(), p.green(), p.blue()].map(|c| over(c, p.alpha()))).collect();
        Some(Pixels { width: map.width() as usize, height: map.height() as usize, rgb })
    }

    /// The mean colour of a part of the picture.
    fn mean(&self, x: std::ops::Range<usize>, y: std::ops::Range<usize>) -> [u8; 3] {
        let mut sum = [0usize; 3];
        for row in y.clone() {
            for pixel in &self.rgb[row * self.width + x.start..row * self.width + x.end] {
                sum.iter_mut().zip(pixel).for_each(|(sum, c)| *sum += usize::from(*c));
            }
        }
        let count = (x.len() * y.len()).max(1);
        sum.map(|sum| (sum / count) as u8)
    }

    /// Draw with shading characters, for terminals without colour; at most `columns` characters wide.
    pub fn shades(&self, columns: usize) -> String {
        const SHADES: [char; 5] = ['█', '▓', '▒', '░', ' '];
        if self.width == 0 || self.height == 0 {
            return String::new();
        }
        let columns = columns.clamp(1, self.width);
        // A character is twice as high as it is wide.
        let rows = (self.height * columns / self.width / 2).max(1);
        let part = |i: usize, n: usize, size: usize| {
            let start = (i * size / n).min(size - 1);
            start..((i + 1) * size / n).clamp(start + 1, size)
        };
        let shade = |x: usize, y: usize| {
            let rgb = self.mean(part(x, columns, self.width), part(y, rows, self.height));
            let [r, g, b] = rgb.map(usize::from);
            // Thin lines on white darken a character only slightly; emphasise them.
            SHADES[(299 * r + 587 * g + 114 * b) * (SHADES.len() - 1) / 255_000]
        };
        let line = |y: usize| (0..columns).map(|x| shade(x, y)).collect::<String>();
        (0..rows).map(|y| format!("{}\n", line(y).trim_end())).collect()
    }

    /// Draw with half blocks, at most `columns` characters wide; never enlarged.
    pub fn half_blocks(&self, columns: usize) -> String {
        if self.width == 0 || self.height == 0 {
            return String::new();
        }
        let columns = columns.clamp(1, self.width);
        let rows = (self.height * columns / self.width).max(1);
        let part = |i: usize, n: usize, size: usize| {
            let start = (i * size / n).min(size - 1);
            start..((i + 1) * size / n).clamp(start + 1, size)
        };
        let mut text = String::new();
        for y in (0..rows).step_by(2) {
            let mut last = None;
            for x in 0..columns {
                let column = part(x, columns, self.width);
                let upper = self.mean(column.clone(), part(y, rows, self.height));
                let lower = if y + 1 < rows { Some(self.mean(column, part(y + 1, rows, self.height))) } else { None };
                if last != Some((upper, lower)) {
                    let [r, g, b] = upper;
                    text += &format!("\u{1b}[38;2;{r};{g};{b}m");
                    text += &match lower {
                        Some([r, g, b]) => format!("\u{1b}[48;2;{r};{g};{b}m"),
                        None => "\u{1b}[49m".to_string(),
                    };
                    last = Some((upper, lower));
                }
                text.push('▀');
            }
            text += "\u{1b}[0m\n";
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_rows_of_pixels_make_one_line_of_half_blocks() {
        let pixels = Pixels { width: 2, height: 3, rgb: vec![[1, 2, 3]; 6] };
        let text = pixels.half_blocks(80);
        let line = "\u{1b}[38;2;1;2;3m\u{1b}[48;2;1;2;3m▀▀\u{1b}[0m\n";
        assert_eq!(text, format!("{line}{}", line.replace("\u{1b}[48;2;1;2;3m", "\u{1b}[49m")));
    }

    #[test]
    fn without_colours_dark_and_light_are_shades() {
        let rgb = vec![[255; 3], [250; 3], [120; 3], [0; 3]];
        assert_eq!(Pixels { width: 4, height: 1, rgb }.shades(80), " ░▓█\n");
        assert_eq!(Pixels { width: 0, height: 0, rgb: Vec::new() }.shades(80), "");
    }

    #[test]
    fn a_large_picture_is_downscaled_by_averaging() {
        let rgb = (0..64).map(|i| if (i % 8 + i / 8) % 2 == 0 { [0; 3] } else { [200; 3] }).collect();
        let text = Pixels { width: 8, height: 8, rgb }.half_blocks(4);
        assert_eq!(text.matches('▀').count(), 8);
        assert!(text.contains("38;2;100;100;100"));
    }
}
