//! "Did you mean" hints, and lists of valid names.

/// Longer names are not compared.
const MAX_LENGTH: usize = 200;

/// The candidate that is most similar to what was typed, if it could be a typo of it.
pub fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = typed.chars().count();
    let limit = (length / 3).max(1) + 1;
    let lower = typed.to_lowercase();
    // Comparing two texts takes time and memory proportional to the product of their lengths.
    let short = |candidate: &&str| length <= MAX_LENGTH && candidate.len() <= 4 * MAX_LENGTH;
    candidates
        .into_iter()
        .filter(short)
        .map(|candidate| {
            let known = candidate.to_lowercase();
            let mut distance = strsim::damerau_levenshtein(&lower, &known);
            // `kHot` or `k_hot` for `k-hot`; `norm` for `feature-norm`.
            if lower.replace(['_', ' '], "-") == known {
                distance = 0;
            } else if lower.len() >= 4 && (known.contains(&lower) || lower.contains(&known)) {
                distance = distance.min(limit);
            }
            (distance, candidate)
        })
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A hint for an unknown name: the most similar candidate, or all of them.
pub fn suggest(typed: &str, candidates: &[&str]) -> String {
    match nearest(typed, candidates.iter().copied()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => format!("known here: {}", choices(candidates)),
    }
}

/// The most names that are listed.
const MAX_LISTED: usize = 100;

/// "`a`, `b` or `c`".
pub fn choices(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().take(MAX_LISTED).map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => "nothing".into(),
        [only] => only.clone(),
        all if names.len() > MAX_LISTED => format!("{} or {} more", all.join(", "), names.len() - MAX_LISTED),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_are_recognised_and_unrelated_names_are_not() {
        assert_eq!(nearest("experst", ["experts", "features"]), Some("experts"));
        assert_eq!(nearest("ordered_k_hot", ["ordered-k-hot", "random-k-hot"]), Some("ordered-k-hot"));
        assert_eq!(nearest("zzz", ["experts", "features"]), None);
        let long = "x".repeat(100_000);
        assert_eq!(nearest(&long, [long.as_str(), "x"]), None);
    }
}
