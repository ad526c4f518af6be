//! All errors of a paper file: decoders report an error here and continue, so that one run shows everything that is wrong.

use std::collections::HashSet;

use crate::error::{Error, Span};

/// Collected errors, without duplicates.
#[derive(Debug, Default)]
pub struct Problems {
    errors: Vec<Error>,
    seen: HashSet<Error>,
    unknown_field: Option<Error>,
}

impl Problems {
    pub fn push(&mut self, error: Error) {
        // A merged or aliased node is decoded once for each use, but reported once.
        if self.seen.insert(error.clone()) {
            self.errors.push(error);
        }
    }

    /// Report that an assignment names a field that the settings do not have.
    pub fn push_unknown_field(&mut self, error: Error) {
        self.unknown_field.get_or_insert_with(|| error.clone());
        self.push(error);
    }

    /// The first error that was reported with [`Problems::push_unknown_field`].
    pub fn unknown_field(&self) -> Option<&Error> {
        self.unknown_field.as_ref()
    }

    /// Add a hint to every error at this span.
    pub fn add_hint(&mut self, span: Span, hint: &str) {
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

    /// All errors in the order of the file.
    pub fn into_errors(mut self) -> Vec<Error> {
        self.errors.sort_by_key(|error| error.span.unwrap_or_default());
        self.errors
    }
}
