//! Log files: what the program of each stage printed last.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::Store;
use super::papers::is_id;
use crate::error::{Error, Result};

/// Concurrent builds of a stage replace each other's log; after this many attempts something else is wrong.
const TRIES: usize = 100;

impl Store {
    /// The path of the log of a stage, or of one point of a sweep. In a shared cache each paper has its own folder of logs.
    pub fn log_path(&self, name: &str, point: &str) -> PathBuf {
        let logs = self.dir.join("logs");
        let folder = match &self.paper {
            Some(project) if !project.owns_cache => logs.join(&project.id),
            _ => logs,
        };
        if point.is_empty() {
            folder.join(format!("{name}.log"))
        } else {
            folder.join(name).join(format!("{point}.log"))
        }
    }

    /// The folders of logs of sweeps, by stage, for [`Store::files_in`].
    pub fn log_folders(&self) -> Vec<(String, String)> {
        let own = self.paper.as_ref().filter(|paper| !paper.owns_cache).map(|paper| format!("logs/{}", paper.id));
        let folder = own.unwrap_or_else(|| "logs".to_string());
        let entries = std::fs::read_dir(self.dir.join(&folder)).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let names = folders.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| !is_id(name)).map(|name| (name.clone(), format!("{folder}/{name}"))).collect()
    }

    /// A new, empty log at this path, open for appending. Another build that still writes the old log keeps it.
    pub fn new_log(&self, path: &Path) -> Result<File> {
        self.prepare()?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Error::io("make the folder", folder, &e))?;
        }
        let mut tries = 0..TRIES;
        loop {
            match std::fs::remove_file(path) {
                Err(cause) if cause.kind() != ErrorKind::NotFound => {
                    let error = Error::io("replace the log", path, &cause);
                    return Err(error.hint("it may belong to another user: delete it, or use a cache of your own"));
                }
                _ => {}
            }
            match File::options().append(true).create_new(true).open(path) {
                // Another build of the same stage was faster.
                Err(cause) if cause.kind() == ErrorKind::AlreadyExists && tries.next().is_some() => {}
                opened => return opened.map_err(|e| Error::io("write", path, &e)),
            }
        }
    }
}
