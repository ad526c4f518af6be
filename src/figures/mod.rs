//! Figures: settings and named arrays to a [`Scene`]. A figure is panels of marks; it knows no pixels and no file formats.

pub mod text;

use std::sync::Arc;

use crate::error::Result;
use crate::spec::Located;
use crate::value::{Dataset, Scene};

/// Raised when a figure's scene changes though its settings and data did not.
pub const VERSION: u32 = 1;

crate::union! {
    /// What a figure is saved as.
    pub enum FigureFormat {
        /// Vector graphics for the web; text as outlines, the same in every viewer.
        "svg" => Svg,
        /// Vector graphics for LaTeX; fonts embedded.
        "pdf" => Pdf,
        /// Pixels.
        "png" => Png,
    }
}

crate::record! {
    /// A figure.
    pub struct Figure {
        /// Title above all panels, and the name in the files' metadata.
        pub title: String = String::new(),
        /// Files to make in `figures/`.
        pub formats: Vec<FigureFormat> = vec![FigureFormat::Svg, FigureFormat::Pdf, FigureFormat::Png],
        /// Pixels an inch of `png`.
        pub dpi: u32 = 200,
    }
}

impl Figure {
    /// The stages whose arrays it shows.
    pub fn stages(&self) -> Vec<Located<String>> {
        Vec::new()
    }

    /// Draw it from the datasets of those stages.
    pub fn draw(&self, _data: &dyn Fn(&str) -> Option<Arc<Dataset>>) -> Result<Scene> {
        Ok(Scene { title: self.title.clone(), width: 72.0, height: 72.0, items: Vec::new() })
    }
}
