//! Scenes: the shapes and labels of a figure on a page. Lengths are points (1/72 inch), y grows downwards.
//!
//! Scenes know neither data nor file formats: `figures` creates them, `render` writes them to files.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::fix::fix;
use super::hint::Hint;

/// A page and its items, back to front.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scene {
    /// The figure's title in file metadata.
    pub title: String,
    pub width: f64,
    pub height: f64,
    #[serde(serialize_with = "write_items", deserialize_with = "read_items")]
    pub items: Vec<Item>,
    /// Tooltips of the interactive format.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<Hint>,
}

/// One item on the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Item {
    /// Straight lines through points; `close` joins the last to the first.
    Path { points: Vec<[f64; 2]>, close: bool, fill: Option<Color>, stroke: Option<Stroke> },
    /// Circles of one radius and outline, back to front. They are packed, because a figure may have millions; in the encoding each is an
    /// item of its own.
    #[serde(rename = "Circle", skip_serializing, deserialize_with = "one_circle")]
    Circles { dots: Vec<Dot>, radius: f64, stroke: Option<Stroke> },
    /// A line of text with mathematical markup (see [`crate::figures::text`]).
    Label(Label),
    /// A grid of coloured cells with sharp edges, rows from the top; a cell without colour is transparent.
    Image { area: Rect, columns: usize, cells: Vec<Option<Color>> },
    /// Items clipped to a rectangle.
    Clip {
        area: Rect,
        #[serde(serialize_with = "write_items", deserialize_with = "read_items")]
        items: Vec<Item>,
    },
    /// Items that vector formats hold as one picture, at the figure's resolution.
    Raster {
        #[serde(serialize_with = "write_items", deserialize_with = "read_items")]
        items: Vec<Item>,
    },
}

/// The place and colour of a circle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dot {
    pub center: [f64; 2],
    pub fill: Option<Color>,
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

impl Item {
    /// A circle.
    pub fn circle(center: [f64; 2], radius: f64, fill: Option<Color>, stroke: Option<Stroke>) -> Item {
        Item::Circles { dots: vec![Dot { center, fill }], radius, stroke }
    }
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

fn round(items: &mut [Item]) {
    let rect = |r: &mut Rect| [&mut r.x, &mut r.y, &mut r.width, &mut r.height].into_iter().for_each(fix);
    for item in items {
        match item {
            Item::Path { points, .. } => points.iter_mut().flatten().for_each(fix),
            Item::Circles { dots, radius, .. } => {
                dots.iter_mut().flat_map(|dot| &mut dot.center).for_each(fix);
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
        Item::Circles { dots, radius, stroke } => {
            dots.iter().flat_map(|dot| &dot.center).chain([radius]).all(|v| v.is_finite()) && line(stroke)
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
        self.width.is_finite()
            && self.height.is_finite()
            && self.hints.iter().all(Hint::is_finite)
            && finite(&self.items)
    }
}

/// Encode items as a sequence in which every circle is an item of its own.
fn write_items<S: Serializer>(items: &[Item], serializer: S) -> Result<S::Ok, S::Error> {
    /// A circle as an item.
    #[derive(Serialize)]
    enum Alone<'a> {
        Circle { center: [f64; 2], radius: f64, fill: Option<Color>, stroke: &'a Option<Stroke> },
    }
    let mut sequence = serializer.serialize_seq(None)?;
    for item in items {
        match item {
            Item::Circles { dots, radius, stroke } => {
                for Dot { center, fill } in dots {
                    let circle = Alone::Circle { center: *center, radius: *radius, fill: *fill, stroke };
                    sequence.serialize_element(&circle)?;
                }
            }
            other => sequence.serialize_element(other)?,
        }
    }
    sequence.end()
}

/// Decode items; neighbouring circles of one radius and outline are packed again.
fn read_items<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Item>, D::Error> {
    struct Items;

    impl<'de> Visitor<'de> for Items {
        type Value = Vec<Item>;

        fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
            formatter.write_str("a sequence of items")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<Item>, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = sequence.next_element()? {
                push(&mut items, item);
            }
            Ok(items)
        }
    }

    deserializer.deserialize_seq(Items)
}

/// Add an item; circles like those before them join them.
fn push(items: &mut Vec<Item>, item: Item) {
    if let (
        Item::Circles { dots, radius, stroke },
        Some(Item::Circles { dots: before, radius: known, stroke: outline }),
    ) = (&item, items.last_mut())
        && radius == known
        && stroke == outline
    {
        before.extend(dots);
    } else {
        items.push(item);
    }
}

/// The fields of one circle.
fn one_circle<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(Vec<Dot>, f64, Option<Stroke>), D::Error> {
    #[derive(Deserialize)]
    struct Circle {
        center: [f64; 2],
        radius: f64,
        fill: Option<Color>,
        stroke: Option<Stroke>,
    }
    let Circle { center, radius, fill, stroke } = Circle::deserialize(deserializer)?;
    Ok((vec![Dot { center, fill }], radius, stroke))
}

/// Encode a scene canonically: JSON with rounded positions.
pub fn encode_scene(mut scene: Scene) -> Vec<u8> {
    round(&mut scene.items);
    scene.hints.iter_mut().for_each(Hint::round);
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
        #[serde(serialize_with = "write_items", deserialize_with = "read_items")]
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
    use super::super::hint::Spots;
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

    #[test]
    fn neighbouring_circles_of_one_size_are_packed() {
        let [red, blue] = [Color(255, 0, 0, 255), Color(0, 0, 255, 255)];
        let circle = |x: f64, fill, radius| Item::circle([x, 1.5], radius, Some(fill), None);
        let items = vec![circle(1.0, red, 2.0), circle(2.0, blue, 2.0), circle(3.0, blue, 4.0)];
        let bytes = encode_scene(Scene { width: 9.0, height: 9.0, items, ..Scene::default() });
        let text = String::from_utf8(bytes.clone()).unwrap();
        let second = r#"{"Circle":{"center":[2.0,1.5],"radius":2.0,"fill":[0,0,255,255],"stroke":null}}"#;
        assert!(text.matches("Circle").count() == 3 && text.contains(second), "each is an item of its own: {text}");
        let scene = decode_scene(&bytes).unwrap();
        let dots = |item: &Item| match item {
            Item::Circles { dots, .. } => dots.len(),
            other => panic!("{other:?}"),
        };
        assert_eq!(scene.items.iter().map(dots).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(encode_scene(scene), bytes);
    }
}
