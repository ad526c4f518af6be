//! `text`: text at a position in data units.

use super::super::color::Paint;
use super::super::data::{Channel, Scope, Where};
use super::super::template;
use super::{Draw, Drawing, Shape};
use crate::error::Result;
use crate::spec::Located;
use crate::value::{Horizontal, Vertical};

crate::union! {
    /// Where the text is relative to its position.
    pub enum Anchor {
        "middle" => Middle,
        "left" => Left,
        "right" => Right,
        "above" => Above,
        "below" => Below,
    }
}

crate::record! {
    /// Text at a position in data units.
    pub struct Text {
        /// The stage to read; by default the panel's.
        pub of: Option<Located<String>> = None,
        /// Select fixed coordinates, as `axis: coordinate`.
        pub r#where: Where = Where::new(),
        pub x: Channel,
        pub y: Channel,
        /// The text; values may be inserted in braces, as `{loss:.3f}`.
        pub text: Located<String>,
        /// Where the text is relative to its position.
        pub anchor: Anchor = Anchor::Middle,
        pub color: Paint = Paint::BLACK,
        /// The size, relative to the figure's font size.
        pub scale: f64 = 1.0,
    }
}

impl Draw for Text {
    super::reads_arrays!();

    fn names(&self) -> Vec<&Located<String>> {
        [&self.x, &self.y].into_iter().filter_map(Channel::name).collect()
    }

    fn draw(&self, scope: &Scope) -> Result<Drawing> {
        let scope = scope.within(&self.of, &self.r#where);
        let at = [scope.number(&self.x)?, scope.number(&self.y)?];
        let (horizontal, vertical) = match self.anchor {
            Anchor::Middle => (Horizontal::Middle, Vertical::Middle),
            Anchor::Left => (Horizontal::Right, Vertical::Middle),
            Anchor::Right => (Horizontal::Left, Vertical::Middle),
            Anchor::Above => (Horizontal::Middle, Vertical::Bottom),
            Anchor::Below => (Horizontal::Middle, Vertical::Top),
        };
        let markup = template::fill(&self.text, &scope, self.text.span)?;
        let shape = Shape::Text { at, markup, scale: self.scale, color: self.color.0, horizontal, vertical };
        Ok(Drawing { shapes: vec![shape], ..Drawing::default() })
    }
}
