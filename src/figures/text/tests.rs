//! Tests of text layout: math structure, widths checked against fonttools, and malformed input.

use super::*;
use crate::markup::SYMBOLS;

/// The width in font units, as fonttools reports it.
fn width(markup: &str, bold: bool) -> f64 {
    (layout(markup, UNITS, bold).width * 100.0).round() / 100.0
}

/// Formats the runs of a line as `text@x,y` in hundredths of an em, with their sizes.
fn runs(markup: &str) -> Vec<(String, f64)> {
    let place = |x: f64| (x * 100.0).round() + 0.0;
    let line = layout(markup, 1.0, false);
    line.runs.iter().map(|r| (format!("{}@{},{}", r.text, place(r.x), place(r.y)), r.size)).collect()
}

fn texts(markup: &str) -> String {
    layout(markup, 10.0, false).runs.iter().map(|run| run.text.as_str()).collect::<Vec<_>>().join("|")
}

#[test]
fn plain_text_has_the_widths_that_fonttools_computes() {
    assert_eq!(width("Feature norm", false), 13742.0);
    assert_eq!(width("AVATAR To", false), 10505.0);
    assert_eq!(width("Tokens, P. 5", true), 13437.0);
    assert_eq!(layout("Feature norm", 10.0, false).width, 67.099609375);
    assert_eq!(layout("", 10.0, false).width, 0.0);
}

#[test]
fn math_is_spaced_by_the_kinds_of_its_symbols() {
    let mu = UNITS / 18.0;
    let sum = |glyphs: f64, space: f64| ((glyphs + space * mu) * 100.0).round() / 100.0;
    // A relation, a binary operator, a unary sign, and the italic correction before a bracket.
    assert_eq!(width("$a=b$", false), sum(1255.0 + 1716.0 + 1300.0, 10.0));
    assert_eq!(width("$1-S$", false), sum(1303.0 + 1716.0 + 1300.0, 8.0));
    assert_eq!(width("$-1$", false), sum(1716.0 + 1303.0, 0.0));
    assert_eq!(width("$f(x)$", false), sum(721.0 + 258.0 + 799.0 + 1212.0 + 17.0 + 799.0, 0.0));
    assert_eq!(width(r"$a\,a$", false), sum(2.0 * 1255.0, 3.0));
    assert_eq!(width("$a , a$", false), sum(2.0 * 1255.0 + 651.0, 3.0));
    // In scripts only the space around operators is kept.
    assert!(width("$x^{a=b}$", false) < width("$x^{ab}$", false) + 0.7 * 1716.0 + 1.0);
}

#[test]
fn letters_are_italic_but_digits_symbols_and_functions_are_not() {
    let faces =
        |markup: &str| layout(markup, 10.0, false).runs.iter().map(|r| (r.text.clone(), r.face)).collect::<Vec<_>>();
    let run = |text: &str, face| (text.to_owned(), face);
    use Face::{Bold, Italic, Regular};
    assert_eq!(
        faces(r"x $2x+\log y$"),
        [
            run("x ", Regular),
            run("2", Regular),
            run("x", Italic),
            run("+", Regular),
            run("log", Regular),
            run("y", Italic)
        ]
    );
    assert_eq!(
        faces(r"$\alpha\Omega\mathrm{ReLU}\mathbf{x}$"),
        [run("α", Italic), run("Ω", Regular), run("ReLU", Regular), run("x", Bold)]
    );
    // There is no embedded bold italic face.
    assert!(layout("a $x+1$", 10.0, true).runs.iter().all(|run| run.face == Bold));
}

#[test]
fn scripts_are_small_raised_and_lowered() {
    // W is 2025 units wide; its italic correction of 64 shifts the raised T; then 5 % of space.
    assert_eq!(runs("$W^T W$"), [("W@0,0".into(), 1.0), ("T@102,-39".into(), 0.7), ("W@154,0".into(), 1.0)]);
    let both = runs("$W_i^2$");
    assert_eq!(both, runs("$W^2_i$").into_iter().collect::<Vec<_>>());
    assert_eq!(both[1], ("2@102,-39".into(), 0.7));
    assert_eq!(both[2].1, 0.7);
    let line = layout("$W_i^2$", 1.0, false);
    let [up, down] = [&line.runs[1], &line.runs[2]];
    assert!(up.y < 0.0 && down.y > 0.16, "{up:?} {down:?}");
    assert_eq!(runs("$e^{-x^2}$").last().unwrap().1, 0.5);
    // An argument is a group in braces or one token; a script may have no base.
    assert_eq!(runs("$x^{2}$"), runs("$x^2$"));
    assert_eq!(texts("$^2$"), "2");
}

#[test]
fn a_fraction_is_centred_on_the_math_axis() {
    let line = layout(r"$\frac{1}{1-S}$", 10.0, false);
    let [x, axis, width, thickness] = line.rules[0];
    assert_eq!(line.rules.len(), 1);
    // At the height of the minus sign.
    assert!((axis + 10.0 * 642.0 / 2048.0).abs() < 1e-9);
    assert!(line.runs.iter().all(|run| run.size == 7.0));
    let above = &line.runs[0];
    assert!((above.x + 0.5 * 7.0 * 1303.0 / 2048.0 - (x + 0.5 * width)).abs() < 1e-9);
    assert!(above.y < axis - 0.5 * thickness, "the numerator's baseline is above the bar");
    for below in &line.runs[1..] {
        let top = below.y - 7.0 * 1520.0 / 2048.0;
        assert!(top > axis + 0.5 * thickness - 0.05, "the denominator is below the bar");
    }
    assert!((x + width..x + width + 2.0).contains(&line.width));
    let plain = layout("1", 10.0, false);
    assert!(line.ascent > plain.ascent && line.descent > plain.descent);
    assert_eq!(layout(r"$\dfrac{1}{2}$", 10.0, false).runs[0].size, 10.0);
}

#[test]
fn a_root_covers_its_content() {
    let line = layout(r"$\sqrt{\frac{a}{b}}$", 10.0, false);
    let sign = line.runs.iter().find(|run| run.text == "√").unwrap();
    assert!(sign.size > 12.0, "it grows: {}", sign.size);
    let [.., width, thickness] = line.rules[0];
    let parts = layout(r"$\frac{a}{b}$", 10.0, false);
    assert!(width > parts.width);
    assert!(line.ascent >= parts.ascent + thickness && line.descent >= parts.descent);
}

#[test]
fn accents_rise_with_their_letters() {
    let rise = |markup: &str| layout(markup, 10.0, false).runs.last().unwrap().y;
    assert_eq!(rise(r"$\hat{x}$"), 0.0);
    assert!(rise(r"$\hat{W}$") < -1.0);
    assert_eq!(layout(r"$\bar{x}$", 10.0, false).rules.len(), 1);
}

#[test]
fn lines_of_text_have_the_same_height_for_all_letters() {
    let (low, high) = (layout("aceo", 10.0, false), layout("dpgH", 10.0, false));
    assert_eq!((low.ascent, low.descent), (high.ascent, high.descent));
    assert!(layout("$10^{-2}$", 10.0, false).ascent > low.ascent);
}

#[test]
fn typed_symbols_are_kept_and_double_bars_are_norms() {
    assert_eq!(texts("→ − ² × α é Ж $→ ²$"), "→ − ² × α é Ж |→|²");
    assert_eq!(texts("$||W||$"), texts(r"$\|W\|$"));
    assert_eq!(texts(r"$\|W\|$"), "‖|W|‖");
    assert_eq!(texts(r"5 \$ and $\$x$"), "5 $ and |$|x");
    assert_eq!(texts("two\nlines\tof text"), "two lines of text");
}

#[test]
fn a_missing_character_is_as_wide_as_its_replacement_box() {
    assert_eq!(width("漢", false), 1229.0);
    assert_eq!(width("a漢b", false), width("a", false) + 1229.0 + width("b", false));
}

#[test]
fn problems_are_named() {
    let check = |markup: &str| check(markup).unwrap_err();
    assert_eq!(super::check(r"$\frac{1}{1-S}$ (log scale) $\leftarrow$ dense | sparse $\rightarrow$, 5 \$"), Ok(()));
    assert_eq!(check(r"$\aplha$"), r"unknown command `\aplha`; did you mean `\alpha`?");
    assert_eq!(check(r"$\zzzzzz$"), r"unknown command `\zzzzzz`");
    assert_eq!(check("costs 5 $"), r"a `$` without its partner; a dollar sign is written `\$`");
    assert_eq!(check("$x^{2$"), r"a `{` without its `}`; the sign itself is written `\{`");
    assert_eq!(check("$x}$"), r"a `}` without its `{`; the sign itself is written `\}`");
    assert_eq!(check(r"$\frac{1}$"), r"nothing after `\frac`");
    assert_eq!(check("$x^$"), "nothing after `^`");
    assert_eq!(check("$x^2^3$"), "two `^` on one base; use braces: `{a^b}^c`");
    assert_eq!(check(r"$\text x$"), r"`\text` wants its text in braces");
    assert_eq!(check(r"$\left( x$"), r"a `\left` without its `\right`");
    assert_eq!(check(r"$\mathcal{Q}$"), r"the font has no `\mathcal{Q}`; it has B, E, F, H, I, L, M and R");
    assert_eq!(check("漢字"), "the font of figures has no `字`; the font of figures has no `漢`");
    assert_eq!(
        check(r"$\foo$ and $\foo + {$"),
        r"unknown command `\foo`; a `{` without its `}`; the sign itself is written `\{`"
    );
}

#[test]
fn invalid_markup_is_shown_as_typed() {
    assert_eq!(texts(r"$\foo$"), r"\foo");
    assert_eq!(texts("costs 5 $"), "costs 5 $");
    assert_eq!(texts("$x}y$"), "x|}|y");
}

#[test]
fn malformed_markup_never_panics() {
    for wild in
        ["{", "}", "^", "_", "$", r"\", r"\hat", r"\frac", "x^{", r"\sqrt{", r"\left(", r"\text{", "x_1^2", "''", "||"]
    {
        for count in [1, 3, 30, 5_000] {
            let markup = format!("a ${}$", wild.repeat(count));
            assert!(layout(&markup, 10.0, false).width.is_finite());
        }
    }
    // Every short sequence of special characters.
    let signs = ["$", r"\$", "{", "}", "^", "_", r"\frac", r"\left", r"\text", "x", " "];
    for i in 0..signs.len().pow(4) {
        let markup: String = (0..4).map(|digit| signs[i / signs.len().pow(digit) % signs.len()]).collect();
        let line = layout(&format!("${markup}"), 10.0, i % 2 == 0);
        assert!(line.width.is_finite() && line.ascent > 0.0, "{markup}");
    }
}

#[test]
fn the_font_has_every_symbol() {
    let font = Face::Regular.font();
    for (name, symbol, _) in SYMBOLS {
        assert!(font.glyph(*symbol).is_some(), "\\{name}");
    }
    for letter in ('A'..='Z').chain('a'..='z') {
        assert_eq!(check(&format!(r"$\mathbb{{{letter}}}$")), Ok(()));
    }
    for letter in "BEFHILMR".chars() {
        assert_eq!(check(&format!(r"$\mathcal{{{letter}}}$")), Ok(()));
    }
}

#[test]
fn an_underline_is_a_rule_below() {
    let line = layout(r"$\underline{x}$", 10.0, false);
    assert!(line.rules.len() == 1 && line.rules[0][1] > 0.0);
    assert_eq!(layout(r"$\displaystyle\sum\limits_i x$", 10.0, false), layout(r"$\sum_i x$", 10.0, false));
}
