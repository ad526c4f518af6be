//! `.npy`, NumPy's format for one array (numpy.lib.format, versions 1 to 3).

use super::{RawArray, RawValues};
use crate::error::{Error, Result};
use crate::value::{Dtype, Numbers};

const MAGIC: &[u8] = b"\x93NUMPY";
/// NumPy's limit on the number of axes.
pub(super) const MOST_AXES: usize = 64;
/// Limit on the number of zero-width strings.
const MOST_EMPTY: usize = 1 << 16;
/// 2^63, the first integer beyond `i64`.
const BEYOND: f64 = 9_223_372_036_854_775_808.0;

/// Placeholder for a structured dtype.
const STRUCTURED: &str = "structured";

/// The parsed header.
struct NpyHeader {
    descr: String,
    fortran: bool,
    shape: Vec<usize>,
}

/// How one element is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Element {
    Bool,
    Signed(usize),
    Unsigned(usize),
    Float(usize),
    /// Characters of four bytes each.
    Unicode(usize),
    Bytes(usize),
}

impl Element {
    /// `<f8`, `|b1`, `>i4`, `<U12`: the element, and whether its bytes are swapped. `None` for anything but numbers and text.
    fn parse(descr: &str) -> Option<(Element, bool)> {
        let (order, rest) = descr.split_at_checked(1)?;
        let (kind, size) = rest.split_at_checked(1)?;
        let size: usize = size.parse().ok()?;
        let element = match (kind, size) {
            ("b", 1) => Element::Bool,
            ("i", 1 | 2 | 4 | 8) => Element::Signed(size),
            ("u", 1 | 2 | 4 | 8) => Element::Unsigned(size),
            ("f", 2 | 4 | 8) => Element::Float(size),
            ("U", _) => Element::Unicode(size),
            ("S", _) => Element::Bytes(size),
            _ => return None,
        };
        Some((element, order == ">"))
    }

    fn width(self) -> Option<usize> {
        match self {
            Element::Bool => Some(1),
            Element::Signed(n) | Element::Unsigned(n) | Element::Float(n) | Element::Bytes(n) => Some(n),
            Element::Unicode(n) => n.checked_mul(4),
        }
    }

    fn dtype(self) -> Dtype {
        match self {
            Element::Float(2 | 4) => Dtype::F32,
            Element::Float(_) => Dtype::F64,
            _ => Dtype::I64,
        }
    }
}

/// The content of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Contents {
    Array(RawArray),
    /// Neither real numbers nor text: a description.
    Other(String),
}

/// Describe elements that are neither real numbers nor text.
fn describe(descr: &str) -> String {
    let kind = descr.trim_start_matches(['<', '>', '|', '=']);
    match kind.chars().next() {
        Some('c') => "complex numbers; store their real and imaginary parts, or their size".into(),
        Some('M') => "dates (datetime64); store them as numbers or as text".into(),
        Some('m') => "spans of time (timedelta64); store them as numbers".into(),
        Some('O') => "Python objects; store numbers or text, for example with `.astype(float)`".into(),
        Some('f') => "floating-point numbers of more than 64 bits; store them as float64".into(),
        Some('V') => "raw bytes".into(),
        _ if descr == STRUCTURED => "records of several fields; store each field as an array".into(),
        _ => format!("elements of the type `{descr}`"),
    }
}

/// Read the array, or describe what the file holds instead.
pub fn read(bytes: &[u8]) -> Result<Contents> {
    let broken = |why: &str| Error::stage(format!("it is not a whole .npy file: {why}"));
    let (header, data) = split(bytes).ok_or_else(|| broken("the header is damaged"))?;
    let NpyHeader { descr, fortran, shape } =
        parse(header).ok_or_else(|| broken("its header is not one that NumPy writes"))?;
    let Some((element, reversed)) = Element::parse(&descr) else {
        return Ok(Contents::Other(format!("it holds {}", describe(&descr))));
    };
    let count = shape.iter().try_fold(1usize, |count, n| count.checked_mul(*n));
    let size = count.and_then(|count| count.checked_mul(element.width()?));
    // No axis may be longer than memory allows, even if another has length zero.
    let possible =
        shape.iter().filter(|n| **n > 0).try_fold(1isize, |all, n| all.checked_mul(isize::try_from(*n).ok()?));
    let (Some(count), Some(width), Some(size), Some(_)) = (count, element.width(), size, possible) else {
        return Err(broken("its shape is impossible"));
    };
    if data.len() != size {
        return Err(broken(&format!("{size} bytes of data were expected, {} are there", data.len())));
    }
    if width == 0 {
        // Zero-width strings take no bytes in the file, so their number must be limited.
        if count > MOST_EMPTY {
            return Err(broken("its shape is impossible"));
        }
        return Ok(Contents::Array(RawArray { shape, values: RawValues::Text(vec![String::new(); count]) }));
    }
    let items = data.chunks_exact(width);
    let values = match element {
        Element::Unicode(_) => {
            RawValues::Text(items.map(|item| characters(item, reversed)).collect::<Option<_>>().unwrap_or_default())
        }
        Element::Bytes(_) => RawValues::Text(
            items.map(|item| String::from_utf8_lossy(item).trim_end_matches('\0').to_string()).collect(),
        ),
        _ => {
            let numbers = items.map(|item| number(element, item, reversed));
            // Each of these types holds what it is given exactly.
            let numbers: Numbers = match element {
                Element::Bool | Element::Unsigned(1) => numbers.map(|value| value as u8).collect::<Vec<u8>>().into(),
                Element::Signed(1 | 2 | 4) | Element::Unsigned(2) => {
                    numbers.map(|value| value as i32).collect::<Vec<i32>>().into()
                }
                Element::Float(2 | 4) => numbers.map(|value| value as f32).collect::<Vec<f32>>().into(),
                _ => numbers.collect::<Vec<f64>>().into(),
            };
            // RawValues beyond 64-bit integers are kept as floating point.
            let large = element == Element::Unsigned(8) && numbers.iter().any(|number| number >= BEYOND);
            RawValues::Numbers(if large { Dtype::F64 } else { element.dtype() }, numbers)
        }
    };
    let raw = RawArray { shape, values };
    if matches!(&raw.values, RawValues::Text(texts) if texts.len() != count) {
        return Err(broken("its text is not Unicode"));
    }
    Ok(Contents::Array(if fortran { transposed(raw) } else { raw }))
}

/// Split into header and data.
fn split(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (version, rest) = rest.split_at_checked(2)?;
    let (length, rest) = match version[0] {
        1 => {
            let (length, rest) = rest.split_at_checked(2)?;
            (usize::from(u16::from_le_bytes(length.try_into().ok()?)), rest)
        }
        2 | 3 => {
            let (length, rest) = rest.split_at_checked(4)?;
            (usize::try_from(u32::from_le_bytes(length.try_into().ok()?)).ok()?, rest)
        }
        _ => return None,
    };
    let (header, data) = rest.split_at_checked(length)?;
    Some((std::str::from_utf8(header).ok()?, data))
}

/// `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`; a structured dtype is returned verbatim.
fn parse(header: &str) -> Option<NpyHeader> {
    let after = |name: &str| Some(header.split_once(&format!("'{name}':"))?.1.trim_start());
    let descr = after("descr")?;
    let descr = match descr.strip_prefix('\'') {
        Some(text) => text.split_once('\'')?.0.to_string(),
        None => STRUCTURED.to_string(),
    };
    let fortran = after("fortran_order")?.starts_with("True");
    let (shape, _) = after("shape")?.strip_prefix('(')?.split_once(')')?;
    let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
    let shape: Vec<usize> = sizes.map(|size| size.trim_end_matches('L').parse().ok()).collect::<Option<_>>()?;
    (shape.len() <= MOST_AXES).then_some(NpyHeader { descr, fortran, shape })
}

fn number(element: Element, item: &[u8], reversed: bool) -> f64 {
    let mut bytes = [0u8; 8];
    let item_in_order = |bytes: &mut [u8; 8]| {
        for (i, byte) in item.iter().take(8).enumerate() {
            bytes[if reversed { item.len().min(8) - 1 - i } else { i }] = *byte;
        }
    };
    item_in_order(&mut bytes);
    let whole = u64::from_le_bytes(bytes);
    match element {
        Element::Bool => f64::from(u8::from(whole != 0)),
        Element::Signed(size) => {
            let shift = 64 - 8 * size as u32;
            (((whole << shift) as i64) >> shift) as f64
        }
        Element::Float(2) => half(whole as u16),
        Element::Float(4) => f64::from(f32::from_bits(whole as u32)),
        Element::Float(_) => f64::from_bits(whole),
        _ => whole as f64,
    }
}

/// Decode IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff) / 1024.0);
    sign * match exponent {
        0 => fraction * 2f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction) * 2f64.powi(exponent - 15),
    }
}

fn characters(item: &[u8], reversed: bool) -> Option<String> {
    let code = |c: &[u8]| -> Option<char> {
        let bytes: [u8; 4] = c.try_into().ok()?;
        char::from_u32(if reversed { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    };
    let text: Option<String> = item.chunks_exact(4).map(code).collect();
    text.map(|text| text.trim_end_matches('\0').to_string())
}

/// Convert Fortran order to C order.
fn transposed(raw: RawArray) -> RawArray {
    let RawArray { shape, values } = raw;
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1usize;
    for n in &shape {
        strides.push(stride);
        stride *= n;
    }
    let place = |mut position: usize| {
        let mut place = 0;
        for (n, stride) in shape.iter().zip(&strides).rev() {
            place += position % n * stride;
            position /= n;
        }
        place
    };
    let values = match values {
        RawValues::Numbers(dtype, data) => {
            let reversed: Vec<usize> = shape.iter().rev().copied().collect();
            match data.clone().shaped(&reversed) {
                Some(data) => RawValues::Numbers(dtype, data.transposed()),
                None => RawValues::Numbers(dtype, data),
            }
        }
        RawValues::Text(data) => RawValues::Text((0..data.len()).map(|i| data[place(i)].clone()).collect()),
    };
    RawArray { shape, values }
}

/// Write an array: little-endian, C order.
pub fn write(raw: &RawArray) -> Vec<u8> {
    let longest = |texts: &[String]| texts.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(1);
    let descr = match &raw.values {
        RawValues::Numbers(Dtype::F32, _) => "<f4".to_string(),
        RawValues::Numbers(Dtype::F64, _) => "<f8".to_string(),
        RawValues::Numbers(Dtype::I64, _) => "<i8".to_string(),
        RawValues::Text(texts) => format!("<U{}", longest(texts)),
    };
    let sizes: Vec<String> = raw.shape.iter().map(usize::to_string).collect();
    let shape = if sizes.len() == 1 { format!("({},)", sizes[0]) } else { format!("({})", sizes.join(", ")) };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    // The data is aligned to 64 bytes.
    let used = MAGIC.len() + 2 + 2 + header.len() + 1;
    header.push_str(&" ".repeat(used.next_multiple_of(64) - used));
    header.push('\n');
    let mut out = MAGIC.to_vec();
    out.extend([1, 0]);
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.as_bytes());
    match &raw.values {
        RawValues::Numbers(Dtype::F32, data) => data.iter().for_each(|v| out.extend((v as f32).to_le_bytes())),
        RawValues::Numbers(Dtype::F64, data) => data.iter().for_each(|v| out.extend(v.to_le_bytes())),
        RawValues::Numbers(Dtype::I64, data) => data.iter().for_each(|v| out.extend((v as i64).to_le_bytes())),
        RawValues::Text(texts) => {
            let width = longest(texts);
            for text in texts {
                let codes = text.chars().map(u32::from).chain(std::iter::repeat(0)).take(width);
                codes.for_each(|code| out.extend(code.to_le_bytes()));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn array(bytes: &[u8]) -> RawArray {
        match read(bytes).unwrap() {
            Contents::Array(raw) => raw,
            Contents::Other(what) => panic!("{what}"),
        }
    }

    fn numbers(bytes: &[u8]) -> Vec<f64> {
        match array(bytes).values {
            RawValues::Numbers(_, data) => data.values(),
            RawValues::Text(texts) => panic!("{texts:?}"),
        }
    }

    #[test]
    fn numbers_of_every_type_are_read() {
        assert_eq!(numbers(&file("'<i2'", "False", "(2,)", &[0xff, 0xff, 2, 0])), [-1.0, 2.0]);
        assert_eq!(numbers(&file("'>i4'", "False", "()", &[0xff, 0xff, 0xff, 0xfe])), [-2.0]);
        assert_eq!(numbers(&file("'|u1'", "False", "(3,)", &[0, 1, 255])), [0.0, 1.0, 255.0]);
        assert_eq!(numbers(&file("'|b1'", "False", "(2,)", &[0, 1])), [0.0, 1.0]);
        assert_eq!(numbers(&file("'<f4'", "False", "(1,)", &0.5f32.to_le_bytes())), [0.5]);
        assert_eq!(numbers(&file("'>f8'", "False", "(1,)", &(-0.1f64).to_be_bytes())), [-0.1]);
        let halves: Vec<u8> = [0x3c00u16, 0xc000, 0x0001, 0x7c00].iter().flat_map(|h| h.to_le_bytes()).collect();
        assert_eq!(numbers(&file("'<f2'", "False", "(4,)", &halves)), [1.0, -2.0, 2f64.powi(-24), f64::INFINITY]);
    }

    #[test]
    fn columns_first_becomes_rows_first() {
        let bytes = file("'|i1'", "True", "(2, 3)", &[0, 3, 1, 4, 2, 5]);
        assert_eq!(numbers(&bytes), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let arrays = [
            RawArray {
                shape: vec![2, 2],
                values: RawValues::Numbers(Dtype::F32, vec![0.5, -1.0, f64::INFINITY, 0.0].into()),
            },
            RawArray { shape: vec![], values: RawValues::Numbers(Dtype::F64, vec![0.1].into()) },
            RawArray { shape: vec![1], values: RawValues::Numbers(Dtype::I64, vec![-7.0].into()) },
            RawArray { shape: vec![0, 3], values: RawValues::Numbers(Dtype::F64, Vec::<f64>::new().into()) },
            RawArray::texts(vec!["k-hot".into(), "Größe".into(), String::new()]),
        ];
        for array in arrays {
            let bytes = write(&array);
            assert_eq!(self::array(&bytes), array);
            assert_eq!(bytes.iter().position(|b| *b == b'\n').unwrap() % 64, 63);
        }
    }

    #[test]
    fn objects_and_structures_are_left_alone_and_damage_is_told() {
        for (descr, what) in [
            ("'|O'", "it holds Python objects"),
            ("[('a', '<f8')]", "it holds records of several fields"),
            ("'<c16'", "it holds complex numbers"),
            ("'<M8[ns]'", "it holds dates"),
            ("'<m8[s]'", "it holds spans of time"),
            ("'<f16'", "it holds floating-point numbers of more than 64 bits"),
        ] {
            match read(&file(descr, "False", "(1,)", &[0; 16])).unwrap() {
                Contents::Other(found) => assert!(found.starts_with(what), "{found}"),
                Contents::Array(array) => panic!("{descr}: {array:?}"),
            }
        }
        let huge = file("'<f8'", "False", "(4611686018427387904, 4)", &[0; 8]);
        assert_eq!(read(&huge).unwrap_err().message, "it is not a whole .npy file: its shape is impossible");
        let whole = write(&RawArray::list(Dtype::F64, vec![1.0, 2.0]));
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "cut at {end}");
        }
        for position in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[position] ^= 0x15;
            let _ = read(&bytes);
        }
    }

    #[test]
    fn shapes_that_no_memory_holds_are_refused_whatever_the_size_of_the_file() {
        for (descr, shape) in [
            ("'<f8'", "(0, 1099511627776, 1099511627776)"),
            ("'<U0'", "(4611686018427387904,)"),
            ("'|S0'", "(16777216,)"),
        ] {
            let told = read(&file(descr, "False", shape, &[])).unwrap_err().message;
            assert_eq!(told, "it is not a whole .npy file: its shape is impossible", "{descr} {shape}");
        }
        let few = array(&file("'<U0'", "False", "(2,)", &[]));
        assert_eq!(few, RawArray::texts(vec![String::new(); 2]));
    }

    #[test]
    fn whole_numbers_without_a_sign_stay_as_large_as_they_are() {
        let large = array(&file("'<u8'", "False", "(2,)", &[[0xff; 8], [0; 8]].concat()));
        assert_eq!(large.values, RawValues::Numbers(Dtype::F64, vec![18_446_744_073_709_551_615.0, 0.0].into()));
        let small = array(&file("'<u8'", "False", "(1,)", &[7, 0, 0, 0, 0, 0, 0, 0]));
        assert_eq!(small.values, RawValues::Numbers(Dtype::I64, vec![7.0].into()));
    }

    #[test]
    fn an_array_in_fortran_order_has_its_axes_in_order() {
        let data: Vec<u8> = [1.0f32, 4.0, 2.0, 5.0, 3.0, 6.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let bytes = file("'<f4'", "True", "(2, 3)", &data);
        let dataset = super::super::read("x.npy", &bytes, &super::super::Axes::default()).unwrap();
        let array = dataset.get("x").unwrap();
        assert_eq!((array.shape(), array.values()), (&[2, 3][..], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        let kept = crate::value::decode(&crate::value::encode(&dataset)).unwrap();
        assert_eq!(kept.get("x").unwrap().at("row", 1).unwrap().values(), [4.0, 5.0, 6.0]);
    }

    #[test]
    fn numbers_take_the_memory_of_their_type_and_eight_bytes_beyond_it() {
        for (descr, width, in_memory) in [
            ("'|b1'", 1, 1),
            ("'|u1'", 1, 1),
            ("'<i2'", 2, 4),
            ("'<i4'", 4, 4),
            ("'<f2'", 2, 4),
            ("'<f4'", 4, 4),
            ("'<u4'", 4, 8),
            ("'<i8'", 8, 8),
            ("'<f8'", 8, 8),
        ] {
            let raw = array(&file(descr, "False", "(3,)", &vec![1; 3 * width]));
            let RawValues::Numbers(_, numbers) = raw.values else { panic!("{descr} is numbers") };
            assert_eq!(numbers.bytes(), 3 * in_memory, "{descr}");
        }
    }
}
