//! `color-square`: the legend of a two-dimensional colour map.

use super::super::bivariate;
use super::super::data::Scope;
use super::{DataRange, Draw, Drawing, Shape};
use crate::error::Result;

/// The number of colours along each side.
const SIDE: usize = 64;

crate::record! {
    /// The legend of `color: {x: .., y: ..}`: its colours for x and y from 0 to 1; label them with the panel's axes.
    pub struct ColorSquare {}
}

impl Draw for ColorSquare {
    fn draw(&self, _scope: &Scope) -> Result<Drawing> {
        let edges: Vec<f64> = (0..=SIDE).map(|i| i as f64 / SIDE as f64).collect();
        let middle = |i: usize| (i as f64 + 0.5) / SIDE as f64;
        let colors = (0..SIDE * SIDE).map(|i| Some(bivariate::color(middle(i % SIDE), middle(i / SIDE)))).collect();
        let extent = DataRange { tight: true, ..DataRange::from_values([0.0, 1.0]) };
        Ok(Drawing {
            x: extent.clone(),
            y: extent,
            shapes: vec![Shape::Cells { x: edges.clone(), y: edges, colors }],
            ..Drawing::default()
        })
    }
}
