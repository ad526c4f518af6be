//! Which fills, strokes, dashes, circles and lines are visible. Formats disagree about zero-width lines and zero-length dashes, so this is
//! decided once for all of them.

use crate::value::{Color, Dot, Item, Stroke};

/// An element of a file: a part of an item that has a place and a look of its own.
#[derive(Clone, Copy, Debug)]
pub enum Element<'a> {
    Outline(Outline<'a>, Look<'a>),
    /// An item without outlines.
    Other(&'a Item),
    Invisible,
}

#[derive(Clone, Copy, Debug)]
pub enum Outline<'a> {
    Line { points: &'a [[f64; 2]], close: bool },
    Circle { center: [f64; 2], radius: f64 },
}

/// How an outline is painted: with a visible fill, a visible stroke or both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look<'a> {
    pub fill: Option<Color>,
    pub stroke: Option<&'a Stroke>,
    /// Closed lines have mitred corners, open ones round.
    pub mitre: bool,
}

/// The elements of some items, one after another.
pub fn elements(items: &[Item]) -> impl Iterator<Item = Element<'_>> {
    items.iter().flat_map(|item| {
        let (dots, one) = match item {
            Item::Circles { dots, radius, stroke } => {
                (Some(dots.iter().map(|dot| circle(*dot, *radius, stroke))), None)
            }
            Item::Path { points, close, fill, stroke } => {
                let line = Outline::Line { points, close: *close };
                (
                    None,
                    Some(
                        painted(line, *fill, stroke, *close).filter(|_| is_line(points)).unwrap_or(Element::Invisible),
                    ),
                )
            }
            other => (None, Some(Element::Other(other))),
        };
        dots.into_iter().flatten().chain(one)
    })
}

fn circle(Dot { center, fill }: Dot, radius: f64, stroke: &Option<Stroke>) -> Element<'_> {
    let outline = Outline::Circle { center, radius };
    painted(outline, fill, stroke, false).filter(|_| is_circle(center, radius)).unwrap_or(Element::Invisible)
}

/// An outline with the visible parts of its look, if there are any.
fn painted<'a>(
    outline: Outline<'a>,
    fill: Option<Color>,
    stroke: &'a Option<Stroke>,
    mitre: bool,
) -> Option<Element<'a>> {
    let look = Look { fill: shown(fill), stroke: visible(stroke), mitre };
    (look.fill.is_some() || look.stroke.is_some()).then_some(Element::Outline(outline, look))
}

/// The stroke, if it is visible.
fn visible(stroke: &Option<Stroke>) -> Option<&Stroke> {
    stroke.as_ref().filter(|stroke| stroke.width > 0.0 && stroke.width.is_finite() && stroke.color.3 > 0)
}

/// The fill colour, if it is visible.
fn shown(fill: Option<Color>) -> Option<Color> {
    fill.filter(|color| color.3 > 0)
}

/// The lengths of dashes and gaps; empty for a solid line.
pub fn dashes(stroke: &Stroke) -> &[f64] {
    let sound = stroke.dashes.iter().all(|x| x.is_finite() && *x >= 0.0) && stroke.dashes.iter().any(|x| *x > 0.0);
    if sound { &stroke.dashes } else { &[] }
}

/// Whether a circle is finite and not empty.
fn is_circle(center: [f64; 2], radius: f64) -> bool {
    center.iter().all(|x| x.is_finite()) && radius.is_finite() && radius > 0.0
}

/// Whether a line has a segment with finite ends.
fn is_line(points: &[[f64; 2]]) -> bool {
    points.windows(2).any(|ends| ends.iter().flatten().all(|x| x.is_finite()))
}
