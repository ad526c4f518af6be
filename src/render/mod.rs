//! Scenes and tables to files: svg, pdf and png; latex, markdown, csv and html. Bytes are a function of scene or table, format and
//! key alone: no dates, no random names. It knows neither stages' data nor where files go.

use serde_json::json;

use crate::error::{Error, Result};
use crate::figures::FigureFormat;
use crate::stages::{Definition, FileSpec, Kind, Publish};
use crate::value::decode_scene;

/// Raised when a renderer's bytes change though its scene or table did not.
const VERSION: u32 = 1;

/// The renderers, as the build engine sees them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Publisher;

impl Publish for Publisher {
    fn files(&self, stage: &Definition) -> Vec<FileSpec> {
        match &stage.kind {
            Kind::Figure(figure) => {
                let spec = |format: &FigureFormat| FileSpec {
                    name: format!("{}.{}", stage.name, format.name()),
                    manifest: json!({"kind": "file", "version": VERSION, "format": format.name(), "dpi": figure.0.dpi}),
                };
                figure.0.formats.iter().map(spec).collect()
            }
            _ => Vec::new(),
        }
    }

    fn render(&self, _stage: &Definition, file: &FileSpec, payloads: &[Vec<u8>], _key: &str) -> Result<Vec<u8>> {
        let payload = payloads.first().ok_or_else(|| Error::internal("a figure without a scene"))?;
        let _scene = decode_scene(payload).ok_or_else(|| Error::internal("a stored result is not a scene"))?;
        Err(Error::internal(format!("no renderer for {}", file.name)))
    }
}
