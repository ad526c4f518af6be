//! Resources of the machine: free disk space and memory.

use std::path::{Path, PathBuf};

/// Free bytes of the file system that contains this path; `None` if unknown.
pub fn free_space(path: &Path) -> Option<u64> {
    let system = rustix::fs::statvfs(path).ok()?;
    Some(system.f_bavail.saturating_mul(system.f_frsize))
}

/// The memory that programs can use in bytes: that of the machine, or the limit of this process's control group; `None` if unknown.
pub fn memory() -> Option<u64> {
    let limit = group_folders(Path::new("/proc/self/cgroup"), Path::new("/sys/fs/cgroup"))
        .iter()
        .filter_map(|folder| limit_in(folder))
        .min();
    match (kilobytes("MemTotal:"), limit) {
        (Some(total), Some(limit)) => Some(total.min(limit)),
        (total, limit) => total.or(limit),
    }
}

/// The memory that is available now, in bytes; `None` if unknown.
pub fn available_memory() -> Option<u64> {
    kilobytes("MemAvailable:")
}

/// A line of `/proc/meminfo`, in bytes.
fn kilobytes(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kilobytes = text.lines().find_map(|line| line.strip_prefix(name))?;
    kilobytes.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The folders of the control groups that this process is in, with those above, for version 2 and for the memory controller of version 1.
fn group_folders(list: &Path, mounted: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(list).unwrap_or_default();
    let mut folders = Vec::new();
    for line in text.lines() {
        // `0::/user.slice`, or `5:memory:/jobs/7`.
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let root = match controllers {
            "" => mounted.to_path_buf(),
            list if list.split(',').any(|name| name == "memory") => mounted.join("memory"),
            _ => continue,
        };
        let below = root.join(path.trim_start_matches('/'));
        folders.extend(below.ancestors().take_while(|folder| folder.starts_with(&root)).map(Path::to_path_buf));
    }
    folders
}

/// The limit of one control group; `None` if it has none.
fn limit_in(folder: &Path) -> Option<u64> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    // Version 1 has a very large number for none.
    read("memory.max").or_else(|| read("memory.limit_in_bytes")).filter(|limit| *limit < 1 << 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_limit_of_the_groups_above_counts() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("list", "4:cpu:/x\n0::/job/step\n5:memory,cpuacct:/old\n");
        write("sys/job/memory.max", "4000\n");
        write("sys/job/step/memory.max", "max\n");
        write("sys/memory/old/memory.limit_in_bytes", "9223372036854771712\n");
        let folders = group_folders(&folder.path().join("list"), &folder.path().join("sys"));
        let limits: Vec<Option<u64>> = folders.iter().map(|folder| limit_in(folder)).collect();
        assert_eq!(limits, [None, Some(4000), None, None, None]);
        assert!(memory().is_some_and(|memory| memory > 1 << 20));
    }
}
