//! The list of everything that is wrong with a paper file: decoders add to it and go on.

use std::collections::HashSet;

use crate::error::{Error, Span};

#[derive(Debug, Default)]
pub struct Problems {
    errors: Vec<Error>,
    known: HashSet<Error>,
}

impl Problems {
    pub fn push(&mut self, error: Error) {
        // A merged or aliased node is decoded once for each use; its problem is told once.
        if self.known.insert(error.clone()) {
            self.errors.push(error);
        }
    }

    /// Add a hint to what is wrong at a place.
    pub fn advise(&mut self, span: Span, hint: &str) {
        for error in self.errors.iter_mut().filter(|error| error.span == Some(span)) {
            if !error.hints.iter().any(|known| known == hint) {
                error.hints.push(hint.to_string());
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    pub fn len(&self) -> usize {
        self.errors.len()
    }

    /// All problems in the order of the file.
    pub fn into_errors(mut self) -> Vec<Error> {
        self.errors.sort_by_key(|error| error.span.unwrap_or_default());
        self.errors
    }
}
