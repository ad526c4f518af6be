//! Elementary functions from IEEE operations alone, so that they are the same on every machine.

/// e^x in binary32 for x <= 0 (larger x up to 80 works too); from -87 down it is 0. Error about 1 ulp: x = q ln 2 + r, Taylor in r.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    if x <= -87.0 || x.is_nan() {
        return 0.0;
    }
    let q = x.mul_add(std::f32::consts::LOG2_E, 12_582_912.0) - 12_582_912.0;
    let r = q.mul_add(-0.693_359_4, x);
    let r = q.mul_add(2.121_944_4e-4, r);
    let mut p = 1.987_569_1e-4_f32;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5] {
        p = p.mul_add(r, c);
    }
    let value = p.mul_add(r * r, r) + 1.0;
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
            let ratio = f64::from(super::exp(x as f32)) / f64::from(x as f32).exp();
            assert!((ratio - 1.0).abs() < 2e-7, "exp({x}): {ratio}");
        }
        for i in 1..20_000 {
            let x = f64::from(i) / 20_000.0;
            assert!((super::ln(x) - x.ln()).abs() < 1e-14 * (1.0 + x.ln().abs()), "ln({x})");
            assert!((super::cos_turns(x) - (x * std::f64::consts::TAU).cos()).abs() < 1e-14, "cos({x})");
        }
        assert_eq!((super::exp(0.0), super::exp(-100.0)), (1.0, 0.0));
    }
}
