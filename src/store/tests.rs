//! The promises of the store: nothing lost, nothing wrong, nothing to repair.

use super::*;

fn key(i: u8) -> Key {
    Key([i; 32])
}

fn filled(dir: &Path, n: u8) {
    let store = Store::open(dir).unwrap();
    let writer = store.writer(serde_json::json!({"by": "test"}));
    for i in 0..n {
        writer.put(key(i), format!("payload {i}").as_bytes(), 5).unwrap();
    }
    writer.finish().unwrap();
}

fn load(store: &Store, key: &Key) -> Option<Vec<u8>> {
    store.trace(key).and_then(|trace| store.load(key, &trace.digest))
}

#[test]
fn a_result_is_found_at_once_and_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let writer = store.writer(serde_json::Value::Null);
    let large = vec![7u8; 100_000];
    writer.put(key(1), b"small", 1).unwrap();
    writer.put(key(2), &large, 1).unwrap();
    assert_eq!(load(&store, &key(1)).unwrap(), b"small");
    writer.flush().unwrap();
    let again = Store::open(dir.path()).unwrap();
    assert_eq!(load(&again, &key(1)).unwrap(), b"small");
    assert_eq!(load(&again, &key(2)).unwrap(), large);
    assert_eq!(again.trace(&key(3)), None);
}

#[test]
fn looking_creates_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("cache")).unwrap();
    assert_eq!(store.trace(&key(1)), None);
    assert!(!dir.path().join("cache").exists());
}

#[test]
fn the_shards_of_one_run_become_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let writer = store.writer(serde_json::Value::Null);
    let reader = Store::open(dir.path()).unwrap();
    for i in 0..5 {
        writer.put(key(i), &[i], 0).unwrap();
        writer.flush().unwrap();
    }
    reader.rescan();
    writer.finish().unwrap();
    assert_eq!(std::fs::read_dir(dir.path().join("shards")).unwrap().count(), 1);
    // A reader that knew the merged shards finds the results in the new one.
    assert!((0..5).all(|i| load(&reader, &key(i)) == Some(vec![i])));
    assert!(reader.take_warnings().is_empty());
}

#[test]
fn every_damage_is_a_miss_and_never_a_wrong_result() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 3);
    let path = std::fs::read_dir(dir.path().join("shards")).unwrap().next().unwrap().unwrap().path();
    let bytes = std::fs::read(&path).unwrap();
    let check = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let store = Store::open(dir.path()).unwrap();
        for i in 0..3 {
            if let Some(found) = load(&store, &key(i)) {
                assert_eq!(found, format!("payload {i}").as_bytes());
            }
        }
        store
    };
    for position in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[position] ^= 0x40;
        check(&flipped);
    }
    for length in 0..bytes.len() {
        let store = check(&bytes[..length]);
        assert_eq!(store.trace(&key(0)), None);
    }
}

#[test]
fn a_damaged_result_is_replaced_by_the_next_build() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 1);
    let path = std::fs::read_dir(dir.path().join("shards")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[8] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(load(&store, &key(0)), None);
    assert_eq!(store.trace(&key(0)), None);
    assert_eq!(store.take_warnings().len(), 1);
    let writer = store.writer(serde_json::Value::Null);
    writer.put(key(0), b"payload 0", 1).unwrap();
    writer.finish().unwrap();
    assert_eq!(load(&store, &key(0)).unwrap(), b"payload 0");
    assert_eq!(load(&Store::open(dir.path()).unwrap(), &key(0)).unwrap(), b"payload 0");
}

#[test]
fn a_cache_of_a_newer_version_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("FORMAT"), "repro cache 9\n").unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    assert!(error.message.ends_with("is of version 9; this program reads versions up to 1"), "{}", error.message);
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn many_threads_and_stores_write_at_once() {
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let dir = dir.path();
            scope.spawn(move || {
                let store = Store::open(dir).unwrap();
                let writer = store.writer(serde_json::Value::Null);
                for i in 0..40 {
                    writer.put(key(i), &[i; 10], 0).unwrap();
                    if i % 7 == thread {
                        writer.flush().unwrap();
                    }
                }
                writer.finish().unwrap();
            });
        }
    });
    let store = Store::open(dir.path()).unwrap();
    assert!((0..40).all(|i| load(&store, &key(i)) == Some(vec![i; 10])));
    assert!(store.take_warnings().is_empty());
}

#[test]
fn a_damaged_checkpoint_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.save_checkpoint(&key(1), b"state").unwrap();
    assert_eq!(store.checkpoint(&key(1)).unwrap(), b"state");
    std::fs::write(dir.path().join("partial").join(key(1).to_string()), b"short").unwrap();
    assert_eq!(store.checkpoint(&key(1)), None);
}

#[test]
fn an_unchanged_file_is_not_read_again_and_a_changed_one_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    std::fs::write(&path, b"one").unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
    let store = Store::open(&dir.path().join("cache")).unwrap();
    writer::prepare(store.dir()).unwrap();
    assert_eq!(store.file_digest(&path).unwrap(), Digest::of(b"one"));
    store.save_stat();
    let again = Store::open(&dir.path().join("cache")).unwrap();
    assert_eq!(again.file_digest(&path).unwrap(), Digest::of(b"one"));
    std::fs::write(&path, b"two").unwrap();
    assert_eq!(again.file_digest(&path).unwrap(), Digest::of(b"two"));
}
