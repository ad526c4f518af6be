//! Loads a paper file: bytes to text, text to a checked graph.

use super::{Graph, KnownValues, Override};
use crate::error::{Error, Result};
use crate::spec::{Paper, Problems, hint_at_colors, read};

/// Why a paper file cannot be loaded.
#[derive(Debug)]
pub enum LoadError {
    /// The file, or something that is needed to get at it, cannot be read.
    Unreadable(Error),
    /// The file has problems. Its name and its text are for quoting the lines at fault.
    Invalid { file: String, text: String, errors: Vec<Error> },
}

impl From<Error> for LoadError {
    fn from(error: Error) -> LoadError {
        LoadError::Unreadable(error)
    }
}

/// The text of a paper file, without a byte order mark. `file` is its name in error messages.
pub fn decode_text(file: &str, bytes: Vec<u8>) -> Result<String> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|&&byte| byte == b'\n').count() + 1;
        Error::user(format!("`{file}` is not UTF-8 text: line {line} has other bytes")).hint("save it as UTF-8")
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_string).unwrap_or(text))
}

/// Parse and check the text of a paper file. `file` is its name in error messages. All problems are reported at once.
pub fn load(file: &str, text: &str) -> Result<Graph, LoadError> {
    load_with(file, text, &[], &KnownValues::new())
}

/// Parse and check the text of a paper file, with some settings replaced, and with values that stages have made.
pub fn load_with(file: &str, text: &str, overrides: &[Override], known: &KnownValues) -> Result<Graph, LoadError> {
    let mut problems = Problems::default();
    let graph = read(text, &mut problems)
        .and_then(|root| {
            let paper = Paper::from_node(&root, &mut problems);
            Graph::with_known(&paper, overrides, known, &mut problems)
        })
        .filter(|_| problems.is_empty());
    hint_at_colors(text, &mut problems);
    graph.ok_or_else(|| LoadError::Invalid {
        file: file.to_string(),
        text: text.to_string(),
        errors: problems.into_errors(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_removed_and_other_bytes_are_located() {
        assert_eq!(decode_text("paper.yaml", b"\xef\xbb\xbfrepro: 1".to_vec()).unwrap(), "repro: 1");
        let error = decode_text("paper.yaml", b"repro: 1\ntitle: \xff".to_vec()).unwrap_err();
        assert_eq!(error.message, "`paper.yaml` is not UTF-8 text: line 2 has other bytes");
    }

    #[test]
    fn a_colour_without_quotes_is_explained_where_it_stands() {
        let text = "repro: 1\nstages:\n  d: {data: {path: d.csv}}\n  f:\n    figure:\n      of: d\n      panels:\n        - marks:\n            - rule:\n                y: 1\n                color: #ff0000\n";
        let Err(LoadError::Invalid { errors, .. }) = load("paper.yaml", text) else { panic!("it is invalid") };
        let hint = "`#` begins a comment: write the colour in quotes, `\"#ff0000\"`";
        assert_eq!(errors.iter().map(|error| error.hints.as_slice()).collect::<Vec<_>>(), [[hint]]);
        // A comment after a value is one.
        assert!(load("paper.yaml", &text.replace("color: #", "color: red #")).is_ok());
    }

    #[test]
    fn an_invalid_paper_reports_all_problems_with_its_text() {
        let text = "repro: 1\nstages: {a: {group: [b]}}\nother: 1\n";
        let Err(LoadError::Invalid { file, text: quoted, errors }) = load("HEAD:paper.yaml", text) else {
            panic!("it is invalid");
        };
        assert_eq!((file.as_str(), quoted.as_str()), ("HEAD:paper.yaml", text));
        assert_eq!(errors.len(), 2, "{errors:?}");
    }
}
