//! Marks that draw nothing visible: a warning for each, and an error if all marks of a figure are empty.

use super::marks::Shape;
use super::panel::{ResolvedMark, ResolvedPanel};
use super::shapes::PlotTransform;
use crate::error::{Error, Span};
use crate::value::Item;

/// A mark that draws nothing visible, and the reason.
pub struct EmptyMark {
    name: &'static str,
    span: Span,
    /// The panel it is in, such as ` at expert=3`; empty if there is only one.
    panel: String,
    why: String,
    hint: Option<&'static str>,
}

impl EmptyMark {
    /// Returns the mark if its shapes produced no visible items.
    pub fn found(
        panel: &ResolvedPanel,
        mark: &ResolvedMark,
        shapes: &[&Shape],
        items: &[Item],
        frame: &PlotTransform,
    ) -> Option<EmptyMark> {
        if items.iter().any(is_seen) {
            return None;
        }
        let places = || shapes.iter().flat_map(|shape| shape.places());
        let numbers = places().filter(|place| place.iter().all(|v| v.is_finite())).count();
        let placed = places().filter(|place| frame.point(**place).is_some()).count();
        let (why, hint) = match (places().count(), numbers, placed) {
            (0, ..) => ("it has no numbers, or all of them are NaN".to_string(), None),
            (1, 0, _) => ("its only number is NaN or infinite".to_string(), None),
            (n, 0, _) => (format!("all of its {n} numbers are NaN or infinite"), None),
            (_, _, 0) => ("none of its numbers has a place on a logarithmic axis".to_string(), None),
            _ if mark.name == "line" => (
                "a line needs two neighbouring numbers".to_string(),
                Some("`dots: 2` shows single ones, and so does the mark `points`"),
            ),
            _ => ("its numbers make no shape".to_string(), None),
        };
        Some(EmptyMark { name: mark.name, span: mark.span, panel: panel.at.clone(), why, hint })
    }

    fn error(&self, message: String) -> Error {
        let error = Error::stage(message).at(self.span);
        self.hint.iter().fold(error, |error, hint| error.hint(*hint))
    }

    /// The warning for this mark.
    pub fn warning(&self) -> Error {
        self.error(format!("this `{}` shows nothing{}: {}", self.name, self.panel, self.why))
    }

    /// The error for a figure whose marks are all empty; this mark is the first.
    pub fn nothing_at_all(&self) -> Error {
        self.error(format!("this figure would be empty: its `{}` shows nothing{}: {}", self.name, self.panel, self.why))
    }
}

fn is_seen(item: &Item) -> bool {
    match item {
        Item::Image { cells, .. } => cells.iter().any(Option::is_some),
        Item::Clip { items, .. } | Item::Raster { items } => items.iter().any(is_seen),
        Item::Path { .. } | Item::Circles { .. } | Item::Label(_) => true,
    }
}
