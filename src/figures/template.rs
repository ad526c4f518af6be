//! Text templates with values: `Loss: {loss:.3f}`. Braces inside `$...$` belong to the math.

use super::data::{Channel, Scope};
use super::text;
use crate::error::{Error, Result, Span};
use crate::spec::{Located, Problems};
use crate::value::NanPolicy;

/// A part of a template.
enum TemplatePart<'a> {
    Text(&'a str),
    /// A name and decimals.
    Value(&'a str, Option<usize>),
}

fn pieces(text: &str) -> Result<Vec<TemplatePart<'_>>, String> {
    let mut pieces = Vec::new();
    let (mut from, mut inside, mut escaped) = (0, false, false);
    let mut parts = Vec::new();
    for (at, c) in text.char_indices() {
        if c == '$' && !escaped {
            parts.push((&text[from..at], inside));
            (from, inside) = (at, !inside);
        }
        escaped = c == '\\' && !escaped;
    }
    parts.push((&text[from..], inside));
    for (part, mathematics) in parts {
        if mathematics {
            pieces.push(TemplatePart::Text(part));
            continue;
        }
        let mut rest = part;
        while let Some((before, after)) = rest.split_once('{') {
            pieces.push(TemplatePart::Text(before));
            let (inside, after) = after.split_once('}').ok_or("`{` without `}`")?;
            let (name, format) = inside.split_once(':').map_or((inside, None), |(name, format)| (name, Some(format)));
            let decimals = match format {
                None => None,
                Some(format) => {
                    let digits = format.strip_prefix('.').and_then(|f| f.strip_suffix('f'));
                    let digits = digits.and_then(|d| d.parse::<usize>().ok()).filter(|d| *d <= 15);
                    Some(digits.ok_or_else(|| format!("`{format}` is not a format; write `.3f` for three decimals"))?)
                }
            };
            pieces.push(TemplatePart::Value(name.trim(), decimals));
            rest = after;
        }
        pieces.push(TemplatePart::Text(rest));
    }
    Ok(pieces)
}

/// Reports errors in a template and its math.
pub fn check(words: &str, span: Span, problems: &mut Problems) {
    if let Err(what) = pieces(words) {
        problems.push(Error::user(what).at(span).hint("put values in braces: `Loss: {loss:.3f}`"));
    } else if let Err(what) = text::check(words) {
        problems.push(Error::user(what).at(span));
    }
}

/// Fills in the values: arrays that are a single number in this scope, or the fixed coordinate of an axis.
pub fn fill(text: &str, scope: &Scope, span: Span) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut after_value = false;
    for piece in pieces(text).map_err(|what| Error::user(what).at(span))? {
        match piece {
            TemplatePart::Text(text) => {
                // A backslash at the end of a name must not escape the dollar sign after it.
                if out.ends_with('\\') && text.starts_with('$') && after_value {
                    out.push(' ');
                }
                out.push_str(text);
                after_value &= text.is_empty();
            }
            TemplatePart::Value(name, decimals) => {
                after_value = true;
                let fixed = scope.fixed(name).map(|text| (scope.markup(text), text.parse::<f64>().ok()));
                let (text, number) = match fixed {
                    Some(found) => found,
                    None => {
                        let value = Located { value: name.to_string(), span };
                        let settings = super::data::ChannelSettings {
                            value,
                            reduce: None,
                            transform: None,
                            nan: NanPolicy::Propagate,
                        };
                        let number = scope.number(&Channel::Named(settings))?;
                        (number.to_string(), Some(number))
                    }
                };
                match (number, decimals) {
                    (Some(number), Some(decimals)) => out.push_str(&format!("{number:.decimals$}")),
                    _ => out.push_str(&text),
                }
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Array, Dataset};
    use std::sync::Arc;

    #[test]
    fn values_are_inserted_in_braces_outside_math() {
        let data = |_: &str| Some(Arc::new(Dataset::default().with("loss", Array::scalar(0.12345))));
        let of = Some(Located { value: "s".to_string(), span: Span::default() });
        let scope = Scope::new(&data).within(&of, &Default::default()).fix("expert", "2", Span::default());
        let fill = |text: &str| fill(text, &scope, Span::default());
        assert_eq!(fill("Expert {expert}, loss {loss:.3f}").unwrap(), "Expert 2, loss 0.123");
        assert_eq!(fill("$\\frac{1}{1-S}$ {loss:.1f}").unwrap(), "$\\frac{1}{1-S}$ 0.1");
        assert_eq!(fill("\\$5 for {loss:.0f} $x$").unwrap(), "\\$5 for 0 $x$");
        assert_eq!(fill("{los}").unwrap_err().message, "there is no array or axis `los`");
        assert!(fill("{loss").is_err() && fill("{loss:3}").is_err());
    }
}
