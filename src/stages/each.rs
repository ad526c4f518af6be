//! `each` and `over`: a stage that runs once for every point of another one, or once for every group of points along some axes.

use super::{Layout, Outline, Read};
use crate::error::Error;
use crate::spec::{Located, Problems, suggest};

/// The stage whose points a stage follows, and the axes along which points are gathered into one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Each {
    pub of: Located<String>,
    pub over: Vec<Located<String>>,
}

impl Each {
    /// One unit for each point, or group of points, of the stage. Reports a stage without results, and unknown axes.
    pub fn layout(&self, input: &Outline, problems: &mut Problems) -> Layout {
        let kind = input.stage.kind().name;
        if !input.stage.holds().has_arrays() {
            let error = Error::user(format!("`each` needs the points of a stage, and `{}` is a {kind}", input.name));
            problems.push(error.at(self.of.span).hint("name a `sweep`, a `metric` or a program"));
            return Layout::default();
        }
        let known: Vec<&str> = input.layout.axes.iter().map(|axis| axis.name.as_str()).collect();
        for axis in self.over.iter().filter(|axis| !known.contains(&axis.as_str())) {
            let error = Error::user(format!("`{}` has no axis `{}`", input.name, axis.value)).at(axis.span);
            problems.push(error.hint(suggest(axis, &known)));
        }
        self.groups(input.layout)
    }

    /// Whether points are gathered along this axis.
    fn gathers(&self, axis: &str) -> bool {
        self.over.iter().any(|over| over.value == axis)
    }

    /// The layout without the axes that are gathered.
    fn groups(&self, all: &Layout) -> Layout {
        let gathered = (0..all.axes.len()).rev().filter(|&dim| self.gathers(&all.axes[dim].name));
        gathered.fold(all.clone(), |layout, dim| layout.without(dim))
    }

    /// The points that one unit reads, and how they lie along the gathered axes.
    pub fn read(&self, unit: usize, position: usize, input: &Outline) -> Read {
        let all = input.layout;
        if self.over.is_empty() {
            return Read { input: position, units: vec![unit], points: Some(Layout::new(Vec::new())) };
        }
        let mut own = self.groups(all).positions(unit).into_iter();
        let fixed: Vec<Option<usize>> =
            all.axes.iter().map(|axis| if self.gathers(&axis.name) { None } else { own.next() }).collect();
        let points = all.along(&fixed);
        let whole = |positions: Vec<usize>| {
            let mut along = positions.into_iter();
            let at: Vec<usize> = fixed.iter().map(|fixed| fixed.or_else(|| along.next()).unwrap_or(0)).collect();
            all.unit(&at)
        };
        let units = (0..points.units).filter_map(|point| whole(points.positions(point))).collect();
        Read { input: position, units, points: Some(points) }
    }
}
