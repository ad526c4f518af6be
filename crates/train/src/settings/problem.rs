//! A problem with a recipe.

/// One problem with a recipe beyond the types of its fields.
#[derive(Clone, Debug, PartialEq)]
pub struct RecipeProblem {
    /// The field as a path in the recipe, such as `data.probability`.
    pub field: String,
    pub message: String,
    pub hint: Option<String>,
}

impl RecipeProblem {
    pub fn new(field: &str, message: impl Into<String>) -> RecipeProblem {
        RecipeProblem { field: field.to_string(), message: message.into(), hint: None }
    }

    pub fn hint(self, hint: impl Into<String>) -> RecipeProblem {
        RecipeProblem { hint: Some(hint.into()), ..self }
    }
}
