//! Old and new pictures side by side.

use super::Side;
use crate::error::Result;
use crate::exec;
use crate::render;
use crate::value::{Scene, decode_scene};

/// Pictures are drawn so many pixels wide, unless that would be more than 144 an inch.
const WIDTH: f64 = 1600.0;

/// A picture that shows both.
#[derive(Debug)]
pub struct Picture {
    /// What it is called: `fig1`, or the file of a program without its ending.
    pub name: String,
    pub png: Vec<u8>,
    /// The share of pixels that differ, if both are of one size.
    pub share: Option<f64>,
}

/// The scenes of a figure; `None` if they are the same, or not both in the cache.
pub fn of_scenes(old: Side, new: Side, captions: [&str; 2]) -> Option<Result<Picture>> {
    if old.unit(0)?.1 == new.unit(0)?.1 {
        return None;
    }
    let (was, is) = (decode_scene(&old.payload(0)?)?, decode_scene(&new.payload(0)?)?);
    let draw = |scene: &Scene| {
        let dpi = (WIDTH / scene.width.max(1.0) * 72.0).clamp(20.0, 144.0);
        render::png(scene, dpi as u32, "")
    };
    let both = || {
        let (png, share) = render::beside([&draw(&was)?, &draw(&is)?], captions)?;
        Ok(Picture { name: new.definition().name.clone(), png, share })
    };
    Some(both())
}

/// The pictures among the files of a program.
pub fn of_files(old: Side, new: Side, captions: [&str; 2]) -> Result<Vec<Picture>> {
    let mut pictures = Vec::new();
    let (Some(was), Some(is)) = (old.tree(), new.tree()) else { return Ok(pictures) };
    for file in is.files.iter().filter(|file| file.path.ends_with(".png")) {
        let Some(before) = was.get(&file.path).filter(|before| before.digest != file.digest) else { continue };
        let content = |side: Side, file| exec::content(side.context, side.plan.stage, side.unit(0)?, file).ok();
        // What is no picture after all is only other content.
        if let (Some(a), Some(b)) = (content(old, before), content(new, file))
            && let Ok((png, share)) = render::beside([&a, &b], captions)
        {
            let name = file.path.trim_end_matches(".png").replace('/', "-");
            pictures.push(Picture { name: format!("{}-{name}", new.definition().name), png, share });
        }
    }
    Ok(pictures)
}
