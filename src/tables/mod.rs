//! Tables: rows and columns declared over named values. Settings, the statistics of a cell, and assembly of cells into a
//! [`Table`](crate::value::Table).
//!
//! A cell summarizes the entries that its row and column select by name. Caching and file formats are elsewhere: `stages` finds the
//! units that a cell reads, `render` writes the files.

mod assemble;
mod columns;
mod format;
mod rows;
mod select;
mod summary;

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

pub use columns::{BestOf, ColumnSettings, Columns, Extreme, NamedColumn};
pub use format::Format;
pub use rows::{Conditions, RowKey, Rows};
pub use select::Selection;
pub use summary::{Statistic, Summary};

use crate::error::Error;
use crate::spec::{Decode, Located, Node, OneOrMany, Problems, suggest};
use crate::value::NanPolicy;

/// Bump this when the code computes different statistics from the same entries.
pub const VERSION: u32 = 2;

crate::union! {
    /// A file format of tables.
    pub enum TableFormat {
        /// `tex`: a `table` environment with rules of the booktabs package.
        "latex" => Latex,
        /// `md`: a table of GitHub's Markdown.
        "markdown" => Markdown,
        /// `csv`: the numbers at full precision, with the names of the paper file as headers.
        "csv" => Csv,
        /// `html`: a `<table>` to embed in a page.
        "html" => Html,
        /// `typ`: a Typst figure.
        "typst" => Typst,
    }
}

crate::record! {
    /// A table.
    pub struct TableSettings with only_what_differs {
        /// The caption; may contain math between dollar signs.
        pub caption: String = String::new(),
        /// The stage that cells read, or a list of stages that are pooled; columns may name others.
        pub of: OneOrMany<Located<String>> = OneOrMany::default(),
        /// The axes and arrays whose values make up the rows, optionally with labels.
        pub rows: Rows,
        /// The columns: names of arrays, or columns with settings.
        pub columns: Columns,
        /// In all columns, only use entries at these coordinates of axes and values of arrays.
        pub r#where: Conditions = Conditions::default(),
        /// The default cell format.
        pub format: Option<Format> = None,
        /// Headers of the leading columns, by the names of the axes and arrays in `rows`.
        pub headers: BTreeMap<String, String> = BTreeMap::new(),
        /// The text of cells without entries.
        pub missing: String = "–".to_string(),
        /// How statistics treat NaN by default: `propagate`, or `skip` to leave NaN out; the cell then shows how many entries
        /// remain, as `(n=2)`.
        pub nan: NanPolicy = NanPolicy::Propagate,
        /// Lines below the table.
        pub footnotes: Vec<String> = Vec::new(),
        /// Names from data may contain math between dollar signs, as labels do.
        pub math: bool = false,
        /// In `csv`: prefix names that a spreadsheet would take for formulas (starting with `=`, `+`, `-` or `@`) with an apostrophe.
        pub spreadsheet: bool = false,
        /// In `latex`: use columns of the siunitx package, which aligns numbers at their decimal points.
        pub siunitx: bool = false,
        /// The file formats to write to `figures/`.
        pub formats: Vec<TableFormat> = vec![TableFormat::Latex, TableFormat::Markdown, TableFormat::Csv],
    }
}

impl TableFormat {
    /// Returns the file extension.
    pub fn extension(&self) -> &'static str {
        match self {
            TableFormat::Latex => "tex",
            TableFormat::Markdown => "md",
            TableFormat::Csv => "csv",
            TableFormat::Html => "html",
            TableFormat::Typst => "typ",
        }
    }
}

/// Settings added after artifacts were first stored are left out of the manifest at their default, so that old keys stay valid.
fn only_what_differs(table: &TableSettings, manifest: &mut serde_json::Map<String, Json>) {
    for (name, set) in [("math", table.math), ("spreadsheet", table.spreadsheet)] {
        if !set {
            manifest.remove(name);
        }
    }
}

impl TableSettings {
    /// Returns the stages that a column reads.
    pub fn stages_of<'a>(&'a self, column: &'a NamedColumn) -> &'a [Located<String>] {
        if column.settings.of.0.is_empty() { &self.of.0 } else { &column.settings.of.0 }
    }

    /// Returns all stages that cells read; may contain duplicates.
    pub fn stages(&self) -> Vec<Located<String>> {
        self.columns.0.iter().flat_map(|column| self.stages_of(column)).cloned().collect()
    }

    /// Returns the cell format of a column.
    pub fn format_of(&self, column: &NamedColumn) -> Format {
        match (&column.settings.format, &self.format, column.settings.count) {
            (Some(own), ..) => own.clone(),
            (None, Some(common), false) => common.clone(),
            (None, None, false) => Format::plain(Statistic::Mean),
            (None, _, true) => Format::plain(Statistic::N),
        }
    }

    /// Whether a column's statistics skip NaN.
    pub fn skips_nan(&self, column: &NamedColumn) -> bool {
        column.settings.nan.as_ref().unwrap_or(&self.nan).skips()
    }

    /// Returns the statistics of a column's cells: those it shows, and the number of entries if NaN is skipped.
    fn statistics_of(&self, column: &NamedColumn) -> Vec<Statistic> {
        let mut statistics = self.format_of(column).statistics();
        if self.skips_nan(column) && !statistics.contains(&Statistic::N) {
            statistics.push(Statistic::N);
        }
        statistics
    }

    /// Serializes what determines the file in one format, besides the cells.
    pub fn presentation(&self, name: &str, format: &TableFormat) -> Json {
        let columns: Vec<Json> = self.columns.0.iter().map(|column| self.column_presentation(column, format)).collect();
        let keys: Vec<&str> = self.rows.0.iter().map(|key| key.name.as_str()).collect();
        if *format == TableFormat::Csv {
            return match self.spreadsheet {
                true => json!({"keys": keys, "columns": columns, "spreadsheet": true}),
                false => json!({"keys": keys, "columns": columns}),
            };
        }
        // Only these formats contain the table's name.
        let name = matches!(format, TableFormat::Latex | TableFormat::Typst).then_some(name);
        let mut presentation = json!({
            "name": name, "caption": self.caption, "rows": self.rows.manifest(), "columns": columns, "headers": self.headers,
            "missing": self.missing, "footnotes": self.footnotes,
        });
        if self.math {
            presentation["math"] = json!(true);
        }
        if self.siunitx && *format == TableFormat::Latex {
            presentation["siunitx"] = json!(true);
        }
        presentation
    }

    fn column_presentation(&self, column: &NamedColumn, format: &TableFormat) -> Json {
        let written = self.format_of(column);
        if *format == TableFormat::Csv {
            let statistics: Vec<&str> = self.statistics_of(column).into_iter().map(Statistic::name).collect();
            return json!({"name": column.name.value, "statistics": statistics});
        }
        let settings = &column.settings;
        json!({
            "label": settings.label.as_ref().unwrap_or(&column.name), "group": settings.group.manifest(),
            "format": written.manifest(), "best": settings.best.manifest(), "count": settings.count,
        })
    }

    /// Reports invalid settings beyond their types.
    pub fn check(&self, body: &Node, problems: &mut Problems) {
        let keys: Vec<&str> = self.rows.0.iter().map(|key| key.name.as_str()).collect();
        for column in self.columns.0.iter() {
            let stages = self.stages_of(column);
            if stages.is_empty() {
                let error =
                    Error::user(format!("column `{}` names no stage to take its entries from", column.name.value));
                problems.push(error.at(column.name.span).hint("add `of: STAGE` to the table or to the column"));
            }
            for (i, stage) in stages.iter().enumerate().filter(|(i, stage)| stages[..*i].contains(stage)) {
                problems.push(Error::user(format!("duplicate `{}` in `of`", stages[i].value)).at(stage.span));
            }
            if let Some(within) = column.settings.best.as_ref().and_then(Extreme::within)
                && !keys.contains(&within.as_str())
            {
                let error = Error::user(format!("`{}` is no key of the rows", within.value)).at(within.span);
                problems.push(error.hint(suggest(within, &keys)));
            }
        }
        if self.missing == "skip" {
            let error = Error::user("`missing` is the text of cells without entries, and `skip` is none");
            problems.push(error.at(body.deepest(&["missing"]).span).hint("to leave NaN out, write `nan: skip`"));
        }
        for name in self.headers.keys().filter(|name| !keys.contains(&name.as_str())) {
            let error = Error::user(format!("`{name}` in `headers` is no key of the rows"));
            problems.push(error.at(body.deepest(&["headers", name]).span).hint(suggest(name, &keys)));
        }
        for (i, format) in self.formats.iter().enumerate().filter(|(i, format)| self.formats[..*i].contains(format)) {
            let error = Error::user(format!("duplicate `{}` in `formats`", format.name()));
            problems.push(error.at(body.deepest(&["formats", &i.to_string()]).span));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Schemas, read};

    #[test]
    fn the_schema_accepts_what_the_decoder_accepts() {
        let mut schemas = Schemas::new();
        let mut schema = TableSettings::schema(&mut schemas);
        schema["$defs"] = serde_json::to_value(&schemas).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        for (text, valid) in [
            (r#"{"of": "a", "rows": ["model"], "columns": ["loss"]}"#, true),
            (
                r#"{"of": ["a", "b"], "rows": {"stage": null}, "columns": {"loss": null}, "where": {"run": [0, 1]}}"#,
                true,
            ),
            (r#"{"rows": {"c": {"1": "one"}}, "columns": {"n": {"count": true, "of": "a", "best": "highest"}}}"#, true),
            (
                r#"{"rows": {"c": [0.1, "x"]}, "columns": {"l": {"best": {"lowest": {"within": "c"}}, "group": ["a", "b"]}}}"#,
                true,
            ),
            (r#"{"rows": [], "columns": ["loss"]}"#, false),
            (r#"{"rows": {"c": []}, "columns": ["loss"]}"#, false),
            (r#"{"rows": ["c"], "columns": {}}"#, false),
            (r#"{"rows": ["c"], "columns": {"loss": {"formt": "{mean}"}}}"#, false),
            (r#"{"rows": ["c"], "columns": ["loss"], "where": {"run": {}}}"#, false),
            (r#"{"rows": ["c"], "columns": ["loss"], "of": []}"#, false),
            (r#"{"rows": "c", "columns": ["loss"]}"#, false),
        ] {
            let json: Json = serde_json::from_str(text).unwrap();
            assert_eq!(validator.is_valid(&json), valid, "{text}");
            let mut problems = Problems::default();
            let node = read(text, &mut problems).unwrap();
            assert_eq!(TableSettings::decode(&node, &mut problems).is_some(), valid, "{text}");
        }
    }
}
