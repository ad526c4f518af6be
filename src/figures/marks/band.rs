//! `band`: a filled band across the whole panel between two positions, or between two series of numbers.

use super::super::color::{ColorChannel, Paint};
use super::super::data::{Channel, Scope, Where};
use super::between::Between;
use super::{DataRange, Draw, Drawing, LegendEntry, LegendHandle, Shape, color_names};
use crate::error::{Error, Result};
use crate::spec::{Located, Node, Problems};
use crate::value::Color;

crate::record! {
    /// A filled band between two positions on x or on y, or between the numbers `low` and `high`.
    pub struct Band with super::keep_key {
        /// The stage of `low` and `high`; by default the panel's.
        pub of: Option<Located<String>> = None,
        /// Select fixed coordinates, as `axis: coordinate`.
        pub r#where: Where = Where::new(),
        /// The two ends of a vertical band along x; or, with `low` and `high`, the x positions of these numbers.
        pub x: Option<BandPosition> = None,
        /// The two ends of a horizontal band along y.
        pub y: Option<Vec<f64>> = None,
        /// The lower edge.
        pub low: Option<Channel> = None,
        /// The upper edge.
        pub high: Option<Channel> = None,
        pub color: ColorChannel = ColorChannel::Fixed(Paint(Color(0x7f, 0x7f, 0x7f, 255))),
        pub opacity: f64 = 0.2,
        /// The legend label.
        pub label: Option<String> = None,
        /// svg, pdf and html hold the mark as a picture of `dpi`, which is small however many shapes there are. Not for pgf.
        pub raster: bool = false,
    }
}

/// Two ends, or the positions of numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum BandPosition {
    Ends(Vec<f64>),
    Of(Channel),
}

impl crate::spec::Decode for BandPosition {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            crate::spec::Yaml::List(_) => Vec::decode(node, problems).map(BandPosition::Ends),
            _ => Channel::decode(node, problems).map(BandPosition::Of),
        }
    }

    fn manifest(&self) -> serde_json::Value {
        match self {
            BandPosition::Ends(ends) => ends.manifest(),
            BandPosition::Of(channel) => channel.manifest(),
        }
    }

    fn schema(schemas: &mut crate::spec::Schemas) -> serde_json::Value {
        serde_json::json!({"anyOf": [Vec::<f64>::schema(schemas), Channel::schema(schemas)]})
    }

    fn expected() -> String {
        format!("two numbers, or {}", Channel::expected())
    }
}

impl Draw for Band {
    super::reads_arrays!(raster);

    fn names(&self) -> Vec<&Located<String>> {
        let channels = [self.places(), self.low.as_ref(), self.high.as_ref()].into_iter().flatten();
        channels.filter_map(Channel::name).chain(color_names(&self.color)).collect()
    }

    fn check(&self, node: &Node, problems: &mut Problems) {
        let upright = matches!(self.x, Some(BandPosition::Ends(_)));
        let kinds = [upright, self.y.is_some(), self.low.is_some() && self.high.is_some()];
        if kinds.iter().filter(|kind| **kind).count() != 1 || self.low.is_some() != self.high.is_some() {
            let error =
                Error::user("a band needs the two ends of `x`, or of `y`, or else `low` and `high`").at(node.span);
            problems.push(error.hint("write it as `band: {y: [0, 1]}`, or `band: {low: ARRAY, high: ARRAY}`"));
        }
        for (name, ends) in [("x", self.ends()), ("y", self.y.as_ref())] {
            if let Some(ends) = ends.filter(|ends| ends.len() != 2) {
                let error = Error::user(format!("a band has two ends along `{name}`, there are {}", ends.len()));
                problems.push(error.at(node.deepest(&[name]).span));
            }
        }
        if !matches!(self.color, ColorChannel::Fixed(_)) && self.low.is_none() {
            let error = Error::user("only a band between `low` and `high` has colours of an axis");
            problems.push(error.at(node.deepest(&["color"]).span));
        }
    }

    fn draw(&self, scope: &Scope) -> Result<Drawing> {
        match (&self.low, &self.high) {
            (Some(low), Some(high)) => self.between(&scope.within(&self.of, &self.r#where), low, high),
            _ => Ok(self.across()),
        }
    }
}

impl Band {
    fn ends(&self) -> Option<&Vec<f64>> {
        match &self.x {
            Some(BandPosition::Ends(ends)) => Some(ends),
            _ => None,
        }
    }

    fn places(&self) -> Option<&Channel> {
        match &self.x {
            Some(BandPosition::Of(channel)) => Some(channel),
            _ => None,
        }
    }

    fn across(&self) -> Drawing {
        let ends = |ends: Option<&Vec<f64>>| match ends.map(Vec::as_slice) {
            Some([from, to]) => Some([*from, *to]),
            _ => None,
        };
        let (x, y) = (ends(self.ends()), ends(self.y.as_ref()));
        let fill = match &self.color {
            ColorChannel::Fixed(paint) => paint.0.opacity(self.opacity),
            _ => Color::BLACK.opacity(self.opacity),
        };
        let legend =
            self.label.iter().map(|label| LegendEntry { label: label.clone(), swatch: LegendHandle::Area(fill) });
        Drawing {
            x: DataRange::from_values(x.into_iter().flatten()),
            y: DataRange::from_values(y.into_iter().flatten()),
            legend: legend.collect(),
            shapes: vec![Shape::Band { x, y, fill }],
            ..Drawing::default()
        }
    }

    fn between(&self, scope: &Scope, low: &Channel, high: &Channel) -> Result<Drawing> {
        let mut drawing = Drawing::default();
        for band in Between::all(scope, &self.places().cloned(), low, high, &self.color)? {
            let fill = band.color().opacity(self.opacity);
            drawing.x = drawing.x.join(band.x_extent());
            drawing.y = drawing.y.join(band.y_extent());
            let mut corners: Vec<[f64; 2]> = band.places().map(|[x, low, _]| [x, low]).collect();
            let upper: Vec<[f64; 2]> = band.places().map(|[x, _, high]| [x, high]).collect();
            corners.extend(upper.into_iter().rev());
            drawing.shapes.push(Shape::Area { corners, fill, outline: None });
            drawing.hints.push(band.hint());
            // The line inside a band is usually in the legend already.
            if let Some(label) = &self.label {
                drawing.legend.push(LegendEntry { label: label.clone(), swatch: LegendHandle::Area(fill) });
            }
        }
        Ok(drawing)
    }
}
