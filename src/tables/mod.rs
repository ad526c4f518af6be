//! Tables: settings and the values of cells to a [`Table`](crate::value::Table). They know no LaTeX.

use crate::spec::Located;

crate::record! {
    /// A table.
    pub struct TableSettings {
        /// The stage that the cells are taken from.
        pub of: Located<String>,
    }
}
