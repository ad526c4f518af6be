//! Markup as Typst's, whose mathematics has another language than TeX's.

use super::parse::{Accent, LetterStyle, MathNode, Segment, classes, parse};
use super::symbols::{AtomClass, is_variable};

/// Named functions that Typst knows.
const FUNCTIONS: &[&str] = &[
    "arg", "cos", "cosh", "deg", "det", "dim", "exp", "inf", "ker", "lim", "ln", "log", "max", "min", "Pr", "sin",
    "sinh", "sup", "tan", "tanh",
];

/// Converts markup to Typst's.
pub fn typst(markup: &str) -> String {
    let mut out = String::new();
    for segment in parse(markup).0 {
        match segment {
            Segment::Mathematics { nodes, .. } => out += &format!("${}$", list(&nodes)),
            Segment::Text(text) => escape(&text, &mut out),
        }
    }
    out
}

fn escape(text: &str, out: &mut String) {
    let begins = out.is_empty();
    for (i, c) in text.char_indices() {
        let special = "\\*_`#$<>@[]~/\"'".contains(c);
        // At the start of a line these are headings and lists.
        let heading = begins && i == 0 && "=-+".contains(c);
        let number = begins && c == '.' && i > 0 && text[..i].bytes().all(|b| b.is_ascii_digit());
        if special || heading || number && text[i + 1..].starts_with(char::is_whitespace) {
            out.push('\\');
        }
        out.push(c);
    }
}

fn list(nodes: &[MathNode]) -> String {
    let mut out = String::new();
    let mut rest = nodes.iter().zip(classes(nodes)).peekable();
    while let Some((node, class)) = rest.next() {
        let spaced = matches!(class, Some(AtomClass::Relation | AtomClass::Binary));
        let mut text = one(node);
        // Upright and bold letters side by side are one word.
        if let Some((letters, style)) = word(node) {
            let mut letters = letters.to_string();
            while let Some((more, _)) = rest.peek().and_then(|(node, _)| word(node)).filter(|(_, next)| *next == style)
            {
                letters += more;
                rest.next();
            }
            text = styled(&letters, style);
        }
        // Typst reads adjacent letters as one name.
        let joins = |c: char| c.is_alphabetic() || c == '"';
        if !out.is_empty() && !out.ends_with(' ') && (spaced || out.ends_with(joins) && text.starts_with(joins)) {
            out.push(' ');
        }
        out += &text;
        if (spaced || class == Some(AtomClass::Punctuation)) && rest.peek().is_some() {
            out.push(' ');
        }
    }
    out
}

/// The text of a symbol that belongs between quotes.
fn word(node: &MathNode) -> Option<(&str, LetterStyle)> {
    let MathNode::Symbol { text, style, class: AtomClass::Ordinary } = node else { return None };
    let quoted = match style {
        LetterStyle::Plain => text.chars().all(is_variable) || text.chars().nth(1).is_some(),
        LetterStyle::Bold => true,
        LetterStyle::Italic => text.chars().nth(1).is_some(),
    };
    quoted.then_some((text.as_str(), *style))
}

fn styled(text: &str, style: LetterStyle) -> String {
    match style {
        LetterStyle::Plain => quoted(text),
        LetterStyle::Bold => format!("bold({})", quoted(text)),
        LetterStyle::Italic => format!("italic({})", quoted(text)),
    }
}

fn one(node: &MathNode) -> String {
    match node {
        MathNode::Symbol { text, class: AtomClass::Operator, .. } if text.starts_with(|c: char| c.is_alphabetic()) => {
            if FUNCTIONS.contains(&text.as_str()) {
                text.clone()
            } else {
                format!("op({})", quoted(text))
            }
        }
        MathNode::Symbol { text, .. } => match (word(node), text.as_str()) {
            (Some((text, style)), _) => styled(text, style),
            (None, "−") => "-".into(),
            (None, "#" | "$" | "\"" | "\\" | "/" | "_" | "^" | "&") => format!("\\{text}"),
            (None, text) => text.into(),
        },
        MathNode::Space(width) => match *width as i64 {
            36.. => "wide",
            18.. => "quad",
            6.. => "space",
            5.. => "thick",
            4.. => "med",
            1.. => "thin",
            _ => "",
        }
        .into(),
        MathNode::Group(nodes) => list(nodes),
        MathNode::Scripts { base, upper, lower } => {
            let mut text = one(base);
            if text.is_empty() {
                text = "\"\"".into();
            }
            for (sign, script) in [('_', lower), ('^', upper)] {
                if !script.is_empty() {
                    text += &format!("{sign}({})", list(script));
                }
            }
            text
        }
        MathNode::Fraction { above, below, .. } => format!("frac({}, {})", argument(above), argument(below)),
        MathNode::Root(body) => format!("sqrt({})", argument(body)),
        MathNode::Accent(accent, body) => {
            let name = match accent {
                Accent::Hat => "hat",
                Accent::Tilde => "tilde",
                Accent::Dot => "dot",
                Accent::Vector => "arrow",
                Accent::Bar => "overline",
                Accent::Underline => "underline",
            };
            format!("{name}({})", argument(body))
        }
    }
}

/// A function argument; commas are escaped, as they would separate arguments.
fn argument(nodes: &[MathNode]) -> String {
    list(nodes).replace(',', "\\,").replace(';', "\\;")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mathematics_is_translated() {
        for (tex, text) in [
            ("$k$-hot", "$k$-hot"),
            (r"$1.2 \times 10^{-5}$", "$1.2 × 10^(-5)$"),
            (r"$pq = \text{share}$", "$p q = \"share\"$"),
            (r"$\frac{x_i, 1}{\sqrt{n}}$", r"$frac(x_(i)\, 1, sqrt(n))$"),
            (r"$\log \hat{x}$", "$log hat(x)$"),
            (r"$\bar{x}_i / \|W\|_F^{2}$", r"$overline(x)_(i)\/‖W‖_(F)^(2)$"),
            (r"$\mathrm{ReLU}(\mathbf{W} x) \in \mathbb{R}^n$", r#"$"ReLU"(bold("W")x) ∈ ℝ^(n)$"#),
            (r"$\argmax_i x_i,\quad {}^2$", r#"$op("argmax")_(i)x_(i), quad ""^(2)$"#),
        ] {
            assert_eq!(typst(tex), text);
        }
        assert_eq!(typst("1. #a_b [c]"), r"1\. \#a\_b \[c\]");
    }
}
