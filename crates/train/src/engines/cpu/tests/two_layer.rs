//! Models of two layers: gradients against finite differences of each model's own loss, and recipes for all tests of bytes.

use super::*;

fn with(model: Model, data: SparseUniform) -> Recipe {
    let powers = ImportanceSettings { constant: None, powers: Some(0.9), first: 1.0, ..Importance::default().0 };
    let data = Data::SparseUniform(SparseUniform { importance: Importance(powers), ..data });
    let optimizer = Optimizer::Adam(AdamSettings { lr: 1e-2, beta1: 0.9, beta2: 0.999, eps: 1e-8 });
    Recipe { model, data, optimizer, ..Recipe::example(1, 1, 1, 1) }
}

fn linear(features: u32, hidden: u32) -> Model {
    Model::LinearBottleneck(LinearBottleneck { features, hidden })
}

fn neurons(features: u32, hidden: u32) -> Model {
    Model::Neurons(Neurons { features, hidden })
}

fn absolute(features: u32, hidden: u32) -> Model {
    Model::AbsoluteValue(AbsoluteValue { features, hidden })
}

fn sparse(probability: f64) -> SparseUniform {
    SparseUniform { probability, ..SparseUniform::default() }
}

fn signed(probability: f64) -> SparseUniform {
    SparseUniform { signed: true, ..sparse(probability) }
}

fn pairs(probability: f64, correlated_pairs: u32, anticorrelated_pairs: u32) -> SparseUniform {
    SparseUniform { correlated_pairs, anticorrelated_pairs, ..sparse(probability) }
}

fn check(mut recipe: Recipe) {
    // With a bias of zero, a sample without active neurons would lie on the kink of every output.
    recipe.init.bias = Some(Initialiser::XavierNormal);
    let (n, b) = (recipe.shape().features, f64::from(recipe.batch));
    let scale = 1.0 / if recipe.reduction == Reduction::Mean { b * n as f64 } else { b };
    let mut instance = Trainer::new(&recipe, Level::best());
    instance.train_steps(3);
    let fused = f64::from(instance.gradients());
    let theta: Vec<f64> = instance.result().parameters.iter().flatten().map(|&v| f64::from(v)).collect();
    let found = instance.parameter_gradients().concat();
    let (inputs, importance) = (inputs(&recipe, 3), recipe.importance());
    let loss = |theta: &[f64]| recipe.model.entry().loss(theta, &inputs, &importance) * scale;
    assert!((fused / loss(&theta) - 1.0).abs() < 1e-5, "loss {fused} against {}", loss(&theta));
    compare(&theta, &found, &loss);
}

#[test]
fn gradients_of_two_layers_agree_with_finite_differences() {
    for model in [linear, neurons, absolute] {
        check(with(model(7, 3), sparse(0.5)));
        check(with(model(7, 3), signed(0.5)));
        check(with(model(21, 5), signed(0.1)));
        // More than a block of vectors in every direction, and a batch that fills no chunk.
        check(Recipe { batch: 77, ..with(model(70, 5), signed(0.2)) });
        check(Recipe { batch: 77, ..with(model(5, 70), signed(0.9)) });
        check(with(model(9, 2), pairs(0.4, 2, 1)));
        check(Recipe { batch: 500, ..with(model(6, 2), SparseUniform { signed: true, ..pairs(0.01, 1, 2) }) });
        check(Recipe { reduction: Reduction::Sum, ..with(model(5, 2), sparse(1.0)) });
    }
}

/// Recipes with every kind of two layers once.
pub fn recipes() -> Vec<(&'static str, Recipe)> {
    let batch = |batch, recipe| Recipe { batch, ..recipe };
    let mut kaiming = with(neurons(20, 8), sparse(0.4));
    kaiming.init = InitSettings {
        weights: Some(Initialiser::KaimingUniform),
        bias: Some(Initialiser::XavierNormal),
        ..InitSettings::default()
    };
    let mut instances = with(absolute(20, 10), signed(0.5));
    instances.init.instances = Some(6);
    vec![
        ("linear bottleneck", with(linear(5, 2), sparse(0.5))),
        ("linear bottleneck, rare features", batch(700, with(linear(100, 20), sparse(0.01)))),
        ("linear bottleneck, correlated pairs", with(linear(4, 2), pairs(0.3, 2, 0))),
        ("linear bottleneck, anticorrelated pairs", batch(300, with(linear(4, 2), pairs(0.01, 0, 2)))),
        ("neurons", with(neurons(10, 5), sparse(0.75))),
        ("neurons, all features", with(neurons(33, 17), sparse(1.0))),
        ("neurons, rare features", batch(999, with(neurons(10, 5), sparse(0.01)))),
        ("neurons, signed pairs", with(neurons(11, 3), SparseUniform { signed: true, ..pairs(0.4, 2, 2) })),
        ("neurons, kaiming", kaiming),
        ("absolute value", instances),
        ("absolute value, all features", batch(70, with(absolute(100, 40), signed(1.0)))),
        ("absolute value, some features", batch(70, with(absolute(100, 40), signed(0.1)))),
        ("absolute value, rare features", batch(512, with(absolute(100, 70), signed(0.001)))),
        ("absolute value of inputs above zero", with(absolute(12, 30), sparse(0.3))),
        ("absolute value, one sample", batch(1, with(absolute(12, 30), signed(0.5)))),
    ]
}

#[test]
fn lists_of_present_features_and_rows_give_the_same_bytes() {
    // At the limit between the two: the same recipe by either.
    for model in [linear, neurons, absolute] {
        let recipe = with(model(37, 21), signed(0.2));
        let run = |sparse: bool| {
            let mut instance = Trainer::new(&recipe, Level::best());
            instance.use_feature_lists(sparse);
            instance.train_steps(5);
            digest(&instance.result())
        };
        assert_eq!(run(true), run(false));
    }
}
