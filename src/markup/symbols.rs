//! Math commands and characters: the character each one produces, and its kind, which decides the space around it.

/// The kinds of atoms in The TeXbook, chapter 17.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtomClass {
    Ordinary,
    /// Large operators such as sums, and named functions.
    Operator,
    /// Binary operators: `+`.
    Binary,
    /// Relations: `=`.
    Relation,
    Open,
    Close,
    Punctuation,
    /// Inner atoms: fractions.
    Inner,
}

use AtomClass::*;

/// Commands that produce one character.
pub const SYMBOLS: &[(&str, char, AtomClass)] = &[
    ("alpha", 'α', Ordinary),
    ("beta", 'β', Ordinary),
    ("gamma", 'γ', Ordinary),
    ("delta", 'δ', Ordinary),
    ("epsilon", 'ϵ', Ordinary),
    ("varepsilon", 'ε', Ordinary),
    ("zeta", 'ζ', Ordinary),
    ("eta", 'η', Ordinary),
    ("theta", 'θ', Ordinary),
    ("vartheta", 'ϑ', Ordinary),
    ("iota", 'ι', Ordinary),
    ("kappa", 'κ', Ordinary),
    ("lambda", 'λ', Ordinary),
    ("mu", 'μ', Ordinary),
    ("nu", 'ν', Ordinary),
    ("xi", 'ξ', Ordinary),
    ("omicron", 'ο', Ordinary),
    ("pi", 'π', Ordinary),
    ("varpi", 'ϖ', Ordinary),
    ("rho", 'ρ', Ordinary),
    ("varrho", 'ϱ', Ordinary),
    ("sigma", 'σ', Ordinary),
    ("varsigma", 'ς', Ordinary),
    ("tau", 'τ', Ordinary),
    ("upsilon", 'υ', Ordinary),
    ("phi", 'ϕ', Ordinary),
    ("varphi", 'φ', Ordinary),
    ("chi", 'χ', Ordinary),
    ("psi", 'ψ', Ordinary),
    ("omega", 'ω', Ordinary),
    ("Gamma", 'Γ', Ordinary),
    ("Delta", 'Δ', Ordinary),
    ("Theta", 'Θ', Ordinary),
    ("Lambda", 'Λ', Ordinary),
    ("Xi", 'Ξ', Ordinary),
    ("Pi", 'Π', Ordinary),
    ("Sigma", 'Σ', Ordinary),
    ("Upsilon", 'Υ', Ordinary),
    ("Phi", 'Φ', Ordinary),
    ("Psi", 'Ψ', Ordinary),
    ("Omega", 'Ω', Ordinary),
    ("infty", '∞', Ordinary),
    ("partial", '∂', Ordinary),
    ("nabla", '∇', Ordinary),
    ("ell", 'ℓ', Ordinary),
    ("hbar", 'ℏ', Ordinary),
    ("Re", 'ℜ', Ordinary),
    ("Im", 'ℑ', Ordinary),
    ("forall", '∀', Ordinary),
    ("exists", '∃', Ordinary),
    ("emptyset", '∅', Ordinary),
    ("prime", '′', Ordinary),
    ("degree", '°', Ordinary),
    ("top", '⊤', Ordinary),
    ("bot", '⊥', Ordinary),
    ("ldots", '…', Inner),
    ("dots", '…', Inner),
    ("cdots", '⋯', Inner),
    ("|", '‖', Ordinary),
    ("Vert", '‖', Ordinary),
    ("vert", '|', Ordinary),
    ("lVert", '‖', Open),
    ("rVert", '‖', Close),
    ("lvert", '|', Open),
    ("rvert", '|', Close),
    ("langle", '⟨', Open),
    ("rangle", '⟩', Close),
    ("lfloor", '⌊', Open),
    ("rfloor", '⌋', Close),
    ("lceil", '⌈', Open),
    ("rceil", '⌉', Close),
    ("{", '{', Open),
    ("}", '}', Close),
    ("$", '$', Ordinary),
    ("%", '%', Ordinary),
    ("#", '#', Ordinary),
    ("&", '&', Ordinary),
    ("_", '_', Ordinary),
    ("sum", '∑', Operator),
    ("prod", '∏', Operator),
    ("int", '∫', Operator),
    ("pm", '±', Binary),
    ("mp", '∓', Binary),
    ("times", '×', Binary),
    ("div", '÷', Binary),
    ("cdot", '⋅', Binary),
    ("ast", '∗', Binary),
    ("star", '⋆', Binary),
    ("circ", '∘', Binary),
    ("bullet", '∙', Binary),
    ("oplus", '⊕', Binary),
    ("otimes", '⊗', Binary),
    ("odot", '⊙', Binary),
    ("dagger", '†', Binary),
    ("cap", '∩', Binary),
    ("cup", '∪', Binary),
    ("setminus", '∖', Binary),
    ("wedge", '∧', Binary),
    ("vee", '∨', Binary),
    ("le", '≤', Relation),
    ("leq", '≤', Relation),
    ("ge", '≥', Relation),
    ("geq", '≥', Relation),
    ("ll", '≪', Relation),
    ("gg", '≫', Relation),
    ("ne", '≠', Relation),
    ("neq", '≠', Relation),
    ("equiv", '≡', Relation),
    ("approx", '≈', Relation),
    ("simeq", '≃', Relation),
    ("cong", '≅', Relation),
    ("sim", '∼', Relation),
    ("propto", '∝', Relation),
    ("in", '∈', Relation),
    ("notin", '∉', Relation),
    ("ni", '∋', Relation),
    ("subset", '⊂', Relation),
    ("subseteq", '⊆', Relation),
    ("supset", '⊃', Relation),
    ("supseteq", '⊇', Relation),
    ("perp", '⊥', Relation),
    ("parallel", '∥', Relation),
    ("mid", '|', Relation),
    ("to", '→', Relation),
    ("rightarrow", '→', Relation),
    ("leftarrow", '←', Relation),
    ("gets", '←', Relation),
    ("leftrightarrow", '↔', Relation),
    ("uparrow", '↑', Relation),
    ("downarrow", '↓', Relation),
    ("Rightarrow", '⇒', Relation),
    ("Leftarrow", '⇐', Relation),
    ("Leftrightarrow", '⇔', Relation),
    ("mapsto", '↦', Relation),
    ("colon", ':', Punctuation),
];

/// Named functions, set upright.
pub const FUNCTIONS: &[&str] = &[
    "log", "ln", "exp", "max", "min", "argmax", "argmin", "arg", "sup", "inf", "lim", "sin", "cos", "tan", "sinh",
    "cosh", "tanh", "det", "dim", "deg", "ker", "Pr",
];

/// Spacing commands, in eighteenths of an em.
pub const SPACES: &[(&str, f64)] =
    &[(",", 3.0), (":", 4.0), (">", 4.0), (";", 5.0), ("!", -3.0), (" ", 6.0), ("quad", 18.0), ("qquad", 36.0)];

/// Commands that take an argument or act on what follows.
pub const STRUCTURES: &[&str] = &[
    "frac",
    "dfrac",
    "tfrac",
    "sqrt",
    "text",
    "textrm",
    "textbf",
    "textit",
    "mathrm",
    "mathbf",
    "mathit",
    "mathsf",
    "mathtt",
    "mathbb",
    "mathcal",
    "boldsymbol",
    "operatorname",
    "hat",
    "widehat",
    "tilde",
    "bar",
    "overline",
    "underline",
    "dot",
    "vec",
    "left",
    "right",
    "displaystyle",
    "textstyle",
    "limits",
];

/// Returns the character that math mode shows for a typed one, and its kind.
pub fn character(typed: char) -> (char, AtomClass) {
    match typed {
        '-' => ('−', Binary),
        '+' | '−' => (typed, Binary),
        '*' => ('∗', Binary),
        '\'' => ('′', Ordinary),
        '=' | '<' | '>' | ':' => (typed, Relation),
        '(' | '[' | '{' => (typed, Open),
        ')' | ']' | '}' | '!' => (typed, Close),
        ',' | ';' => (typed, Punctuation),
        '·' => (typed, Binary),
        '\u{2190}'..='\u{21ff}' => (typed, Relation),
        // The kinds in the table hold for typed symbols too, except that a typed bar may open or close.
        '|' | '‖' => (typed, Ordinary),
        _ => (typed, SYMBOLS.iter().find(|(_, symbol, _)| *symbol == typed).map_or(Ordinary, |(.., class)| *class)),
    }
}

/// Variables are italic; capital Greek letters, letter-like symbols and digits are upright.
pub fn is_variable(character: char) -> bool {
    match character {
        '\u{0391}'..='\u{03a9}' => false,
        // Latin, Greek and Cyrillic.
        _ => character.is_alphabetic() && (character < '\u{0530}' || ('\u{1e00}'..'\u{2000}').contains(&character)),
    }
}

/// Double-struck letters; the math alphanumeric block omits those that Unicode already had.
pub fn double_struck(letter: char) -> Option<char> {
    Some(match letter {
        'C' => 'ℂ',
        'H' => 'ℍ',
        'N' => 'ℕ',
        'P' => 'ℙ',
        'Q' => 'ℚ',
        'R' => 'ℝ',
        'Z' => 'ℤ',
        'A'..='Z' => char::from_u32(0x1d538 + (letter as u32 - 'A' as u32))?,
        'a'..='z' => char::from_u32(0x1d552 + (letter as u32 - 'a' as u32))?,
        _ => return None,
    })
}

/// The script letters in the font.
pub fn script(letter: char) -> Option<char> {
    const LETTERS: [(char, char); 8] =
        [('B', 'ℬ'), ('E', 'ℰ'), ('F', 'ℱ'), ('H', 'ℋ'), ('I', 'ℐ'), ('L', 'ℒ'), ('M', 'ℳ'), ('R', 'ℛ')];
    LETTERS.iter().find(|(plain, _)| *plain == letter).map(|(_, script)| *script)
}

/// All commands: figures and tables know no others, and nothing else is written to LaTeX files.
pub fn commands() -> impl Iterator<Item = &'static str> {
    let symbols = SYMBOLS.iter().map(|(name, ..)| *name);
    let spaces = SPACES.iter().map(|(name, _)| *name);
    symbols.chain(FUNCTIONS.iter().copied()).chain(spaces).chain(STRUCTURES.iter().copied())
}
