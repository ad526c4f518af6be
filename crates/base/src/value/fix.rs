//! Rounding of coordinates on a page.

/// Round a coordinate to a thousandth of a point, so that the last bits of floating-point arithmetic never reach a file.
pub fn fix(x: &mut f64) {
    // A number this large has no decimals, and multiplying it could overflow.
    if x.abs() < 1e15 {
        *x = (*x * 1000.0).round() / 1000.0 + 0.0;
    }
}
