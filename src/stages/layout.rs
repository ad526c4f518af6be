//! The outer shape of a stage's result: its axes, the points on their grid that exist, and values that change along an axis.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::paths;
use crate::value::{Axis, Coords};

/// Where the units of a stage are: one at each point of the product of its axes, the last axis varying fastest, except for points that are
/// left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    pub axes: Vec<Axis>,
    pub units: usize,
    /// The positions on the grid that have a unit, in ascending order; `None` if all have.
    present: Option<Arc<Vec<usize>>>,
    secondary: Vec<Secondary>,
}

/// Values that change along an axis without being its coordinates, such as what a random sample drew for each of its points. In xarray:
/// a non-index coordinate.
#[derive(Clone, Debug, PartialEq)]
pub struct Secondary {
    pub name: String,
    /// Its axis, as an index into [`Layout::axes`].
    pub dim: usize,
    /// One for each position on that axis.
    pub coords: Coords,
}

impl Secondary {
    /// Whether no value occurs twice.
    pub fn is_distinct(&self) -> bool {
        let labels: BTreeSet<String> = (0..self.coords.len()).map(|at| self.coords.label(at)).collect();
        labels.len() == self.coords.len()
    }
}

impl Layout {
    pub fn new(axes: Vec<Axis>) -> Layout {
        // A grid too large to count is reported by the stage's `check`.
        let units = axes.iter().map(Axis::len).fold(1, usize::saturating_mul);
        Layout { axes, units, present: None, secondary: Vec::new() }
    }

    /// With values along its axes.
    pub fn with_secondary(mut self, secondary: Vec<Secondary>) -> Layout {
        self.secondary = secondary;
        self
    }

    /// With units only where `keep` says so, given the position on each axis.
    pub fn only(mut self, keep: impl Fn(&[usize]) -> bool) -> Layout {
        let present: Vec<usize> = (0..self.units)
            .filter(|&unit| keep(&self.positions(unit)))
            .map(|unit| self.present.as_ref().map_or(unit, |present| present[unit]))
            .collect();
        if present.len() < self.units {
            self.units = present.len();
            self.present = Some(Arc::new(present));
        }
        self
    }

    /// Values along the axes.
    pub fn secondary(&self) -> &[Secondary] {
        &self.secondary
    }

    /// Whether every point of the grid has a unit.
    pub fn is_full(&self) -> bool {
        self.present.is_none()
    }

    /// The names by which points are selected: those of the axes, and of values along them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let secondary = self.secondary.iter().map(|secondary| secondary.name.as_str());
        self.axes.iter().map(|axis| axis.name.as_str()).chain(secondary)
    }

    /// The axis with this name or with values of this name along it, and these values.
    pub fn coords(&self, name: &str) -> Option<(usize, &Coords)> {
        let own = self.axes.iter().position(|axis| axis.name == name).map(|dim| (dim, &self.axes[dim].coords));
        own.or_else(|| self.secondary.iter().find(|s| s.name == name).map(|s| (s.dim, &s.coords)))
    }

    /// The position of a unit on each axis.
    pub fn positions(&self, unit: usize) -> Vec<usize> {
        let mut at = self.present.as_ref().map_or(unit, |present| present.get(unit).copied().unwrap_or(0));
        let mut positions = vec![0; self.axes.len()];
        for (slot, axis) in positions.iter_mut().zip(&self.axes).rev() {
            *slot = at % axis.len().max(1);
            at /= axis.len().max(1);
        }
        positions
    }

    /// The unit at these positions; `None` if it is left out.
    pub fn unit(&self, positions: &[usize]) -> Option<usize> {
        self.unit_at(positions.iter().zip(&self.axes).fold(0, |at, (position, axis)| at * axis.len() + position))
    }

    /// The unit at a position of the whole grid, the last axis varying fastest.
    pub fn unit_at(&self, at: usize) -> Option<usize> {
        match &self.present {
            Some(present) => present.binary_search(&at).ok(),
            None => Some(at),
        }
    }

    /// All positions of the grid, each with its unit if it has one.
    pub fn grid(&self) -> impl Iterator<Item = Option<usize>> {
        (0..self.axes.iter().map(Axis::len).product()).map(|at| self.unit_at(at))
    }

    /// Without this axis: a unit wherever there was one along it.
    pub fn without(&self, dim: usize) -> Layout {
        let keep: Vec<usize> = (0..self.axes.len()).filter(|&other| other != dim).collect();
        let axes = keep.iter().map(|&dim| self.axes[dim].clone()).collect();
        let moved = |secondary: &Secondary| {
            let dim = keep.iter().position(|&dim| dim == secondary.dim)?;
            Some(Secondary { dim, ..secondary.clone() })
        };
        let layout = Layout::new(axes).with_secondary(self.secondary.iter().filter_map(moved).collect());
        if self.is_full() {
            return layout;
        }
        let rest = |unit: usize| -> Vec<usize> {
            let positions = self.positions(unit);
            keep.iter().map(|&dim| positions[dim]).collect()
        };
        let found: BTreeSet<Vec<usize>> = (0..self.units).map(rest).collect();
        layout.only(|positions| found.contains(positions))
    }

    /// The layout along the axes that have no fixed position, at the fixed positions of the others.
    pub fn along(&self, fixed: &[Option<usize>]) -> Layout {
        let free: Vec<usize> = (0..self.axes.len()).filter(|&dim| fixed[dim].is_none()).collect();
        let secondary = self.secondary.iter().filter_map(|secondary| {
            let dim = free.iter().position(|&dim| dim == secondary.dim)?;
            Some(Secondary { dim, ..secondary.clone() })
        });
        let axes = free.iter().map(|&dim| self.axes[dim].clone()).collect();
        let layout = Layout::new(axes).with_secondary(secondary.collect());
        if self.is_full() {
            return layout;
        }
        layout.only(|at| {
            let mut along = at.iter();
            let at: Vec<usize> = fixed.iter().map(|at| at.or_else(|| along.next().copied()).unwrap_or(0)).collect();
            self.unit(&at).is_some()
        })
    }

    /// A unit for each pair of units, those of `inner` varying fastest.
    pub fn product(&self, inner: &Layout) -> Layout {
        if self.axes.is_empty() || inner.axes.is_empty() {
            return if inner.axes.is_empty() { self.clone() } else { inner.clone() };
        }
        let outer = self.axes.len();
        let moved =
            inner.secondary.iter().map(|secondary| Secondary { dim: secondary.dim + outer, ..secondary.clone() });
        let secondary = self.secondary.iter().cloned().chain(moved).collect();
        let layout = Layout::new([self.axes.as_slice(), &inner.axes].concat()).with_secondary(secondary);
        if self.is_full() && inner.is_full() {
            return layout;
        }
        layout.only(|at| self.unit(&at[..outer]).is_some() && inner.unit(&at[outer..]).is_some())
    }

    /// The layout of some of the units, in ascending order: their own coordinates on each axis, or, if they are not a whole grid, an axis
    /// `point` of their labels. Axes with one coordinate are left out.
    pub fn subset(&self, units: &[usize]) -> Layout {
        if units.len() == self.units {
            return self.clone();
        }
        let mut used: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); self.axes.len()];
        for unit in units {
            for (at, used) in self.positions(*unit).into_iter().zip(&mut used) {
                used.insert(at);
            }
        }
        let grid = used.iter().map(BTreeSet::len).fold(1, usize::saturating_mul);
        if grid != units.len() {
            return Layout::new(vec![Axis::labels("point", units.iter().map(|unit| self.label(*unit)).collect())]);
        }
        let used: Vec<Vec<usize>> = used.into_iter().map(|used| used.into_iter().collect()).collect();
        let varying: Vec<usize> = (0..used.len()).filter(|&dim| used[dim].len() > 1).collect();
        let part = |secondary: &Secondary| {
            let dim = varying.iter().position(|&dim| dim == secondary.dim)?;
            Some(Secondary { dim, coords: secondary.coords.only(&used[secondary.dim]), ..secondary.clone() })
        };
        let secondary = self.secondary.iter().filter_map(part).collect();
        let axes = varying.iter().map(|&dim| self.axes[dim].only(&used[dim])).collect();
        Layout::new(axes).with_secondary(secondary)
    }

    /// The name of the folder of a unit's files, and of its log: its label as the name of a file. Empty for a stage without axes.
    pub fn folder(&self, unit: usize) -> String {
        paths::file_name(&self.label(unit))
    }

    /// The names and coordinates of a unit: on each axis its coordinate, then the values along that axis.
    pub fn values(&self, unit: usize) -> Vec<(&str, &Coords, usize)> {
        let positions = self.positions(unit);
        let mut values = Vec::new();
        for (dim, (axis, &at)) in self.axes.iter().zip(&positions).enumerate() {
            values.push((axis.name.as_str(), &axis.coords, at));
            let along = self.secondary.iter().filter(|secondary| secondary.dim == dim);
            values.extend(along.map(|secondary| (secondary.name.as_str(), &secondary.coords, at)));
        }
        values
    }

    /// `model=Dense density=0.1`: how messages name a unit.
    pub fn label(&self, unit: usize) -> String {
        let parts = self.values(unit).into_iter().map(|(name, coords, at)| format!("{name}={}", coords.label(at)));
        parts.collect::<Vec<_>>().join(" ")
    }

    /// A unit's coordinates as JSON.
    pub fn json(&self, unit: usize) -> Json {
        let values = self.values(unit).into_iter().map(|(name, coords, at)| (name.to_string(), coords.json(at)));
        Json::Object(values.collect::<Map<_, _>>())
    }

    /// Everything about the layout that stages can see which read it; `None` if it has no axes.
    pub fn manifest(&self) -> Option<Json> {
        let axes: Vec<Json> = self.axes.iter().map(Axis::manifest).collect();
        if axes.is_empty() {
            return None;
        }
        let mut manifest = json!({ "axes": axes });
        if let Some(present) = &self.present {
            manifest["present"] = json!(present.as_slice());
        }
        if !self.secondary.is_empty() {
            let one = |secondary: &Secondary| {
                let axis = Axis { name: secondary.name.clone(), coords: secondary.coords.clone() };
                json!({"dim": secondary.dim, "values": axis.manifest()})
            };
            manifest["secondary"] = self.secondary.iter().map(one).collect();
        }
        Some(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        let axes = vec![Axis::numbers("lr", vec![0.1, 1.0]), Axis::index("seed", 3)];
        let width = Secondary { name: "width".into(), dim: 0, coords: Coords::Numbers(vec![8.0, 16.0]) };
        Layout::new(axes).with_secondary(vec![width])
    }

    #[test]
    fn points_that_are_left_out_have_no_unit_and_the_others_keep_their_order() {
        let layout = layout().only(|at| at != [1, 1]);
        let labels: Vec<String> = (0..layout.units).map(|unit| layout.label(unit)).collect();
        assert_eq!(labels[3], "lr=1 width=16 seed=0");
        assert_eq!(labels[4], "lr=1 width=16 seed=2");
        assert_eq!(layout.unit(&[1, 2]), Some(4));
        assert_eq!(layout.unit(&[1, 1]), None);
        assert_eq!(layout.grid().collect::<Vec<_>>(), [Some(0), Some(1), Some(2), Some(3), None, Some(4)]);
    }

    #[test]
    fn without_an_axis_a_unit_is_where_there_was_one_along_it() {
        let layout = layout().only(|at| at[0] == 0 && at[1] < 2);
        let rest = layout.without(0);
        assert_eq!((rest.units, rest.names().collect::<Vec<_>>()), (2, vec!["seed"]));
        assert_eq!(rest.unit(&[2]), None);
        assert_eq!(layout.without(1).secondary()[0].name, "width");
    }

    #[test]
    fn a_part_of_the_grid_keeps_the_values_along_its_axes() {
        let part = layout().subset(&[0, 2, 3, 5]);
        assert_eq!(part.label(3), "lr=1 width=16 seed=2");
        assert_eq!(layout().subset(&[3, 4, 5]).names().collect::<Vec<_>>(), ["seed"]);
        assert_eq!(layout().subset(&[0, 4]).label(1), "point=lr=1 width=16 seed=1");
    }
}
