//! Selects the entries of a dataset for a cell: those of one array where its axes and other arrays have given values.

use ndarray::Dimension;
use serde_json::{Value as Json, json};

use crate::error::{Error, Result};
use crate::spec::{choices, suggest};
use crate::value::{Array, Dataset};

/// A selection of entries in the units that a cell reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// The array whose entries are selected; if `None`, entries are only counted.
    pub value: Option<String>,
    /// The accepted values of axes and arrays; all conditions must hold.
    pub conditions: Vec<(String, Vec<String>)>,
}

/// A condition resolved for an array.
enum ResolvedCondition<'a> {
    /// Accepted positions along a dimension.
    Axis { dim: usize, positions: Vec<usize> },
    /// Accepted values of another array, whose dimensions are these of the selected array.
    Array { array: &'a Array, dims: Vec<usize>, values: Vec<f64> },
}

impl Selection {
    /// Serializes the part that determines the entries, for the cache key.
    pub fn manifest(&self) -> Json {
        json!({"value": self.value, "conditions": self.conditions})
    }

    /// Appends the selected entries of a unit in array order, and calls `nan` with the position of each NaN. `stage` names
    /// the unit's stage in messages. A selection without a value yields a 1 for each entry of the arrays that it compares, or for the unit
    /// as a whole if it compares none.
    pub fn entries(
        &self,
        unit: &Dataset,
        stage: &str,
        entries: &mut Vec<f64>,
        nan: &mut dyn FnMut(&dyn Fn() -> String),
    ) -> Result<()> {
        let array = match &self.value {
            Some(name) => Some(self.array(unit, stage, name)?),
            None => self.conditions.iter().filter_map(|(name, _)| unit.get(name)).max_by_key(|array| array.axes.len()),
        };
        let Some(array) = array else {
            return match self.conditions.first() {
                None => {
                    entries.push(1.0);
                    Ok(())
                }
                Some((name, _)) => Err(unknown(unit, stage, name)),
            };
        };
        let tests: Vec<ResolvedCondition> = self
            .conditions
            .iter()
            .map(|(name, values)| test(unit, stage, array, name, values))
            .collect::<Result<_>>()?;
        for (index, entry) in array.data.indexed() {
            let position = |dim: usize| index.as_array_view().get(dim).copied().unwrap_or(0);
            let holds = |test: &ResolvedCondition| match test {
                ResolvedCondition::Axis { dim, positions } => positions.contains(&position(*dim)),
                ResolvedCondition::Array { array, dims, values } => {
                    let at: Vec<usize> = dims.iter().map(|&dim| position(dim)).collect();
                    array.data.get(at.as_slice()).is_some_and(|found| values.iter().any(|value| equal(found, *value)))
                }
            };
            if tests.iter().all(holds) {
                if self.value.is_some() && entry.is_nan() {
                    nan(&|| array.place(&|dim| position(dim)));
                }
                entries.push(if self.value.is_some() { entry } else { 1.0 });
            }
        }
        Ok(())
    }

    fn array<'a>(&self, unit: &'a Dataset, stage: &str, name: &str) -> Result<&'a Array> {
        let names: Vec<&str> = unit.arrays.keys().map(String::as_str).collect();
        let missing = || {
            let error = match unit.why_unread(name) {
                Some(why) => Error::stage(format!("`{name}` of `{stage}` cannot be shown: {why}")),
                None => Error::stage(format!("`{stage}` has no array `{name}`")),
            };
            unit.explain(name, error.hint(suggest(name, &names)))
        };
        unit.get(name).ok_or_else(missing)
    }
}

fn test<'a>(
    unit: &'a Dataset,
    stage: &str,
    array: &Array,
    name: &str,
    values: &[String],
) -> Result<ResolvedCondition<'a>> {
    if let Some(other) = unit.get(name) {
        let dims: Option<Vec<usize>> = other.axes.iter().map(|axis| shared(array, axis)).collect();
        let dims = dims.ok_or_else(|| {
            let axes: Vec<&str> = other.axes.iter().map(|axis| axis.name.as_str()).collect();
            Error::stage(format!(
                "`{name}` of `{stage}` varies along {}, and the column's array does not",
                choices(&axes)
            ))
            .hint("rows and `where` can compare arrays whose axes the column's array has too")
        })?;
        let values = values.iter().map(|value| {
            let number = value.parse::<f64>();
            number.map_err(|_| Error::stage(format!("`{name}` of `{stage}` holds numbers, and `{value}` is none")))
        });
        return Ok(ResolvedCondition::Array { array: other, dims, values: values.collect::<Result<_>>()? });
    }
    let (Some(dim), Some(axis)) = (array.dim(name), array.axis(name)) else { return Err(unknown(unit, stage, name)) };
    let position = |value: &String| {
        let missing = || {
            let error = Error::stage(format!("axis `{name}` of `{stage}` has no `{value}`"));
            error.hint(axis.coords.offer(value))
        };
        axis.coords.position(value).ok_or_else(missing)
    };
    Ok(ResolvedCondition::Axis { dim, positions: values.iter().map(position).collect::<Result<_>>()? })
}

/// Returns the dimension of an array that has an equal axis.
fn shared(array: &Array, axis: &crate::value::Axis) -> Option<usize> {
    array.axes.iter().position(|own| own == axis)
}

/// Whether two numbers are equal, as coordinates are compared.
fn equal(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * b.abs()
}

fn unknown(unit: &Dataset, stage: &str, name: &str) -> Error {
    let mut names: Vec<&str> = unit.arrays.keys().map(String::as_str).collect();
    names.extend(unit.arrays.values().flat_map(|array| &array.axes).map(|axis| axis.name.as_str()));
    names.sort_unstable();
    names.dedup();
    let error = match unit.why_unread(name) {
        Some(why) => Error::stage(format!("`{name}` of `{stage}` cannot be compared: {why}")),
        None => Error::stage(format!("`{stage}` has no array `{name}`, and the column's array no axis of that name")),
    };
    unit.explain(name, error.hint(suggest(name, &names)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Axis;

    /// Three experts with two features each; one usage is NaN.
    fn unit() -> Dataset {
        let expert = || Axis::index("expert", 3);
        let norms = vec![0.0, 0.1, 1.0, 1.1, 2.0, 2.1];
        Dataset::default()
            .with("monosemantic", Array::f64(vec![expert()], vec![1.0, 2.0, 1.0]).unwrap())
            .with("usage", Array::f64(vec![expert()], vec![0.25, 0.5, f64::NAN]).unwrap())
            .with("norm", Array::f64(vec![expert(), Axis::index("feature", 2)], norms).unwrap())
            .with("loss", Array::scalar(0.125))
    }

    fn entries(value: Option<&str>, conditions: &[(&str, &[&str])]) -> Result<Vec<f64>, String> {
        let conditions =
            conditions.iter().map(|(name, values)| (name.to_string(), values.iter().map(|v| v.to_string()).collect()));
        let selection = Selection { value: value.map(str::to_string), conditions: conditions.collect() };
        let mut found = Vec::new();
        match selection.entries(&unit(), "usage", &mut found, &mut |_| ()) {
            Ok(()) => Ok(found),
            Err(error) => Err(format!("{} [{}]", error.message, error.hints.join("; "))),
        }
    }

    #[test]
    fn entries_are_selected_by_the_value_of_an_array_along_shared_axes() {
        let ones = entries(Some("usage"), &[("monosemantic", &["1"])]).unwrap();
        assert!(ones.len() == 2 && ones[0] == 0.25 && ones[1].is_nan());
        assert_eq!(entries(Some("norm"), &[("monosemantic", &["2.0"])]).unwrap(), [1.0, 1.1]);
        assert_eq!(entries(Some("norm"), &[("monosemantic", &["1"]), ("feature", &["1"])]).unwrap(), [0.1, 2.1]);
        assert_eq!(entries(Some("norm"), &[("expert", &["0", "2"])]).unwrap(), [0.0, 0.1, 2.0, 2.1]);
        assert_eq!(entries(Some("loss"), &[]).unwrap(), [0.125]);
        assert_eq!(entries(Some("usage"), &[("monosemantic", &["7"])]).unwrap(), [0.0; 0]);
    }

    #[test]
    fn without_a_value_selected_entries_are_counted() {
        assert_eq!(entries(None, &[("monosemantic", &["1"])]).unwrap(), [1.0, 1.0]);
        assert_eq!(entries(None, &[]).unwrap(), [1.0]);
    }

    #[test]
    fn invalid_selections_are_reported() {
        assert_eq!(entries(Some("usge"), &[]).unwrap_err(), "`usage` has no array `usge` [did you mean `usage`?]");
        assert_eq!(
            entries(Some("loss"), &[("monosemantic", &["1"])]).unwrap_err(),
            "`monosemantic` of `usage` varies along `expert`, and the column's array does not [rows and `where` can compare arrays whose \
             axes the column's array has too]"
        );
        assert_eq!(
            entries(Some("usage"), &[("expert", &["3"])]).unwrap_err(),
            "axis `expert` of `usage` has no `3` [its positions count from 0 to 2]"
        );
        assert_eq!(
            entries(Some("usage"), &[("monosemantics", &["3"])]).unwrap_err(),
            "`usage` has no array `monosemantics`, and the column's array no axis of that name [did you mean `monosemantic`?]"
        );
        assert!(entries(Some("usage"), &[("monosemantic", &["many"])]).unwrap_err().contains("`many` is none"));
    }
}
