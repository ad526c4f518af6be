//! Scenes: the shapes and labels of a figure on a page. Lengths are points (1/72 inch), y grows downwards.
//!
//! Scenes know neither data nor file formats: `figures` creates them, `render` writes them to files.

use serde::{Deserialize, Serialize};

/// A page and its items, back to front.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scene {
    /// The figure's title in file metadata.
    pub title: String,
    pub width: f64,
    pub height: f64,
    pub items: Vec<Item>,
    /// Tooltips of the interactive format.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<Hint>,
}

/// The data values at positions of a figure, for formats that can show them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hint {
    /// What the values belong to: a panel, a legend entry.
    pub title: String,
    /// Each has one value per position. For cells, the first two are coordinates, with one value per column and per row.
    pub fields: Vec<Field>,
    pub spots: Spots,
}

/// A named value for each position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    pub name: String,
    pub values: Vec<String>,
}

/// Positions that have values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Spots {
    Points(Vec<[f64; 2]>),
    /// Rectangles, by two opposite corners.
    Boxes(Vec<[[f64; 2]; 2]>),
    /// Cells between edges along x and y, row by row.
    Cells {
        x: Vec<f64>,
        y: Vec<f64>,
    },
}

/// One item on the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Item {
    /// Straight lines through points; `close` joins the last to the first.
    Path { points: Vec<[f64; 2]>, close: bool, fill: Option<Color>, stroke: Option<Stroke> },
    /// A circle.
    Circle { center: [f64; 2], radius: f64, fill: Option<Color>, stroke: Option<Stroke> },
    /// A line of text with mathematical markup (see [`crate::figures::text`]).
    Label(Label),
    /// A grid of coloured cells with sharp edges, rows from the top; a cell without colour is transparent.
    Image { area: Rect, columns: usize, cells: Vec<Option<Color>> },
    /// Items clipped to a rectangle.
    Clip { area: Rect, items: Vec<Item> },
    /// Items that vector formats hold as one picture, at the figure's resolution.
    Raster { items: Vec<Item> },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rect {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

/// A line's colour, width in points, and lengths of dashes and gaps (empty: solid).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stroke {
    pub color: Color,
    pub width: f64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dashes: Vec<f64>,
}

/// sRGB and opacity, each 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Color(pub u8, pub u8, pub u8, pub u8);

/// The horizontal anchor of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Horizontal {
    Left,
    Middle,
    Right,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Vertical {
    Top,
    Middle,
    Baseline,
    Bottom,
}

/// A line of text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// Text with mathematics between `$`.
    pub markup: String,
    pub at: [f64; 2],
    /// Font size in points.
    pub size: f64,
    pub color: Color,
    pub bold: bool,
    /// Degrees, counter-clockwise, around `at`.
    pub rotation: f64,
    pub horizontal: Horizontal,
    pub vertical: Vertical,
}

impl Rect {
    pub fn new(x: f64, y: f64, width: f64, height: f64) -> Self {
        Rect { x, y, width, height }
    }

    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }

    /// Whether it contains a point, edges included.
    pub fn holds(&self, [x, y]: [f64; 2]) -> bool {
        (self.x..=self.right()).contains(&x) && (self.y..=self.bottom()).contains(&y)
    }

    /// The nearest point inside it.
    pub fn nearest(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [x.clamp(self.x, self.right()), y.clamp(self.y, self.bottom())]
    }

    pub fn middle(&self) -> [f64; 2] {
        [self.x + 0.5 * self.width, self.y + 0.5 * self.height]
    }
}

impl Color {
    pub const BLACK: Color = Color(0, 0, 0, 255);
    pub const WHITE: Color = Color(255, 255, 255, 255);

    /// The same colour with another opacity, 0 to 1.
    pub fn opacity(self, opacity: f64) -> Color {
        Color(self.0, self.1, self.2, (255.0 * opacity.clamp(0.0, 1.0)).round() as u8)
    }

    /// From red, green and blue between 0 and 1.
    pub fn unit(rgb: [f64; 3]) -> Color {
        let byte = |x: f64| (255.0 * x.clamp(0.0, 1.0)).round() as u8;
        Color(byte(rgb[0]), byte(rgb[1]), byte(rgb[2]), 255)
    }

    /// `#rrggbb`, without the opacity.
    pub fn hex(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

impl Stroke {
    pub fn solid(color: Color, width: f64) -> Stroke {
        Stroke { color, width, dashes: Vec::new() }
    }
}

impl Hint {
    /// Map the positions. Those that map to `None` are dropped; `None` if no position is left.
    pub fn map(self, point: impl Fn([f64; 2]) -> Option<[f64; 2]>) -> Option<Hint> {
        let Hint { title, fields, spots } = self;
        fn chosen<T>(places: Vec<Option<T>>, fields: Vec<Field>) -> (Vec<T>, Vec<Field>) {
            let kept: Vec<bool> = places.iter().map(Option::is_some).collect();
            let keep = |Field { name, values }: Field| {
                let values = values.into_iter().zip(&kept).filter(|(_, keep)| **keep).map(|(value, _)| value).collect();
                Field { name, values }
            };
            (places.into_iter().flatten().collect(), fields.into_iter().map(keep).collect())
        }
        match spots {
            Spots::Points(points) => {
                let (points, fields) = chosen(points.into_iter().map(point).collect(), fields);
                (!points.is_empty()).then_some(Hint { title, fields, spots: Spots::Points(points) })
            }
            Spots::Boxes(boxes) => {
                let places = boxes.into_iter().map(|[a, b]| Some([point(a)?, point(b)?])).collect();
                let (boxes, fields) = chosen(places, fields);
                (!boxes.is_empty()).then_some(Hint { title, fields, spots: Spots::Boxes(boxes) })
            }
            Spots::Cells { x, y } => {
                let (corner_x, corner_y) = (*x.first()?, *y.first()?);
                let x = x.iter().map(|x| Some(point([*x, corner_y])?[0])).collect::<Option<_>>()?;
                let y = y.iter().map(|y| Some(point([corner_x, *y])?[1])).collect::<Option<_>>()?;
                Some(Hint { title, fields, spots: Spots::Cells { x, y } })
            }
        }
    }
}

impl Field {
    pub fn new(name: impl Into<String>, values: Vec<String>) -> Field {
        Field { name: name.into(), values }
    }

    /// Numbers with four significant digits.
    pub fn numbers(name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Field {
        Field::new(name, values.into_iter().map(four_digits).collect())
    }
}

/// Format a number with four significant digits, as short as possible.
pub fn four_digits(value: f64) -> String {
    let rounded: f64 = format!("{value:.3e}").parse().unwrap_or(value);
    if rounded != 0.0 && !(1e-4..1e7).contains(&rounded.abs()) { format!("{rounded:e}") } else { format!("{rounded}") }
}

/// Round a coordinate to a thousandth of a point, so that the last bits of floating-point arithmetic never reach a file.
fn fix(x: &mut f64) {
    // A number this large has no decimals, and multiplying it could overflow.
    if x.abs() < 1e15 {
        *x = (*x * 1000.0).round() / 1000.0 + 0.0;
    }
}

fn round_hint(hint: &mut Hint) {
    match &mut hint.spots {
        Spots::Points(points) => points.iter_mut().flatten().for_each(fix),
        Spots::Boxes(boxes) => boxes.iter_mut().flatten().flatten().for_each(fix),
        Spots::Cells { x, y } => x.iter_mut().chain(y).for_each(fix),
    }
}

fn round(items: &mut [Item]) {
    let rect = |r: &mut Rect| [&mut r.x, &mut r.y, &mut r.width, &mut r.height].into_iter().for_each(fix);
    for item in items {
        match item {
            Item::Path { points, .. } => points.iter_mut().flatten().for_each(fix),
            Item::Circle { center, radius, .. } => {
                center.iter_mut().for_each(fix);
                fix(radius);
            }
            Item::Label(label) => label.at.iter_mut().for_each(fix),
            Item::Image { area, .. } => rect(area),
            Item::Clip { area, items } => {
                rect(area);
                round(items);
            }
            Item::Raster { items } => round(items),
        }
    }
}

/// Whether all positions and sizes are finite.
fn finite(items: &[Item]) -> bool {
    let rect = |r: &Rect| [r.x, r.y, r.width, r.height].iter().all(|v| v.is_finite());
    let line = |stroke: &Option<Stroke>| {
        stroke.as_ref().is_none_or(|stroke| stroke.width.is_finite() && stroke.dashes.iter().all(|v| v.is_finite()))
    };
    items.iter().all(|item| match item {
        Item::Path { points, stroke, .. } => points.iter().flatten().all(|v| v.is_finite()) && line(stroke),
        Item::Circle { center, radius, stroke, .. } => {
            center.iter().chain([radius]).all(|v| v.is_finite()) && line(stroke)
        }
        Item::Label(label) => label.at.iter().chain([&label.size, &label.rotation]).all(|v| v.is_finite()),
        Item::Image { area, .. } => rect(area),
        Item::Clip { area, items } => rect(area) && finite(items),
        Item::Raster { items } => finite(items),
    })
}

impl Scene {
    /// Whether all positions are finite, so that its encoding can be decoded.
    pub fn is_finite(&self) -> bool {
        let spots = self.hints.iter().all(|hint| match &hint.spots {
            Spots::Points(points) => points.iter().flatten().all(|v| v.is_finite()),
            Spots::Boxes(boxes) => boxes.iter().flatten().flatten().all(|v| v.is_finite()),
            Spots::Cells { x, y } => x.iter().chain(y).all(|v| v.is_finite()),
        });
        self.width.is_finite() && self.height.is_finite() && spots && finite(&self.items)
    }
}

/// Encode a scene canonically: JSON with rounded positions.
pub fn encode_scene(mut scene: Scene) -> Vec<u8> {
    round(&mut scene.items);
    scene.hints.iter_mut().for_each(round_hint);
    // Plain structs and numbers: serialisation cannot fail.
    serde_json::to_vec(&scene).unwrap_or_default()
}

/// Decode a scene without its tooltips, which take more memory than its items; `None` if the bytes are not a valid encoding.
pub fn decode_scene_without_hints(bytes: &[u8]) -> Option<Scene> {
    /// The same fields as in [`Scene`].
    #[derive(Deserialize)]
    struct Shown {
        title: String,
        width: f64,
        height: f64,
        items: Vec<Item>,
    }
    let Shown { title, width, height, items } = serde_json::from_slice(bytes).ok()?;
    Some(Scene { title, width, height, items, hints: Vec::new() })
}

/// Decode a scene; `None` if the bytes are not a valid encoding.
pub fn decode_scene(bytes: &[u8]) -> Option<Scene> {
    serde_json::from_slice(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scene_survives_the_round_trip_with_rounded_positions() {
        let path = |x: f64| Item::Path {
            points: vec![[x, 2.0]],
            close: false,
            fill: None,
            stroke: Some(Stroke::solid(Color::BLACK, 0.8)),
        };
        let clip = |x| Item::Clip { area: Rect::new(0.0, 0.0, 9.0, 9.0), items: vec![path(x)] };
        let scene = |x| Scene { title: "t".into(), width: 10.0, height: 10.0, items: vec![clip(x)], hints: Vec::new() };
        let bytes = encode_scene(scene(0.1 + 0.2));
        assert_eq!(decode_scene(&bytes), Some(scene(0.3)));
        assert_eq!(bytes, encode_scene(scene(0.3)));
        assert_eq!(decode_scene(b"{}"), None);
        let hint = Hint { title: "a".into(), fields: Vec::new(), spots: Spots::Points(Vec::new()) };
        let bytes = encode_scene(Scene { hints: vec![hint], ..scene(0.3) });
        assert_eq!(decode_scene_without_hints(&bytes), Some(scene(0.3)));
    }
}
