//! Gives raw arrays axis names and coordinates.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::npz::{AXES, COORDS};
use super::{Axes, RawArray, RawValues};
use crate::error::{Error, Result};
use crate::spec::{Located, suggest};
use crate::value::{Array, Axis, Coords, Dataset};

/// Name the axes of all arrays: from the paper file, else from `NAME.axes` in the file itself, else `row`, `column`, `dim2` and so on.
/// A one-dimensional array with the name of an axis holds its coordinates. Other text arrays are left out.
pub fn label(mut raws: BTreeMap<String, RawArray>, axes: &Axes) -> Result<Dataset> {
    let mut own: BTreeMap<String, Vec<String>> = BTreeMap::new();
    raws.retain(|name, raw| match (name.strip_suffix(AXES), &raw.values) {
        (Some(array), RawValues::Text(names)) => {
            own.insert(array.to_string(), names.clone());
            false
        }
        _ => true,
    });
    if let Axes::Each(named) = axes
        && let Some((name, places)) = named.iter().find(|(name, _)| !raws.contains_key(*name))
    {
        let known: Vec<&str> = raws.keys().map(String::as_str).collect();
        let error = Error::stage(format!("`axes` speaks of the array `{name}`, which is not in it"));
        let error = places.first().map_or(error.clone(), |place| error.at(place.span));
        return Err(error.hint(suggest(name, &known)));
    }
    let mut names: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (array, raw) in &raws {
        names.insert(array, axis_names(array, raw, axes, own.get(array))?);
    }
    // The number of arrays that have an axis of each name.
    let mut bearers: HashMap<&str, usize> = HashMap::new();
    for names in names.values() {
        names.iter().collect::<HashSet<_>>().into_iter().for_each(|name| *bearers.entry(name).or_default() += 1);
    }
    let is_axis = |array: &str, raw: &RawArray| {
        let own = names.get(array).is_some_and(|names| names.iter().any(|name| name == array));
        raw.shape.len() == 1 && bearers.get(array).copied().unwrap_or(0) > usize::from(own)
    };
    let mut dataset = Dataset::default();
    let mut labelled: Vec<(String, Vec<Axis>)> = Vec::new();
    for (array, raw) in &raws {
        let coordinates_of = array.strip_suffix(COORDS).filter(|axis| bearers.contains_key(axis));
        if is_axis(array, raw) || axes.names(array) && raw.shape.len() == 1 || coordinates_of.is_some() {
            continue;
        }
        if matches!(raw.values, RawValues::Text(_)) {
            dataset.leave_out(array, "it holds text, and is not called like an axis");
            continue;
        }
        let named = names.get(array.as_str()).into_iter().flatten().zip(&raw.shape);
        let own: Vec<Axis> =
            named.map(|(name, n)| Axis { name: name.clone(), coords: coordinates(&raws, name, *n) }).collect();
        if let Some(twice) = own.iter().enumerate().find(|(i, a)| own[..*i].iter().any(|b| b.name == a.name)) {
            return Err(Error::stage(format!("two axes of `{array}` are called `{}`", twice.1.name)));
        }
        labelled.push((array.clone(), own));
    }
    for (array, axes) in labelled {
        if let Some(RawArray { values: RawValues::Numbers(dtype, data), .. }) = raws.remove(&array) {
            dataset.insert(&array, Array::new(axes, dtype, data)?);
        }
    }
    one_length(&dataset, axes)?;
    Ok(dataset)
}

fn axis_names(array: &str, raw: &RawArray, axes: &Axes, own: Option<&Vec<String>>) -> Result<Vec<String>> {
    let (given, alone) = axes.for_array(array);
    let count = raw.shape.len();
    let wrong = |given: &[Located<String>]| {
        let names: Vec<&str> = given.iter().map(|name| name.value.as_str()).collect();
        let message = format!(
            "`{array}` has {}, of the shape ({}), and `axes` names {}: {}",
            if count == 1 { "1 axis".into() } else { format!("{count} axes") },
            raw.shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
            given.len(),
            names.join(", ")
        );
        Error::stage(message).at(given.first().map(|name| name.span).unwrap_or_default())
    };
    if alone && !given.is_empty() && given.len() != count {
        return Err(wrong(given));
    }
    let usual = |dim: usize| match dim {
        0 => "row".to_string(),
        1 => "column".to_string(),
        dim => format!("dim{dim}"),
    };
    let own = own.filter(|own| own.len() == count);
    let name = |dim: usize| match (given.get(dim), own.and_then(|own| own.get(dim))) {
        (Some(name), _) => name.value.clone(),
        (None, Some(name)) => name.clone(),
        (None, None) => usual(dim),
    };
    Ok((0..count).map(name).collect())
}

/// The coordinates of an axis, if there is an array with its name and length.
fn coordinates(raws: &BTreeMap<String, RawArray>, name: &str, n: usize) -> Coords {
    let holds = |name: &str| raws.get(name).filter(|raw| raw.shape == [n]);
    match holds(&format!("{name}{COORDS}")).or_else(|| holds(name)).map(|raw| &raw.values) {
        Some(RawValues::Numbers(_, numbers)) => Coords::Numbers(numbers.values()),
        Some(RawValues::Text(labels)) => Coords::Labels(labels.clone()),
        None => Coords::Index(n),
    }
}

/// Check that an axis named in the paper file has the same length and coordinates in all arrays.
fn one_length(dataset: &Dataset, axes: &Axes) -> Result<()> {
    let mut known: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for (array, axis) in dataset.arrays.iter().flat_map(|(name, array)| array.axes.iter().map(move |axis| (name, axis)))
    {
        let (n, first) = *known.entry(&axis.name).or_insert((axis.len(), array));
        if n != axis.len() && axes.names(&axis.name) {
            let message =
                format!("the axis `{}` has {n} places in `{first}` and {} in `{array}`", axis.name, axis.len());
            return Err(Error::stage(message).hint("name axes array by array: `axes: {ARRAY: [AXIS]}`"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Decode, Problems, read};
    use crate::value::Dtype;

    fn axes(text: &str) -> Axes {
        let mut problems = Problems::default();
        Axes::decode(&read(text, &mut problems).unwrap(), &mut problems).unwrap()
    }

    fn raws() -> BTreeMap<String, RawArray> {
        let grid = RawArray {
            shape: vec![2, 3],
            values: RawValues::Numbers(Dtype::F64, (0..6).map(f64::from).collect::<Vec<f64>>().into()),
        };
        BTreeMap::from([
            ("loss".to_string(), grid),
            ("epoch".to_string(), RawArray::list(Dtype::I64, vec![10.0, 20.0, 30.0])),
            ("model".to_string(), RawArray::texts(vec!["a".into(), "b".into()])),
            ("best".to_string(), RawArray { shape: vec![], values: RawValues::Numbers(Dtype::F64, vec![0.5].into()) }),
        ])
    }

    fn told(text: &str) -> String {
        label(raws(), &axes(text)).unwrap_err().message
    }

    #[test]
    fn without_names_axes_are_rows_and_columns() {
        let dataset = label(raws(), &Axes::default()).unwrap();
        let names: Vec<&str> = dataset.get("loss").unwrap().axes.iter().map(|axis| axis.name.as_str()).collect();
        assert_eq!(names, ["row", "column"]);
        assert_eq!(dataset.arrays.keys().collect::<Vec<_>>(), ["best", "epoch", "loss"]);
    }

    #[test]
    fn arrays_that_are_called_like_an_axis_are_its_coordinates() {
        for text in ["[model, epoch]", "{loss: [model, epoch]}"] {
            let dataset = label(raws(), &axes(text)).unwrap();
            let loss = dataset.get("loss").unwrap();
            assert_eq!(loss.axes[0], Axis::labels("model", vec!["a".into(), "b".into()]));
            assert_eq!(loss.axes[1], Axis::numbers("epoch", vec![10.0, 20.0, 30.0]));
            assert_eq!(dataset.arrays.keys().collect::<Vec<_>>(), ["best", "loss"]);
        }
    }

    #[test]
    fn names_that_do_not_fit_are_told() {
        assert_eq!(told("{loss: [model]}"), "`loss` has 2 axes, of the shape (2, 3), and `axes` names 1: model");
        assert_eq!(told("{los: [model]}"), "`axes` speaks of the array `los`, which is not in it");
        assert_eq!(told("[a, a]"), "two axes of `loss` are called `a`");
        assert_eq!(told("[step]"), "the axis `step` has 3 places in `epoch` and 2 in `loss`");
    }
}
