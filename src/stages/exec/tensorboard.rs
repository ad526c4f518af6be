//! Scalars of TensorBoard event files: records of a length, a checksum, a protocol buffer `Event`, and a checksum.
//!
//! The formats are those of `tensorflow/core/lib/io/record_writer.h` and `tensorflow/core/util/event.proto`. Checksums are not verified: the
//! values are only shown.

/// The scalars of one event: its step, and names with values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScalarEvent {
    pub step: i64,
    pub values: Vec<(String, f64)>,
}

/// Records longer than this are not scalars, or the file is no event file.
const LONGEST: u64 = 64 << 20;

/// The events in all complete records, and the number of bytes that these take. `None` if this is no event file.
pub fn events(mut bytes: &[u8]) -> Option<(Vec<ScalarEvent>, usize)> {
    let (mut found, total) = (Vec::new(), bytes.len());
    while let Some((length, rest)) = bytes.split_first_chunk::<8>() {
        let length = u64::from_le_bytes(*length);
        if length > LONGEST {
            return None;
        }
        let length = length as usize;
        let Some(record) = rest.get(4..4 + length) else { break };
        let Some(after) = rest.get(8 + length..) else { break };
        let event = event(record).unwrap_or_default();
        if !event.values.is_empty() {
            found.push(event);
        }
        bytes = after;
    }
    Some((found, total - bytes.len()))
}

/// A field of a protocol buffer.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The next field and its number; `None` at the end, or if the bytes are no protocol buffer.
fn field<'a>(bytes: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    let tag = varint(bytes)?;
    let take = |bytes: &mut &'a [u8], length: usize| {
        let (taken, rest) = bytes.split_at_checked(length)?;
        *bytes = rest;
        Some(taken)
    };
    let value = match tag & 7 {
        0 => Field::Number(varint(bytes)?),
        1 => Field::Number(u64::from_le_bytes(take(bytes, 8)?.try_into().ok()?)),
        2 => {
            let length = usize::try_from(varint(bytes)?).ok()?;
            Field::Bytes(take(bytes, length)?)
        }
        5 => Field::Number(u32::from_le_bytes(take(bytes, 4)?.try_into().ok()?).into()),
        _ => return None,
    };
    Some((tag >> 3, value))
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// `Event`: 2 is the step, 5 the summary, whose field 1 is repeated.
fn event(mut bytes: &[u8]) -> Option<ScalarEvent> {
    let mut event = ScalarEvent::default();
    while !bytes.is_empty() {
        match field(&mut bytes)? {
            (2, Field::Number(step)) => event.step = step as i64,
            (5, Field::Bytes(mut summary)) => {
                while !summary.is_empty() {
                    if let (1, Field::Bytes(value)) = field(&mut summary)? {
                        event.values.extend(scalar(value));
                    }
                }
            }
            _ => {}
        }
    }
    Some(event)
}

/// `Summary.Value`: 1 is the tag, 2 a simple value, 8 a tensor of one number.
fn scalar(mut bytes: &[u8]) -> Option<(String, f64)> {
    let (mut name, mut number) = (None, None);
    while !bytes.is_empty() {
        match field(&mut bytes)? {
            (1, Field::Bytes(tag)) => name = Some(String::from_utf8_lossy(tag).into_owned()),
            (2, Field::Number(bits)) => number = Some(f64::from(f32::from_bits(bits as u32))),
            (8, Field::Bytes(tensor)) => number = number.or(single(tensor)),
            _ => {}
        }
    }
    Some((name?, number?))
}

/// `TensorProto` of one 32-bit float: 1 is the type, 4 the content, 5 packed floats.
fn single(mut bytes: &[u8]) -> Option<f64> {
    let (mut float, mut number) = (false, None);
    while !bytes.is_empty() {
        match field(&mut bytes)? {
            (1, Field::Number(kind)) => float = kind == 1,
            (4 | 5, Field::Bytes(content)) => number = content.try_into().ok().map(f32::from_le_bytes),
            (5, Field::Number(bits)) => number = Some(f32::from_bits(bits as u32)),
            _ => {}
        }
    }
    number.filter(|_| float).map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by tensorboardX 2.6: `train/loss` and `accuracy` at the steps 0 to 2.
    const WRITTEN: &[u8] = include_bytes!("events.out.tfevents");

    #[test]
    fn the_scalars_of_an_event_file_are_read() {
        let (found, read) = events(WRITTEN).unwrap();
        assert_eq!(read, WRITTEN.len());
        let loss = |step: i64, value: f32| ScalarEvent { step, values: vec![("train/loss".into(), value.into())] };
        assert_eq!((&found[0], &found[2], found.len()), (&loss(0, 1.0), &loss(1, 0.5), 6));
        assert_eq!(found[5], ScalarEvent { step: 2, values: vec![("accuracy".into(), f64::from(0.7_f32))] });
    }

    #[test]
    fn a_record_that_is_still_being_written_is_left_for_later() {
        let (all, _) = events(WRITTEN).unwrap();
        for end in 0..WRITTEN.len() {
            let (first, read) = events(&WRITTEN[..end]).unwrap();
            let (rest, _) = events(&WRITTEN[read..]).unwrap();
            assert_eq!([first, rest].concat(), all);
        }
        assert!(events(b"epoch,loss\n1,0.3\n").is_none());
    }
}
