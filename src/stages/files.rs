//! From the files of a stage to its arrays.

use std::sync::Arc;

use super::{Layout, stack};
use crate::error::{Error, Result};
use crate::exchange::{self, Axes};
use crate::spec::choices;
use crate::value::{Axis, Dataset, FileEntry, decode_tree};

/// The arrays of a tree. Those of several equal files, and of files that hold arrays of the same names, lie along the axis `file`; else all
/// files are put together, and no two may hold an array of one name. Files that hold no arrays are passed over; a tree of such alone is refused.
pub fn read_tree<'a>(
    payload: &[u8],
    several: bool,
    content: &dyn Fn(&FileEntry) -> Result<Vec<u8>>,
    axes: impl Fn(&str) -> &'a Axes,
) -> Result<Dataset> {
    let tree = decode_tree(payload).ok_or_else(|| Error::internal("a stored result is not a list of files"))?;
    let mut read: Vec<(&str, Dataset)> = Vec::new();
    for file in tree.files.iter().filter(|file| exchange::holds_arrays(&file.path)) {
        let dataset = exchange::read(&file.path, &content(file)?, axes(&file.path)).map_err(|error| {
            let message = format!("`{}`: {}", file.path, error.message);
            Error { message, ..error }
        })?;
        read.push((&file.path, dataset));
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
        let names = read.iter().map(|(path, _)| path.to_string()).collect();
        let parts: Vec<Arc<Dataset>> = read.into_iter().map(|(_, dataset)| Arc::new(dataset)).collect();
        return Ok(stack(&Layout::of(vec![Axis::labels("file", names)]), &parts));
    }
    let mut all = Dataset::default();
    let mut holders: Vec<(String, &str)> = Vec::new();
    for (path, dataset) in read {
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
