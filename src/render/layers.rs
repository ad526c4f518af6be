//! Splits a scene that is too large to rasterise as one document into layers, drawn one after another.
//!
//! The rasteriser's time per path is quadratic in its points, and its memory per document is linear in its elements. So a very long line
//! is split into short ones, and a large number of shapes into several documents.

use crate::error::{Error, Result};
use crate::value::{Color, Dot, Item, Label, Rect, Scene, Stroke};

/// Lines with more points than this are split.
const LONG: usize = 10_000;
/// Points in each piece of a split line.
const PIECE: usize = 256;
/// Scenes with at most this many elements are drawn as one document.
const MOST: usize = 300_000;
/// Elements per part of a larger scene.
const PART: usize = 30_000;
/// Estimated elements per letter.
const LETTER: usize = 3;

/// Parts that are drawn one after another.
pub struct Layer {
    /// For a split line: the opacity of the whole layer. The pieces are drawn opaque, so that overlaps do not show.
    pub opacity: Option<u8>,
    pub parts: Vec<Vec<Item>>,
}

/// The layers of a scene, back to front; `None` if it is small enough for one document.
pub fn layers(scene: &Scene) -> Result<Option<Vec<Layer>>> {
    check_labels(&scene.items)?;
    if elements(&scene.items) <= MOST && !has_long_line(&scene.items) {
        return Ok(None);
    }
    Ok(Some(cut(&scene.items)))
}

/// The layers of some items, back to front.
pub fn all(items: &[Item]) -> Result<Vec<Layer>> {
    check_labels(items)?;
    Ok(cut(items))
}

fn cut(items: &[Item]) -> Vec<Layer> {
    let mut cutter = Cutter::default();
    cutter.items(items, None);
    cutter.finish_layer();
    cutter.layers
}

fn check_labels(items: &[Item]) -> Result<()> {
    let mut labels = Vec::new();
    collect_labels(items, &mut labels);
    if let Some(label) = labels.into_iter().find(|label| label.markup.len() * LETTER > MOST) {
        let start: String = label.markup.chars().take(30).collect();
        let error = Error::stage(format!("a text of {} bytes is too long for a png: `{start}...`", label.markup.len()));
        return Err(error.hint("shorten it, or take `png` out of `formats`"));
    }
    Ok(())
}

fn collect_labels<'a>(items: &'a [Item], labels: &mut Vec<&'a Label>) {
    for item in items {
        match item {
            Item::Label(label) => labels.push(label),
            Item::Clip { items, .. } | Item::Raster { items } => collect_labels(items, labels),
            Item::Path { .. } | Item::Circles { .. } | Item::Image { .. } => {}
        }
    }
}

/// Estimated number of document elements for some items.
fn elements(items: &[Item]) -> usize {
    let one = |item: &Item| match item {
        Item::Path { .. } => 1,
        Item::Circles { dots, .. } => dots.len(),
        Item::Label(label) => LETTER * label.markup.len(),
        Item::Image { cells, .. } if cells.len() <= PART => cells.len(),
        Item::Image { area, columns, cells } => super::cells::blocks(*area, *columns, cells).len(),
        Item::Clip { items, .. } => 1 + elements(items),
        Item::Raster { items } => elements(items),
    };
    items.iter().map(one).sum()
}

fn is_long_line(item: &Item) -> Option<(&[[f64; 2]], bool, &Stroke)> {
    match item {
        Item::Path { points, close, fill: None, stroke: Some(stroke) } if points.len() > LONG => {
            Some((points, *close, stroke))
        }
        _ => None,
    }
}

fn has_long_line(items: &[Item]) -> bool {
    items.iter().any(|item| match item {
        Item::Clip { items, .. } | Item::Raster { items } => has_long_line(items),
        item => is_long_line(item).is_some(),
    })
}

#[derive(Default)]
struct Cutter {
    layers: Vec<Layer>,
    /// The parts of the current layer, and the items and elements of its last part.
    parts: Vec<Vec<Item>>,
    part: Vec<Item>,
    size: usize,
    /// Where `part` is clipped.
    clip: Option<Rect>,
}

impl Cutter {
    fn items(&mut self, items: &[Item], clip: Option<Rect>) {
        for item in items {
            if let Item::Clip { area, items } = item {
                // Clips are never nested, so the inner rectangle is the only one.
                self.items(items, Some(*area));
            } else if let Item::Raster { items } = item {
                self.items(items, clip);
            } else if let Some((points, close, stroke)) = is_long_line(item) {
                self.finish_layer();
                self.long_line(points, close, stroke, clip);
            } else if let Item::Circles { dots, radius, stroke } = item {
                self.circles(dots, *radius, stroke, clip);
            } else {
                self.push(item.clone(), clip);
            }
        }
    }

    /// Fill the current part with circles, then others.
    fn circles(&mut self, mut dots: &[Dot], radius: f64, stroke: &Option<Stroke>, clip: Option<Rect>) {
        while !dots.is_empty() {
            if self.clip != clip || self.size >= PART {
                self.finish_part();
            }
            self.clip = clip;
            let (now, later) = dots.split_at(dots.len().min(PART - self.size));
            self.size += now.len();
            self.part.push(Item::Circles { dots: now.to_vec(), radius, stroke: stroke.clone() });
            dots = later;
        }
    }

    fn push(&mut self, item: Item, clip: Option<Rect>) {
        let size = elements(std::slice::from_ref(&item));
        if let Item::Image { area, columns, cells } = &item
            && size > PART
        {
            return self.image(*area, *columns, cells, clip);
        }
        if self.clip != clip || self.size + size > PART {
            self.finish_part();
        }
        self.clip = clip;
        self.size += size;
        self.part.push(item);
    }

    /// Split an image into strips of rows; each overlaps the one below it.
    fn image(&mut self, area: Rect, columns: usize, cells: &[Option<Color>], clip: Option<Rect>) {
        let rows = super::cells::rows(columns, cells);
        let (step, high) = ((PART / columns.max(1)).max(1), area.height / rows.max(1) as f64);
        for row in (0..rows).step_by(step) {
            let end = (row + step + 1).min(rows);
            let strip = &cells[row * columns..(end * columns).min(cells.len())];
            let area = Rect::new(area.x, area.y + row as f64 * high, area.width, (end - row) as f64 * high);
            self.finish_part();
            self.clip = clip;
            self.part.push(Item::Image { area, columns, cells: strip.to_vec() });
        }
    }

    /// Split a line into short ones that overlap by a segment, so that every corner is inside one of them.
    fn long_line(&mut self, points: &[[f64; 2]], close: bool, stroke: &Stroke, clip: Option<Rect>) {
        let opaque = Stroke { color: Color(stroke.color.0, stroke.color.1, stroke.color.2, 255), ..stroke.clone() };
        let mut all = points.to_vec();
        if close {
            all.extend(points.iter().take(2));
        }
        // The dash offset at which a piece begins.
        let twice = if stroke.dashes.len() % 2 == 1 { 2.0 } else { 1.0 };
        let period = twice * stroke.dashes.iter().sum::<f64>();
        let (mut from, mut along, mut points_of_part) = (0, 0.0, 0);
        while from + 1 < all.len() {
            let to = (from + PIECE).min(all.len());
            let pieces = dashed(&all[from..to], &opaque, along);
            for points in pieces {
                let stroke = Some(Stroke { dashes: Vec::new(), ..opaque.clone() });
                points_of_part += points.len();
                self.push(Item::Path { points, close: false, fill: None, stroke }, clip);
            }
            if points_of_part > PART {
                self.finish_part();
                points_of_part = 0;
            }
            if to == all.len() {
                break;
            }
            let next = to - 2;
            along += all[from..=next].windows(2).map(|pair| distance(pair[0], pair[1])).sum::<f64>();
            if period > 0.0 {
                along %= period;
            }
            from = next;
        }
        let opacity = stroke.color.3;
        self.finish_part();
        let parts = std::mem::take(&mut self.parts);
        self.layers.push(Layer { opacity: (opacity < 255).then_some(opacity), parts });
    }

    fn finish_part(&mut self) {
        let items = std::mem::take(&mut self.part);
        self.size = 0;
        if items.is_empty() {
            return;
        }
        self.parts.push(match self.clip {
            Some(area) => vec![Item::Clip { area, items }],
            None => items,
        });
    }

    fn finish_layer(&mut self) {
        self.finish_part();
        let parts = std::mem::take(&mut self.parts);
        if !parts.is_empty() {
            self.layers.push(Layer { opacity: None, parts });
        }
    }
}

fn distance([a, b]: [f64; 2], [c, d]: [f64; 2]) -> f64 {
    (c - a).hypot(d - b)
}

/// The dashes of a line as separate lines, starting at offset `along` of the pattern; the line itself if it is solid.
fn dashed(points: &[[f64; 2]], stroke: &Stroke, along: f64) -> Vec<Vec<[f64; 2]>> {
    let dashes = super::looks::dashes(stroke);
    if dashes.is_empty() {
        return vec![points.to_vec()];
    }
    // An odd number of lengths is repeated, as in SVG.
    let lengths: Vec<f64> = if dashes.len() % 2 == 1 { dashes.repeat(2) } else { dashes.to_vec() };
    let (mut dash, mut left) = (0, along);
    while left >= lengths[dash] {
        left -= lengths[dash];
        dash = (dash + 1) % lengths.len();
    }
    // The remainder of the dash or gap in which the piece begins.
    let mut rest = lengths[dash] - left;
    let mut lines: Vec<Vec<[f64; 2]>> = Vec::new();
    let mut line: Vec<[f64; 2]> = if dash % 2 == 0 { points.iter().take(1).copied().collect() } else { Vec::new() };
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let length = distance(from, to);
        let mut done = 0.0;
        while length - done > rest {
            done += rest;
            let share = done / length;
            let at = [from[0] + share * (to[0] - from[0]), from[1] + share * (to[1] - from[1])];
            line.push(at);
            if dash % 2 == 0 {
                lines.push(std::mem::take(&mut line));
            } else {
                line = vec![at];
            }
            dash = (dash + 1) % lengths.len();
            rest = lengths[dash];
        }
        rest -= length - done;
        if dash % 2 == 0 {
            line.push(to);
        }
    }
    if line.len() > 1 {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Color;

    fn scene(items: Vec<Item>) -> Scene {
        Scene { width: 200.0, height: 100.0, items, ..Scene::default() }
    }

    fn wave(points: usize, color: Color, dashes: Vec<f64>) -> Item {
        let point = |i: usize| {
            let x = i as f64 / points as f64;
            [10.0 + 180.0 * x, 50.0 + 40.0 * (20.0 * x).sin()]
        };
        let stroke = Stroke { color, width: 2.0, dashes };
        Item::Path { points: (0..points).map(point).collect(), close: false, fill: None, stroke: Some(stroke) }
    }

    /// Mean absolute difference of two pictures, per byte.
    fn difference(a: Item, b: Item) -> f64 {
        let clip = |item| Item::Clip { area: Rect::new(0.0, 0.0, 200.0, 100.0), items: vec![item] };
        let picture = |item| {
            let png = super::super::png(&scene(vec![clip(item)]), 144, "").unwrap();
            resvg::tiny_skia::Pixmap::decode_png(&png).unwrap().data().to_vec()
        };
        let (a, b) = (picture(a), picture(b));
        assert!(a.iter().any(|byte| *byte != 255) && a.len() == b.len());
        let sum: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
        sum / a.len() as f64
    }

    #[test]
    fn a_long_line_looks_like_the_same_line_with_fewer_points() {
        let colors = [Color(31, 119, 180, 255), Color(31, 119, 180, 80)];
        for (color, dashes) in
            colors.into_iter().flat_map(|c| [(c, vec![]), (c, vec![7.4, 3.2]), (c, vec![3.0, 2.0, 1.0])])
        {
            let stroke = format!("{color:?} {dashes:?}");
            let (short, long) = (wave(2_000, color, dashes.clone()), wave(40_000, color, dashes));
            assert!(!has_long_line(std::slice::from_ref(&short)) && has_long_line(std::slice::from_ref(&long)));
            let difference = difference(short, long);
            assert!(difference < 0.3, "{stroke:?}: {difference}");
        }
    }

    #[test]
    fn a_closed_line_is_closed() {
        let ring = |points: usize| {
            let turn = |i: usize| std::f64::consts::TAU * i as f64 / points as f64;
            let points = (0..points).map(|i| [100.0 + 40.0 * turn(i).cos(), 50.0 + 40.0 * turn(i).sin()]).collect();
            let stroke = Some(Stroke::solid(Color(200, 0, 0, 128), 3.0));
            Item::Path { points, close: true, fill: None, stroke }
        };
        assert!(difference(ring(1_000), ring(20_000)) < 0.1);
    }

    #[test]
    fn very_many_shapes_and_cells_are_drawn_in_parts() {
        let dot = |i: usize| {
            let center = [(i % 199) as f64 + 0.5, (i / 199 % 99) as f64 + 0.5];
            Item::circle(center, 0.4, Some(Color(0, 0, 120, 255)), None)
        };
        let cloud =
            scene(vec![Item::Clip { area: Rect::new(0.0, 0.0, 100.0, 100.0), items: (0..MOST).map(dot).collect() }]);
        let cut = layers(&cloud).unwrap().unwrap();
        assert!(cut.len() == 1 && cut[0].parts.len() == MOST / PART, "{}", cut[0].parts.len());
        assert!(cut[0].parts.iter().all(|part| matches!(part.as_slice(), [Item::Clip { .. }])));
        let cell = |i: usize| Some(Color((i % 256) as u8, (i / 256 % 256) as u8, 0, 255));
        let area = Rect::new(0.0, 0.0, 100.0, 100.0);
        let image = Item::Image { area, columns: 600, cells: (0..600 * 600).map(cell).collect() };
        let cut = layers(&scene(vec![image])).unwrap().unwrap();
        assert_eq!(cut[0].parts.len(), 12);
    }

    #[test]
    fn drawing_stops_when_it_is_asked_to() {
        let asked = std::cell::Cell::new(0);
        let stop = || {
            asked.set(asked.get() + 1);
            asked.get() > 1
        };
        let line = scene(vec![wave(200_000, Color::BLACK, vec![])]);
        assert_eq!(super::super::png::png_unless(&line, 72, "", &stop).unwrap(), None);
        assert_eq!(asked.get(), 2);
    }

    #[test]
    fn a_text_too_long_for_a_png_is_an_error_with_advice() {
        let label = Item::Label(Label {
            markup: "x".repeat(1_000_000),
            at: [0.0, 0.0],
            size: 10.0,
            color: Color::BLACK,
            bold: false,
            rotation: 0.0,
            horizontal: crate::value::Horizontal::Left,
            vertical: crate::value::Vertical::Top,
        });
        let error = super::super::png(&scene(vec![label]), 72, "").unwrap_err();
        assert_eq!(error.kind, crate::error::ErrorKind::Stage);
        assert_eq!(error.hints, ["shorten it, or take `png` out of `formats`"]);
    }
}
