//! Read arrays from the files of a stage.

use std::sync::Arc;

use super::{Layout, stack};
use crate::error::{Error, Result};
use crate::exchange::{self, Axes};
use crate::spec::choices;
use crate::value::{Axis, Dataset, FileEntry, Unread, decode_tree};

/// The arrays of a tree of files. With `several`, or if all files contain arrays of the same names, they are stacked along the axis `file`;
/// otherwise they are merged, and array names must be unique. Files without arrays are skipped. A file that cannot be read is left out with
/// the reason, except when stacking, where every file is needed. Errors: no file contains arrays.
pub fn read_tree<'a>(
    payload: &[u8],
    several: bool,
    content: &dyn Fn(&FileEntry) -> Result<Vec<u8>>,
    axes: impl Fn(&str) -> &'a Axes,
) -> Result<Dataset> {
    let tree = decode_tree(payload).ok_or_else(|| Error::internal("a stored result is not a list of files"))?;
    let mut read: Vec<(&str, Dataset)> = Vec::new();
    let mut unread: Vec<(&str, Error)> = Vec::new();
    for file in tree.files.iter().filter(|file| exchange::holds_arrays(&file.path)) {
        match exchange::read(&file.path, &content(file)?, axes(&file.path)) {
            Ok(dataset) => read.push((&file.path, dataset)),
            // What the paper file says of it is wrong.
            Err(error) if error.span.is_some() => return Err(of_file(&file.path, error)),
            Err(error) => unread.push((&file.path, error)),
        }
    }
    if read.is_empty() && !unread.is_empty() {
        let (path, error) = unread.swap_remove(0);
        return Err(of_file(path, error));
    }
    if read.is_empty() {
        let names: Vec<&str> = tree.files.iter().take(5).map(|file| file.path.as_str()).collect();
        let endings: Vec<String> = exchange::ENDINGS.iter().map(|ending| format!(".{ending}")).collect();
        let endings: Vec<&str> = endings.iter().map(String::as_str).collect();
        let error = Error::stage(format!("none of its files contains arrays: {}", names.join(", ")));
        return Err(error.hint(format!("arrays are read from files that end in {}", choices(&endings))));
    }
    let names = |(_, dataset): &(&str, Dataset)| dataset.arrays.keys().cloned().collect::<Vec<_>>();
    let same_names = read.len() > 1 && read.windows(2).all(|pair| names(&pair[0]) == names(&pair[1]));
    if several || same_names {
        if let Some((path, error)) = unread.into_iter().next() {
            return Err(of_file(path, error));
        }
        let names = read.iter().map(|(path, _)| path.to_string()).collect();
        let parts: Vec<Arc<Dataset>> = read.into_iter().map(|(_, dataset)| Arc::new(dataset)).collect();
        return Ok(stack(&Layout::new(vec![Axis::labels("file", names)]), &parts));
    }
    let mut all = Dataset::default();
    for (path, error) in unread {
        all.unread.insert(path.to_string(), Unread { why: error.message, file: true });
    }
    let mut holders: Vec<(String, &str)> = Vec::new();
    for (path, dataset) in read {
        all.unread.extend(dataset.unread);
        for (name, array) in dataset.arrays {
            if let Some((_, other)) = holders.iter().find(|(known, _)| *known == name) {
                let error = Error::stage(format!("the array `{name}` is in `{other}` and in `{path}`"));
                return Err(error.hint("rename one of them where it is written, or use two stages"));
            }
            holders.push((name.clone(), path));
            all.insert(&name, array);
        }
    }
    Ok(all)
}

/// An error about the inside of a file, with the file's name.
fn of_file(path: &str, error: Error) -> Error {
    Error { message: format!("`{path}`: {}", error.message), ..error }
}
