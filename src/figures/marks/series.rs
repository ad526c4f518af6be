//! Shared by lines, points and bars: one or several series of numbers along one axis.

use super::super::color::{ColorChannel, ColorOf};
use super::super::data::{Channel, Scope, categories, left_over};
use super::DataRange;
use crate::error::{Error, Result};
use crate::value::{Array, Color, Field, Hint, Spots};

/// A series of numbers along one axis, with a colour.
pub struct Series {
    /// The legend label.
    pub label: Option<String>,
    pub color: Color,
    pub x: Vec<f64>,
    pub y: Vec<f64>,
    /// Category names of the x positions, if they have names.
    pub categories: Option<Vec<String>>,
    /// The labels of x and y.
    names: [String; 2],
}

impl Series {
    pub fn points(&self) -> Vec<[f64; 2]> {
        self.x.iter().zip(&self.y).map(|(&x, &y)| [x, y]).collect()
    }

    /// The label of y.
    pub fn y_name(&self) -> &str {
        &self.names[1]
    }

    /// Returns the tooltips of its points.
    pub fn hint(&self) -> Hint {
        self.hint_at(Spots::Points(self.points()))
    }

    /// Returns tooltips for these positions, one per number.
    pub fn hint_at(&self, spots: Spots) -> Hint {
        let [x, y] = &self.names;
        let places = match &self.categories {
            Some(names) => Field::new(x, names.clone()),
            None => Field::numbers(x, self.x.iter().copied()),
        };
        let fields = vec![places, Field::numbers(y, self.y.iter().copied())];
        Hint { title: self.label.clone().unwrap_or_default(), fields, spots }
    }

    pub fn x_extent(&self) -> DataRange {
        DataRange { categories: self.categories.clone(), ..DataRange::from_values(self.x.iter().copied()) }
    }

    pub fn y_extent(&self) -> DataRange {
        DataRange::from_values(self.y.iter().copied())
    }
}

/// Reads one series, or one for each coordinate of the colour axis. A colour map over the values of one series is not handled here.
pub fn series(scope: &Scope, x: &Option<Channel>, y: &Channel, color: &ColorChannel) -> Result<Vec<Series>> {
    let (by, labelled) = match color {
        ColorChannel::Fixed(paint) => return Ok(vec![one(scope, x, y, paint.0)?]),
        ColorChannel::By(by) => (&by.by, Some(by)),
        ColorChannel::Of(ColorOf { by: Some(by), .. }) => (by, None),
        ColorChannel::Of(_) => return Ok(vec![one(scope, x, y, Color::BLACK)?]),
    };
    let axis = scope.axis(by)?;
    let mut mapped = Vec::new();
    if let ColorChannel::Of(of) = color {
        let values = scope.named(&of.value)?;
        if values.axes != [axis.clone()] {
            let message = format!("colours need one value for each `{}`; {}", axis.name, left_over(&values));
            return Err(Error::user(message).at(of.value.span));
        }
        let scale = of.scale(values.data.iter(), scope.theme());
        mapped = values.data.iter().map(|value| scale.at(value)).collect();
    }
    let mut all = Vec::new();
    for i in 0..axis.len() {
        let coordinate = axis.coords.label(i);
        // The panel may have fixed the axis already; then there is one series.
        if scope.fixed(&axis.name).is_some_and(|at| axis.coords.position(at) != Some(i)) {
            continue;
        }
        let inner = scope.fix(&axis.name, &coordinate, by.span);
        let color = match labelled {
            Some(by) => by.color(i, scope.theme()),
            // A missing value has no colour and is not drawn.
            None => match mapped.get(i).copied().flatten() {
                Some(color) => color,
                None => continue,
            },
        };
        let mut series = one(&inner, x, y, color)?;
        series.label = labelled.map(|by| by.label(scope, &coordinate));
        all.push(series);
    }
    Ok(all)
}

fn one(scope: &Scope, x: &Option<Channel>, y: &Channel, color: Color) -> Result<Series> {
    let mut values = scope.channel(y)?;
    let span = y.name().map(|name| name.span).unwrap_or_default();
    if values.axes.len() > 1 {
        return Err(Error::user(format!("this needs numbers along one axis; {}", left_over(&values)))
            .at(span)
            .hint("fix an axis with `where` or `for`, give it colours with `color: {by: AXIS}`, or `reduce` it"));
    }
    let places = match x {
        Some(channel) => scope.channel(channel)?,
        None => match values.axes.first() {
            Some(axis) => Array::f64(vec![axis.clone()], (0..axis.len()).map(|i| axis.coords.number(i)).collect())?,
            None => Array::scalar(0.0),
        },
    };
    if values.axes.is_empty() && places.axes.len() == 1 {
        // A single number is repeated at all positions.
        values = Array::f64(places.axes.clone(), vec![values.single().unwrap_or(f64::NAN); places.data.len()])?;
    }
    let n = values.data.len();
    let names = |array: &Array| -> Vec<String> { array.axes.iter().map(|axis| axis.name.clone()).collect() };
    if places.data.len() != 1 && (names(&places) != names(&values) || places.data.len() != n) {
        let span = x.as_ref().and_then(Channel::name).map_or(span, |name| name.span);
        return Err(
            Error::user(format!("x and y have different axes: x {}, y {}", has(&places), has(&values))).at(span)
        );
    }
    let x_name = match x {
        Some(channel) => channel.describe(),
        None => places.axes.first().map_or_else(|| "x".to_string(), |axis| axis.name.clone()),
    };
    let mut x_values = places.values();
    if x_values.len() == 1 {
        x_values.resize(n, x_values[0]);
    }
    let plain = matches!(x, None | Some(Channel::Named(_)));
    Ok(Series {
        label: None,
        color,
        x: x_values,
        y: values.values(),
        categories: places.axes.first().filter(|_| plain).and_then(|axis| categories(scope, axis)),
        names: [x_name, y.describe()],
    })
}

fn has(array: &Array) -> String {
    if array.axes.is_empty() { "is one number".into() } else { left_over(array).replacen("it has", "has", 1) }
}
