//! The seam to the renderers, which stand below the stages: what files a stage leaves in `figures/`, and how to make one.

use serde_json::Value as Json;

use super::Definition;
use crate::error::Result;

/// One file of a stage.
#[derive(Clone, Debug, PartialEq)]
pub struct FileSpec {
    /// Its name in the folder of figures: `fig5.svg`.
    pub name: String,
    /// What decides its bytes besides the stage's result: format, resolution, version of the renderer.
    pub manifest: Json,
    /// A file that a program made is published as it is: its path among the program's outputs.
    pub output: Option<String>,
}

/// Turns results into files.
pub trait Publish: Sync {
    /// The files of a stage; none for stages that are only steps on the way.
    fn files(&self, stage: &Definition) -> Vec<FileSpec>;

    /// The bytes of one file from the payloads of the stage's units; `None` if `stop` asked to end. `key` goes into the file's metadata.
    fn render(
        &self,
        stage: &Definition,
        file: &FileSpec,
        payloads: &[Vec<u8>],
        key: &str,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<u8>>>;
}
