//! Draws old and new pictures side by side.

use super::planned::PlannedStage;
use super::stage_diff::PictureDiff;
use crate::error::Result;
use crate::exec;
use crate::render;
use crate::value::{Scene, decode_scene};

/// The width of a drawn figure in pixels, unless that would exceed 144 dpi.
const WIDTH: f64 = 1600.0;

/// Compare the scenes of a figure; `None` if they are the same, or not both in the cache.
pub fn compare_scenes(old: PlannedStage, new: PlannedStage, captions: [&str; 2]) -> Option<Result<PictureDiff>> {
    if old.result(0)?.1 == new.result(0)?.1 {
        return None;
    }
    let (was, is) = (decode_scene(&old.payload(0)?)?, decode_scene(&new.payload(0)?)?);
    let draw = |scene: &Scene| {
        let dpi = (WIDTH / scene.width.max(1.0) * 72.0).clamp(20.0, 144.0);
        render::png(scene, dpi as u32, "")
    };
    let both = || {
        let (png, share) = render::beside([&draw(&was)?, &draw(&is)?], captions)?;
        Ok(PictureDiff { name: new.definition().name.clone(), png, share })
    };
    Some(both())
}

/// Compare the png files of a program.
pub fn compare_files(old: PlannedStage, new: PlannedStage, captions: [&str; 2]) -> Result<Vec<PictureDiff>> {
    let mut pictures = Vec::new();
    let (Some(was), Some(is)) = (old.tree(), new.tree()) else { return Ok(pictures) };
    for file in is.files.iter().filter(|file| file.path.ends_with(".png")) {
        let Some(before) = was.get(&file.path).filter(|before| before.digest != file.digest) else { continue };
        let content =
            |side: PlannedStage, file| exec::content(side.context, side.plan.stage, side.result(0)?, file).ok();
        // A file that is not a valid picture is reported as a file only.
        if let (Some(a), Some(b)) = (content(old, before), content(new, file))
            && let Ok((png, share)) = render::beside([&a, &b], captions)
        {
            let name = file.path.trim_end_matches(".png").replace('/', "-");
            pictures.push(PictureDiff { name: format!("{}-{name}", new.definition().name), png, share });
        }
    }
    Ok(pictures)
}
