//! Writes ZIP archives of whole projects (APPNOTE 6.3.10) of any size. Files are streamed, never held in memory. Equal members in equal
//! order give equal bytes.

use std::io::{Read, Seek, SeekFrom, Write};

use super::zip::{MANY, Member, WIDE, pieces};

/// Compression level of small members, 0 to 10.
const LEVEL: u8 = 6;

/// Writes a ZIP archive member by member.
pub struct ArchiveWriter<W> {
    out: W,
    at: u64,
    members: Vec<Member>,
}

impl<W: Write> ArchiveWriter<W> {
    pub fn new(out: W) -> Self {
        ArchiveWriter { out, at: 0, members: Vec::new() }
    }

    /// Add a member from bytes, deflated if that makes it smaller.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let packed = miniz_oxide::deflate::compress_to_vec(bytes, LEVEL);
        let smaller = packed.len() < bytes.len();
        let (method, content) = if smaller { (8, packed.as_slice()) } else { (0, bytes) };
        self.head(name, method, crc32fast::hash(bytes), content.len() as u64, bytes.len() as u64)?;
        self.write(content)
    }

    /// Add a member from a file, stored. The file is read twice.
    pub fn add_file(&mut self, name: &str, file: &mut (impl Read + Seek)) -> std::io::Result<()> {
        let (mut sum, mut size) = (crc32fast::Hasher::new(), 0);
        pieces(file, &mut |piece| {
            sum.update(piece);
            size += piece.len() as u64;
            Ok(())
        })?;
        file.seek(SeekFrom::Start(0))?;
        self.head(name, 0, sum.finalize(), size, size)?;
        let mut left = size;
        pieces(file, &mut |piece| {
            left = left.checked_sub(piece.len() as u64).ok_or(std::io::ErrorKind::InvalidData)?;
            self.write(piece)
        })?;
        if left == 0 { Ok(()) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Write the central directory, which completes the archive.
    pub fn finish(mut self) -> std::io::Result<W> {
        let begin = self.at;
        for member in std::mem::take(&mut self.members) {
            let fields = [member.size, member.packed, member.offset];
            let extra: Vec<u8> = fields.iter().filter(|n| **n >= WIDE).flat_map(|n| n.to_le_bytes()).collect();
            let mut entry = b"PK\x01\x02".to_vec();
            // "Version made by" 4.5 on Unix: readers then expect UTF-8 names, as bit 11 says too.
            entry.extend([45u16, 45, 0x800, member.method, 0, 0x21].iter().flat_map(|n| n.to_le_bytes()));
            entry.extend([member.crc, low(member.packed), low(member.size)].iter().flat_map(|n| n.to_le_bytes()));
            let length = if extra.is_empty() { 0 } else { extra.len() as u16 + 4 };
            entry.extend([member.name.len() as u16, length, 0, 0, 0].iter().flat_map(|n| n.to_le_bytes()));
            entry.extend([0, low(member.offset)].iter().flat_map(|n: &u32| n.to_le_bytes()));
            entry.extend(member.name.as_bytes());
            if !extra.is_empty() {
                entry.extend([1u16, extra.len() as u16].iter().flat_map(|n| n.to_le_bytes()));
                entry.extend(extra);
            }
            self.members.push(member);
            self.write(&entry)?;
        }
        let (count, size, end) = (self.members.len() as u64, self.at - begin, self.at);
        if count >= MANY || begin >= WIDE || size >= WIDE {
            let mut record = b"PK\x06\x06".to_vec();
            record.extend(44u64.to_le_bytes());
            record.extend([45u16, 45].iter().flat_map(|n| n.to_le_bytes()));
            record.extend([0u32, 0].iter().flat_map(|n| n.to_le_bytes()));
            record.extend([count, count, size, begin].iter().flat_map(|n| n.to_le_bytes()));
            record.extend(b"PK\x06\x07\0\0\0\0");
            record.extend(end.to_le_bytes());
            record.extend(1u32.to_le_bytes());
            self.write(&record)?;
        }
        let mut record = b"PK\x05\x06\0\0\0\0".to_vec();
        let short = count.min(MANY) as u16;
        record.extend([short, short].iter().flat_map(|n| n.to_le_bytes()));
        record.extend([low(size), low(begin)].iter().flat_map(|n| n.to_le_bytes()));
        record.extend([0, 0]);
        self.write(&record)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn head(&mut self, name: &str, method: u16, crc: u32, packed: u64, size: u64) -> std::io::Result<()> {
        let wide = packed >= WIDE || size >= WIDE;
        let mut head = b"PK\x03\x04".to_vec();
        // Names in UTF-8; 00:00:00, 1980-01-01.
        head.extend([if wide { 45u16 } else { 20 }, 0x800, method, 0, 0x21].iter().flat_map(|n| n.to_le_bytes()));
        let (shown_packed, shown) = if wide { (u32::MAX, u32::MAX) } else { (low(packed), low(size)) };
        head.extend([crc, shown_packed, shown].iter().flat_map(|n| n.to_le_bytes()));
        let length = u16::try_from(name.len()).map_err(|_| std::io::ErrorKind::InvalidInput)?;
        head.extend([length, if wide { 20 } else { 0 }].iter().flat_map(|n| n.to_le_bytes()));
        head.extend(name.as_bytes());
        if wide {
            head.extend([1u16, 16].iter().flat_map(|n| n.to_le_bytes()));
            head.extend([size, packed].iter().flat_map(|n| n.to_le_bytes()));
        }
        self.members.push(Member { name: name.to_string(), method, crc, packed, size, offset: self.at });
        self.write(&head)
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.at += bytes.len() as u64;
        self.out.write_all(bytes)
    }
}

fn low(n: u64) -> u32 {
    n.min(WIDE) as u32
}

#[cfg(test)]
mod tests {
    use super::super::zip::{ArchiveReader, PIECE, entries};
    use super::*;
    use crate::error::Result;
    use std::io::Cursor;

    fn archive() -> Vec<u8> {
        let mut writer = ArchiveWriter::new(Vec::new());
        writer.add("a.txt", &b"again and ".repeat(100)).unwrap();
        writer.add("b/ü.bin", b"x").unwrap();
        writer.add_file("large", &mut Cursor::new(vec![7; 3 * PIECE + 1])).unwrap();
        writer.finish().unwrap()
    }

    fn contents(bytes: &[u8]) -> Result<Vec<(String, usize)>> {
        let mut reader = ArchiveReader::new(Cursor::new(bytes))?;
        let names: Vec<String> = reader.names().map(str::to_string).collect();
        names.into_iter().map(|name| Ok((name.clone(), reader.read(&name)?.unwrap().len()))).collect()
    }

    #[test]
    fn what_is_written_is_read_back_and_the_same_makes_the_same() {
        let whole = archive();
        assert_eq!(whole, archive());
        let expected = [("a.txt", 1000), ("b/ü.bin", 1), ("large", 3 * PIECE + 1)];
        assert_eq!(contents(&whole).unwrap(), expected.map(|(name, size)| (name.to_string(), size)));
        // The `.npz` reader can read it too.
        assert_eq!(super::super::zip::read(&whole).unwrap().len(), 3);
        assert!(ArchiveReader::new(Cursor::new(&whole)).unwrap().read("none").unwrap().is_none());
    }

    #[test]
    fn damage_is_told() {
        let mut writer = ArchiveWriter::new(Vec::new());
        writer.add("a.txt", &b"again and ".repeat(20)).unwrap();
        writer.add("b.bin", b"xyz").unwrap();
        let whole = writer.finish().unwrap();
        let good = contents(&whole).unwrap();
        for end in 0..whole.len() {
            assert!(contents(&whole[..end]).is_err(), "cut at {end}");
        }
        for position in 0..whole.len() {
            for flip in [1, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[position] ^= flip;
                if let Ok(found) = contents(&bytes) {
                    assert!(found.len() <= good.len() && found.iter().all(|(_, size)| *size <= 200));
                }
            }
        }
    }

    #[test]
    fn sizes_and_counts_beyond_the_old_limits_are_written_and_read() {
        let mut writer = ArchiveWriter::new(Vec::new());
        for i in 0..70_000 {
            writer.add(&i.to_string(), b"").unwrap();
        }
        let bytes = writer.finish().unwrap();
        assert_eq!(ArchiveReader::new(Cursor::new(bytes)).unwrap().names().count(), 70_000);
        // A member at offset 5 GB: the directory has that in its ZIP64 field.
        let mut writer = ArchiveWriter { out: Vec::new(), at: 5_000_000_000, members: Vec::new() };
        writer.add("far", b"x").unwrap();
        let bytes = writer.finish().unwrap();
        let at = bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
        assert_eq!(entries(&bytes[at..], 1).unwrap()[0].offset, 5_000_000_000);
    }
}
