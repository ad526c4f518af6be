//! Picture comparison: two pictures side by side, with a third that highlights the differences.

use resvg::tiny_skia::{Color, Pixmap, PixmapPaint, PremultipliedColorU8, Transform};

use super::png;
use crate::error::{Error, Result};
use crate::value::{self, Horizontal, Item, Label, Scene, Vertical};

/// Pixels between pictures and above them, for the captions.
const GAP: u32 = 24;
const HEAD: u32 = 40;
/// What the files say they were made by.
const PROGRAM: &str = "repro diff";
/// Larger pictures are rejected.
const PIXELS: u64 = 120_000_000;

/// Combine two PNGs into one with a caption above each. Also returns the share of differing pixels, if the sizes are equal.
pub fn beside(pictures: [&[u8]; 2], captions: [&str; 2]) -> Result<(Vec<u8>, Option<f64>)> {
    let decode =
        |bytes: &[u8]| Pixmap::decode_png(bytes).map_err(|cause| Error::stage(format!("not a picture: {cause}")));
    let (old, new) = (decode(pictures[0])?, decode(pictures[1])?);
    let marked = marked(&old, &new);
    let share = marked.as_ref().map(|(_, share)| *share);
    let mut panels = vec![(&old, captions[0]), (&new, captions[1])];
    panels.extend(marked.as_ref().map(|(picture, _)| (picture, "where they differ")));
    let width = panels.iter().map(|(picture, _)| picture.width() + GAP).sum::<u32>() + GAP;
    let height = HEAD + panels.iter().map(|(picture, _)| picture.height()).max().unwrap_or(0) + GAP;
    if u64::from(width) * u64::from(height) > PIXELS {
        return Err(Error::stage(format!("a picture of {width} by {height} pixels is too large")));
    }
    let lefts =
        panels.iter().scan(GAP, |left, (picture, _)| Some(std::mem::replace(left, *left + picture.width() + GAP)));
    let lefts: Vec<u32> = lefts.collect();
    let labels = panels.iter().zip(&lefts).map(|((_, caption), left)| label(caption, *left));
    let head = Scene { width: width.into(), height: HEAD.into(), items: labels.collect(), ..Scene::default() };
    let head = decode(&png(&head, 72, "")?)?;
    let broken = || Error::internal("the picture has no size");
    let mut canvas = Pixmap::new(width, height).ok_or_else(broken)?;
    canvas.fill(Color::WHITE);
    let mut draw = |left: u32, top: u32, picture: &Pixmap| {
        let place = (left as i32, top as i32);
        canvas.draw_pixmap(place.0, place.1, picture.as_ref(), &PixmapPaint::default(), Transform::identity(), None);
    };
    draw(0, 0, &head);
    panels.iter().zip(&lefts).for_each(|((picture, _), left)| draw(*left, HEAD, picture));
    let bytes = canvas.encode_png().map_err(|cause| Error::internal(format!("no picture can be made: {cause}")))?;
    let bytes = png::signed(&bytes, PROGRAM).ok_or_else(|| Error::internal("the encoder made no png"))?;
    Ok((bytes, share))
}

/// Whether a file was made by [`beside`].
pub fn is_beside(bytes: &[u8]) -> bool {
    png::is_signed(bytes, PROGRAM)
}

fn label(caption: &str, left: u32) -> Item {
    Item::Label(Label {
        markup: caption.replace('$', "\\$"),
        at: [left.into(), 0.7 * f64::from(HEAD)],
        size: 18.0,
        color: value::Color::BLACK,
        bold: false,
        rotation: 0.0,
        horizontal: Horizontal::Left,
        vertical: Vertical::Baseline,
    })
}

/// The new picture, faded, with differing pixels in red, and their share; `None` if the sizes differ.
fn marked(old: &Pixmap, new: &Pixmap) -> Option<(Pixmap, f64)> {
    if (old.width(), old.height()) != (new.width(), new.height()) {
        return None;
    }
    let mut picture = new.clone();
    let red = PremultipliedColorU8::from_rgba(214, 39, 40, 255)?;
    let mut differ = 0usize;
    for (pixel, before) in picture.pixels_mut().iter_mut().zip(old.pixels()) {
        if pixel == before {
            // Over white, at a fifth of the contrast.
            let pale = |c: u8| 204 + (c.saturating_add(255 - pixel.alpha())) / 5;
            *pixel = PremultipliedColorU8::from_rgba(pale(pixel.red()), pale(pixel.green()), pale(pixel.blue()), 255)?;
        } else {
            *pixel = red;
            differ += 1;
        }
    }
    Some((picture, differ as f64 / old.pixels().len().max(1) as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32, red: u8) -> Vec<u8> {
        let mut picture = Pixmap::new(width, height).unwrap();
        picture.fill(Color::from_rgba8(red, 0, 0, 255));
        picture.pixels_mut()[0] = PremultipliedColorU8::from_rgba(0, 0, 0, 255).unwrap();
        picture.encode_png().unwrap()
    }

    #[test]
    fn two_pictures_of_one_size_have_a_third_with_what_differs() {
        let (bytes, share) = beside([&picture(10, 4, 0), &picture(10, 4, 255)], ["old", "new"]).unwrap();
        let all = Pixmap::decode_png(&bytes).unwrap();
        assert_eq!((all.width(), all.height()), (3 * 10 + 4 * GAP, 4 + HEAD + GAP));
        // One pixel is black in both pictures.
        assert_eq!(share, Some(39.0 / 40.0));
        let third = |x: u32| all.pixel(2 * 10 + 3 * GAP + x, HEAD).unwrap().red();
        assert_eq!((third(0), third(1)), (204, 214));
    }

    #[test]
    fn pictures_of_two_sizes_stand_side_by_side() {
        let (bytes, share) = beside([&picture(10, 4, 0), &picture(20, 8, 0)], ["old", "new"]).unwrap();
        let all = Pixmap::decode_png(&bytes).unwrap();
        assert_eq!((all.width(), all.height(), share), (30 + 3 * GAP, 8 + HEAD + GAP, None));
        assert!(beside([b"no picture", &picture(1, 1, 0)], ["", ""]).is_err());
    }
}
