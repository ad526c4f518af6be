//! Any bytes as the files of a cache: a miss, or the bytes that the digest names; never a panic. New results are kept whatever lies around,
//! and a sweep deletes what it is told to and nothing else. Checksums are put right, so that what is behind them is reached.
#![no_main]

use std::collections::HashSet;
use std::path::Path;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use repro::store::{Digest, Key, Provenance, Store, Unneeded};
use repro::value;

#[derive(Arbitrary, Debug)]
struct Record {
    key: [u8; 32],
    digest: [u8; 32],
    /// Take the digest of the bytes that the record names.
    right: bool,
    offset: u16,
    size: u16,
    flags: u64,
    time: u64,
    micros: u64,
}

#[derive(Arbitrary, Debug)]
enum File {
    /// A shard as it is.
    Raw(Vec<u8>),
    /// A shard whose checksum is right.
    Sealed { payloads: Vec<u8>, records: Vec<Record>, provenance: Vec<u8>, offset: u8, count: u8 },
    /// Payloads of their own, or anything else under a digest.
    Object { digest: [u8; 32], bytes: Vec<u8>, right: bool },
    Checkpoint { key: [u8; 32], bytes: Vec<u8>, right: bool },
    Memo { hash: [u8; 32], count: u64, rest: Vec<u8> },
    /// Keys and digests that were found damaged.
    Damaged(Vec<u8>),
    Last(Vec<u8>),
    Stat { text: String, right: bool },
    Format(Vec<u8>),
    Scratch(Vec<u8>),
}

fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = Digest::hash(&bytes);
    bytes.extend(sum.0);
    bytes
}

fn shard(payloads: &[u8], records: &[Record], provenance: &[u8], offset: u8, count: u8) -> Vec<u8> {
    let mut bytes = b"reproSH1".to_vec();
    bytes.extend(payloads);
    let mut tail = Vec::new();
    for record in records {
        let from = usize::from(record.offset);
        let named = bytes.get(from..from + usize::from(record.size));
        let digest = named.filter(|_| record.right).map_or(record.digest, |bytes| Digest::hash(bytes).0);
        tail.extend(record.key);
        tail.extend(digest);
        let size = u64::from(record.size) | record.flags & !0xffff & if record.right { 1 << 63 } else { u64::MAX };
        [u64::from(record.offset), size, record.time, record.micros].iter().for_each(|n| tail.extend(n.to_le_bytes()));
    }
    tail.extend(provenance);
    let offset = (bytes.len() as u64).wrapping_add(offset as i8 as u64);
    let count = (records.len() as u64).wrapping_add(count as i8 as u64);
    [offset, count, provenance.len() as u64].iter().for_each(|n| tail.extend(n.to_le_bytes()));
    bytes.extend(seal(tail));
    bytes.extend(b"reproSH1");
    bytes
}

fn write(dir: &Path, file: &File, number: usize) -> std::io::Result<()> {
    let put = |name: String, bytes: &[u8]| {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(dir))?;
        std::fs::write(path, bytes)
    };
    match file {
        File::Raw(bytes) => put(format!("shards/{}", Digest::hash(bytes)), bytes),
        File::Sealed { payloads, records, provenance, offset, count } => {
            let bytes = shard(payloads, records, provenance, *offset, *count);
            put(format!("shards/{}", Digest::hash(&number.to_le_bytes())), &bytes)
        }
        File::Object { digest, bytes, right } => {
            let name = if *right { Digest::hash(bytes) } else { Digest(*digest) }.to_string();
            put(format!("objects/{}/{}", &name[..2], &name[2..]), bytes)
        }
        File::Checkpoint { key, bytes, right } => {
            let mut all = if *right { Digest::hash(bytes).0.to_vec() } else { Vec::new() };
            all.extend(bytes);
            put(format!("partial/{}", Key(Digest(*key))), &all)
        }
        File::Memo { hash, count, rest } => {
            let mut bytes = hash.to_vec();
            bytes.extend(count.to_le_bytes());
            bytes.extend(rest);
            put("last/stage.memo".into(), &seal(bytes))
        }
        File::Damaged(bytes) => put("damaged".into(), bytes),
        File::Last(bytes) => put("last/stage.json".into(), bytes),
        File::Stat { text, right } => {
            let sum = if *right { format!("\n{}", Digest::hash(text.as_bytes())) } else { String::new() };
            put("stat".into(), format!("{text}{sum}").as_bytes())
        }
        File::Format(bytes) => put("FORMAT".into(), bytes),
        File::Scratch(bytes) => put("scratch/x.lock".into(), bytes),
    }
}

/// What is in a payload of the right digest is believed to be a value; it may still be anything.
fn decoded(bytes: &[u8]) {
    if let Some(dataset) = value::decode(bytes) {
        let again = value::encode(&dataset);
        assert_eq!(value::encode(&value::decode(&again).expect("what was written")), again);
    }
    if let Some(tree) = value::decode_tree(bytes) {
        let again = value::encode_tree(&tree);
        assert_eq!(value::encode_tree(&value::decode_tree(&again).expect("what was written")), again);
    }
    value::decode_scene(bytes);
}

/// Nothing that the cache gives is anything but what was put into it.
fn look(store: &Store, files: &[File]) {
    for stored in &store.stored() {
        let digest = stored.trace.digest;
        if let Some(bytes) = store.load(&stored.key, &digest) {
            assert_eq!(Digest::hash(&bytes), digest, "a wrong result");
            decoded(&bytes);
            // Reads files only to compare them with what was recorded.
            let _ = store.check_observed(&bytes);
        }
        store.provenance(&stored.key, &digest);
        store.trace(&stored.key);
    }
    for file in files {
        match file {
            File::Checkpoint { key, .. } => {
                if let Some(found) = store.checkpoint(&Key(Digest(*key))) {
                    let written = |file: &File| matches!(file, File::Checkpoint { bytes, .. } if bytes.ends_with(&found));
                    assert!(files.iter().any(written), "a wrong checkpoint");
                }
            }
            File::Memo { hash, .. } => {
                if let Some(found) = store.noop_record("stage", &Digest(*hash)) {
                    let written = |file: &File| matches!(file, File::Memo { rest, .. } if rest.ends_with(&found));
                    assert!(files.iter().any(written), "a wrong record");
                    let _ = store.check_observed(&found);
                }
            }
            File::Object { bytes, .. } => {
                if let Some(found) = store.content(&Digest::hash(bytes)) {
                    assert_eq!(found, *bytes);
                }
            }
            _ => {}
        }
    }
}

/// A result is found and whole in a cache that is opened anew.
fn is_kept(cache: &Path, key: &Key, digest: &Digest, bytes: &[u8]) {
    let store = Store::open(cache).expect("it is readable");
    assert_eq!(store.load(key, digest).as_deref(), Some(bytes), "a result is lost");
    assert!(store.stored().iter().any(|stored| stored.key == *key && stored.trace.digest == *digest));
}

fuzz_target!(|files: Vec<File>| {
    for file in &files {
        if let File::Raw(bytes) | File::Last(bytes) = file {
            decoded(bytes);
        }
    }
    let dir = tempfile::tempdir_in("/dev/shm").expect("a folder");
    let cache = dir.path().join("cache");
    for (number, file) in files.iter().enumerate() {
        let _ = write(&cache, file, number);
    }
    let Ok(store) = Store::open(&cache) else { return };
    let before = store.stored();
    look(&store, &files);
    store.last_build("stage");
    let _ = store.file_digest(&cache.join("FORMAT"));
    let _ = store.version("tool", None, || Ok("1".into()));
    store.sweep_scratch();

    // Two shards of one run are merged in the end. The second key may be one that is there already.
    let keys = [Key(Digest([1; 32])), before.first().map_or(Key(Digest([2; 32])), |stored| stored.key)];
    let writer = store.writer(Provenance::lazy(Default::default));
    let made: Vec<(Key, Digest)> = keys
        .into_iter()
        .map(|key| {
            let digest = writer.put(key, b"made", 1).expect("the cache can be written");
            writer.flush().expect("the cache can be written");
            (key, digest)
        })
        .collect();
    writer.finish().expect("the cache can be written");
    drop(writer);
    store.save_stat();
    look(&store, &files);
    made.iter().for_each(|(key, digest)| is_kept(&cache, key, digest, b"made"));
    // Times that nobody can be later than are never written.
    if before.iter().all(|stored| stored.trace.finished_ms < u64::MAX >> 17) {
        let again = Store::open(&cache).expect("it is readable");
        made.iter().for_each(|(key, digest)| assert_eq!(again.trace(key).map(|t| t.digest), Some(*digest), "not the newest"));
    }

    let mut unwanted: HashSet<(Key, Digest)> = before.iter().map(|r| (r.key, r.trace.digest)).collect();
    unwanted.retain(|result| !made.contains(result));
    let orphans = store.orphans().into_iter().map(|(path, ..)| path).collect();
    let alone = store.lock_exclusive().expect("nobody else is here");
    store.sweep(&Unneeded { results: unwanted.clone(), files: orphans, folders: Vec::new(), environments: Vec::new() }, &alone).expect("the cache can be written");
    let again = Store::open(&cache).expect("it is readable");
    assert!(!again.stored().iter().any(|r| unwanted.contains(&(r.key, r.trace.digest))), "a deleted result is still there");
    made.iter().for_each(|(key, digest)| is_kept(&cache, key, digest, b"made"));
    look(&again, &files);
    store.take_warnings();
});
