//! `moe-autoencoder` (arXiv 2510.23671 C1) as a tensor program: every expert on every sample, those not active with weight 0.

use dfdx::prelude::*;

use super::graph::{Given, Traced, again};
use super::{Failed, Outputs};
use crate::train::{MoeAutoencoder, Shape};

/// y_s = sum over active e of a_e ReLU((x W_e) W_e^T + b_e), and lambda E sum_e f_e P_e.
pub fn outputs(model: &MoeAutoencoder, shape: Shape, given: &Given) -> Result<Outputs, Failed> {
    let Shape { experts, features, hidden, active } = shape;
    let samples = given.inputs.shape().0;
    let weights = given.parameter(0, (experts, features, hidden))?;
    let bias = given.parameter(1, (experts, features))?;
    let gate = given.parameter(2, (experts, features))?;

    let scores = given.inputs().try_matmul(gate.try_permute::<_, Axes2<1, 0>>()?)?;
    let routes = Routes::of(&scores.as_vec(), experts, active);
    let balance = match model.load_balancing > 0.0 {
        true => Some(balance(model.load_balancing, &routes, again(&scores), given)?),
        false => None,
    };

    // Softmax over the active experts. Subtracting the highest score changes nothing but the range, so it needs no gradient.
    let highest = given.known(routes.highest, (samples,))?.try_broadcast_like::<_, Axis<1>>(&(samples, experts))?;
    let mask = given.known(routes.mask, (samples, experts))?;
    let powers = scores.try_sub(highest)?.try_exp()?.try_mul(mask)?;
    let sums = again(&powers).try_sum::<_, Axis<1>>()?.try_broadcast_like::<_, Axis<1>>(&(samples, experts))?;
    let shares = powers.try_div(sums)?.try_permute::<_, Axes2<1, 0>>()?;

    let every = (experts, samples, features);
    let inputs = given.inputs().try_broadcast_like::<_, Axis<0>>(&every)?;
    let hidden = inputs.try_matmul(again(&weights))?;
    let sums = hidden.try_matmul(weights.try_permute::<_, Axes3<0, 2, 1>>()?)?;
    let outputs = sums.try_add(bias.try_broadcast_like::<_, Axis<1>>(&every)?)?.try_relu()?;
    let mixed = outputs.try_mul(shares.try_broadcast_like::<_, Axis<2>>(&every)?)?.try_sum::<_, Axis<0>>()?;
    Ok(Outputs { outputs: mixed, targets: given.inputs.clone(), penalty: balance })
}

/// lambda E sum_e f_e P_e: f_e the share of uses of expert e among samples, P_e the mean of its probability.
fn balance(
    strength: f64,
    routes: &Routes,
    scores: Traced<(usize, usize)>,
    given: &Given,
) -> Result<Traced<()>, Failed> {
    let (samples, experts) = *scores.shape();
    let used: Vec<f64> = routes.used.iter().map(|&count| count / samples as f64).collect();
    let used = given.known(used, (experts,))?;
    let sums = scores.try_softmax::<Axis<1>>()?.try_sum::<_, Axis<0>>()?;
    sums.try_mul(used)?.try_sum::<(), _>()?.try_mul(strength * experts as f64 / samples as f64)
}

/// Which experts each sample goes to.
struct Routes {
    /// 1 where expert e is active for sample s, else 0: \[B, E\].
    mask: Vec<f64>,
    /// The highest score of each sample.
    highest: Vec<f64>,
    /// Samples that use each expert.
    used: Vec<f64>,
}

impl Routes {
    /// The `active` highest of the scores \[B, E\] of each sample; ties go to the lowest index.
    fn of(scores: &[f64], experts: usize, active: usize) -> Routes {
        let mut routes = Routes { mask: vec![0.0; scores.len()], highest: Vec::new(), used: vec![0.0; experts] };
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
        let routes = Routes::of(&[0.1, 0.3, 0.2, 0.0, 0.0, 0.0, -1.0, -2.0, -1.0], 3, 2);
        assert_eq!(routes.mask, [0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
        assert_eq!((routes.highest, routes.used), (vec![0.3, 0.0, -1.0], vec![2.0, 2.0, 2.0]));
    }
}
