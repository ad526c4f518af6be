//! `table`: every cell is a unit that reads only the units that it selects, so that only cells whose inputs changed are recomputed. Labels,
//! formats and the caption are not part of a cell: they are added when the files are rendered.

use serde_json::{Value as Json, json};

use super::{Holds, Inputs, KindInfo, Layout, NodeShape, Outline, Published, Read, Stage, Unit, deduplicate, select};
use crate::error::{Error, Result};
use crate::spec::{Coordinate, Decode, Located, Node, Problems, Schemas};
use crate::tables::{self, NamedColumn, RowKey, Selection, Summary, TableSettings};
use crate::train::Control;
use crate::value::{Axis, encode};

/// The most rows of a table.
const MAX_ROWS: usize = 10_000;

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub struct TableStage(pub TableSettings);

/// The inputs of a cell: units with the selection inside them, and its position in the table.
struct CellInputs<'a> {
    column: &'a NamedColumn,
    /// The coordinate of each row key.
    row: Vec<(String, String)>,
    sources: Vec<(Read, Selection)>,
}

/// NaN entries of a cell.
#[derive(Default)]
struct NanEntries {
    count: usize,
    /// Where the first of them are.
    places: Vec<String>,
}

impl NanEntries {
    /// Places that a warning names.
    const NAMED: usize = 5;

    fn add(&mut self, unit: &str, place: &dyn Fn() -> String) {
        self.count += 1;
        if self.places.len() < NanEntries::NAMED {
            let place = place();
            let parts: Vec<&str> = [unit, &place].into_iter().filter(|part| !part.is_empty()).collect();
            self.places.push(parts.join(" "));
        }
    }

    fn warning(&self, cell: &CellInputs, entries: usize) -> Error {
        let row: Vec<String> = cell.row.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let are = if self.count == 1 { "is" } else { "are" };
        let mut message =
            format!("`{}` at {}: {} of {entries} values {are} NaN", cell.column.name.value, row.join(" "), self.count);
        let places: Vec<&str> = self.places.iter().map(String::as_str).filter(|place| !place.is_empty()).collect();
        if !places.is_empty() {
            let more = if self.count > places.len() { ", ..." } else { "" };
            message += &format!(" ({}{more})", places.join(", "));
        }
        let error = Error::stage(format!("{message}, so the cell is NaN")).at(cell.column.name.span);
        error.hint("to leave NaN out and show how many values are left, write `nan: skip` in the column or the table")
    }
}

impl Decode for TableStage {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        TableSettings::decode(node, problems).map(TableStage)
    }
    fn assign(&mut self, path: &[&str], node: &Node, problems: &mut Problems) -> Option<()> {
        self.0.assign(path, node, problems)
    }
    fn manifest(&self) -> Json {
        self.0.manifest()
    }
    fn schema(schemas: &mut Schemas) -> Json {
        TableSettings::schema(schemas)
    }
    fn expected() -> String {
        TableSettings::expected()
    }
}

impl TableStage {
    /// The inputs of a column, sorted by name: the order of columns and of `of` must not change the key.
    fn sources<'a>(&'a self, column: &'a NamedColumn, inputs: &'a [Outline]) -> Vec<(usize, &'a Outline<'a>)> {
        let stages = self.0.stages_of(column);
        let named = |(_, input): &(usize, &Outline)| stages.iter().any(|stage| stage.value == input.name);
        let mut sources: Vec<_> = inputs.iter().enumerate().filter(named).collect();
        sources.sort_by_key(|(_, input)| input.name);
        sources
    }

    /// The conditions of `where` that apply to a column.
    fn conditions<'a>(
        &'a self,
        column: &'a NamedColumn,
    ) -> impl Iterator<Item = &'a (Located<String>, Vec<Coordinate>)> {
        self.0.r#where.0.iter().chain(&column.settings.r#where.0)
    }

    /// The coordinates of a row key, in the spelling of the first column that has them.
    fn coordinates(&self, key: &RowKey, inputs: &[Outline]) -> Vec<String> {
        for column in &self.0.columns.0 {
            let Some(&(_, input)) = self.sources(column, inputs).first() else { continue };
            return match &key.values {
                Some(values) => values.iter().map(|(value, _)| select::canonical(value, &key.name, input)).collect(),
                None => {
                    let axis = select::axis(&key.name, input, self.0.stages_of(column));
                    axis.map(|axis| (0..axis.len()).map(|i| axis.coords.label(i)).collect()).unwrap_or_default()
                }
            };
        }
        Vec::new()
    }

    fn check_column(&self, column: &NamedColumn, inputs: &[Outline], problems: &mut Problems) {
        let together = self.0.stages_of(column);
        for (_, input) in self.sources(column, inputs) {
            match column.value() {
                Some(value) => select::check_array(value, input, problems),
                None => {
                    let keys = self.0.rows.0.iter().map(|key| &key.name);
                    let names = keys.chain(self.conditions(column).map(|(name, _)| name));
                    select::check_count(&column.name, &names.collect::<Vec<_>>(), input, problems);
                }
            }
            for key in &self.0.rows.0 {
                let values: Option<Vec<&Coordinate>> =
                    key.values.as_ref().map(|values| values.iter().map(|(value, _)| value).collect());
                select::check(&key.name, values.as_deref(), input, together, problems);
            }
            for (name, values) in self.conditions(column) {
                select::check(name, Some(&values.iter().collect::<Vec<_>>()), input, together, problems);
            }
        }
    }

    /// Where a row key has all coordinates of an axis, report columns that lack some of them.
    fn check_lengths(&self, key: &RowKey, coordinates: &[String], inputs: &[Outline], problems: &mut Problems) {
        for column in self.0.columns.0.iter().filter(|_| key.values.is_none()) {
            for (_, input) in self.sources(column, inputs) {
                let Some(axis) = select::axis(&key.name, input, self.0.stages_of(column)) else { continue };
                if let Some(missing) = coordinates.iter().find(|wanted| axis.coords.position(wanted).is_none()) {
                    let message = format!("axis `{}` of `{}` has no `{missing}`", key.name.value, input.name);
                    problems.push(Error::user(message).at(key.name.span).hint("list the coordinates that get rows"));
                }
            }
        }
    }

    fn cell<'a>(&'a self, unit: usize, layout: &Layout, inputs: &[Outline]) -> Result<CellInputs<'a>> {
        let mut positions = layout.positions(unit);
        let column = positions.pop().and_then(|column| self.0.columns.0.get(column));
        let column = column.ok_or_else(|| Error::internal("a cell without a column"))?;
        let label = |(axis, position): (&Axis, usize)| (axis.name.clone(), axis.coords.label(position));
        let row: Vec<(String, String)> = layout.axes.iter().zip(positions).map(label).collect();
        let mut sources = Vec::new();
        for (position, input) in self.sources(column, inputs) {
            let mut conditions: Vec<select::Condition<&str>> =
                row.iter().map(|(name, value)| (name.as_str(), vec![value.clone()])).collect();
            for (name, values) in self.conditions(column) {
                let mut values: Vec<String> =
                    values.iter().map(|value| select::canonical(value, name, input)).collect();
                values.sort();
                conditions.push((name.as_str(), values));
            }
            conditions.sort();
            if let Some((read, conditions)) = select::units(position, input, &conditions)
                && !read.units.is_empty()
            {
                let value = column.value().map(|value| value.value.clone());
                sources.push((read, Selection { value, conditions }));
            }
        }
        Ok(CellInputs { column, row, sources })
    }
}

static KIND: KindInfo = KindInfo { name: "table", unit: "cell", shape: NodeShape::Artifact, ..KindInfo::COMPUTED };

impl Stage for TableStage {
    fn kind(&self) -> &'static KindInfo {
        &KIND
    }

    fn holds(&self) -> Holds {
        Holds::Cells
    }

    fn publishes(&self) -> Published<'_> {
        Published::Table(&self.0)
    }

    fn inputs(&self) -> Vec<Located<String>> {
        deduplicate(self.0.stages())
    }

    fn check(&self, body: &Node, problems: &mut Problems) {
        self.0.check(body, problems);
    }

    /// The axes are the row keys, then the columns.
    fn layout(&self, inputs: &[Outline], problems: &mut Problems) -> Layout {
        let before = problems.len();
        super::figure::check_inputs(&self.inputs(), inputs, problems);
        if problems.len() == before {
            self.0.columns.0.iter().for_each(|column| self.check_column(column, inputs, problems));
        }
        let mut axes = Vec::new();
        let all: Vec<Vec<String>> = self.0.rows.0.iter().map(|key| self.coordinates(key, inputs)).collect();
        let rows = all.iter().map(Vec::len).fold(1, usize::saturating_mul);
        if rows > MAX_ROWS {
            let error = Error::user(format!("this table would have more than {MAX_ROWS} rows: {rows}"));
            let error = error.hint("list the values that get rows: `rows: {AXIS: [1, 2]}`");
            let place = self.0.rows.0.first().map(|key| key.name.span).unwrap_or_default();
            problems.push(error.at(place));
            return Layout::default();
        }
        for (key, coordinates) in self.0.rows.0.iter().zip(all) {
            if problems.len() == before {
                self.check_lengths(key, &coordinates, inputs, problems);
            }
            axes.push(Axis::labels(&key.name, coordinates));
        }
        let columns = self.0.columns.0.iter().map(|column| column.name.value.clone());
        axes.push(Axis::labels("column", columns.collect()));
        Layout::new(axes)
    }

    fn manifest(&self) -> Json {
        json!({"kind": "table", "version": tables::VERSION, "table": Decode::manifest(self)})
    }

    fn unit(&self, unit: usize, layout: &Layout, inputs: &[Outline]) -> Result<Unit> {
        let cell = self.cell(unit, layout, inputs)?;
        let select: Vec<Json> = cell.sources.iter().map(|(_, selection)| selection.manifest()).collect();
        let mut manifest = json!({"kind": "cell", "version": tables::VERSION, "row": cell.row, "select": select});
        if self.0.skips_nan(cell.column) {
            manifest["nan"] = json!("skip");
        }
        let reads: Vec<Read> = cell.sources.into_iter().map(|(read, _)| read).collect();
        let units: usize = reads.iter().map(|read| read.units.len()).sum();
        Ok(Unit { manifest, reads, seconds: 1e-4 + 2e-5 * units as f64 })
    }

    fn run(
        &self,
        unit: usize,
        layout: &Layout,
        outlines: &[Outline],
        inputs: &dyn Inputs,
        _control: &dyn Control,
    ) -> Result<Option<Vec<u8>>> {
        let cell = self.cell(unit, layout, outlines)?;
        let mut entries = Vec::new();
        let mut nan = NanEntries::default();
        for (read, selection) in &cell.sources {
            let stage = outlines.get(read.input).map_or("", |outline| outline.name);
            for &source in &read.units {
                let dataset = inputs.unit(read.input, source)?;
                let unit = outlines.get(read.input).map_or(String::new(), |outline| outline.layout.label(source));
                let mut found = |place: &dyn Fn() -> String| nan.add(&unit, place);
                selection
                    .entries(&dataset, stage, &mut entries, &mut found)
                    .map_err(|error| error.at(cell.column.name.span))?;
            }
        }
        let summary = match self.0.skips_nan(cell.column) {
            true => Summary::skipping_nan(&entries),
            false => Summary::from_entries(&entries),
        };
        if nan.count > 0 && !self.0.skips_nan(cell.column) && !cell.column.settings.count {
            inputs.warn(nan.warning(&cell, entries.len()));
        }
        Ok(Some(encode(&summary.dataset(&cell.row))))
    }
}
