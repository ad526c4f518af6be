//! Tooltips: the data values at positions of a figure, for formats that can show them.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::fix::fix;

/// The data values at positions of a figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hint {
    /// What the values belong to: a panel, a legend entry.
    pub title: String,
    /// Each has one value per position. For cells, the first two are coordinates, with one value per column and per row.
    pub fields: Vec<Field>,
    pub spots: Spots,
}

/// A named value for each position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    pub name: String,
    pub values: FieldValues,
}

/// The values of a field. Numbers become texts where they are written: a figure may have millions.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValues {
    Texts(Vec<String>),
    /// With four significant digits.
    Numbers(Vec<f64>),
}

/// Positions that have values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Spots {
    Points(Vec<[f64; 2]>),
    /// Rectangles, by two opposite corners.
    Boxes(Vec<[[f64; 2]; 2]>),
    /// Cells between edges along x and y, row by row.
    Cells {
        x: Vec<f64>,
        y: Vec<f64>,
    },
}

impl Hint {
    /// Map the positions. Those that map to `None` are dropped; `None` if no position is left.
    pub fn map(self, point: impl Fn([f64; 2]) -> Option<[f64; 2]>) -> Option<Hint> {
        let Hint { title, mut fields, spots } = self;
        let spots = match spots {
            Spots::Points(points) => Spots::Points(kept(points, &mut fields, point)?),
            Spots::Boxes(boxes) => Spots::Boxes(kept(boxes, &mut fields, |[a, b]| Some([point(a)?, point(b)?]))?),
            Spots::Cells { x, y } => {
                let (corner_x, corner_y) = (*x.first()?, *y.first()?);
                let x = x.iter().map(|x| Some(point([*x, corner_y])?[0])).collect::<Option<_>>()?;
                let y = y.iter().map(|y| Some(point([corner_x, *y])?[1])).collect::<Option<_>>()?;
                Spots::Cells { x, y }
            }
        };
        Some(Hint { title, fields, spots })
    }

    /// Whether all positions are finite.
    pub(super) fn is_finite(&self) -> bool {
        match &self.spots {
            Spots::Points(points) => points.iter().flatten().all(|v| v.is_finite()),
            Spots::Boxes(boxes) => boxes.iter().flatten().flatten().all(|v| v.is_finite()),
            Spots::Cells { x, y } => x.iter().chain(y).all(|v| v.is_finite()),
        }
    }

    /// Round the positions as those of items.
    pub(super) fn round(&mut self) {
        match &mut self.spots {
            Spots::Points(points) => points.iter_mut().flatten().for_each(fix),
            Spots::Boxes(boxes) => boxes.iter_mut().flatten().flatten().for_each(fix),
            Spots::Cells { x, y } => x.iter_mut().chain(y).for_each(fix),
        }
    }
}

/// The places that `map` keeps; the values of the others are removed from the fields. `None` if no place is left.
fn kept<T: Copy>(mut places: Vec<T>, fields: &mut [Field], map: impl Fn(T) -> Option<T>) -> Option<Vec<T>> {
    let mut keep = Vec::with_capacity(places.len());
    places.retain_mut(|place| {
        let mapped = map(*place);
        keep.push(mapped.is_some());
        mapped.is_some_and(|mapped| {
            *place = mapped;
            true
        })
    });
    fields.iter_mut().for_each(|field| field.values.retain(&keep));
    (!places.is_empty()).then_some(places)
}

impl Field {
    pub fn new(name: impl Into<String>, values: Vec<String>) -> Field {
        Field { name: name.into(), values: FieldValues::Texts(values) }
    }

    /// Numbers with four significant digits.
    pub fn numbers(name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Field {
        Field { name: name.into(), values: FieldValues::Numbers(values.into_iter().collect()) }
    }
}

impl FieldValues {
    pub fn texts(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let (texts, numbers): (&[String], &[f64]) = match self {
            FieldValues::Texts(texts) => (texts, &[]),
            FieldValues::Numbers(numbers) => (&[], numbers),
        };
        texts.iter().map(|text| text.as_str().into()).chain(numbers.iter().map(|number| four_digits(*number).into()))
    }

    /// Keep the values whose flag is set.
    fn retain(&mut self, keep: &[bool]) {
        fn chosen<T>(values: &mut Vec<T>, keep: &[bool]) {
            let mut flags = keep.iter();
            values.retain(|_| flags.next().is_some_and(|keep| *keep));
        }
        match self {
            FieldValues::Texts(texts) => chosen(texts, keep),
            FieldValues::Numbers(numbers) => chosen(numbers, keep),
        }
    }
}

impl Serialize for FieldValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.texts())
    }
}

impl<'de> Deserialize<'de> for FieldValues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(FieldValues::Texts)
    }
}

/// Format a number with four significant digits, as short as possible.
pub fn four_digits(value: f64) -> String {
    let rounded: f64 = format!("{value:.3e}").parse().unwrap_or(value);
    if rounded != 0.0 && !(1e-4..1e7).contains(&rounded.abs()) { format!("{rounded:e}") } else { format!("{rounded}") }
}
