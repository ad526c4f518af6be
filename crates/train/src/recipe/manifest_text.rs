//! The canonical text of the manifests of many similar recipes: about a microsecond a point in a sweep of a million points.

use super::Recipe;
use repro_base::spec::{Decode, canonical};

/// Writes manifests as canonical text; a field that is equal in the last recipe is copied from its text.
#[derive(Default)]
pub struct RecipeManifestText {
    last: Option<Recipe>,
    /// The text of every field, names ascending; empty where the manifest leaves the field out.
    fields: [String; 11],
}

impl RecipeManifestText {
    /// Append the canonical text of [`Recipe`]'s manifest.
    pub fn write(&mut self, recipe: &Recipe, out: &mut String) {
        // Names every field, so that a new one cannot be forgotten.
        let Recipe { model, data, init, optimizer, schedule, reduction, batch, steps, stop, seed, engine } = recipe;
        let old = self.last.as_ref();
        let mut fields = self.fields.iter_mut();
        let mut write_field = |name: &str, same: bool, manifest: &dyn Fn() -> Option<serde_json::Value>| {
            let Some(text) = fields.next() else { return };
            if !same {
                text.clear();
                if let Some(manifest) = manifest() {
                    text.push('"');
                    text.push_str(name);
                    text.push_str("\":");
                    canonical(&manifest, text);
                }
            }
        };
        // For fields that the manifest always has.
        macro_rules! field {
            ($name:literal, $same:expr, $manifest:expr) => {
                write_field($name, old.is_some_and($same), &|| Some($manifest))
            };
        }
        field!("batch", |old| old.batch == *batch, batch.manifest());
        field!("data", |old| old.data == *data, data.manifest());
        write_field("engine", old.is_some_and(|old| old.engine == *engine), &|| recipe.engine_manifest());
        // The initialisers are those of the model.
        field!("init", |old| old.init == *init && old.model == *model, recipe.init_manifest());
        field!("model", |old| old.model == *model, model.manifest());
        field!("optimizer", |old| old.optimizer == *optimizer, optimizer.manifest());
        field!("reduction", |old| old.reduction == *reduction, reduction.manifest());
        field!("schedule", |old| old.schedule == *schedule, schedule.manifest());
        field!("seed", |old| old.seed == *seed, seed.manifest());
        field!("steps", |old| old.steps == *steps, steps.manifest());
        field!("stop", |old| old.stop == *stop, stop.manifest());
        for (i, text) in self.fields.iter().filter(|text| !text.is_empty()).enumerate() {
            out.push(if i == 0 { '{' } else { ',' });
            out.push_str(text);
        }
        out.push('}');
        match &mut self.last {
            Some(last) => last.clone_from(recipe),
            None => self.last = Some(recipe.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_the_canonical_manifest_for_any_previous_recipe() {
        let mut recipes = vec![Recipe::example(4, 2, 3, 1)];
        let mut vary = |change: fn(&mut Recipe)| {
            let mut recipe = recipes[0].clone();
            change(&mut recipe);
            recipes.extend([recipe, recipes[0].clone()]);
        };
        vary(|recipe| recipe.seed = 7);
        vary(|recipe| recipe.batch = 9);
        vary(|recipe| recipe.steps = 3);
        vary(|recipe| recipe.model = Recipe::example(5, 2, 1, 1).model);
        vary(|recipe| recipe.schedule = crate::Schedule::Cosine);
        vary(|recipe| recipe.reduction = crate::Reduction::Sum);
        vary(|recipe| recipe.engine = crate::Engine::Reference);
        let mut texts = RecipeManifestText::default();
        for recipe in &recipes {
            let (mut text, mut expected) = (String::new(), String::new());
            texts.write(recipe, &mut text);
            canonical(&recipe.manifest(), &mut expected);
            assert_eq!(text, expected);
        }
    }
}
