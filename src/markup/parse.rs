//! Parses markup to a tree. Parsing never fails: invalid markup is shown as typed and recorded as a problem.

use super::symbols::{self, AtomClass, FUNCTIONS, SPACES, SYMBOLS};
use crate::spec::nearest;

/// Groups nested deeper than this are shown as typed.
const DEPTH: usize = 24;
const TOO_DEEP: &str = "mathematics nested more than 24 deep";

/// A part of a formula.
#[derive(Clone, Debug, PartialEq)]
pub enum MathNode {
    /// Characters of one style.
    Symbol {
        text: String,
        style: LetterStyle,
        class: AtomClass,
    },
    /// In eighteenths of an em.
    Space(f64),
    /// With `display`, numerator and denominator are as large as the line.
    Fraction {
        above: Vec<MathNode>,
        below: Vec<MathNode>,
        display: bool,
    },
    Root(Vec<MathNode>),
    Accent(Accent, Vec<MathNode>),
    Scripts {
        base: Box<MathNode>,
        upper: Vec<MathNode>,
        lower: Vec<MathNode>,
    },
    Group(Vec<MathNode>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetterStyle {
    /// The style of the line.
    Plain,
    Bold,
    Italic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accent {
    Hat,
    Tilde,
    Dot,
    Vector,
    Bar,
    Underline,
}

/// A segment of a line.
#[derive(Clone, Debug, PartialEq)]
pub enum Segment {
    Text(String),
    /// A formula, and its source between the dollar signs.
    Mathematics {
        source: String,
        nodes: Vec<MathNode>,
    },
}

/// Parses a line into segments and the problems of its markup.
pub fn parse(markup: &str) -> (Vec<Segment>, Vec<String>) {
    let mut parts = Vec::new();
    let mut problems = Vec::new();
    let mut text = String::new();
    // Control characters such as line breaks become spaces.
    let typed: Vec<char> = markup.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut at = 0;
    while let Some(&c) = typed.get(at) {
        at += 1;
        match c {
            '\\' if typed.get(at) == Some(&'$') => {
                text.push('$');
                at += 1;
            }
            '$' => match closing(&typed, at) {
                // Nothing between two dollar signs is no formula.
                Some(end) if end > at => {
                    if !text.is_empty() {
                        parts.push(Segment::Text(std::mem::take(&mut text)));
                    }
                    let mut parser =
                        Parser { typed: &typed[at..end], at: 0, alphabet: None, depth: 0, left: 0, problems };
                    let nodes = parser.whole();
                    problems = parser.problems;
                    let source = typed[at..end].iter().collect::<String>().trim().to_string();
                    parts.push(Segment::Mathematics { source, nodes });
                    at = end + 1;
                }
                _ => {
                    problems.push("a `$` without its partner; a dollar sign is written `\\$`".into());
                    text.push('$');
                }
            },
            _ => text.push(c),
        }
    }
    if !text.is_empty() {
        parts.push(Segment::Text(text));
    }
    let mut seen = std::collections::HashSet::new();
    problems.retain(|problem| seen.insert(problem.clone()));
    (parts, problems)
}

/// Finds the `$` that closes the math opened just before `start`.
fn closing(typed: &[char], start: usize) -> Option<usize> {
    let mut at = start;
    while let Some(&c) = typed.get(at) {
        match c {
            '$' => return Some(at),
            '\\' => at += 2,
            _ => at += 1,
        }
    }
    None
}

struct Parser<'a> {
    typed: &'a [char],
    at: usize,
    /// The letters set by `\mathrm` and the like inside their braces.
    alphabet: Option<Alphabet>,
    depth: usize,
    /// The number of `\left` without their `\right` so far.
    left: usize,
    problems: Vec<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Alphabet {
    Style(LetterStyle),
    DoubleStruck,
    Script,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.typed.get(self.at).copied()
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn problem(&mut self, what: impl Into<String>) {
        self.problems.push(what.into());
    }

    fn whole(&mut self) -> Vec<MathNode> {
        let mut nodes = self.list();
        // A list that ends early stopped at an unmatched closing brace.
        while self.peek().is_some() {
            self.at += 1;
            self.problem("a `}` without its `{`; the sign itself is written `\\}`");
            nodes.push(literal("}"));
            nodes.extend(self.list());
        }
        if self.left > 0 {
            self.problem("a `\\left` without its `\\right`");
        }
        nodes
    }

    /// Parses up to a closing brace or the end.
    fn list(&mut self) -> Vec<MathNode> {
        let mut nodes: Vec<MathNode> = Vec::new();
        loop {
            self.skip_spaces();
            match self.peek() {
                None | Some('}') => return nodes,
                Some(sign @ ('^' | '_')) => {
                    self.at += 1;
                    let Some(script) = self.argument(&sign.to_string()) else { continue };
                    let base = match nodes.last() {
                        Some(MathNode::Space(_)) | None => MathNode::Group(Vec::new()),
                        Some(_) => nodes.pop().unwrap_or(MathNode::Group(Vec::new())),
                    };
                    nodes.push(self.attach(base, sign, script));
                }
                Some(_) => nodes.extend(self.atom()),
            }
        }
    }

    /// Attaches a script to the node before it.
    fn attach(&mut self, base: MathNode, sign: char, script: Vec<MathNode>) -> MathNode {
        let (base, mut upper, mut lower) = match base {
            MathNode::Scripts { base, upper, lower } => (base, upper, lower),
            other => (Box::new(other), Vec::new(), Vec::new()),
        };
        let place = if sign == '^' { &mut upper } else { &mut lower };
        if !place.is_empty() {
            self.problems.push(format!("two `{sign}` on one base; use braces: `{{a{sign}b}}{sign}c`"));
        }
        place.extend(script);
        MathNode::Scripts { base, upper, lower }
    }

    /// Parses the argument of a command: a group in braces or one token. Returns `None` and records a problem if there is none.
    fn argument(&mut self, command: &str) -> Option<Vec<MathNode>> {
        self.skip_spaces();
        match self.peek() {
            None | Some('}' | '^' | '_') => {
                self.problem(format!("nothing after `{command}`"));
                None
            }
            Some('{') => Some(self.group()),
            Some(_) if self.depth == DEPTH => {
                self.problem(TOO_DEEP);
                None
            }
            Some(_) => {
                self.depth += 1;
                let nodes = self.atom();
                self.depth -= 1;
                Some(nodes)
            }
        }
    }

    /// Parses a group in braces; `at` is at the opening brace.
    fn group(&mut self) -> Vec<MathNode> {
        self.at += 1;
        if self.depth == DEPTH {
            self.problem(TOO_DEEP);
            return vec![literal("{")];
        }
        self.depth += 1;
        let nodes = self.list();
        self.depth -= 1;
        match self.peek() {
            Some('}') => self.at += 1,
            _ => self.problem("a `{` without its `}`; the sign itself is written `\\{`"),
        }
        nodes
    }

    /// Parses a group whose letters are of the given alphabet.
    fn styled(&mut self, command: &str, alphabet: Alphabet) -> Vec<MathNode> {
        let before = self.alphabet.replace(alphabet);
        let nodes = self.argument(command).unwrap_or_default();
        self.alphabet = before;
        vec![MathNode::Group(nodes)]
    }

    /// Parses the literal text inside braces, spaces included.
    fn verbatim(&mut self, command: &str) -> String {
        self.skip_spaces();
        if self.peek() != Some('{') {
            self.problem(format!("`{command}` wants its text in braces"));
            return String::new();
        }
        let mut text = String::new();
        let mut depth = 0;
        while let Some(c) = self.peek() {
            self.at += 1;
            match c {
                '{' => {
                    depth += 1;
                    if depth == 1 {
                        continue;
                    }
                }
                '}' => {
                    depth -= 1;
                    if depth == 0 {
                        return text;
                    }
                }
                '\\' if self.peek().is_some_and(|c| "\\{}$%#&_ ".contains(c)) => {
                    text.extend(self.peek());
                    self.at += 1;
                    continue;
                }
                _ => {}
            }
            text.push(c);
        }
        self.problem(format!("`{command}{{` without its `}}`"));
        text
    }

    /// Parses one node, without its scripts.
    fn atom(&mut self) -> Vec<MathNode> {
        let Some(c) = self.peek() else { return Vec::new() };
        match c {
            '{' => {
                let nodes = self.group();
                vec![MathNode::Group(nodes)]
            }
            '\\' => {
                self.at += 1;
                self.command()
            }
            '~' => {
                self.at += 1;
                vec![MathNode::Space(6.0)]
            }
            '|' if self.typed.get(self.at + 1) == Some(&'|') => {
                self.at += 2;
                vec![symbol('‖', AtomClass::Ordinary)]
            }
            _ => {
                self.at += 1;
                vec![self.character(c)]
            }
        }
    }

    fn character(&mut self, typed: char) -> MathNode {
        let ordinary = |text: char, style| MathNode::Symbol { text: text.into(), style, class: AtomClass::Ordinary };
        let (command, found, known) = match self.alphabet {
            Some(Alphabet::Style(style)) if typed.is_alphanumeric() => return ordinary(typed, style),
            Some(Alphabet::Script) => ("mathcal", symbols::script(typed), "it has B, E, F, H, I, L, M and R"),
            Some(Alphabet::DoubleStruck) => ("mathbb", symbols::double_struck(typed), "it has the Latin letters"),
            Some(Alphabet::Style(_)) | None => ("", None, ""),
        };
        if let Some(found) = found {
            return ordinary(found, LetterStyle::Plain);
        }
        if typed.is_alphanumeric() && !command.is_empty() {
            self.problem(format!("the font has no `\\{command}{{{typed}}}`; {known}"));
        }
        let (text, class) = symbols::character(typed);
        symbol(text, class)
    }

    /// Parses a command; `at` is just after its backslash.
    fn command(&mut self) -> Vec<MathNode> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_alphabetic()) {
            self.at += 1;
        }
        if self.at == start && self.peek().is_some() {
            self.at += 1;
        }
        let name: String = self.typed.get(start..self.at).unwrap_or_default().iter().collect();
        if let Some((_, character, class)) = SYMBOLS.iter().find(|(known, ..)| *known == name) {
            return vec![symbol(*character, *class)];
        }
        if let Some((_, width)) = SPACES.iter().find(|(known, _)| *known == name) {
            return vec![MathNode::Space(*width)];
        }
        if FUNCTIONS.contains(&name.as_str()) {
            return vec![upright(name, AtomClass::Operator)];
        }
        self.structure(&name)
    }

    fn structure(&mut self, name: &str) -> Vec<MathNode> {
        let command = format!("\\{name}");
        let accent = |parser: &mut Self, accent| {
            let base = parser.argument(&command).unwrap_or_default();
            vec![MathNode::Accent(accent, base)]
        };
        match name {
            "frac" | "dfrac" | "tfrac" => {
                let above = self.argument(&command).unwrap_or_default();
                let below = self.argument(&command).unwrap_or_default();
                vec![MathNode::Fraction { above, below, display: name == "dfrac" }]
            }
            "sqrt" => {
                let body = self.argument(&command).unwrap_or_default();
                vec![MathNode::Root(body)]
            }
            "text" | "textrm" => vec![upright(self.verbatim(&command), AtomClass::Ordinary)],
            "textbf" | "textit" => {
                let style = if name == "textbf" { LetterStyle::Bold } else { LetterStyle::Italic };
                let text = self.verbatim(&command);
                vec![MathNode::Symbol { text, style, class: AtomClass::Ordinary }]
            }
            "operatorname" => vec![upright(self.verbatim(&command), AtomClass::Operator)],
            "mathrm" | "mathsf" | "mathtt" => self.styled(&command, Alphabet::Style(LetterStyle::Plain)),
            "mathbf" | "boldsymbol" => self.styled(&command, Alphabet::Style(LetterStyle::Bold)),
            "mathit" => self.styled(&command, Alphabet::Style(LetterStyle::Italic)),
            "mathbb" => self.styled(&command, Alphabet::DoubleStruck),
            "mathcal" => self.styled(&command, Alphabet::Script),
            "hat" | "widehat" => accent(self, Accent::Hat),
            "tilde" => accent(self, Accent::Tilde),
            "dot" => accent(self, Accent::Dot),
            "vec" => accent(self, Accent::Vector),
            "bar" | "overline" => accent(self, Accent::Bar),
            "underline" => accent(self, Accent::Underline),
            // These have no effect within a line.
            "displaystyle" | "textstyle" | "limits" => Vec::new(),
            "left" | "right" => self.delimiter(name),
            "" => {
                self.problem("a `\\` at the end");
                vec![literal("\\")]
            }
            _ => {
                // Most names are short, so many are similar to any typo; the first letter is seldom the mistake.
                let alike = symbols::commands().filter(|known| known.chars().next() == name.chars().next());
                let hint = match nearest(name, alike) {
                    Some(known) => format!("; did you mean `\\{known}`?"),
                    None => String::new(),
                };
                self.problem(format!("unknown command `{command}`{hint}"));
                vec![literal(&command)]
            }
        }
    }

    /// Parses the delimiter after `\left` or `\right`. Delimiters keep the size of the line.
    fn delimiter(&mut self, side: &str) -> Vec<MathNode> {
        let class = if side == "left" { AtomClass::Open } else { AtomClass::Close };
        match (side, self.left) {
            ("left", _) => self.left += 1,
            (_, 0) => self.problem("a `\\right` without its `\\left`"),
            _ => self.left -= 1,
        }
        self.skip_spaces();
        match self.peek() {
            None | Some('{' | '}') => {
                self.problem(format!("no delimiter after `\\{side}`"));
                Vec::new()
            }
            Some('.') => {
                self.at += 1;
                Vec::new()
            }
            Some('<') => {
                self.at += 1;
                vec![symbol('⟨', class)]
            }
            Some('>') => {
                self.at += 1;
                vec![symbol('⟩', class)]
            }
            Some(_) => {
                let mut nodes = self.atom();
                if let [MathNode::Symbol { class: kind, .. }] = nodes.as_mut_slice() {
                    *kind = class;
                }
                nodes
            }
        }
    }
}

fn symbol(character: char, class: AtomClass) -> MathNode {
    let style = if symbols::is_variable(character) { LetterStyle::Italic } else { LetterStyle::Plain };
    MathNode::Symbol { text: character.into(), style, class }
}

fn upright(text: impl Into<String>, class: AtomClass) -> MathNode {
    MathNode::Symbol { text: text.into(), style: LetterStyle::Plain, class }
}

fn literal(text: &str) -> MathNode {
    upright(text, AtomClass::Ordinary)
}

fn class(node: &MathNode) -> Option<AtomClass> {
    match node {
        MathNode::Symbol { class, .. } => Some(*class),
        MathNode::Space(_) => None,
        MathNode::Scripts { base, .. } => class(base),
        MathNode::Fraction { .. } => Some(AtomClass::Inner),
        MathNode::Root(_) | MathNode::Accent(..) | MathNode::Group(_) => Some(AtomClass::Ordinary),
    }
}

/// Returns the kinds of the nodes in a list; a binary operator without two operands, as in −1, becomes ordinary.
pub fn classes(nodes: &[MathNode]) -> Vec<Option<AtomClass>> {
    use AtomClass::*;
    let mut classes: Vec<Option<AtomClass>> = nodes.iter().map(class).collect();
    let mut last: Option<usize> = None;
    for i in 0..classes.len() {
        let Some(class) = classes[i] else { continue };
        let before = last.and_then(|j| classes[j]);
        if class == Binary && matches!(before, None | Some(Binary | Operator | Relation | Open | Punctuation)) {
            classes[i] = Some(Ordinary);
        }
        if let Some(j) = last
            && classes[j] == Some(Binary)
            && matches!(class, Relation | Close | Punctuation)
        {
            classes[j] = Some(Ordinary);
        }
        last = Some(i);
    }
    if let Some(j) = last
        && classes[j] == Some(Binary)
    {
        classes[j] = Some(Ordinary);
    }
    classes
}
