//! `.npz`, NumPy's format for named arrays.
//!
//! Axes are read and written as arrays too: `loss.axes` holds the names of the axes of `loss`, and a one-dimensional array with the name of
//! an axis, `density`, holds its coordinates, numbers or text. If another array has that name, it is `density.coords`.

use std::collections::BTreeMap;

use super::npy::Contents;
use super::{RawArray, RawValues, npy, zip};
use crate::error::{Error, Result};
use crate::value::{Coords, Dataset};

/// Suffix of the array that names another array's axes.
pub const AXES: &str = ".axes";
/// Suffix of a coordinate array if another array has the axis' name.
pub const COORDS: &str = ".coords";

/// The arrays of a file, and those that hold neither numbers nor text, with a description.
pub fn read(bytes: &[u8]) -> Result<(BTreeMap<String, RawArray>, BTreeMap<String, String>)> {
    let (mut arrays, mut others) = (BTreeMap::new(), BTreeMap::new());
    // Members are read one at a time, to limit memory.
    zip::each(bytes, &mut |name, content| {
        let Some(name) = name.strip_suffix(".npy") else { return Ok(()) };
        let contents = npy::read(content)
            .map_err(|error| Error::stage(format!("`{name}`: {}", error.message.replace(" .npy file", " array"))))?;
        match contents {
            Contents::Array(array) => drop(arrays.insert(name.to_string(), array)),
            Contents::Other(what) => drop(others.insert(name.to_string(), what)),
        }
        Ok(())
    })?;
    Ok((arrays, others))
}

/// Write all arrays of a dataset, their axes and coordinates. Equal datasets give equal bytes.
pub fn npz(dataset: &Dataset) -> Result<Vec<u8>> {
    let mut members: BTreeMap<String, RawArray> = BTreeMap::new();
    for (name, array) in &dataset.arrays {
        let values = RawValues::Numbers(array.dtype, array.data.clone());
        members.insert(name.clone(), RawArray { shape: array.shape().to_vec(), values });
    }
    for (name, array) in dataset.arrays.iter().filter(|(_, array)| !array.axes.is_empty()) {
        let axes = array.axes.iter().map(|axis| axis.name.clone()).collect();
        members.entry(format!("{name}{AXES}")).or_insert_with(|| RawArray::texts(axes));
    }
    // A name with two meanings is not written.
    let mut meanings: BTreeMap<&str, Option<&Coords>> = BTreeMap::new();
    for axis in dataset.arrays.values().flat_map(|array| &array.axes) {
        let known = meanings.entry(&axis.name).or_insert(Some(&axis.coords));
        *known = known.filter(|coords| **coords == axis.coords);
    }
    for (axis, coords) in meanings {
        let raw = match coords {
            None | Some(Coords::Index(_)) => continue,
            Some(Coords::Numbers(numbers)) => RawArray::list(crate::value::Dtype::F64, numbers.clone()),
            Some(Coords::Labels(labels)) => RawArray::texts(labels.clone()),
        };
        let taken = dataset.arrays.contains_key(axis);
        let name = if taken { format!("{axis}{COORDS}") } else { axis.to_string() };
        members.entry(name).or_insert(raw);
    }
    let members: Vec<_> = members.iter().map(|(name, raw)| (format!("{name}.npy"), npy::write(raw))).collect();
    zip::write(&members)
}

#[cfg(test)]
mod tests {
    use super::super::{Axes, read};
    use super::*;
    use crate::value::{Array, Axis, Dtype};

    #[test]
    fn a_dataset_crosses_and_comes_back_with_its_axes() {
        let axes = vec![
            Axis::labels("model", vec!["dense".into(), "4 experts".into()]),
            Axis::numbers("density", vec![0.1, 0.5]),
            Axis::index("feature", 1),
        ];
        let dataset = Dataset::default()
            .with("loss", Array::f64(axes.clone(), vec![0.1, 0.2, f64::INFINITY, -0.0]).unwrap())
            .with("gate", Array::f32(vec![axes[0].clone()], &[1.5, -2.5]).unwrap())
            .with("density", Array::f64(axes[..2].to_vec(), vec![0.1, 0.5, 0.1, 0.5]).unwrap())
            .with("count", Array::new(vec![], Dtype::I64, vec![9007199254740992.0]).unwrap());
        let bytes = npz(&dataset).unwrap();
        assert_eq!(read("x/grid.npz", &bytes, &Axes::default()).unwrap(), dataset);
        assert_eq!(bytes, npz(&dataset).unwrap());
    }
}
