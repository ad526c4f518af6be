//! From the files of a stage to its arrays.

use std::sync::Arc;

use super::{Layout, stack};
use crate::error::{Error, Result};
use crate::exchange::{self, Axes};
use crate::spec::choices;
use crate::value::{Axis, Dataset, FileEntry, Unread, decode_tree};

/// The arrays of a tree. Those of several equal files, and of files that hold arrays of the same names, lie along the axis `file`; else all
/// files are put together, and no two may hold an array of one name. Files that hold no arrays are passed over; a tree of such alone is refused.
/// A file that cannot be read is left out with the reason, unless the others lie along `file`: numbers of all of them would lack its own.
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
        let error = Error::stage(format!("none of its files holds arrays: {}", names.join(", ")));
        return Err(error.hint(format!("arrays are read from files that end in {}", choices(&endings))));
    }
    let names = |(_, dataset): &(&str, Dataset)| dataset.arrays.keys().cloned().collect::<Vec<_>>();
    let alike = read.len() > 1 && read.windows(2).all(|pair| names(&pair[0]) == names(&pair[1]));
    if several || alike {
        if let Some((path, error)) = unread.into_iter().next() {
            return Err(of_file(path, error));
        }
        let names = read.iter().map(|(path, _)| path.to_string()).collect();
        let parts: Vec<Arc<Dataset>> = read.into_iter().map(|(_, dataset)| Arc::new(dataset)).collect();
        return Ok(stack(&Layout::of(vec![Axis::labels("file", names)]), &parts));
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
                return Err(error.hint("give one of them another name where it is written, or make two stages"));
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
