//! Mark colours: a single colour, one colour per coordinate of an axis, or a colour map over the values of an array.

use serde_json::{Map, Value as Json, json};

use super::bivariate::ColorPair;
use super::colormaps::{ColorMap, Palette};
use super::data::Scope;
use super::theme::Theme;
use crate::error::Error;
use crate::spec::{Decode, Located, Node, Problems, Schemas, Yaml, nearest};
use crate::value::Color;

/// Colour names accepted besides `#rrggbb`.
const NAMED: [(&str, u32); 16] = [
    ("black", 0x000000),
    ("white", 0xffffff),
    ("gray", 0x7f7f7f),
    ("lightgray", 0xd3d3d3),
    ("red", 0xd62728),
    ("orange", 0xff7f0e),
    ("yellow", 0xeeca3b),
    ("green", 0x2ca02c),
    ("blue", 0x1f77b4),
    ("purple", 0x9467bd),
    ("brown", 0x8c564b),
    ("pink", 0xe377c2),
    ("cyan", 0x17becf),
    ("pure-red", 0xff0000),
    ("pure-green", 0x008000),
    ("pure-blue", 0x0000ff),
];

/// A colour as written in the paper file: a name or `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paint(pub Color);

impl Paint {
    pub const BLACK: Paint = Paint(Color::BLACK);
}

fn from_bits(bits: u32) -> Color {
    Color((bits >> 16 & 255) as u8, (bits >> 8 & 255) as u8, (bits & 255) as u8, 255)
}

impl Decode for Paint {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let Yaml::Text(text) = &node.value else { return crate::spec::wrong_type(node, problems) };
        if let Some(hex) = text.strip_prefix('#')
            && hex.len() == 6
            && let Ok(bits) = u32::from_str_radix(hex, 16)
        {
            return Some(Paint(from_bits(bits)));
        }
        if let Some((_, bits)) = NAMED.iter().find(|(name, _)| name == text) {
            return Some(Paint(from_bits(*bits)));
        }
        let error = Error::user(format!("`{text}` is not a colour")).at(node.span);
        problems.push(match nearest(text, NAMED.iter().map(|(name, _)| *name)) {
            Some(name) => error.hint(format!("did you mean `{name}`?")),
            None => error.hint("write it as `\"#1f77b4\"`, or as a name such as `red`, `gray` or `black`"),
        });
        None
    }

    fn manifest(&self) -> Json {
        json!(self.0.hex())
    }

    fn schema(_: &mut Schemas) -> Json {
        let names: Vec<&str> = NAMED.iter().map(|(name, _)| *name).collect();
        json!({"anyOf": [{"type": "string", "pattern": "^#[0-9a-fA-F]{6}$"}, {"enum": names}]})
    }

    fn expected() -> String {
        "a colour, as `\"#1f77b4\"` or a name".into()
    }
}

crate::record! {
    /// One colour for each coordinate of an axis, listed in the legend.
    pub struct ColorBy {
        /// The axis whose coordinates get a colour each.
        pub by: Located<String>,
        /// Defaults to the theme's.
        pub palette: Option<Palette> = None,
        /// An explicit list of colours, used instead of the palette.
        pub colors: Vec<Paint> = Vec::new(),
        /// Legend labels that replace coordinates.
        pub labels: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new(),
    }
}

crate::record! {
    /// Colours taken from the values of an array.
    pub struct ColorOf with canonical {
        /// The name of the array.
        pub value: Located<String>,
        /// Defaults to the theme's.
        pub map: Option<ColorMap> = None,
        /// Treat the values 0, 1, ... as categories and colour them from this palette; `labels` names the categories.
        pub palette: Option<Palette> = None,
        pub labels: Vec<String> = Vec::new(),
        /// The value mapped to the first colour; by default the smallest.
        pub from: Option<f64> = None,
        /// The value mapped to the last colour; by default the largest. If it is less than `from`, the colour map is reversed.
        pub to: Option<f64> = None,
        /// The label of the colour bar.
        pub label: String = String::new(),
        /// Whether to draw a colour bar.
        pub bar: bool = true,
        /// For bars: one series for each coordinate of this axis, coloured by the array's value there.
        pub by: Option<Located<String>> = None,
    }
}

/// Serialized for the cache key; `by` is included only if it is set.
fn canonical(of: &ColorOf, map: &mut Map<String, Json>) {
    if of.by.is_none() {
        map.remove("by");
    }
}

/// The colours of heatmap cells: from one array or from two.
#[derive(Clone, Debug, PartialEq)]
pub enum CellColor {
    Of(ColorOf),
    Pair(ColorPair),
}

impl Decode for CellColor {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        if node.get("x").is_some() && node.get("value").is_none() {
            ColorPair::decode(node, problems).map(CellColor::Pair)
        } else {
            ColorOf::decode(node, problems).map(CellColor::Of)
        }
    }

    fn manifest(&self) -> Json {
        match self {
            CellColor::Of(of) => of.manifest(),
            CellColor::Pair(pair) => pair.manifest(),
        }
    }

    fn schema(schemas: &mut Schemas) -> Json {
        json!({"anyOf": [ColorOf::schema(schemas), ColorPair::schema(schemas)]})
    }

    fn expected() -> String {
        "`{value: ARRAY}`, or `{x: {value: ARRAY}, y: {value: ARRAY}}`".into()
    }
}

/// The colour of a mark.
#[derive(Clone, Debug, PartialEq)]
pub enum ColorChannel {
    Fixed(Paint),
    By(ColorBy),
    Of(ColorOf),
}

impl Decode for ColorChannel {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            Yaml::Map(_) if node.get("value").is_some() => ColorOf::decode(node, problems).map(ColorChannel::Of),
            Yaml::Map(_) if node.get("by").is_some() => ColorBy::decode(node, problems).map(ColorChannel::By),
            Yaml::Text(_) => Paint::decode(node, problems).map(ColorChannel::Fixed),
            _ => crate::spec::wrong_type(node, problems),
        }
    }

    fn manifest(&self) -> Json {
        match self {
            ColorChannel::Fixed(paint) => paint.manifest(),
            ColorChannel::By(by) => by.manifest(),
            ColorChannel::Of(of) => of.manifest(),
        }
    }

    fn schema(schemas: &mut Schemas) -> Json {
        json!({"anyOf": [Paint::schema(schemas), ColorBy::schema(schemas), ColorOf::schema(schemas)]})
    }

    fn expected() -> String {
        "a colour, `{by: AXIS}` or `{value: ARRAY}`".into()
    }
}

impl ColorBy {
    /// Returns the colour of the i-th coordinate.
    pub fn color(&self, i: usize, theme: &Theme) -> Color {
        match self.colors.as_slice() {
            [] => self.palette.as_ref().unwrap_or(&theme.palette).at(i),
            colors => colors[i % colors.len()].0,
        }
    }

    /// Returns the legend label of a coordinate.
    pub fn label(&self, scope: &Scope, coordinate: &str) -> String {
        self.labels.get(coordinate).cloned().unwrap_or_else(|| scope.markup(coordinate))
    }
}

/// A colour scale with resolved limits, as its colour bar shows it.
#[derive(Clone, Debug, PartialEq)]
pub enum Colors {
    Map { map: ColorMap, from: f64, to: f64 },
    Things { palette: Palette, labels: Vec<String> },
}

impl ColorOf {
    /// A colour map over an array with default settings.
    pub fn new(value: Located<String>) -> ColorOf {
        let (label, labels) = (String::new(), Vec::new());
        ColorOf { value, map: None, palette: None, labels, from: None, to: None, label, bar: true, by: None }
    }

    /// Resolves the scale for these values.
    pub fn scale(&self, values: impl Iterator<Item = f64>, theme: &Theme) -> Colors {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        values.filter(|v| v.is_finite()).for_each(|v| (low, high) = (low.min(v), high.max(v)));
        if let Some(palette) = &self.palette {
            let labels = if self.labels.is_empty() {
                (0..=high.clamp(0.0, 99.0) as usize).map(|i| i.to_string()).collect()
            } else {
                self.labels.clone()
            };
            return Colors::Things { palette: palette.clone(), labels };
        }
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        let map = self.map.as_ref().unwrap_or(&theme.map).clone();
        Colors::Map { map, from: self.from.unwrap_or(low), to: self.to.unwrap_or(high) }
    }
}

impl Colors {
    /// Returns the colour of a value, or `None` for NaN.
    pub fn at(&self, value: f64) -> Option<Color> {
        match self {
            _ if value.is_nan() => None,
            Colors::Map { map, from, to } => Some(map.at(if to != from { (value - from) / (to - from) } else { 0.5 })),
            Colors::Things { palette, .. } => Some(palette.at(value.max(0.0).round() as usize)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_map_goes_from_its_first_to_its_last_colour() {
        assert_eq!(ColorMap::Viridis.at(0.0).hex(), "#440154");
        assert_eq!(ColorMap::Viridis.at(2.0).hex(), "#fde725");
        assert_eq!(ColorMap::Gray.at(0.5).hex(), "#808080");
        let colors = Colors::Map { map: ColorMap::Gray, from: 2.0, to: 2.0 };
        assert!(colors.at(2.0).is_some() && colors.at(f64::NAN).is_none());
    }

    #[test]
    fn colours_are_names_or_hex() {
        let decode = |text: &str| {
            let mut problems = Problems::default();
            let node = crate::spec::read(text, &mut problems).unwrap();
            Paint::decode(&node, &mut problems).map(|paint| paint.0.hex()).ok_or(problems.into_errors())
        };
        assert_eq!(decode("'#12AB9f'").unwrap(), "#12ab9f");
        assert_eq!(decode("red").unwrap(), "#d62728");
        assert_eq!(decode("rde").unwrap_err()[0].hints, ["did you mean `red`?"]);
        assert!(decode("'#12'").is_err());
    }
}
