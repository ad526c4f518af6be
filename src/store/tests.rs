//! The guarantees of the store: nothing is lost, wrong, or in need of repair.

use super::*;

fn key(i: u8) -> Key {
    Key(Digest([i; 32]))
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
fn reading_creates_nothing() {
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
    // A reader that knew the old shards finds the results in the merged one.
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
fn a_damaged_checkpoint_is_a_miss() {
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
    assert_eq!(store.file_digest(&path).unwrap(), Digest::hash(b"one"));
    store.save_stat();
    let again = Store::open(&dir.path().join("cache")).unwrap();
    assert_eq!(again.file_digest(&path).unwrap(), Digest::hash(b"one"));
    std::fs::write(&path, b"two").unwrap();
    assert_eq!(again.file_digest(&path).unwrap(), Digest::hash(b"two"));
}

#[test]
fn files_of_programs_are_stored_by_content_and_verified() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let large = vec![3u8; 200_000];
    let store = Store::open(&cache).unwrap();
    let writer = store.writer(serde_json::Value::Null);
    let (small, _) = writer.store_file(&file("a", b"small")).unwrap();
    let (big, size) = writer.store_file(&file("b", &large)).unwrap();
    assert_eq!((small, size), (Digest::hash(b"small"), 200_000));
    assert!(!dir.path().join("b").exists(), "a large file is moved, not copied");
    let check = |store: &Store| {
        assert_eq!(store.content(&small).unwrap(), b"small");
        assert_eq!(store.content(&big).unwrap(), large);
        for digest in [small, big] {
            let to = dir.path().join("copy");
            assert!(store.copy_content(&digest, &to).unwrap());
            assert_eq!(hash_file(&to).unwrap(), digest);
        }
    };
    check(&store);
    writer.finish().unwrap();
    drop(writer);
    check(&Store::open(&cache).unwrap());
    // Damage is a miss until the file is stored again.
    std::fs::write(files::object_path(&cache, &big), b"other").unwrap();
    let store = Store::open(&cache).unwrap();
    assert!(!store.copy_content(&big, &dir.path().join("copy")).unwrap());
    assert_eq!(store.trace(&content_key(&big)), None);
    let writer = store.writer(serde_json::Value::Null);
    writer.store_file(&file("b", &large)).unwrap();
    writer.finish().unwrap();
    check(&Store::open(&cache).unwrap());
}

#[test]
fn a_file_with_two_hard_links_is_copied() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (dir.path().join("one"), dir.path().join("other"));
    std::fs::write(&one, vec![1u8; 100_000]).unwrap();
    std::fs::hard_link(&one, &other).unwrap();
    let store = Store::open(&dir.path().join("cache")).unwrap();
    let writer = store.writer(serde_json::Value::Null);
    let (digest, _) = writer.store_file(&one).unwrap();
    std::fs::write(&other, b"changed").unwrap();
    assert_eq!(store.content(&digest).unwrap(), vec![1u8; 100_000]);
}

#[test]
fn only_scratch_folders_of_dead_processes_are_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let names = || {
        let entries = std::fs::read_dir(dir.path().join("scratch")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let scratch = store.scratch().unwrap();
    let folder = scratch.folder().unwrap();
    std::fs::write(folder.join("file"), "x").unwrap();
    let alive = names();
    // Killed processes leave a folder and its lock, or a lock alone; a power cut also leaves a folder alone.
    for (name, lock) in [("repro-dead01", true), ("repro-orphan", false)] {
        let folder = dir.path().join("scratch").join(name);
        std::fs::create_dir_all(folder.join("0")).unwrap();
        std::fs::write(folder.join(".repro-scratch"), "").unwrap();
        if lock {
            std::fs::write(dir.path().join("scratch").join(format!("{name}.lock")), "").unwrap();
        }
    }
    std::fs::write(dir.path().join("scratch/repro-gone01.lock"), "").unwrap();
    // A power cut or an error in the middle of a deletion: a folder without its lock and its mark.
    std::fs::create_dir(dir.path().join("scratch/repro-empty1")).unwrap();
    assert_eq!(names().len(), alive.len() + 5);
    Store::open(dir.path()).unwrap().sweep_scratch();
    assert_eq!(names(), alive);
    assert!(folder.join("file").exists());
    drop(scratch);
    assert_eq!(names(), [""; 0]);
}

#[test]
fn many_scratch_folders_and_sweepers_at_once_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let store = Store::open(dir.path()).unwrap();
                for _ in 0..30 {
                    let scratch = store.scratch().unwrap();
                    let file = scratch.folder().unwrap().join("file");
                    std::fs::write(&file, "x").unwrap();
                    store.sweep_scratch();
                    assert!(file.exists());
                }
            });
        }
    });
    assert_eq!(std::fs::read_dir(dir.path().join("scratch")).unwrap().count(), 0);
}

#[test]
fn builds_lock_shared_and_gc_exclusively() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let store = Store::open(&cache).unwrap();
    let writer = store.writer(serde_json::Value::Null);
    writer.put(key(1), b"x", 0).unwrap();
    writer.flush().unwrap();
    let other = Store::open(&cache).unwrap();
    let second = other.writer(serde_json::Value::Null);
    assert_eq!(other.lock_exclusive().unwrap_err().message, format!("a build is running in `{}`", cache.display()));
    drop(writer);
    assert!(other.lock_exclusive().is_err());
    drop(second);
    assert!(other.lock_exclusive().is_ok());
}

#[test]
fn a_change_that_keeps_size_and_time_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    let write = |text: &str| {
        std::fs::write(&path, text).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
    };
    let store = Store::open(&dir.path().join("cache")).unwrap();
    write("one");
    assert_eq!(store.file_digest(&path).unwrap(), Digest::hash(b"one"));
    std::thread::sleep(std::time::Duration::from_millis(20));
    write("two");
    assert_eq!(store.file_digest(&path).unwrap(), Digest::hash(b"two"));
}

#[test]
fn digests_of_files_and_versions_of_tools_are_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    std::fs::write(&path, "one").unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
    let cache = dir.path().join("cache");
    writer::prepare(&cache).unwrap();
    let program = Some(Digest::hash(b"program"));
    let asked = std::cell::Cell::new(0);
    let version = |store: &Store, program| {
        let ask = || {
            asked.set(asked.get() + 1);
            Ok("1.0".to_string())
        };
        store.version("tool", program, ask).unwrap()
    };
    let store = Store::open(&cache).unwrap();
    store.file_digest(&path).unwrap();
    version(&store, program);
    store.save_stat();
    let written = std::fs::read(cache.join("stat")).unwrap();
    let again = Store::open(&cache).unwrap();
    assert_eq!((version(&again, program).as_str(), asked.get()), ("1.0", 1));
    again.file_digest(&path).unwrap();
    std::fs::remove_file(cache.join("stat")).unwrap();
    again.save_stat();
    assert!(!cache.join("stat").exists(), "nothing new, so nothing is written");
    // If its program is not known, a tool is asked once in each run.
    version(&again, None);
    version(&again, None);
    assert_eq!(asked.get(), 2);
    assert!(String::from_utf8(written).unwrap().contains("1.0"));
}

#[test]
fn every_result_keeps_its_provenance_when_shards_are_merged() {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..3u8 {
        let store = Store::open(dir.path()).unwrap();
        let asked = std::sync::atomic::AtomicUsize::new(0);
        let writer = store.writer(Provenance::lazy(|| {
            asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            serde_json::json!({"run": i})
        }));
        writer.flush().unwrap();
        assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 0, "nothing written, nothing asked");
        for key_of in [2 * i, 2 * i + 1] {
            writer.put(key(key_of), &[key_of], 0).unwrap();
            writer.flush().unwrap();
        }
        writer.finish().unwrap();
        assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 1);
    }
    let store = Store::open(dir.path()).unwrap();
    let mut entries = Vec::new();
    let mut provenances = shard::Provenances::default();
    assert!(store.shards().iter().all(|shard| shard.take(|_| true, &mut entries, &mut provenances)));
    let old: Vec<PathBuf> = store.shards().iter().map(|shard| shard.path.clone()).collect();
    store.write_shard(entries, &provenances).unwrap();
    old.iter().for_each(|path| std::fs::remove_file(path).unwrap());
    let store = Store::open(dir.path()).unwrap();
    for i in 0..6u8 {
        assert_eq!(store.provenance(&key(i), &Digest::hash(&[i])), Some(serde_json::json!({"run": i / 2})));
    }
}
