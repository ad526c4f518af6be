//! Glob patterns, as in a shell.

/// Whether a pattern matches the whole text: `*` matches any text, `?` any one character.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where to backtrack to on a mismatch: after the last `*`, one character further in the text.
    let mut backtrack: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                backtrack = Some((p + 1, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match backtrack {
                Some((after, from)) => {
                    backtrack = Some((after, from + 1));
                    (p, t) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_in_a_shell() {
        for (pattern, text) in
            [("fig*", "fig5"), ("fig?", "fig5"), ("*", ""), ("f*g*5", "fig65"), ("*.csv", "a.b.csv"), ("*b", "abab")]
        {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("fig?", "fig"), ("fig*x", "fig5"), ("", "a"), ("a", ""), ("*.csv", "csv")] {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        assert!(!glob(&"*a".repeat(50), &format!("{}b", "a".repeat(1000))));
    }
}
