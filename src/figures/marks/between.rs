//! Shared by bands and intervals: two series of numbers along one axis, the lower and the upper.

use super::super::color::ColorChannel;
use super::super::data::{Channel, Scope};
use super::DataRange;
use super::series::{Series, series};
use crate::error::Result;
use crate::value::{Color, Field, Hint};

/// A range from low to high at each position, with a colour.
pub struct Between {
    low: Series,
    high: Series,
}

impl Between {
    /// Reads one range, or one for each coordinate of the colour axis.
    pub fn all(
        scope: &Scope,
        x: &Option<Channel>,
        low: &Channel,
        high: &Channel,
        color: &ColorChannel,
    ) -> Result<Vec<Between>> {
        let (low, high) = (series(scope, x, low, color)?, series(scope, x, high, color)?);
        Ok(low.into_iter().zip(high).map(|(low, high)| Between { low, high }).collect())
    }

    pub fn color(&self) -> Color {
        self.low.color
    }

    pub fn label(&self) -> Option<&String> {
        self.low.label.as_ref()
    }

    /// Returns x, low and high of each position that has all three.
    pub fn places(&self) -> impl Iterator<Item = [f64; 3]> + '_ {
        let ends = self.low.x.iter().zip(&self.low.y).zip(&self.high.y).map(|((x, low), high)| [*x, *low, *high]);
        ends.filter(|ends| ends.iter().all(|end| end.is_finite()))
    }

    pub fn x_extent(&self) -> DataRange {
        self.low.x_extent()
    }

    pub fn y_extent(&self) -> DataRange {
        self.low.y_extent().join(self.high.y_extent())
    }

    /// Returns the tooltips of the upper ends.
    pub fn hint(&self) -> Hint {
        let mut hint = self.high.hint();
        hint.fields.push(Field::numbers(self.low.y_name(), self.low.y.iter().copied()));
        hint
    }
}
