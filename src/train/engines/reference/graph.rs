//! The two kinds of tensors that models are written with, in binary64 on the CPU.

use dfdx::prelude::*;

use super::{Failed, Outputs};

/// A tensor that dfdx differentiates. It carries the operations that made it; [`again`] uses it a second time without them.
pub type Traced<S> = Tensor<S, f64, Cpu, OwnedTape<f64, Cpu>>;

/// A tensor of known numbers.
pub type Known<S> = Tensor<S, f64, Cpu>;

/// A traced tensor for another use: the operations that made it stay with the original, which must reach the loss too.
pub fn again<S: Shape>(tensor: &Traced<S>) -> Traced<S> {
    tensor.retaped::<OwnedTape<f64, Cpu>>()
}

/// What a model's definition is given: its parameters, a batch, and the device they are on.
pub struct Given<'a> {
    pub device: &'a Cpu,
    /// The values of each parameter in the order of the definition, flat.
    pub parameters: &'a [Known<(usize,)>],
    /// x \[B, n\].
    pub inputs: &'a Known<(usize, usize)>,
}

impl Given<'_> {
    /// A parameter, row-major in the shape of its axes.
    pub fn parameter<S: Shape>(&self, position: usize, shape: S) -> Result<Traced<S>, Failed> {
        self.parameters[position].leaky_trace().try_reshape_like(&shape)
    }

    /// x \[B, n\].
    pub fn inputs(&self) -> Traced<(usize, usize)> {
        self.inputs.leaky_trace()
    }

    /// Known numbers, row-major.
    pub fn known<S: Shape>(&self, values: Vec<f64>, shape: S) -> Result<Known<S>, Failed> {
        self.device.try_tensor_from_vec(values, shape)
    }
}

/// scale times the sum over samples and features of I_j (y_j - t_j)^2, plus what the model adds.
pub fn loss(given: &Given, outputs: Outputs, importance: &[f64], scale: f64) -> Result<Traced<()>, Failed> {
    let Outputs { outputs, targets, penalty } = outputs;
    let shape = *outputs.shape();
    let weights = given.known(importance.to_vec(), (importance.len(),))?;
    let weights = weights.leaky_trace().try_broadcast_like::<_, Axis<0>>(&shape)?;
    let squares = outputs.try_sub(targets)?.try_square()?;
    let errors = squares.try_mul(weights)?.try_sum::<(), _>()?.try_mul(scale)?;
    match penalty {
        Some(penalty) => errors.try_add(penalty),
        None => Ok(errors),
    }
}
