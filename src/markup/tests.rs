//! Tests of the printers: the same formulas in every language, and malformed markup.

use super::*;

#[test]
fn markup_converts_to_plain_text() {
    assert_eq!(plain(r"$\frac{1}{1-S}$ (log scale) $\leftarrow$ dense"), "1/(1−S) (log scale) ← dense");
    assert_eq!(plain(r"Norm $||W_i||$, $W^T W$, $10^{-2}$, $x_{ij}^2$"), "Norm ‖W_i‖, W^TW, 10^(−2), x_(ij)^2");
    assert_eq!(plain(r"$a=b$, $\log x$, $\sqrt{x+1}$, $\hat{y}$"), "a = b, log x, √(x+1), y\u{302}");
}

#[test]
fn mathematics_is_readable_in_unicode() {
    for (markup, text) in [
        ("$k$-hot", "k-hot"),
        ("$p = 0.1$", "p = 0.1"),
        (r"$x^2 \pm \sigma_i$", "x² ± σᵢ"),
        (r"$1.2 \times 10^{-5}$", "1.2 × 10⁻⁵"),
        (r"$\|W\|_F^2 / \text{dim}$", "‖W‖_F²/dim"),
        (r"$\frac{1}{n}\sum_{i=1} \hat{x}_i$", "1/n∑ᵢ₌₁x\u{302}ᵢ"),
        (r"$\log p$ and $\sqrt{n+1}$", "log p and √(n + 1)"),
        (r"costs \$5", "costs $5"),
        ("costs $5", "costs $5"),
        ("$$", "$$"),
        (r"$x^{a b}$", "x^(ab)"),
        (r"$x \in \mathbb{R}^n$, $\mathcal{L}$, $a \cdot b$", "x ∈ ℝⁿ, ℒ, a ⋅ b"),
        ("two\nlines", "two lines"),
    ] {
        assert_eq!(unicode(markup), text, "{markup}");
    }
}

#[test]
fn every_command_has_one_meaning_and_passes_to_latex() {
    let mut names: Vec<&str> = symbols::commands().collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    for name in names {
        let formula = format!("$a \\{name}{{x}}{{y}} b$");
        assert_eq!(latex(&formula), formula);
        assert!(!unicode(&formula).contains('\\'), "{formula}");
    }
}

#[test]
fn no_markup_is_too_odd_to_print() {
    for odd in ["$\\$", "$^$", "$_{$", "$\\frac$", "$}$", "$\\text{$", "\\", "$\\hat$", "$\\é$", "$"] {
        for print in [plain, unicode, latex, markdown, typst] {
            assert!(print(&format!("a {odd} b")).starts_with('a'), "{odd}");
        }
    }
    for wild in ["{^", "\\sqrt", "\\hat{", "\\frac"] {
        assert!(!typst(&format!("${}$", wild.repeat(20_000))).is_empty());
        assert!(!unicode(&format!("${}$", wild.repeat(20_000))).is_empty());
    }
}
