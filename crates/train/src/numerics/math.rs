//! Elementary functions from IEEE operations alone, so that they are the same on every machine.

/// Coefficients of 2^f on \[-1/2, 1/2\], highest first: the polynomial of degree 5 with the smallest largest relative error, 1.1e-7.
// The coefficient near ln 2 is not ln 2.
#[allow(clippy::approx_constant)]
pub const EXP2: [f32; 6] = [1.326_472_7e-3, 9.671_513e-3, 5.550_733_6e-2, 0.240_222_42, 0.693_147, 1.0];

/// e^x in binary32 for x <= 0; what is below -64 counts as -64, so that products of two results are seldom denormal. x log2 e = q + f, q whole.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let x = if x > -64.0 { x } else { -64.0 };
    let q = x.mul_add(std::f32::consts::LOG2_E, 12_582_912.0) - 12_582_912.0;
    let f = x.mul_add(std::f32::consts::LOG2_E, -q);
    let value = EXP2[1..].iter().fold(EXP2[0], |p, &c| p.mul_add(f, c));
    value * f32::from_bits(((q as i32 + 127) as u32) << 23)
}

/// Natural logarithm in binary64 for normal x > 0: ln x = e ln 2 + 2 artanh((m-1)/(m+1)).
pub fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as i64 - 1023;
    let mut mantissa = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let s2 = s * s;
    let mut sum = 0.0;
    for i in (0..14).rev() {
        sum = sum * s2 + 1.0 / f64::from(2 * i + 1);
    }
    exponent as f64 * std::f64::consts::LN_2 + 2.0 * s * sum
}

/// cos(2 pi t) in binary64 for t in \[0, 1\].
pub fn cos_turns(t: f64) -> f64 {
    // Fold to [0, 1/8] and use the series of cos or sin there.
    let t = if t > 0.5 { 1.0 - t } else { t };
    let (t, sign) = if t > 0.25 { (0.5 - t, -1.0) } else { (t, 1.0) };
    let series = |x: f64, first: f64, offset: u32| {
        let (x2, mut term, mut sum) = (x * x, first, first);
        for i in 1..10 {
            let k = f64::from(2 * i + offset);
            term *= -x2 / (k * (k - 1.0));
            sum += term;
        }
        sum
    };
    let angle = |t: f64| t * std::f64::consts::TAU;
    sign * if t <= 0.125 { series(angle(t), 1.0, 0) } else { series(angle(0.25 - t), angle(0.25 - t), 1) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_polynomials_agree_with_the_platform() {
        for i in 0..20_000 {
            let x = -f64::from(i) * 0.004;
            let ratio = f64::from(super::exp(x as f32)) / f64::from(x as f32).max(-64.0).exp();
            assert!((ratio - 1.0).abs() < 2.5e-7 - 2e-8 * x, "exp({x}): {ratio}");
        }
        for i in 1..20_000 {
            let x = f64::from(i) / 20_000.0;
            assert!((super::ln(x) - x.ln()).abs() < 1e-14 * (1.0 + x.ln().abs()), "ln({x})");
            assert!((super::cos_turns(x) - (x * std::f64::consts::TAU).cos()).abs() < 1e-14, "cos({x})");
        }
        assert_eq!((super::exp(0.0), super::exp(-100.0)), (1.0, super::exp(-64.0)));
    }
}
