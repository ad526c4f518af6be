//! Models of two layers (Elhage et al. 2022) as a tensor program: `linear-bottleneck`, `neurons`, `absolute-value`.

use dfdx::prelude::*;

use super::graph::{DfdxError, ModelInputs, ModelOutputs, detach};
use crate::models::architecture::TwoLayer;

/// y = ReLU(V f(W x) + b), with W \[m, n\] and V \[n, m\], or the transpose of W.
pub fn forward(model: &TwoLayer, given: &ModelInputs) -> Result<ModelOutputs, DfdxError> {
    let &TwoLayer { features, hidden, flags, .. } = model;
    let samples = given.inputs.shape().0;
    let weights = given.parameter(0, (hidden, features))?;
    let (back, bias) = match flags.tied {
        true => (detach(&weights), given.parameter(1, (features,))?),
        false => {
            let out = given.parameter(1, (features, hidden))?;
            (out.try_permute::<_, Axes2<1, 0>>()?, given.parameter(2, (features,))?)
        }
    };
    let mut hidden = given.inputs().try_matmul(weights.try_permute::<_, Axes2<1, 0>>()?)?;
    if flags.rectified {
        hidden = hidden.try_relu()?;
    }
    let bias = bias.try_broadcast_like::<_, Axis<0>>(&(samples, features))?;
    let outputs = hidden.try_matmul(back)?.try_add(bias)?.try_relu()?;
    let inputs = given.inputs.clone();
    let targets = if flags.magnitude { inputs.try_abs()? } else { inputs };
    Ok(ModelOutputs { outputs, targets, penalty: None })
}
