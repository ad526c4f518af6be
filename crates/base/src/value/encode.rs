//! Canonical encoding of datasets: equal datasets have equal bytes, so that a digest identifies the content.
//!
//! Little-endian throughout: magic, number of arrays, then by ascending name: name, dtype, axes, data. Every NaN is encoded as the same NaN.

use super::ByteReader;
use super::array::{Array, Axis, Coords, Dataset, Dtype};
use super::numbers::Numbers;

const MAGIC: &[u8; 8] = b"repro-d1";

/// Encode a dataset.
pub fn encode(dataset: &Dataset) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    length(&mut out, dataset.arrays.len());
    for (name, array) in &dataset.arrays {
        text(&mut out, name);
        out.push(match array.dtype {
            Dtype::F32 => 0,
            Dtype::F64 => 1,
            Dtype::I64 => 2,
        });
        length(&mut out, array.axes.len());
        for axis in &array.axes {
            text(&mut out, &axis.name);
            length(&mut out, axis.len());
            match &axis.coords {
                Coords::Index(_) => out.push(0),
                Coords::Numbers(values) => {
                    out.push(1);
                    values.iter().for_each(|&v| out.extend(one_nan(v).to_le_bytes()));
                }
                Coords::Labels(values) => {
                    out.push(2);
                    values.iter().for_each(|v| text(&mut out, v));
                }
            }
        }
        out.reserve(array.data.len() * if array.dtype == Dtype::F32 { 4 } else { 8 });
        array.data.iter().for_each(|value| match array.dtype {
            Dtype::F32 => out.extend((one_nan(value) as f32).to_le_bytes()),
            Dtype::F64 => out.extend(one_nan(value).to_le_bytes()),
            Dtype::I64 => out.extend((value as i64).to_le_bytes()),
        });
    }
    out
}

/// Decode a dataset; `None` if the bytes are not a valid encoding.
pub fn decode(bytes: &[u8]) -> Option<Dataset> {
    let mut input = ByteReader(bytes);
    if input.take(8)? != MAGIC {
        return None;
    }
    let mut dataset = Dataset::default();
    for _ in 0..input.length()? {
        let name = input.text()?;
        let dtype = match input.u8()? {
            0 => Dtype::F32,
            1 => Dtype::F64,
            2 => Dtype::I64,
            _ => return None,
        };
        let mut axes = Vec::new();
        for _ in 0..input.length()? {
            let name = input.text()?;
            let n = input.length()?;
            let coords = match input.u8()? {
                0 => Coords::Index(n),
                1 => Coords::Numbers((0..n).map(|_| input.f64()).collect::<Option<_>>()?),
                2 => Coords::Labels((0..n).map(|_| input.text()).collect::<Option<_>>()?),
                _ => return None,
            };
            axes.push(Axis { name, coords });
        }
        let count = axes.iter().try_fold(1usize, |product, axis| product.checked_mul(axis.len()))?;
        let width = if dtype == Dtype::F32 { 4 } else { 8 };
        let data = input.take(count.checked_mul(width)?)?;
        let values: Numbers = match dtype {
            Dtype::F32 => {
                let values = data.chunks_exact(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]]));
                values.collect::<Vec<f32>>().into()
            }
            Dtype::F64 => data.chunks_exact(8).map(|c| f64::from_le_bytes(eight(c))).collect::<Vec<f64>>().into(),
            Dtype::I64 => {
                data.chunks_exact(8).map(|c| i64::from_le_bytes(eight(c)) as f64).collect::<Vec<f64>>().into()
            }
        };
        dataset.arrays.insert(name, Array::new(axes, dtype, values).ok()?);
    }
    input.0.is_empty().then_some(dataset)
}

fn one_nan(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value }
}

fn length(out: &mut Vec<u8>, n: usize) {
    out.extend((n as u64).to_le_bytes());
}

fn text(out: &mut Vec<u8>, text: &str) {
    length(out, text.len());
    out.extend(text.as_bytes());
}

fn eight(chunk: &[u8]) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(chunk);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Dataset {
        let weights =
            Array::f32(vec![Axis::index("expert", 2), Axis::numbers("p", vec![0.1, 0.5])], &[1.0, -0.0, 3.5, f32::NAN]);
        let counts = Array::new(vec![Axis::labels("scheme", vec!["xavier".into()])], Dtype::I64, vec![7.0]);
        Dataset::default().with("weights", weights.unwrap()).with("counts", counts.unwrap())
    }

    #[test]
    fn a_dataset_survives_the_round_trip() {
        let bytes = encode(&sample());
        assert_eq!(encode(&decode(&bytes).unwrap()), bytes);
    }

    #[test]
    fn damaged_bytes_are_refused_and_never_panic() {
        let bytes = encode(&sample());
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_none(), "truncated at {end}");
        }
        for position in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[position] ^= 0xff;
            let _ = decode(&flipped);
        }
    }
}
