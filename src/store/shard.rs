//! A shard: records and small payloads packed into one immutable file.
//!
//! ```text
//! magic | payloads | records, by ascending key | provenance | records' offset, count, provenance's length | BLAKE3 | magic
//! ```
//! The hash covers records, provenance and the three numbers; each payload is covered by its own digest. Provenance (who, when,
//! from which revision) is a JSON list; the upper bits of a record's time, which needs 48, hold an index into it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::{Digest, Key, Trace};

const MAGIC: &[u8; 8] = b"reproSH1";
const RECORD: usize = 32 + 32 + 8 * 4;
const FOOTER: usize = 24 + 32 + 8;
/// In the length field: the payload is an object file.
const EXTERNAL: u64 = 1 << 63;
/// The bits of the time field below the index of the provenance.
const TIME_BITS: u32 = 48;

/// One result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Record {
    pub key: Key,
    pub digest: Digest,
    pub offset: u64,
    pub size: u64,
    pub external: bool,
    pub finished_ms: u64,
    pub micros: u64,
    /// Index into the shard's provenances.
    pub provenance: u16,
}

/// An open shard: its index in memory, its payloads on disk.
#[derive(Debug)]
pub struct Shard {
    pub path: PathBuf,
    index: Vec<u8>,
    newest_ms: u64,
    provenance: Vec<u8>,
}

/// The distinct provenances of a shard.
#[derive(Debug, Default)]
pub struct Provenances(Vec<Json>);

impl Provenances {
    /// The index of this one; it is added if it is new. Indices beyond the last are cut off.
    pub fn index_of(&mut self, provenance: &Json) -> u16 {
        let at = self.0.iter().position(|known| known == provenance).unwrap_or_else(|| {
            self.0.push(provenance.clone());
            self.0.len() - 1
        });
        u16::try_from(at).unwrap_or(u16::MAX)
    }
}

/// Why a shard cannot be used.
#[derive(Debug)]
pub enum ShardError {
    Gone,
    /// The system refused to read it; the shard may be intact.
    Unreadable(String),
    Damaged(String),
}

impl Record {
    pub fn trace(&self) -> Trace {
        Trace { digest: self.digest, size: self.size, finished_ms: self.finished_ms, micros: self.micros }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.key.as_bytes());
        out.extend(self.digest.0);
        let size = self.size | if self.external { EXTERNAL } else { 0 };
        let time = self.finished_ms & ((1 << TIME_BITS) - 1) | u64::from(self.provenance) << TIME_BITS;
        [self.offset, size, time, self.micros].iter().for_each(|n| out.extend(n.to_le_bytes()));
    }

    fn read(bytes: &[u8]) -> Option<Record> {
        let number =
            |i: usize| -> Option<u64> { Some(u64::from_le_bytes(bytes.get(64 + 8 * i..72 + 8 * i)?.try_into().ok()?)) };
        let size = number(1)?;
        Some(Record {
            key: Key(Digest(bytes.get(..32)?.try_into().ok()?)),
            digest: Digest(bytes.get(32..64)?.try_into().ok()?),
            offset: number(0)?,
            size: size & !EXTERNAL,
            external: size & EXTERNAL != 0,
            finished_ms: number(2)? & ((1 << TIME_BITS) - 1),
            micros: number(3)?,
            provenance: (number(2)? >> TIME_BITS) as u16,
        })
    }
}

/// Encode records and their payloads (empty for external ones) as a shard. Returns its bytes and its name.
pub fn assemble(mut entries: Vec<(Record, std::sync::Arc<Vec<u8>>)>, provenances: &Provenances) -> (Vec<u8>, Digest) {
    entries.sort_by_key(|(record, _)| record.key);
    entries.dedup_by_key(|(record, _)| record.key);
    let mut bytes = MAGIC.to_vec();
    let mut index = Vec::with_capacity(entries.len() * RECORD);
    for (record, payload) in &mut entries {
        record.offset = bytes.len() as u64;
        if !record.external {
            bytes.extend_from_slice(payload);
        }
        record.write(&mut index);
    }
    let provenance = Json::Array(provenances.0.clone()).to_string().into_bytes();
    let mut tail = index;
    let (offset, count) = (bytes.len() as u64, entries.len() as u64);
    tail.extend_from_slice(&provenance);
    [offset, count, provenance.len() as u64].iter().for_each(|n| tail.extend(n.to_le_bytes()));
    let digest = Digest::hash(&tail);
    bytes.extend_from_slice(&tail);
    bytes.extend(digest.0);
    bytes.extend(MAGIC);
    (bytes, digest)
}

impl Shard {
    pub fn open(path: &Path) -> Result<Shard, ShardError> {
        let damaged = |why: &str| ShardError::Damaged(why.to_string());
        let io = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::NotFound => ShardError::Gone,
            _ => ShardError::Unreadable(format!("cannot be read ({e})")),
        };
        let mut file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        if length < (MAGIC.len() + FOOTER) as u64 {
            return Err(damaged("truncated, or not a shard"));
        }
        let mut footer = [0u8; FOOTER];
        file.seek(SeekFrom::Start(length - FOOTER as u64)).map_err(io)?;
        file.read_exact(&mut footer).map_err(io)?;
        let number = |i: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&footer[8 * i..8 * i + 8]);
            u64::from_le_bytes(bytes)
        };
        let (offset, count, provenance) = (number(0), number(1), number(2));
        let end = length - FOOTER as u64;
        let fits = count
            .checked_mul(RECORD as u64)
            .and_then(|n| n.checked_add(offset))
            .and_then(|n| n.checked_add(provenance));
        if &footer[FOOTER - 8..] != MAGIC || fits != Some(end) {
            return Err(damaged("truncated, or not a shard"));
        }
        let mut tail = vec![0; (end - offset) as usize];
        file.seek(SeekFrom::Start(offset)).map_err(io)?;
        file.read_exact(&mut tail).map_err(io)?;
        tail.extend_from_slice(&footer[..24]);
        if Digest::hash(&tail).0 != footer[24..56] {
            return Err(damaged("damaged"));
        }
        let provenance = tail[count as usize * RECORD..(end - offset) as usize].to_vec();
        tail.truncate(count as usize * RECORD);
        let newest_ms = tail.chunks_exact(RECORD).filter_map(Record::read).map(|r| r.finished_ms).max().unwrap_or(0);
        Ok(Shard { path: path.to_path_buf(), index: tail, newest_ms, provenance })
    }

    /// The provenances, by index.
    pub fn provenances(&self) -> Vec<Json> {
        match serde_json::from_slice(&self.provenance) {
            Ok(Json::Array(all)) => all,
            // Older shards have one for all records.
            Ok(one) => vec![one],
            Err(_) => Vec::new(),
        }
    }

    pub fn newest_ms(&self) -> u64 {
        self.newest_ms
    }

    pub fn records(&self) -> impl Iterator<Item = Record> + '_ {
        self.index.chunks_exact(RECORD).filter_map(Record::read)
    }

    pub fn find(&self, key: &Key) -> Option<Record> {
        let count = self.index.len() / RECORD;
        let at = |i: usize| &self.index[i * RECORD..(i + 1) * RECORD];
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = (low + high) / 2;
            match at(middle)[..32].cmp(key.as_bytes()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Record::read(at(middle)),
            }
        }
        None
    }

    /// Read a payload of the shard without verifying it.
    pub fn payload(&self, record: &Record) -> Option<Vec<u8>> {
        let mut file = File::open(&self.path).ok()?;
        if record.offset.checked_add(record.size)? > file.metadata().ok()?.len() {
            return None;
        }
        file.seek(SeekFrom::Start(record.offset)).ok()?;
        let mut bytes = vec![0; usize::try_from(record.size).ok()?];
        file.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }
}
