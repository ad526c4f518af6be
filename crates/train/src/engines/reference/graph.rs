//! The tensors that models are written with, in binary64 on the CPU, and the loss of a model's outputs.

use dfdx::prelude::*;

/// An error of dfdx: an allocation failed.
pub type DfdxError = <Cpu as HasErr>::Err;

/// The outputs of a model for a batch.
pub struct ModelOutputs {
    /// y \[B, n\].
    pub outputs: Traced<(usize, usize)>,
    /// What y is compared with.
    pub targets: Constant<(usize, usize)>,
    /// Added to the loss.
    pub penalty: Option<Traced<()>>,
}

/// A tensor that dfdx differentiates. It carries the operations that made it; [`detach`] uses it a second time without them.
pub type Traced<S> = Tensor<S, f64, Cpu, OwnedTape<f64, Cpu>>;

/// A tensor of constant numbers.
pub type Constant<S> = Tensor<S, f64, Cpu>;

/// A traced tensor for another use: the operations that made it stay with the original, which must reach the loss too.
pub fn detach<S: Shape>(tensor: &Traced<S>) -> Traced<S> {
    tensor.retaped::<OwnedTape<f64, Cpu>>()
}

/// The inputs of a model: its parameters, a batch, and the device they are on.
pub struct ModelInputs<'a> {
    pub device: &'a Cpu,
    /// The values of each parameter in the order of the architecture, flat.
    pub parameters: &'a [Constant<(usize,)>],
    /// x \[B, n\].
    pub inputs: &'a Constant<(usize, usize)>,
}

impl ModelInputs<'_> {
    /// A parameter, row-major in the shape of its axes.
    pub fn parameter<S: Shape>(&self, position: usize, shape: S) -> Result<Traced<S>, DfdxError> {
        self.parameters[position].leaky_trace().try_reshape_like(&shape)
    }

    /// x \[B, n\].
    pub fn inputs(&self) -> Traced<(usize, usize)> {
        self.inputs.leaky_trace()
    }

    /// Constant numbers, row-major.
    pub fn constant<S: Shape>(&self, values: Vec<f64>, shape: S) -> Result<Constant<S>, DfdxError> {
        self.device.try_tensor_from_vec(values, shape)
    }
}

/// scale times the sum over samples and features of I_j (y_j - t_j)^2, plus what the model adds.
pub fn loss(
    given: &ModelInputs,
    outputs: ModelOutputs,
    importance: &[f64],
    scale: f64,
) -> Result<Traced<()>, DfdxError> {
    let ModelOutputs { outputs, targets, penalty } = outputs;
    let shape = *outputs.shape();
    let weights = given.constant(importance.to_vec(), (importance.len(),))?;
    let weights = weights.leaky_trace().try_broadcast_like::<_, Axis<0>>(&shape)?;
    let squares = outputs.try_sub(targets)?.try_square()?;
    let errors = squares.try_mul(weights)?.try_sum::<(), _>()?.try_mul(scale)?;
    match penalty {
        Some(penalty) => errors.try_add(penalty),
        None => Ok(errors),
    }
}
