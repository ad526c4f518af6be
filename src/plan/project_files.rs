//! Files of the project by path, folder or pattern. A link that leads out of the project is an error.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

use super::Context;
use crate::error::{Error, Result};
use crate::spec::glob;
use crate::stages::is_pattern;
use crate::store::Store;

/// Names that are skipped in folders, besides those that begin with a dot.
const SKIPPED: [&str; 1] = ["__pycache__"];

/// The files of a path, folder or pattern of the paper file, by ascending path.
pub fn files_of(context: Context, path: &str) -> Result<Vec<(String, Metadata)>> {
    let Context { home, store, lock, .. } = context;
    if path == lock {
        return Err(Error::stage(format!("`{path}` is written by every build, so that no stage can read it"))
            .hint("leave it out"));
    }
    let mut search = Search { home, store, lock, found: BTreeMap::new(), whole: None };
    let cache = std::fs::canonicalize(context.store.dir()).ok();
    if is_pattern(path) {
        let parts: Vec<&str> = path.split('/').collect();
        search.add_matching("", &parts)?;
        if search.found.is_empty() {
            return Err(Error::stage(format!("no file matches `{path}`"))
                .hint("`*` and `?` stand for parts of a name, `**` for folders"));
        }
    } else {
        search.add(path, true)?;
        if search.found.is_empty() {
            return Err(Error::stage(format!("there is no file in the folder `{path}`"))
                .hint("names that begin with a dot do not count"));
        }
    }
    if let Some(cache) = cache
        && let Some(inside) =
            search.found.keys().find(|file| search.canonical(file).is_some_and(|real| real.starts_with(&cache)))
    {
        return Err(Error::stage(format!("`{inside}` is in the cache")).hint("name the stage that writes it"));
    }
    Ok(search.found.into_iter().collect())
}

struct Search<'a> {
    home: &'a Path,
    store: &'a Store,
    /// The name of the lock file.
    lock: &'a str,
    found: BTreeMap<String, Metadata>,
    /// The canonical folder of the project, computed when first needed.
    whole: Option<PathBuf>,
}

impl Search<'_> {
    /// The canonical path, with all links resolved.
    fn canonical(&self, path: &str) -> Option<PathBuf> {
        std::fs::canonicalize(self.home.join(path)).ok()
    }

    /// An error if a link in the path leads out of the project.
    fn check_inside(&mut self, path: &str) -> Result<()> {
        let whole = match &self.whole {
            Some(whole) => whole.clone(),
            None => {
                let whole = std::fs::canonicalize(self.home).map_err(|e| Error::io("read", self.home, &e))?;
                self.whole.insert(whole).clone()
            }
        };
        self.observe_components(path);
        match self.canonical(path) {
            Some(real) if real.starts_with(&whole) => Ok(()),
            Some(real) => Err(Error::stage(format!("`{path}` leads out of the project, to {}", real.display()))
                .hint("put the file into the project, or name it by `data: {url: file:///..., digest: ...}`")),
            None => Err(Error::stage(format!("there is no file `{path}`"))),
        }
    }

    /// Record the folders and links in a path.
    fn observe_components(&self, path: &str) {
        let full = self.home.join(path);
        let own = std::fs::symlink_metadata(&full);
        if let Some(link) = own.as_ref().ok().filter(|meta| meta.is_symlink()) {
            self.store.observe_component(&full, link);
        }
        for parent in Path::new(path).ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()) {
            let parent = self.home.join(parent);
            if self.store.has_observed(&parent) {
                break;
            }
            if let Ok(meta) = std::fs::symlink_metadata(&parent) {
                self.store.observe_component(&parent, &meta);
            }
        }
    }

    /// Add a file, or all files of a folder. `named`: the path is in the paper file itself.
    fn add(&mut self, path: &str, named: bool) -> Result<()> {
        let full = self.home.join(path);
        let unreadable = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
                Error::stage(format!("there is no file `{path}`"))
            }
            _ => Error::io("read", &full, &e),
        };
        // A broken link, or a cycle of links.
        let broken_link = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::PermissionDenied => Error::io("read", &full, &e),
            _ => Error::stage(format!("`{path}` is a link that leads to no file"))
                .hint("put the file itself there, or let the link lead to it"),
        };
        let own = std::fs::symlink_metadata(&full).map_err(unreadable)?;
        let meta = if own.is_symlink() { std::fs::metadata(&full).map_err(broken_link)? } else { own.clone() };
        if named || own.is_symlink() {
            self.check_inside(path)?;
        }
        if meta.is_file() {
            self.found.insert(path.to_string(), meta);
            return Ok(());
        }
        if !meta.is_dir() {
            return Err(Error::stage(format!("`{path}` is neither a file nor a folder")));
        }
        if own.is_symlink() && !named {
            let error = Error::stage(format!("`{path}` is a link to a folder"));
            return Err(error.hint("name that folder itself: links between folders may form cycles"));
        }
        for name in self.names(path)? {
            self.add(&join(path, &name), false)?;
        }
        Ok(())
    }

    /// The names in a folder, ascending, without those that are skipped.
    fn names(&self, path: &str) -> Result<Vec<String>> {
        let full = self.home.join(path);
        let unreadable = |e: std::io::Error| Error::io("read", &full, &e);
        let meta = std::fs::metadata(&full).map_err(unreadable)?;
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&full).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            let shown = join(path, &name.to_string_lossy());
            let name = name.into_string().ok().filter(|name| !name.contains(|c: char| c.is_control() || c == '\\'));
            let Some(name) = name else {
                let error = Error::stage(format!("the name of {shown:?} contains characters that are not allowed"));
                return Err(error.hint("rename it: no control characters, no `\\`, and UTF-8"));
            };
            names.push(name);
        }
        names.sort();
        self.store.observe_folder(&full, &meta, &names);
        let is_lock = |name: &str| path.is_empty() && name == self.lock;
        names.retain(|name| !name.starts_with('.') && !SKIPPED.contains(&name.as_str()) && !is_lock(name));
        Ok(names)
    }

    /// Add the files below a folder that match the parts of a pattern.
    fn add_matching(&mut self, folder: &str, parts: &[&str]) -> Result<()> {
        let Some((part, rest)) = parts.split_first() else { return Ok(()) };
        if !is_pattern(part) {
            let path = join(folder, part);
            let there = self.home.join(&path).exists();
            // List the parent folder, so that a no-op check notices if the path appears or disappears.
            if !folder.is_empty() && self.home.join(folder).is_dir() && self.names(folder).is_err() {
                self.store.mark_uncacheable();
            }
            return match rest {
                _ if !there => Ok(()),
                [] => self.add(&path, true),
                rest => self.check_inside(&path).and_then(|()| self.add_matching(&path, rest)),
            };
        }
        if !self.home.join(folder).is_dir() && !folder.is_empty() {
            return Ok(());
        }
        let anywhere = *part == "**";
        if anywhere {
            self.add_matching(folder, if rest.is_empty() { &["*"] } else { rest })?;
        }
        for name in self.names(folder)?.into_iter().filter(|name| anywhere || glob(part, name)) {
            let path = join(folder, &name);
            let meta = std::fs::symlink_metadata(self.home.join(&path))
                .map_err(|e| Error::io("read", &self.home.join(&path), &e))?;
            match rest {
                _ if anywhere && meta.is_dir() => self.add_matching(&path, parts)?,
                _ if anywhere => {}
                // A pattern matches files, not folders.
                [] if meta.is_dir() => {}
                [] => self.add(&path, false)?,
                rest if meta.is_dir() => self.add_matching(&path, rest)?,
                _ => {}
            }
        }
        Ok(())
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_string() } else { format!("{folder}/{name}") }
}
