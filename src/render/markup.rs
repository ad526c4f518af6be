//! The markup of labels and captions: plain text with TeX-like mathematics between dollar signs. Splits it into pieces, parses the subset of
//! TeX that labels need, and converts it to plain text: `$k$-hot` is k-hot, `$x^2 \pm 1$` is x² ± 1.

/// A run of text or mathematics.
#[derive(Clone, Debug, PartialEq)]
pub enum MarkupPiece {
    Text(String),
    /// Mathematics, without its dollar signs.
    Math(String),
}

/// A node of parsed mathematics.
#[derive(Clone, Debug, PartialEq)]
pub enum Math {
    Char(char),
    Space,
    /// The name of a function, such as `log`.
    Name(String),
    /// Upright text.
    Text(String),
    Group(Vec<Math>),
    /// Superscript and subscript.
    Script {
        up: bool,
        body: Vec<Math>,
    },
    Fraction(Vec<Math>, Vec<Math>),
    Root(Vec<Math>),
    /// An accent, by its TeX name.
    Accent(&'static str, Vec<Math>),
}

/// TeX commands and the characters that they print.
#[rustfmt::skip]
pub const SYMBOLS: &[(&str, char)] = &[
    ("alpha", 'α'), ("beta", 'β'), ("gamma", 'γ'), ("delta", 'δ'), ("epsilon", 'ϵ'), ("varepsilon", 'ε'), ("zeta", 'ζ'), ("eta", 'η'),
    ("theta", 'θ'), ("iota", 'ι'), ("kappa", 'κ'), ("lambda", 'λ'), ("mu", 'μ'), ("nu", 'ν'), ("xi", 'ξ'), ("pi", 'π'), ("rho", 'ρ'),
    ("sigma", 'σ'), ("tau", 'τ'), ("upsilon", 'υ'), ("phi", 'ϕ'), ("varphi", 'φ'), ("chi", 'χ'), ("psi", 'ψ'), ("omega", 'ω'),
    ("Gamma", 'Γ'), ("Delta", 'Δ'), ("Theta", 'Θ'), ("Lambda", 'Λ'), ("Xi", 'Ξ'), ("Pi", 'Π'), ("Sigma", 'Σ'), ("Phi", 'Φ'),
    ("Psi", 'Ψ'), ("Omega", 'Ω'), ("pm", '±'), ("mp", '∓'), ("times", '×'), ("cdot", '·'), ("div", '÷'), ("le", '≤'), ("leq", '≤'),
    ("ge", '≥'), ("geq", '≥'), ("ne", '≠'), ("neq", '≠'), ("ll", '≪'), ("gg", '≫'), ("approx", '≈'), ("sim", '∼'), ("equiv", '≡'),
    ("propto", '∝'), ("infty", '∞'), ("to", '→'), ("rightarrow", '→'), ("leftarrow", '←'), ("uparrow", '↑'), ("downarrow", '↓'),
    ("in", '∈'), ("notin", '∉'), ("subset", '⊂'), ("cup", '∪'), ("cap", '∩'), ("sum", '∑'), ("prod", '∏'), ("partial", '∂'),
    ("nabla", '∇'), ("ell", 'ℓ'), ("top", '⊤'), ("perp", '⊥'), ("dagger", '†'), ("circ", '∘'), ("prime", '′'), ("ldots", '…'),
    ("dots", '…'), ("cdots", '⋯'), ("langle", '⟨'), ("rangle", '⟩'), ("|", '‖'), ("Vert", '‖'), ("mid", '|'), ("ast", '∗'),
];

const ACCENTS: [(&str, char); 5] =
    [("hat", '\u{302}'), ("bar", '\u{304}'), ("tilde", '\u{303}'), ("vec", '\u{20d7}'), ("dot", '\u{307}')];
const TEXTS: [&str; 6] = ["text", "mathrm", "textrm", "operatorname", "mathsf", "mathtt"];
const SAME: [&str; 5] = ["mathbf", "boldsymbol", "mathbb", "mathcal", "mathit"];
const SPACES: [&str; 6] = [",", ";", ":", " ", "quad", "qquad"];
const RAISED: (&str, &str) = ("0123456789+-=()niTk⊤", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱᵀᵏᵀ");
const LOWERED: (&str, &str) = ("0123456789+-=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ");

/// Maximum nesting of braces.
const DEEP: usize = 16;

/// Split markup at its dollar signs. `\$` and an unclosed `$` are literal dollar signs.
pub fn pieces(markup: &str) -> Vec<MarkupPiece> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = markup;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        if let Some(after) = rest.strip_prefix("\\$") {
            text.push('$');
            rest = after;
        } else if let Some(end) = (c == '$').then(|| closing(after)).flatten() {
            if !text.is_empty() {
                pieces.push(MarkupPiece::Text(std::mem::take(&mut text)));
            }
            pieces.push(MarkupPiece::Math(after[..end].trim().to_string()));
            rest = &after[end + 1..];
        } else {
            text.push(c);
            rest = after;
        }
    }
    if !text.is_empty() {
        pieces.push(MarkupPiece::Text(text));
    }
    pieces
}

/// The position of the closing dollar sign.
fn closing(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '$' if !escaped => return (at > 0).then_some(at),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    None
}

/// Convert markup to plain text.
pub fn plain(markup: &str) -> String {
    let piece = |piece: MarkupPiece| match piece {
        MarkupPiece::Text(text) => text,
        MarkupPiece::Math(math) => text_of(&parse(&math)),
    };
    pieces(markup).into_iter().map(piece).collect()
}

/// Parse mathematics; unknown commands are kept verbatim.
pub fn parse(math: &str) -> Vec<Math> {
    MathParser { rest: math.chars().collect(), at: 0 }.sequence(0)
}

struct MathParser {
    rest: Vec<char>,
    at: usize,
}

impl MathParser {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.get(self.at).copied();
        self.at += 1;
        c
    }

    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    /// Parse to the end of the input or of this group.
    fn sequence(&mut self, depth: usize) -> Vec<Math> {
        let mut items = Vec::new();
        while let Some(c) = self.peek() {
            if c == '}' && depth > 0 {
                self.at += 1;
                break;
            }
            items.extend(self.item(depth));
        }
        items
    }

    fn item(&mut self, depth: usize) -> Option<Math> {
        Some(match self.next()? {
            '\\' => return self.command(depth),
            '{' if depth < DEEP => Math::Group(self.sequence(depth + 1)),
            c @ ('^' | '_') if depth < DEEP => Math::Script { up: c == '^', body: self.argument(depth) },
            '\'' => Math::Char('′'),
            '-' => Math::Char('−'),
            '~' => Math::Space,
            c if c.is_whitespace() => Math::Space,
            c => Math::Char(c),
        })
    }

    /// The argument of a command or script: a group or a single item.
    fn argument(&mut self, depth: usize) -> Vec<Math> {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
        if depth >= DEEP {
            return Vec::new();
        }
        match self.item(depth + 1) {
            Some(Math::Group(items)) => items,
            Some(item) => vec![item],
            None => Vec::new(),
        }
    }

    fn command(&mut self, depth: usize) -> Option<Math> {
        let mut name: String = self.next()?.to_string();
        if name.chars().all(|c| c.is_ascii_alphabetic()) {
            while let Some(c) = self.peek().filter(char::is_ascii_alphabetic) {
                name.push(c);
                self.at += 1;
            }
        }
        let name = name.as_str();
        if let Some((_, c)) = SYMBOLS.iter().find(|(command, _)| *command == name) {
            return Some(Math::Char(*c));
        }
        if let Some((accent, _)) = ACCENTS.iter().find(|(command, _)| *command == name) {
            return Some(Math::Accent(accent, self.argument(depth)));
        }
        Some(match name {
            "frac" | "tfrac" | "dfrac" => Math::Fraction(self.argument(depth), self.argument(depth)),
            "sqrt" => Math::Root(self.argument(depth)),
            "left" | "right" | "!" | "displaystyle" => return None,
            name if TEXTS.contains(&name) => Math::Text(self.verbatim()),
            name if SAME.contains(&name) => Math::Group(self.argument(depth)),
            name if SPACES.contains(&name) => Math::Space,
            name if name.chars().all(|c| c.is_ascii_alphabetic()) => Math::Name(name.to_string()),
            name => Math::Char(name.chars().next()?),
        })
    }

    /// The characters of a group, verbatim.
    fn verbatim(&mut self) -> String {
        if self.peek() != Some('{') {
            return self.next().map(String::from).unwrap_or_default();
        }
        self.at += 1;
        let text: String = self.rest.iter().skip(self.at).take_while(|c| **c != '}').collect();
        self.at += text.chars().count() + 1;
        text
    }
}

fn text_of(items: &[Math]) -> String {
    items.iter().map(one).collect()
}

fn one(item: &Math) -> String {
    match item {
        Math::Char(c) => c.to_string(),
        Math::Space => " ".into(),
        Math::Name(name) | Math::Text(name) => name.clone(),
        Math::Group(items) => text_of(items),
        Math::Script { up, body } => {
            let text = text_of(body);
            let (from, to) = if *up { RAISED } else { LOWERED };
            let small = |c: char| {
                let c = if c == '−' { '-' } else { c };
                from.chars().position(|known| known == c).and_then(|i| to.chars().nth(i))
            };
            let shown: Option<String> = text.chars().map(small).collect();
            shown.unwrap_or_else(|| format!("{}{}", if *up { '^' } else { '_' }, together(text)))
        }
        Math::Fraction(over, under) => format!("{}/{}", together(text_of(over)), together(text_of(under))),
        Math::Root(body) => format!("√{}", together(text_of(body))),
        Math::Accent(name, body) => {
            let mark = ACCENTS.iter().find(|(accent, _)| accent == name).map(|(_, mark)| *mark);
            text_of(body).chars().chain(mark).collect()
        }
    }
}

/// Put in parentheses, unless it is one character or a number.
fn together(text: String) -> String {
    let simple = text.chars().count() == 1 || text.chars().all(|c| c.is_ascii_digit() || c == '.');
    if simple { text } else { format!("({text})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mathematics_becomes_plain_text() {
        for (markup, text) in [
            ("$k$-hot", "k-hot"),
            ("$p = 0.1$", "p = 0.1"),
            (r"$x^2 \pm \sigma_i$", "x² ± σᵢ"),
            (r"$1.2 \times 10^{-5}$", "1.2 × 10⁻⁵"),
            (r"$\|W\|_F^2 / \text{dim}$", "‖W‖_F² / dim"),
            (r"$\frac{1}{n}\sum_i \hat{x}_i$", "1/n∑ᵢ x\u{302}ᵢ"),
            (r"$\log p$ and $\sqrt{n+1}$", "log p and √(n+1)"),
            (r"costs \$5", "costs $5"),
            ("costs $5", "costs $5"),
            ("$$", "$$"),
            (r"$x^{a b}$", "x^(a b)"),
        ] {
            assert_eq!(plain(markup), text, "{markup}");
        }
    }

    #[test]
    fn no_label_is_too_odd_to_read() {
        for odd in ["$\\$", "$^$", "$_{$", "$\\frac$", "$}$", "$\\text{$", "\\", "$\\hat$"] {
            plain(odd);
        }
        plain(&format!("${}$", "{^".repeat(100_000)));
        plain(&format!("${}$", "\\sqrt".repeat(100_000)));
    }
}
