//! "Did you mean", and lists of what exists.

/// Names that are longer are not compared.
const LONGEST: usize = 200;

/// The candidate nearest to what was typed, if it is near enough to be a slip.
pub fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = typed.chars().count();
    let limit = (length / 3).max(1) + 1;
    let lower = typed.to_lowercase();
    // To compare long texts takes time and memory by the product of their lengths, and they are no slips of names.
    let short = |candidate: &&str| length <= LONGEST && candidate.len() <= 4 * LONGEST;
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

/// A hint for an unknown name: the nearest candidate, or all of them.
pub fn suggest(typed: &str, candidates: &[&str]) -> String {
    match nearest(typed, candidates.iter().copied()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => format!("known here: {}", choices(candidates)),
    }
}

/// More names than this are not listed.
const MANY: usize = 100;

/// "`a`, `b` or `c`".
pub fn choices(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().take(MANY).map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => "nothing".into(),
        [only] => only.clone(),
        all if names.len() > MANY => format!("{} or {} more", all.join(", "), names.len() - MANY),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        assert_eq!(nearest("experst", ["experts", "features"]), Some("experts"));
        assert_eq!(nearest("ordered_k_hot", ["ordered-k-hot", "random-k-hot"]), Some("ordered-k-hot"));
        assert_eq!(nearest("zzz", ["experts", "features"]), None);
        let long = "x".repeat(100_000);
        assert_eq!(nearest(&long, [long.as_str(), "x"]), None);
    }
}
