//! Reads ZIP files (APPNOTE 6.3.10), `.npz` files and project archives: stored and deflated members, ZIP64. Input is untrusted: offsets,
//! sizes, checksums and decompressed sizes are checked.

use std::collections::HashMap;
use std::io::{Cursor, Read, Seek, SeekFrom, Write};

use crate::error::{Error, Result};

/// Deflate's maximum compression ratio.
const BEST_RATIO: u64 = 1032;
/// Marks 32-bit and 16-bit fields whose value is in a ZIP64 field.
pub(super) const WIDE: u64 = 0xffff_ffff;
pub(super) const MANY: u64 = 0xffff;
/// Buffer size for content.
pub(super) const PIECE: usize = 64 << 10;
/// Bytes of a local header without name and extra fields.
const HEADER: u64 = 30;

/// A member's entry in the central directory.
pub(super) struct Member {
    pub name: String,
    pub method: u16,
    pub crc: u32,
    pub packed: u64,
    pub size: u64,
    pub offset: u64,
}

/// Reads a ZIP file from any program. Its content is untrusted.
pub struct ArchiveReader<R> {
    file: R,
    members: Vec<Member>,
    places: HashMap<String, usize>,
    /// For each member, the offset where the next one or the directory begins: an upper bound for its content.
    ends: Vec<u64>,
    /// What the file is called in messages.
    what: &'static str,
}

/// The result of copying a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copied {
    Whole,
    /// The content does not match the directory.
    Damaged,
    /// There is no member with this name.
    Missing,
}

fn broken(what: &str, why: &str) -> Error {
    Error::stage(format!("it is not a whole {what}: {why}"))
}

impl<R: Read + Seek> ArchiveReader<R> {
    /// Open an archive. Fails if it is not a complete ZIP file or its members overlap.
    pub fn new(file: R) -> Result<Self> {
        ArchiveReader::new_as(file, "zip archive")
    }

    /// Like [`ArchiveReader::new`], with another name for the file in messages.
    pub(super) fn new_as(mut file: R, what: &'static str) -> Result<Self> {
        let (members, end) = directory(&mut file).ok_or_else(|| broken(what, "it has no directory"))?;
        let mut places = HashMap::with_capacity(members.len());
        for (place, member) in members.iter().enumerate() {
            if places.insert(member.name.clone(), place).is_some() {
                return Err(broken(what, &format!("it holds `{}` twice", member.name)));
            }
        }
        let ends = ends(&members, end).ok_or_else(|| broken(what, "its members overlap"))?;
        Ok(ArchiveReader { file, members, places, ends, what })
    }

    /// The names of all members; folder names end in `/`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.name.as_str())
    }

    /// The size of a member's content according to the directory; never more is read.
    pub fn size(&self, name: &str) -> Option<u64> {
        self.places.get(name).map(|&place| self.members[place].size)
    }

    /// The content of a member; `None` if it does not exist. Fails if it is damaged.
    pub fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        match self.copy(name, &mut bytes)? {
            Copied::Whole => Ok(Some(bytes)),
            Copied::Missing => Ok(None),
            Copied::Damaged => Err(broken(self.what, &format!("`{name}` is damaged"))),
        }
    }

    /// Copy the content of a member to a writer. Fails if it cannot be written.
    pub fn copy(&mut self, name: &str, to: &mut dyn Write) -> Result<Copied> {
        let Some(&place) = self.places.get(name) else { return Ok(Copied::Missing) };
        let mut failed = None;
        let mut pass =
            |piece: &[u8]| to.write_all(piece).inspect_err(|error| failed = Some(std::io::Error::from(error.kind())));
        let whole = self.unfold(place, &mut pass).is_some();
        if let Some(error) = failed {
            return Err(Error::io("unpack", std::path::Path::new(name), &error));
        }
        Ok(if whole { Copied::Whole } else { Copied::Damaged })
    }

    /// Where the content of a member begins; `None` if its header is not one, or the content would overlap what follows.
    fn start(&mut self, place: usize) -> Option<u64> {
        let (member, end) = (self.members.get(place)?, *self.ends.get(place)?);
        let mut head = [0; HEADER as usize];
        self.file.seek(SeekFrom::Start(member.offset)).ok()?;
        self.file.read_exact(&mut head).ok()?;
        if number::<4>(&head, 0)? != 0x0403_4b50 {
            return None;
        }
        let (name, extra) = (number::<2>(&head, 26)?, number::<2>(&head, 28)?);
        let start = member.offset.checked_add(HEADER + name + extra)?;
        (start.checked_add(member.packed)? <= end).then_some(start)
    }

    /// Stream the content of a member in chunks; `None` if it does not match the directory.
    fn unfold(&mut self, place: usize, pass: &mut dyn FnMut(&[u8]) -> std::io::Result<()>) -> Option<()> {
        let start = self.start(place)?;
        let member = self.members.get(place)?;
        self.file.seek(SeekFrom::Start(start)).ok()?;
        let mut content = (&mut self.file).take(member.packed);
        let (mut sum, mut size) = (crc32fast::Hasher::new(), 0);
        let mut checked = |piece: &[u8]| {
            size += piece.len() as u64;
            if size > member.size {
                return Err(std::io::ErrorKind::InvalidData.into());
            }
            sum.update(piece);
            pass(piece)
        };
        match member.method {
            0 => pieces(&mut content, &mut checked).ok()?,
            8 if member.size / BEST_RATIO <= member.packed + 1 => {
                pieces(&mut flate2::read::DeflateDecoder::new(content), &mut checked).ok()?;
            }
            _ => return None,
        }
        (size == member.size && sum.finalize() == member.crc).then_some(())
    }
}

/// The upper bound for the content of each member; `None` if members overlap each other or the directory, which begins at `directory`.
fn ends(members: &[Member], directory: u64) -> Option<Vec<u64>> {
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_unstable_by_key(|&place| members[place].offset);
    let mut ends = vec![directory; members.len()];
    for (at, &place) in order.iter().enumerate() {
        let member = &members[place];
        let next = order.get(at + 1).map_or(directory, |&next| members[next].offset);
        let least = member.offset.checked_add(HEADER + member.name.len() as u64)?.checked_add(member.packed)?;
        if least > next {
            return None;
        }
        ends[place] = next;
    }
    Some(ends)
}

/// Read to the end in chunks.
pub(super) fn pieces(from: &mut impl Read, take: &mut dyn FnMut(&[u8]) -> std::io::Result<()>) -> std::io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(n) => take(&piece[..n])?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// All members, and the offset of the directory.
fn directory(file: &mut (impl Read + Seek)) -> Option<(Vec<Member>, u64)> {
    let length = file.seek(SeekFrom::End(0)).ok()?;
    let mut part = |at: u64, size: u64| -> Option<Vec<u8>> {
        if at.checked_add(size)? > length {
            return None;
        }
        file.seek(SeekFrom::Start(at)).ok()?;
        let mut bytes = vec![0; usize::try_from(size).ok()?];
        file.read_exact(&mut bytes).ok()?;
        Some(bytes)
    };
    // The end record is 22 bytes and a comment of at most 64 KiB; the ZIP64 locator precedes it.
    let from = length.saturating_sub(22 + 65_535 + 20);
    let tail = part(from, length - from)?;
    let end = (0..=tail.len().checked_sub(22)?).rev().find(|&at| tail[at..].starts_with(b"PK\x05\x06"))? as u64;
    let (mut count, mut size, mut at) =
        (number::<2>(&tail, end + 10)?, number::<4>(&tail, end + 12)?, number::<4>(&tail, end + 16)?);
    if (count == MANY || size == WIDE || at == WIDE)
        && let Some(locator) = end.checked_sub(20)
        && number::<4>(&tail, locator) == Some(0x0706_4b50)
    {
        let record = part(number::<8>(&tail, locator + 8)?, 56)?;
        if number::<4>(&record, 0)? != 0x0606_4b50 {
            return None;
        }
        (count, size, at) = (number::<8>(&record, 32)?, number::<8>(&record, 40)?, number::<8>(&record, 48)?);
    }
    Some((entries(&part(at, size)?, count)?, at))
}

/// A little-endian number of N bytes.
pub(super) fn number<const N: usize>(bytes: &[u8], at: u64) -> Option<u64> {
    let at = usize::try_from(at).ok()?;
    let found = bytes.get(at..at.checked_add(N)?)?;
    Some(found.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// The entries of a directory.
pub(super) fn entries(bytes: &[u8], count: u64) -> Option<Vec<Member>> {
    let mut members = Vec::new();
    let mut at = 0;
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

/// Read 64-bit values from the ZIP64 extra field, which holds those that do not fit into 32 bits, in this order.
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

/// Call a function with the name and content of each member of an `.npz` file.
pub fn each(bytes: &[u8], take: &mut dyn FnMut(&str, &[u8]) -> Result<()>) -> Result<()> {
    let mut reader = ArchiveReader::new_as(Cursor::new(bytes), ".npz file")?;
    let names: Vec<String> = reader.names().map(str::to_string).collect();
    for (place, name) in names.iter().enumerate() {
        if let Some(content) = stored(&mut reader, place, bytes) {
            take(name, content)?;
        } else {
            take(name, &reader.read(name)?.unwrap_or_default())?;
        }
    }
    Ok(())
}

/// The content of a member that is stored as it is and whole, without a copy.
fn stored<'a>(reader: &mut ArchiveReader<Cursor<&[u8]>>, place: usize, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let start = usize::try_from(reader.start(place)?).ok()?;
    let member = reader.members.get(place).filter(|member| member.method == 0 && member.packed == member.size)?;
    let content = bytes.get(start..start.checked_add(usize::try_from(member.size).ok()?)?)?;
    (crc32fast::hash(content) == member.crc).then_some(content)
}

/// Names and contents of all members of an `.npz` file.
#[cfg(test)]
pub fn read(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let mut members = Vec::new();
    each(bytes, &mut |name, content| {
        members.push((name.to_string(), content.to_vec()));
        Ok(())
    })?;
    Ok(members)
}

/// The first bytes of every file from [`write`]: version 2.0, names in UTF-8, stored, 00:00:00, 1980-01-01. NumPy writes other flags.
const BEGINNING: [u8; 14] = *b"PK\x03\x04\x14\0\0\x08\0\0\0\0\x21\0";

/// Whether a file begins like those from [`write`].
pub fn is_own_npz(mut file: impl Read) -> bool {
    let mut start = [0; BEGINNING.len()];
    file.read_exact(&mut start).is_ok() && start == BEGINNING
}

/// Write stored members with the date 1980-01-01, so that equal members give equal bytes.
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
        let (offset, size, sum) = (small(out.len())?, small(content.len())?, crc32fast::hash(content));
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
        assert!(
            is_own_npz(write(&sample()).unwrap().as_slice()) && !is_own_npz(&b"PK\x03\x04\x14\0\0\0\0\0\0\0\x21\0"[..])
        );
        let told = write(&[("x".repeat(1 << 16), Vec::new())]).unwrap_err().message;
        assert!(told.ends_with("is too long for an .npz: 65536 bytes"), "{told}");
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
        // Turn a stored member into a deflated one: patch the method and both sizes.
        let mut bytes = write(&[("x".into(), packed.clone())]).unwrap();
        let claim = |bytes: &mut Vec<u8>, size: u32| {
            let directory = bytes.len() - 22 - 46 - 1;
            for (at, method, sum, length) in [(0, 8, 14, 22), (directory, 10, 16, 24)] {
                bytes[at + method..at + method + 2].copy_from_slice(&8u16.to_le_bytes());
                bytes[at + sum..at + sum + 4].copy_from_slice(&crc32fast::hash(&content).to_le_bytes());
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

    /// The same file with a directory modified by `change`.
    fn with_directory(whole: &[u8], change: impl Fn(&mut Vec<Vec<u8>>)) -> Vec<u8> {
        let end = whole.len() - 22;
        let at = number::<4>(whole, end as u64 + 16).unwrap() as usize;
        let mut entries: Vec<Vec<u8>> = Vec::new();
        let mut next = at;
        while next < end {
            let length = 46 + number::<2>(whole, next as u64 + 28).unwrap() as usize;
            entries.push(whole[next..next + length].to_vec());
            next += length;
        }
        change(&mut entries);
        let directory = entries.concat();
        let mut bytes = [&whole[..at], &directory, &whole[end..]].concat();
        let end = bytes.len() - 22;
        let count = (entries.len() as u16).to_le_bytes();
        bytes[end + 8..end + 12].copy_from_slice(&[count, count].concat());
        bytes[end + 12..end + 16].copy_from_slice(&(directory.len() as u32).to_le_bytes());
        bytes
    }

    #[test]
    fn members_that_overlap_are_refused() {
        let whole = write(&sample()).unwrap();
        assert_eq!(read(&with_directory(&whole, |_| {})).unwrap(), sample());
        // A hundred entries for one member.
        let many = with_directory(&whole, |entries| {
            let first = entries[0].clone();
            for i in 10..100 {
                let mut entry = first.clone();
                entry[46..48].copy_from_slice(format!("{i}").as_bytes());
                entries.push(entry);
            }
        });
        let told = read(&many).unwrap_err().message;
        assert_eq!(told, "it is not a whole .npz file: its members overlap");
        // A member that overlaps the next one.
        let longer = with_directory(&whole, |entries| {
            [20, 24].iter().for_each(|&at| entries[0][at..at + 4].copy_from_slice(&90u32.to_le_bytes()));
        });
        assert!(read(&longer).is_err());
    }
}
