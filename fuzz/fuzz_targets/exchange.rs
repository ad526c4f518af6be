//! Any bytes as a file of arrays of another program: refused with a message, or read; what was read is kept, and written and read again, number
//! by number.
#![no_main]

use libfuzzer_sys::fuzz_target;
use repro::error::ErrorKind;
use repro::exchange::{Axes, ENDINGS, npz, read};
use repro::spec::{Decode, Problems};
use repro::value::{self, Array, Dataset};

/// The checksum of ISO 3309, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    let step = |sum: u32| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
    !bytes.iter().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum)))
}

/// A zip file with these bytes as its members, cut at every `PK`, so that a reader comes to what is inside.
fn zip(bytes: &[u8], deflated: bool) -> Vec<u8> {
    let (mut out, mut directory, mut count) = (Vec::new(), Vec::new(), 0u16);
    for member in bytes.split(|byte| *byte == b'|').take(8) {
        let (name, content) = member.split_at(member.len().min(1 + member.len() % 5));
        let name = [name, b".npy"].concat();
        let offset = out.len() as u32;
        let size = content.len() as u32;
        let mut common = Vec::new();
        [20u16, 0x800, if deflated { 8 } else { 0 }, 0, 0x21].iter().for_each(|n| common.extend(n.to_le_bytes()));
        [crc(content), size, size].iter().for_each(|n| common.extend(n.to_le_bytes()));
        [name.len() as u16, 0].iter().for_each(|n| common.extend(n.to_le_bytes()));
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(&name);
        out.extend(content);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(&name);
        count += 1;
    }
    let (offset, size) = (out.len() as u32, directory.len() as u32);
    out.extend(directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    [size, offset].iter().for_each(|n| out.extend(n.to_le_bytes()));
    out.extend([0, 0]);
    out
}

fn axes(choice: u8) -> Axes {
    let text = ["[]", "[row]", "{x: [a, b]}", "[epoch, model]"][usize::from(choice % 4)];
    let mut problems = Problems::default();
    let node = repro::spec::read(text, &mut problems).expect("these are axes");
    Axes::decode(&node, &mut problems).expect("these are axes")
}

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (kind, choice, bytes) = input;
    let assembled;
    let (ending, bytes) = match kind % 8 {
        ending @ 0..=4 => (ENDINGS[usize::from(ending)], bytes),
        zipped => {
            assembled = zip(bytes, zipped == 7);
            ("npz", &assembled[..])
        }
    };
    let path = format!("x.{ending}");
    let dataset = match read(&path, bytes, &axes(choice)) {
        Ok(dataset) => dataset,
        Err(error) => {
            assert_ne!(error.kind, ErrorKind::Internal, "{}", error.message);
            assert!(!error.message.is_empty(), "refused without a word");
            return;
        }
    };
    let stored = value::encode(&dataset);
    let kept = value::decode(&stored).expect("what is kept can be loaded");
    assert_eq!(value::encode(&kept), stored);
    assert!(kept.arrays.keys().eq(dataset.arrays.keys()), "an array is lost in the cache");
    dataset.arrays.iter().for_each(|(name, array)| same(name, array, &kept.arrays[name]));

    let written = npz(&dataset).expect("it is not large");
    let again = read("x.npz", &written, &Axes::default()).expect("what was written is read");
    for (name, array) in dataset.arrays.iter().filter(|(name, array)| !has_another_meaning(name, array, &dataset)) {
        let found = again.get(name).unwrap_or_else(|| panic!("the array {name:?} is lost"));
        same(name, array, found);
    }
});

/// Names that say something of other arrays in an .npz file: names of axes, coordinates.
fn has_another_meaning(name: &str, array: &Array, dataset: &Dataset) -> bool {
    let names = |axis: &str| dataset.arrays.values().any(|array| array.axis(axis).is_some());
    name.ends_with(".axes") || name.strip_suffix(".coords").is_some_and(names) || array.axes.len() == 1 && names(name)
}

fn same(name: &str, one: &Array, other: &Array) {
    assert_eq!((one.dtype, one.shape()), (other.dtype, other.shape()), "{name:?}");
    let equal = |(a, b): (f64, f64)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
    let (one, other) = (one.values(), other.values());
    assert!(one.iter().copied().zip(other.iter().copied()).all(equal), "{name:?} has other numbers: {one:?} {other:?}");
}
