//! What reductions make of NaN.

crate::union! {
    /// What means, medians, extremes and other reductions make of NaN.
    pub enum NanPolicy {
        /// They are NaN where one of their values is, and the build warns.
        "propagate" => Propagate,
        /// NaN is left out.
        "skip" => Skip,
    }
}

impl NanPolicy {
    /// Whether NaN is left out.
    pub fn skips(&self) -> bool {
        *self == NanPolicy::Skip
    }
}
