//! `moe-autoencoder` (arXiv 2510.23671 C1) as a tensor program: every expert on every sample, those not active with weight 0.

use dfdx::prelude::*;

use super::graph::{DfdxError, ModelInputs, ModelOutputs, Traced, detach};
use crate::models::architecture::{Mixture, ModelShape};

/// y_s = sum over active e of a_e ReLU((x W_e) W_e^T + b_e), and lambda E sum_e f_e P_e.
pub fn forward(model: &Mixture, given: &ModelInputs) -> Result<ModelOutputs, DfdxError> {
    let ModelShape { experts, features, hidden, active } = model.shape;
    let samples = given.inputs.shape().0;
    let weights = given.parameter(0, (experts, features, hidden))?;
    let bias = given.parameter(1, (experts, features))?;
    let gate = given.parameter(2, (experts, features))?;

    let scores = given.inputs().try_matmul(gate.try_permute::<_, Axes2<1, 0>>()?)?;
    let routes = TopK::select(&scores.as_vec(), experts, active);
    let balance = match model.load_balancing > 0.0 {
        true => Some(balance(model.load_balancing, &routes, detach(&scores), given)?),
        false => None,
    };

    // Softmax over the active experts. Subtracting the highest score changes nothing but the range, so it needs no gradient.
    let highest = given.constant(routes.highest, (samples,))?.try_broadcast_like::<_, Axis<1>>(&(samples, experts))?;
    let mask = given.constant(routes.mask, (samples, experts))?;
    let powers = scores.try_sub(highest)?.try_exp()?.try_mul(mask)?;
    let sums = detach(&powers).try_sum::<_, Axis<1>>()?.try_broadcast_like::<_, Axis<1>>(&(samples, experts))?;
    let shares = powers.try_div(sums)?.try_permute::<_, Axes2<1, 0>>()?;

    let every = (experts, samples, features);
    let inputs = given.inputs().try_broadcast_like::<_, Axis<0>>(&every)?;
    let hidden = inputs.try_matmul(detach(&weights))?;
    let sums = hidden.try_matmul(weights.try_permute::<_, Axes3<0, 2, 1>>()?)?;
    let outputs = sums.try_add(bias.try_broadcast_like::<_, Axis<1>>(&every)?)?.try_relu()?;
    let mixed = outputs.try_mul(shares.try_broadcast_like::<_, Axis<2>>(&every)?)?.try_sum::<_, Axis<0>>()?;
    Ok(ModelOutputs { outputs: mixed, targets: given.inputs.clone(), penalty: balance })
}

/// lambda E sum_e f_e P_e: f_e the share of uses of expert e among samples, P_e the mean of its probability.
fn balance(
    strength: f64,
    routes: &TopK,
    scores: Traced<(usize, usize)>,
    given: &ModelInputs,
) -> Result<Traced<()>, DfdxError> {
    let (samples, experts) = *scores.shape();
    let used: Vec<f64> = routes.used.iter().map(|&count| count / samples as f64).collect();
    let used = given.constant(used, (experts,))?;
    let sums = scores.try_softmax::<Axis<1>>()?.try_sum::<_, Axis<0>>()?;
    sums.try_mul(used)?.try_sum::<(), _>()?.try_mul(strength * experts as f64 / samples as f64)
}

/// The active experts of each sample.
struct TopK {
    /// 1 where expert e is active for sample s, else 0: \[B, E\].
    mask: Vec<f64>,
    /// The highest score of each sample.
    highest: Vec<f64>,
    /// How many samples use each expert.
    used: Vec<f64>,
}

impl TopK {
    /// The `active` highest of the scores \[B, E\] of each sample; ties go to the lowest index.
    fn select(scores: &[f64], experts: usize, active: usize) -> TopK {
        let mut routes = TopK { mask: vec![0.0; scores.len()], highest: Vec::new(), used: vec![0.0; experts] };
        let mut order: Vec<usize> = Vec::with_capacity(experts);
        for (row, mask) in scores.chunks_exact(experts).zip(routes.mask.chunks_exact_mut(experts)) {
            order.clear();
            order.extend(0..experts);
            // Stable, so that equal scores keep their order.
            order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
            routes.highest.push(row[order[0]]);
            for &e in &order[..active] {
                mask[e] = 1.0;
                routes.used[e] += 1.0;
            }
        }
        routes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_scores_are_active_and_ties_go_to_the_lowest_index() {
        let routes = TopK::select(&[0.1, 0.3, 0.2, 0.0, 0.0, 0.0, -1.0, -2.0, -1.0], 3, 2);
        assert_eq!(routes.mask, [0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
        assert_eq!((routes.highest, routes.used), (vec![0.3, 0.0, -1.0], vec![2.0, 2.0, 2.0]));
    }
}
