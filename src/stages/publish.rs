//! The interface that renderers implement: which files a stage writes into `figures/`, and how to render one.

use std::sync::Arc;

use serde_json::Value as Json;

use super::Definition;
use crate::error::{Result, Span};

/// One file of a stage.
#[derive(Clone, Debug, PartialEq)]
pub struct FileSpec {
    /// Its name in `figures/`: `fig5.svg`.
    pub name: String,
    /// Everything besides the stage's result that decides its bytes: format, resolution, version of the renderer.
    pub manifest: Json,
    /// A file that a program wrote, which is published unchanged.
    pub output: Option<OutputFile>,
}

/// A file that a program writes and that is published.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputFile {
    /// The unit that writes it.
    pub unit: usize,
    /// Its path in the sandbox.
    pub path: String,
    /// Where the paper file declares it.
    pub span: Span,
}

/// Renders results into files.
pub trait Publish: Sync {
    /// The files of a stage; none for intermediate stages.
    fn files(&self, stage: &Definition) -> Vec<FileSpec>;

    /// Render one file from the payloads of the stage's units; `None` if `stop` returned true. `key` is written into the file's metadata.
    /// The payloads may be large, so they are given up as soon as they are decoded.
    fn render(
        &self,
        stage: &Definition,
        file: &FileSpec,
        payloads: Arc<Vec<Vec<u8>>>,
        key: &str,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<u8>>>;
}
