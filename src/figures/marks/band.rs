//! `band`: a coloured band across the panel.

use super::super::color::Paint;
use super::super::data::{Scope, Where};
use super::{Draw, Drawing, Entry, Extent, Shape, Swatch};
use crate::error::Result;
use crate::spec::Located;
use crate::value::Color;

crate::record! {
    /// A coloured band between two places.
    pub struct Band {
        /// The two ends along x, if it is upright.
        pub x: Option<Vec<f64>> = None,
        /// The two ends along y, if it is level.
        pub y: Option<Vec<f64>> = None,
        pub color: Paint = Paint(Color(0x7f, 0x7f, 0x7f, 255)),
        pub opacity: f64 = 0.2,
        /// What the legend calls it.
        pub label: Option<String> = None,
    }
}

impl Draw for Band {
    fn of(&self) -> &Option<Located<String>> {
        &None
    }

    fn fixed(&self) -> &Where {
        static NOTHING: Where = Where::new();
        &NOTHING
    }

    fn names(&self) -> Vec<&Located<String>> {
        Vec::new()
    }

    fn draw(&self, _scope: &Scope) -> Result<Drawing> {
        let ends = |ends: &Option<Vec<f64>>| match ends.as_deref() {
            Some([from, .., to]) => Some([*from, *to]),
            _ => None,
        };
        let (x, y) = (ends(&self.x), ends(&self.y));
        let fill = self.color.0.opacity(self.opacity);
        let legend = self.label.iter().map(|label| Entry { label: label.clone(), swatch: Swatch::Area(fill) });
        Ok(Drawing {
            x: Extent::of(x.into_iter().flatten()),
            y: Extent::of(y.into_iter().flatten()),
            legend: legend.collect(),
            shapes: vec![Shape::Band { x, y, fill }],
            bar: None,
        })
    }
}
