//! The part of the ZIP format that `.npz` needs (APPNOTE 6.3.10): members that are stored or deflated, sizes of more than 32 bits when
//! reading. Nothing in a file is believed before it is checked: offsets, sizes, checksums, and how much a member unfolds to.

use crate::error::{Error, Result};

/// Deflate cannot do better than this.
pub(super) const BEST_RATIO: u64 = 1032;

/// A member as the directory describes it.
pub(super) struct Member {
    pub name: String,
    pub method: u16,
    pub crc: u32,
    pub packed: u64,
    pub size: u64,
    pub offset: u64,
}

/// Names and contents of all members.
pub fn read(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let broken = |why: &str| Error::stage(format!("it is not a whole .npz file: {why}"));
    let members = directory(bytes).ok_or_else(|| broken("it has no directory"))?;
    let packed = members.iter().try_fold(0u64, |sum, member| sum.checked_add(member.packed));
    if packed.is_none_or(|packed| packed > bytes.len() as u64) {
        return Err(broken("its members overlap"));
    }
    let one = |member: Member| -> Result<(String, Vec<u8>)> {
        let damaged = || broken(&format!("`{}` is damaged", member.name));
        let content = content(bytes, &member).ok_or_else(damaged)?;
        Ok((member.name, content))
    };
    members.into_iter().map(one).collect()
}

pub(super) fn number<const N: usize>(bytes: &[u8], at: u64) -> Option<u64> {
    let at = usize::try_from(at).ok()?;
    let found = bytes.get(at..at.checked_add(N)?)?;
    Some(found.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn directory(bytes: &[u8]) -> Option<Vec<Member>> {
    // The end record is 22 bytes and a comment of at most 64 KiB.
    let from = bytes.len().saturating_sub(22 + 65_535);
    let end = (from..=bytes.len().checked_sub(22)?).rev().find(|&at| bytes[at..].starts_with(b"PK\x05\x06"))? as u64;
    let (mut count, mut at) = (number::<2>(bytes, end + 10)?, number::<4>(bytes, end + 16)?);
    if (count == 0xffff || at == 0xffff_ffff)
        && let Some(locator) = end.checked_sub(20)
        && number::<4>(bytes, locator) == Some(0x0706_4b50)
    {
        let record = number::<8>(bytes, locator + 8)?;
        if number::<4>(bytes, record)? != 0x0606_4b50 {
            return None;
        }
        (count, at) = (number::<8>(bytes, record.checked_add(32)?)?, number::<8>(bytes, record.checked_add(48)?)?);
    }
    entries(bytes, at, count)
}

/// So many entries of a directory, from a place on.
pub(super) fn entries(bytes: &[u8], mut at: u64, count: u64) -> Option<Vec<Member>> {
    let mut members = Vec::new();
    for _ in 0..count {
        if number::<4>(bytes, at)? != 0x0201_4b50 {
            return None;
        }
        let (name, extra, comment) =
            (number::<2>(bytes, at + 28)?, number::<2>(bytes, at + 30)?, number::<2>(bytes, at + 32)?);
        let start = usize::try_from(at + 46).ok()?;
        let text = bytes.get(start..start.checked_add(name as usize)?)?;
        let mut member = Member {
            name: String::from_utf8_lossy(text).into_owned(),
            method: number::<2>(bytes, at + 10)? as u16,
            crc: number::<4>(bytes, at + 16)? as u32,
            packed: number::<4>(bytes, at + 20)?,
            size: number::<4>(bytes, at + 24)?,
            offset: number::<4>(bytes, at + 42)?,
        };
        let encrypted = number::<2>(bytes, at + 8)? & 1 == 1;
        widen(bytes, at + 46 + name, extra, &mut member)?;
        if encrypted {
            return None;
        }
        members.push(member);
        at = at.checked_add(46 + name + extra + comment)?;
    }
    Some(members)
}

/// Numbers that need 64 bits stand in an extra field, in this order, those that do not fit into 32.
fn widen(bytes: &[u8], from: u64, length: u64, member: &mut Member) -> Option<()> {
    let mut at = from;
    while at + 4 <= from + length {
        let (id, size) = (number::<2>(bytes, at)?, number::<2>(bytes, at + 2)?);
        if id == 1 {
            let mut next = at + 4;
            for field in [&mut member.size, &mut member.packed, &mut member.offset] {
                if *field == 0xffff_ffff {
                    *field = number::<8>(bytes, next)?;
                    next += 8;
                }
            }
        }
        at += 4 + size;
    }
    Some(())
}

fn content(bytes: &[u8], member: &Member) -> Option<Vec<u8>> {
    if number::<4>(bytes, member.offset)? != 0x0403_4b50 {
        return None;
    }
    let (name, extra) = (number::<2>(bytes, member.offset.checked_add(26)?)?, number::<2>(bytes, member.offset + 28)?);
    let start = usize::try_from(member.offset.checked_add(30 + name + extra)?).ok()?;
    let packed = bytes.get(start..start.checked_add(usize::try_from(member.packed).ok()?)?)?;
    let size = usize::try_from(member.size).ok()?;
    let content = match member.method {
        0 => packed.to_vec(),
        8 if member.size / BEST_RATIO <= member.packed + 1 => {
            miniz_oxide::inflate::decompress_to_vec_with_limit(packed, size).ok()?
        }
        _ => return None,
    };
    (content.len() == size && crc(&content) == member.crc).then_some(content)
}

/// A file of stored members with the date 1980-01-01, so that equal members make equal bytes.
pub fn write(members: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    let small =
        |n: usize| u32::try_from(n).map_err(|_| Error::stage("arrays of more than 4 GB do not fit into one .npz"));
    for (name, content) in members {
        let length = u16::try_from(name.len()).map_err(|_| {
            let start: String = name.chars().take(40).collect();
            Error::stage(format!("the name of the array `{start}...` is too long for an .npz: {} bytes", name.len()))
        })?;
        let (offset, size, sum) = (small(out.len())?, small(content.len())?, crc(content));
        let mut common = Vec::new();
        // Version 2.0, names in UTF-8, stored, 00:00:00, 1980-01-01.
        [20u16, 0x800, 0, 0, 0x21].iter().for_each(|n| common.extend(n.to_le_bytes()));
        [sum, size, size].iter().for_each(|n| common.extend(n.to_le_bytes()));
        [length, 0].iter().for_each(|n| common.extend(n.to_le_bytes()));
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(content);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (offset, size) = (small(out.len())?, small(directory.len())?);
    let count =
        u16::try_from(members.len()).map_err(|_| Error::stage("more than 65,535 arrays do not fit into one .npz"))?;
    out.extend(directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    [size, offset].iter().for_each(|n| out.extend(n.to_le_bytes()));
    out.extend([0, 0]);
    Ok(out)
}

/// The checksum of ISO 3309.
pub(super) fn crc(bytes: &[u8]) -> u32 {
    !crc_more(u32::MAX, bytes)
}

/// The same bit by bit: the state after more bytes, all ones in the beginning, inverted in the end.
pub(super) fn crc_more(state: u32, bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0u32; 256];
        let mut i = 0;
        while i < 256 {
            let mut sum = i as u32;
            let mut bit = 0;
            while bit < 8 {
                sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
                bit += 1;
            }
            table[i] = sum;
            i += 1;
        }
        table
    };
    bytes.iter().fold(state, |sum, byte| (sum >> 8) ^ TABLE[((sum ^ u32::from(*byte)) & 0xff) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<(String, Vec<u8>)> {
        vec![("a.npy".into(), b"first".to_vec()), ("b/c.npy".into(), vec![7; 300]), ("empty".into(), Vec::new())]
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(read(&write(&sample()).unwrap()).unwrap(), sample());
        assert_eq!(read(&write(&[]).unwrap()).unwrap(), []);
        let told = write(&[("x".repeat(1 << 16), Vec::new())]).unwrap_err().message;
        assert!(told.ends_with("is too long for an .npz: 65536 bytes"), "{told}");
    }

    #[test]
    fn the_checksum_is_the_one_of_the_standard() {
        assert_eq!(crc(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn damage_is_told_and_never_unfolds_to_much() {
        let whole = write(&sample()).unwrap();
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "cut at {end}");
        }
        for position in 0..whole.len() {
            for flip in [1, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[position] ^= flip;
                if let Ok(members) = read(&bytes) {
                    assert!(members.iter().all(|(_, content)| content.len() <= 300));
                }
            }
        }
    }

    #[test]
    fn deflated_members_are_read_and_bombs_refused() {
        let content = vec![0u8; 100_000];
        let packed = miniz_oxide::deflate::compress_to_vec(&content, 9);
        // A stored member turned into a deflated one: method, and both sizes where they stand.
        let mut bytes = write(&[("x".into(), packed.clone())]).unwrap();
        let claim = |bytes: &mut Vec<u8>, size: u32| {
            let directory = bytes.len() - 22 - 46 - 1;
            for (at, method, sum, length) in [(0, 8, 14, 22), (directory, 10, 16, 24)] {
                bytes[at + method..at + method + 2].copy_from_slice(&8u16.to_le_bytes());
                bytes[at + sum..at + sum + 4].copy_from_slice(&crc(&content).to_le_bytes());
                bytes[at + length..at + length + 4].copy_from_slice(&size.to_le_bytes());
            }
        };
        claim(&mut bytes, 100_000);
        assert_eq!(read(&bytes).unwrap(), [("x".to_string(), content.clone())]);
        claim(&mut bytes, 4_000_000_000);
        assert!(read(&bytes).is_err());
        claim(&mut bytes, 99_999);
        assert!(read(&bytes).is_err());
    }
}
