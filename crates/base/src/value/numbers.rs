//! The numbers of an array in the type of the file they come from. They are read as `f64`, which holds all of these types exactly; in memory
//! they take one, four or eight bytes each. Copies, and the parts at one position of an axis, share the memory of the whole.

use ndarray::{ArcArray, Axis as Dim, IxDyn, Slice};

/// Evaluates an expression for the array of any type.
macro_rules! each {
    ($numbers:expr, $array:ident => $result:expr) => {
        match $numbers {
            Numbers::F64($array) => $result,
            Numbers::F32($array) => $result,
            Numbers::I32($array) => $result,
            Numbers::U8($array) => $result,
        }
    };
    ($numbers:expr, $array:ident => of $result:expr) => {
        match $numbers {
            Numbers::F64($array) => Numbers::F64($result),
            Numbers::F32($array) => Numbers::F32($result),
            Numbers::I32($array) => Numbers::I32($result),
            Numbers::U8($array) => Numbers::U8($result),
        }
    };
}

/// Numbers along any number of dimensions.
#[derive(Clone, Debug)]
pub enum Numbers {
    /// Also integers of more than 32 bits, rounded to 53 bits.
    F64(ArcArray<f64, IxDyn>),
    F32(ArcArray<f32, IxDyn>),
    I32(ArcArray<i32, IxDyn>),
    U8(ArcArray<u8, IxDyn>),
}

/// The numbers of an array or of a part of it, in row-major order.
#[derive(Clone)]
pub enum NumbersIter<'a> {
    F64(ndarray::iter::Iter<'a, f64, IxDyn>),
    F32(ndarray::iter::Iter<'a, f32, IxDyn>),
    I32(ndarray::iter::Iter<'a, i32, IxDyn>),
    U8(ndarray::iter::Iter<'a, u8, IxDyn>),
}

/// A number of any type.
fn wide<T: Copy + Into<f64>>(value: &T) -> f64 {
    (*value).into()
}

impl Numbers {
    /// One number, without dimensions.
    pub fn scalar(value: f64) -> Numbers {
        Numbers::F64(ArcArray::from_elem(IxDyn(&[]), value))
    }

    /// Arranges the numbers in dimensions of these lengths; `None` if there are more or fewer of them.
    pub fn shaped(self, shape: &[usize]) -> Option<Numbers> {
        fn ordered<T: Clone>(array: ArcArray<T, IxDyn>) -> ArcArray<T, IxDyn> {
            if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned().into_shared() }
        }
        if self.shape() == shape {
            return Some(self);
        }
        // The numbers of a transposed array are not in row-major order in memory.
        Some(each!(self, array => of ordered(array).into_shape_with_order(IxDyn(shape)).ok()?))
    }

    pub fn shape(&self) -> &[usize] {
        each!(self, array => array.shape())
    }

    pub fn len(&self) -> usize {
        each!(self, array => array.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The memory of its numbers in bytes.
    pub fn bytes(&self) -> usize {
        fn width<T>(_: &ArcArray<T, IxDyn>) -> usize {
            size_of::<T>()
        }
        self.len() * each!(self, array => width(array))
    }

    pub fn iter(&self) -> NumbersIter<'_> {
        match self {
            Numbers::F64(array) => NumbersIter::F64(array.iter()),
            Numbers::F32(array) => NumbersIter::F32(array.iter()),
            Numbers::I32(array) => NumbersIter::I32(array.iter()),
            Numbers::U8(array) => NumbersIter::U8(array.iter()),
        }
    }

    /// All numbers in row-major order.
    pub fn values(&self) -> Vec<f64> {
        each!(self, array => array.iter().map(wide).collect())
    }

    pub fn get(&self, position: &[usize]) -> Option<f64> {
        each!(self, array => array.get(position).map(wide))
    }

    /// The numbers with their positions.
    pub fn indexed(&self) -> impl Iterator<Item = (IxDyn, f64)> {
        // Positions are cheap to make from the shape, and expensive to find twice.
        ndarray::indices(IxDyn(self.shape())).into_iter().zip(self.iter())
    }

    /// The numbers along one dimension, for each position along the others.
    pub fn lanes(&self, dim: usize) -> Box<dyn Iterator<Item = NumbersIter<'_>> + '_> {
        match self {
            Numbers::F64(array) => {
                Box::new(array.lanes(Dim(dim)).into_iter().map(|x| NumbersIter::F64(x.into_dyn().into_iter())))
            }
            Numbers::F32(array) => {
                Box::new(array.lanes(Dim(dim)).into_iter().map(|x| NumbersIter::F32(x.into_dyn().into_iter())))
            }
            Numbers::I32(array) => {
                Box::new(array.lanes(Dim(dim)).into_iter().map(|x| NumbersIter::I32(x.into_dyn().into_iter())))
            }
            Numbers::U8(array) => {
                Box::new(array.lanes(Dim(dim)).into_iter().map(|x| NumbersIter::U8(x.into_dyn().into_iter())))
            }
        }
    }

    /// The part at one position of a dimension.
    pub fn at(&self, dim: usize, position: usize) -> Numbers {
        each!(self, array => of array.clone().index_axis_move(Dim(dim), position))
    }

    /// A copy of the part between two positions of a dimension.
    pub fn range(&self, dim: usize, from: usize, to: usize) -> Numbers {
        each!(self, array => of array.slice_axis(Dim(dim), Slice::from(from..to)).to_shared())
    }

    pub fn transposed(self) -> Numbers {
        each!(self, array => of array.reversed_axes())
    }

    /// The numbers after a function.
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Numbers {
        Numbers::F64(each!(self, array => array.map(|value| f(wide(value))).into_shared()))
    }

    /// NaN in the same shape, of a type that can be joined with these numbers.
    pub fn nan(&self) -> Numbers {
        let shape = IxDyn(self.shape());
        match self {
            Numbers::F32(_) => Numbers::F32(ArcArray::from_elem(shape, f32::NAN)),
            _ => Numbers::F64(ArcArray::from_elem(shape, f64::NAN)),
        }
    }

    /// The arrays one after another, along a new first dimension of their number. `None` if there are none, or they have different shapes.
    pub fn joined(parts: &[&Numbers]) -> Option<Numbers> {
        let shape = parts.first()?.shape();
        if parts.iter().any(|part| part.shape() != shape) {
            return None;
        }
        let all: Vec<usize> = [&[parts.len()], shape].concat();
        let same = |kind: fn(&Numbers) -> bool| parts.iter().all(|part| kind(part));
        let joined = if same(|part| matches!(part, Numbers::F32(_))) {
            Numbers::from(parts.iter().flat_map(|part| part.iter()).map(|value| value as f32).collect::<Vec<f32>>())
        } else if same(|part| matches!(part, Numbers::U8(_))) {
            Numbers::from(parts.iter().flat_map(|part| part.iter()).map(|value| value as u8).collect::<Vec<u8>>())
        } else if same(|part| matches!(part, Numbers::I32(_) | Numbers::U8(_))) {
            Numbers::from(parts.iter().flat_map(|part| part.iter()).map(|value| value as i32).collect::<Vec<i32>>())
        } else {
            Numbers::from(parts.iter().flat_map(|part| part.iter()).collect::<Vec<f64>>())
        };
        joined.shaped(&all)
    }
}

/// Arrays are equal if their shapes and numbers are, whatever type holds them.
impl PartialEq for Numbers {
    fn eq(&self, other: &Numbers) -> bool {
        self.shape() == other.shape() && self.iter().eq(other.iter())
    }
}

impl From<Vec<f64>> for Numbers {
    fn from(values: Vec<f64>) -> Numbers {
        Numbers::F64(ArcArray::from_vec(values).into_dyn())
    }
}

impl From<Vec<f32>> for Numbers {
    fn from(values: Vec<f32>) -> Numbers {
        Numbers::F32(ArcArray::from_vec(values).into_dyn())
    }
}

impl From<Vec<i32>> for Numbers {
    fn from(values: Vec<i32>) -> Numbers {
        Numbers::I32(ArcArray::from_vec(values).into_dyn())
    }
}

impl From<Vec<u8>> for Numbers {
    fn from(values: Vec<u8>) -> Numbers {
        Numbers::U8(ArcArray::from_vec(values).into_dyn())
    }
}

impl Iterator for NumbersIter<'_> {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        match self {
            NumbersIter::F64(values) => values.next().copied(),
            NumbersIter::F32(values) => values.next().map(|value| f64::from(*value)),
            NumbersIter::I32(values) => values.next().map(|value| f64::from(*value)),
            NumbersIter::U8(values) => values.next().map(|value| f64::from(*value)),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            NumbersIter::F64(values) => values.size_hint(),
            NumbersIter::F32(values) => values.size_hint(),
            NumbersIter::I32(values) => values.size_hint(),
            NumbersIter::U8(values) => values.size_hint(),
        }
    }

    /// Chooses the type once, not for each number.
    fn fold<B, F: FnMut(B, f64) -> B>(self, first: B, mut f: F) -> B {
        match self {
            NumbersIter::F64(values) => values.fold(first, |all, value| f(all, *value)),
            NumbersIter::F32(values) => values.fold(first, |all, value| f(all, f64::from(*value))),
            NumbersIter::I32(values) => values.fold(first, |all, value| f(all, f64::from(*value))),
            NumbersIter::U8(values) => values.fold(first, |all, value| f(all, f64::from(*value))),
        }
    }
}

impl ExactSizeIterator for NumbersIter<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_each_type() -> [Numbers; 4] {
        [
            Numbers::from((0..6).map(f64::from).collect::<Vec<f64>>()),
            Numbers::from((0..6).map(|i| i as f32).collect::<Vec<f32>>()),
            Numbers::from((0..6).collect::<Vec<i32>>()),
            Numbers::from((0..6).collect::<Vec<u8>>()),
        ]
    }

    #[test]
    fn every_type_gives_the_same_numbers_in_the_same_places() {
        for flat in of_each_type() {
            let numbers = flat.shaped(&[2, 3]).unwrap();
            assert_eq!(numbers, of_each_type()[0].clone().shaped(&[2, 3]).unwrap());
            assert_eq!(numbers.at(1, 2).values(), [2.0, 5.0]);
            assert_eq!(numbers.range(1, 1, 3).values(), [1.0, 2.0, 4.0, 5.0]);
            assert_eq!(numbers.clone().transposed().values(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
            assert_eq!(numbers.lanes(0).map(Iterator::sum).collect::<Vec<f64>>(), [3.0, 5.0, 7.0]);
            assert_eq!(numbers.get(&[1, 1]), Some(4.0));
            assert_eq!(numbers.get(&[2, 0]), None);
            let position = numbers.clone().transposed().indexed().find(|(_, value)| *value == 5.0).unwrap().0;
            assert_eq!((position[0], position[1]), (2, 1));
            assert_eq!(numbers.map(|x| -x).get(&[0, 1]), Some(-1.0));
            assert_eq!(numbers.clone().transposed().shaped(&[3, 2]).unwrap().get(&[2, 1]), Some(5.0));
            assert_eq!(numbers.clone().transposed().shaped(&[6]).unwrap().values(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
            assert!(numbers.shaped(&[7]).is_none());
        }
    }

    #[test]
    fn the_parts_of_a_sweep_keep_their_type_if_they_have_one() {
        let all = of_each_type();
        for numbers in &all {
            let joined = Numbers::joined(&[numbers, numbers]).unwrap();
            assert_eq!((joined.shape(), joined.bytes()), (&[2, 6][..], 2 * numbers.bytes()));
        }
        let [float, single, whole, byte] = &all;
        assert!(matches!(Numbers::joined(&[whole, byte]), Some(Numbers::I32(_))));
        assert!(matches!(Numbers::joined(&[single, whole]), Some(Numbers::F64(_))));
        assert_eq!(Numbers::joined(&[float, single]).unwrap().iter().sum::<f64>(), 30.0);
        assert!(Numbers::joined(&[]).is_none());
    }
}
