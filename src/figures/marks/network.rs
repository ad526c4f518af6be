//! `network`: a diagram of a fully connected network.

use super::super::data::Scope;
use super::{DataRange, Draw, Drawing, Fills, Shape};
use crate::error::{Error, Result};
use crate::spec::{Located, Node, Problems};
use crate::value::{Color, Stroke};

/// The largest number of units in a layer; more would be unreadable.
const MAX_UNITS: u32 = 60;

crate::record! {
    /// A diagram of a network: layers from left to right, each unit connected to all units of the next layer.
    pub struct Network {
        /// The number of units in each layer: `[3, 2, 3]`.
        pub layers: Located<Vec<u32>>,
        /// The radius of a unit in points.
        pub radius: f64 = 5.0,
        /// The line width in points.
        pub width: f64 = 1.2,
        /// The opacity of the lines.
        pub opacity: f64 = 0.7,
    }
}

impl Draw for Network {
    fn check(&self, _node: &Node, problems: &mut Problems) {
        let layers = &self.layers.value;
        if layers.is_empty() || layers.iter().any(|&units| units == 0 || units > MAX_UNITS) {
            let error = Error::user(format!("layers have 1 to {MAX_UNITS} units each")).at(self.layers.span);
            problems.push(error.hint("write them as `layers: [3, 2, 3]`"));
        }
    }

    fn draw(&self, _scope: &Scope) -> Result<Drawing> {
        let layers = &self.layers.value;
        let most = layers.iter().copied().max().unwrap_or(1);
        let units = |layer: usize| -> Vec<[f64; 2]> {
            let count = layers[layer];
            (0..count).map(|i| [layer as f64, 0.5 * f64::from(count - 1) - f64::from(i)]).collect()
        };
        let stroke = Stroke::solid(Color::BLACK.opacity(self.opacity), self.width);
        let mut shapes = Vec::new();
        for layer in 1..layers.len() {
            for from in units(layer - 1) {
                for to in units(layer) {
                    shapes.push(Shape::Line { points: vec![from, to], stroke: stroke.clone() });
                }
            }
        }
        shapes.push(Shape::Points {
            points: (0..layers.len()).flat_map(units).collect(),
            radius: self.radius,
            fills: Fills::Same(Some(Color::WHITE)),
            outline: Some(Stroke::solid(Color::BLACK, 1.3 * self.width)),
        });
        let half = 0.5 * f64::from(most.max(2) - 1);
        let (across, down) = (0.25, 0.35);
        let extent = |low: f64, high: f64| DataRange { tight: true, ..DataRange::from_values([low, high]) };
        Ok(Drawing {
            x: extent(-across, layers.len() as f64 - 1.0 + across),
            y: extent(-half - down, half + down),
            shapes,
            bare: true,
            ..Drawing::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_joined_to_all_of_the_next_layer() {
        let layers = Located { value: vec![3, 2, 3], span: Default::default() };
        let data = |_: &str| None;
        let drawing = Network { layers, radius: 5.0, width: 1.0, opacity: 0.7 }.draw(&Scope::new(&data)).unwrap();
        let lines = drawing.shapes.iter().filter(|shape| matches!(shape, Shape::Line { .. })).count();
        assert_eq!(lines, 12);
        let Some(Shape::Points { points, .. }) = drawing.shapes.last() else { panic!("{drawing:?}") };
        assert_eq!(points.len(), 8);
        assert_eq!([points[0], points[3]], [[0.0, 1.0], [1.0, 0.5]]);
    }

    #[test]
    fn an_empty_layer_is_reported() {
        let layers = Located { value: vec![3, 0], span: Default::default() };
        let (mut problems, node) = (Problems::default(), Node::new(crate::spec::Yaml::Null, Default::default()));
        Network { layers, radius: 5.0, width: 1.0, opacity: 0.7 }.check(&node, &mut problems);
        assert_eq!(problems.into_errors()[0].message, "layers have 1 to 60 units each");
    }
}
