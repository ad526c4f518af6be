//! Models of two layers (Elhage et al. 2022) as a tensor program: `linear-bottleneck`, `neurons`, `absolute-value`.

use dfdx::prelude::*;

use super::graph::{Given, again};
use super::{Failed, Outputs};
use crate::train::{Layers, Shape};

/// y = ReLU(V f(W x) + b), with W \[m, n\] and V \[n, m\], or the transpose of W.
pub fn outputs(layers: Layers, shape: Shape, given: &Given) -> Result<Outputs, Failed> {
    let Shape { features, hidden, .. } = shape;
    let samples = given.inputs.shape().0;
    let weights = given.parameter(0, (hidden, features))?;
    let (back, bias) = match layers.tied {
        true => (again(&weights), given.parameter(1, (features,))?),
        false => {
            let out = given.parameter(1, (features, hidden))?;
            (out.try_permute::<_, Axes2<1, 0>>()?, given.parameter(2, (features,))?)
        }
    };
    let mut hidden = given.inputs().try_matmul(weights.try_permute::<_, Axes2<1, 0>>()?)?;
    if layers.rectified {
        hidden = hidden.try_relu()?;
    }
    let bias = bias.try_broadcast_like::<_, Axis<0>>(&(samples, features))?;
    let outputs = hidden.try_matmul(back)?.try_add(bias)?.try_relu()?;
    let inputs = given.inputs.clone();
    let targets = if layers.magnitude { inputs.try_abs()? } else { inputs };
    Ok(Outputs { outputs, targets, penalty: None })
}
