//! Scenes and tables to files: svg, pdf and png; latex, markdown, csv and html. Bytes are a function of scene or table, format and
//! key alone: no dates, no random names. It knows neither stages' data nor where files go.

mod cells;
mod label;
mod looks;
mod pdf;
mod png;
mod svg;

pub use pdf::pdf;
pub use png::png;
pub use svg::svg;

use serde_json::json;

use crate::error::{Error, Result};
use crate::figures::FigureFormat;
use crate::stages::{Definition, FileSpec, Kind, Publish};
use crate::value::{Scene, decode_scene};

/// Raised when a renderer's bytes change though its scene or table did not.
const VERSION: u32 = 1;

/// The renderers, as the build engine sees them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Publisher;

impl Publish for Publisher {
    fn files(&self, stage: &Definition) -> Vec<FileSpec> {
        match &stage.kind {
            Kind::Figure(figure) => {
                let spec = |format: &FigureFormat| {
                    // Resolution is nothing to vector graphics.
                    let dpi = matches!(format, FigureFormat::Png).then_some(figure.0.dpi);
                    FileSpec {
                        name: format!("{}.{}", stage.name, format.name()),
                        manifest: json!({"kind": "file", "version": VERSION, "format": format.name(), "dpi": dpi}),
                    }
                };
                figure.0.formats.iter().map(spec).collect()
            }
            _ => Vec::new(),
        }
    }

    fn render(&self, stage: &Definition, file: &FileSpec, payloads: &[Vec<u8>], key: &str) -> Result<Vec<u8>> {
        match &stage.kind {
            Kind::Figure(figure) => {
                let payload = payloads.first().ok_or_else(|| Error::internal("a figure without a scene"))?;
                let mut scene =
                    decode_scene(payload).ok_or_else(|| Error::internal("a stored result is not a scene"))?;
                if scene.title.is_empty() {
                    scene.title.clone_from(&stage.name);
                }
                let format = file.name.rsplit('.').next().unwrap_or_default();
                figure_file(&scene, format, figure.0.dpi, key)
            }
            _ => Err(Error::internal(format!("no renderer for {}", file.name))),
        }
    }
}

/// A scene in one format.
fn figure_file(scene: &Scene, format: &str, dpi: u32, key: &str) -> Result<Vec<u8>> {
    match format {
        "svg" => Ok(svg(scene, key).into_bytes()),
        "pdf" => pdf(scene, key),
        "png" => png(scene, dpi, key),
        _ => Err(Error::internal(format!("no renderer for figures as `{format}`"))),
    }
}

#[cfg(test)]
mod tests;
