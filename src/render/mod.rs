//! Writes scenes (svg, pdf, png, pgf, html) and tables (latex, markdown, csv, html, typst) as files. The bytes depend on the scene or table,
//! the format, its settings and the key alone: no dates, no random names. It knows neither the data of stages nor output paths.

mod beside;
mod cells;
mod csv;
mod html;
mod interactive;
mod label;
mod layers;
mod latex;
mod looks;
mod markdown;
mod pdf;
mod pgf;
mod picture;
mod png;
mod raster;
mod siunitx;
mod svg;
pub mod text;
mod typst;

pub use beside::{beside, is_beside};
pub use interactive::page;
pub use pdf::pdf;
pub use pgf::pgf;
pub use picture::Picture;
pub use png::png;
pub use raster::pictures;
pub use svg::{escape, svg};

use std::sync::Arc;

use serde_json::json;

use crate::error::{Error, Result};
use crate::figures::{Figure, FigureFormat};
use crate::stages::{Definition, FIGURES, FileSpec, OutputFile, Publish, Published};
use crate::tables::{TableFormat, TableSettings};
use crate::value::{Scene, Table, decode, decode_scene, decode_scene_without_hints};

/// Version of the renderers: raised when output bytes change for the same scene or table.
const VERSION: u32 = 1;
/// The same for pgf, and for tables in LaTeX, HTML and Typst: they write mathematics in a language of their own.
const VERSION_OF_MATHEMATICS: u32 = 2;

/// The renderers' interface to the build engine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Publisher;

impl Publish for Publisher {
    fn files(&self, stage: &Definition) -> Vec<FileSpec> {
        match stage.stage.publishes() {
            Published::Figure(figure) => {
                figure.formats().iter().map(|format| figure_spec(stage, figure, format)).collect()
            }
            Published::Table(table) => table.formats.iter().map(|format| table_file(stage, table, format)).collect(),
            Published::Outputs(files) => files.into_iter().map(program_file).collect(),
            Published::Nothing => Vec::new(),
        }
    }

    fn render(
        &self,
        stage: &Definition,
        file: &FileSpec,
        payloads: Arc<Vec<Vec<u8>>>,
        key: &str,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<u8>>> {
        match stage.stage.publishes() {
            Published::Figure(figure) => render_figure(stage, figure, file, payloads, key, stop),
            Published::Table(settings) => render_table(&table_of(stage, &payloads)?, settings, file, key).map(Some),
            Published::Outputs(_) | Published::Nothing => {
                Err(Error::internal(format!("no renderer for {}", file.name)))
            }
        }
    }
}

/// The settings of a figure's file that are not in its scene; the title goes into the file's metadata.
fn figure_spec(stage: &Definition, figure: &Figure, format: &FigureFormat) -> FileSpec {
    let version = if *format == FigureFormat::Pgf { VERSION_OF_MATHEMATICS } else { VERSION };
    let mut manifest = json!({"kind": "file", "version": version, "format": format.name()});
    if figure.title.is_none() {
        manifest["title"] = json!(stage.name);
    }
    if *format == FigureFormat::Png || figure.has_raster() {
        manifest["dpi"] = json!(figure.dpi());
    }
    FileSpec { name: format!("{}.{}", stage.name, format.name()), manifest, output: None }
}

/// Files written by a program are published unchanged.
fn program_file(file: OutputFile) -> FileSpec {
    let name = file.path.strip_prefix(FIGURES).unwrap_or(&file.path).to_string();
    FileSpec { name, manifest: json!({"kind": "file", "output": file.path}), output: Some(file) }
}

fn render_figure(
    stage: &Definition,
    figure: &Figure,
    file: &FileSpec,
    payloads: Arc<Vec<Vec<u8>>>,
    key: &str,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Vec<u8>>> {
    let payload = payloads.first().ok_or_else(|| Error::internal("a figure without a scene"))?;
    let format = file.name.rsplit('.').next().unwrap_or_default();
    let scene = if format == "html" { decode_scene(payload) } else { decode_scene_without_hints(payload) };
    let mut scene = scene.ok_or_else(|| Error::internal("a stored result is not a scene"))?;
    drop(payloads);
    if scene.title.is_empty() {
        scene.title.clone_from(&stage.name);
    }
    figure_file(&scene, format, figure.dpi(), key, stop)
}

/// Render a scene in one format; `None` if `stop` returned true.
fn figure_file(scene: &Scene, format: &str, dpi: u32, key: &str, stop: &dyn Fn() -> bool) -> Result<Option<Vec<u8>>> {
    let pictures = match format {
        "svg" | "pdf" | "html" => pictures(scene, dpi, stop)?,
        _ => Some(Vec::new()),
    };
    let Some(pictures) = pictures else { return Ok(None) };
    let bytes = match format {
        "svg" => svg(scene, pictures, key)?.into_bytes(),
        "pdf" => pdf(scene, pictures, key)?,
        "png" => return png::png_unless(scene, dpi, key, stop),
        "pgf" => pgf(scene, key).into_bytes(),
        "html" => page(scene, pictures, key)?,
        _ => return Err(Error::internal(format!("no renderer for figures as `{format}`"))),
    };
    Ok(Some(bytes))
}

fn table_file(stage: &Definition, settings: &TableSettings, format: &TableFormat) -> FileSpec {
    let version = match format {
        TableFormat::Latex | TableFormat::Html | TableFormat::Typst => VERSION_OF_MATHEMATICS,
        _ => VERSION,
    };
    FileSpec {
        name: format!("{}.{}", stage.name, format.extension()),
        manifest: json!({
            "kind": "file", "version": version, "format": format.name(), "table": settings.presentation(&stage.name, format),
        }),
        output: None,
    }
}

/// The table of a `table` stage from the payloads of its cells.
pub fn table_of(stage: &Definition, cells: &[Vec<u8>]) -> Result<Table> {
    let Published::Table(settings) = stage.stage.publishes() else {
        return Err(Error::internal(format!("`{}` is no table", stage.name)));
    };
    let cells: Option<Vec<_>> = cells.iter().map(|bytes| decode(bytes)).collect();
    let cells = cells.ok_or_else(|| Error::internal("a stored result is not a cell of a table"))?;
    settings.assemble(&stage.name, &cells)
}

fn render_table(table: &Table, settings: &TableSettings, file: &FileSpec, key: &str) -> Result<Vec<u8>> {
    let format =
        settings.formats.iter().find(|format| file.manifest.get("format").is_some_and(|name| *name == format.name()));
    let text = match format {
        Some(TableFormat::Latex) => latex::table(table, settings.siunitx, key),
        Some(TableFormat::Markdown) => markdown::table(table, key),
        Some(TableFormat::Csv) => csv::table(table, settings.spreadsheet),
        Some(TableFormat::Html) => html::table(table, key),
        Some(TableFormat::Typst) => typst::table(table, key),
        None => return Err(Error::internal(format!("no renderer for {}", file.name))),
    };
    Ok(text.into_bytes())
}

/// A table with groups of columns, a missing row, bold cells, and characters that formats must escape.
#[cfg(test)]
fn sample() -> Table {
    use crate::value::{Cell, Column, KeyColumn, Row};
    let key = |name: &str, label: &str| KeyColumn { name: name.into(), label: label.into() };
    let column = |name: &str, label: &str, group: &[&str], statistics: &[&str]| Column {
        name: name.into(),
        label: label.into(),
        groups: group.iter().map(|text| text.to_string()).collect(),
        statistics: statistics.iter().map(|text| text.to_string()).collect(),
    };
    let cell = |text: &str, values: &[f64]| Cell {
        text: text.trim_end_matches('!').into(),
        values: values.to_vec(),
        bold: text.ends_with('!'),
    };
    let row = |at: [&str; 4], cells: [Cell; 4]| Row {
        coordinates: vec![at[0].into(), at[1].into()],
        labels: vec![at[2].into(), at[3].into()],
        cells: cells.to_vec(),
    };
    let nan = f64::NAN;
    let first =
        [cell("42", &[42.0]), cell("0.100 ± 0.010", &[0.1, 0.01]), cell("0.220!", &[0.22]), cell("−0.5", &[-0.5])];
    let small = cell(r"$1.2 \times 10^{-5}$!", &[1.234567890123e-5]);
    let second = [cell("20", &[20.0]), cell("0.080 ± 0.020", &[0.08, 0.02]), cell("0.200", &[0.2]), small];
    let none = [cell("0", &[0.0]), cell("–", &[nan, nan]), cell("–", &[nan]), cell("–", &[nan])];
    Table {
        name: "table1".into(),
        caption: r"Usage of experts & their $k$-hot gates: 50% of \$5".into(),
        keys: vec![key("scheme", "Gate"), key("monosemantic", "$c$")],
        columns: vec![
            column("experts", "Experts", &[], &["n"]),
            column("unchanged", "unchanged", &["$p = 0.1$"], &["mean", "std"]),
            column("clamped", "clamped", &["$p = 0.1$"], &["mean"]),
            column("a,b", "a_b|c", &["$p = 1$"], &["mean"]),
        ],
        rows: vec![
            row(["xavier", "1", "Xavier", "1"], first),
            row(["xavier", "2", "Xavier", "2"], second),
            row(["k-hot", "1", "$k$-hot", "1"], none),
        ],
        footnotes: vec!["<8192 inputs.".into()],
    }
}

#[cfg(test)]
mod tests;
