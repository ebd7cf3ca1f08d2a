//! Plain decimal numbers.

/// A decimal number in plain notation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Plain {
    pub(super) value: f64,
    /// Digits after the point.
    pub(super) decimals: usize,
}

/// Reads digits with a sign, a decimal point or comma, and nothing else.
pub(super) fn plain(text: &str) -> Option<Plain> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = match unsigned.split_once(['.', ',']) {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return None,
        None => (unsigned, ""),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty() || unsigned.len() > 40 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let value: f64 = if text.contains(',') { text.replace(',', ".").parse() } else { text.parse() }.ok()?;
    Some(Plain { value, decimals: fraction.len() })
}

/// Reads a number as people write it: a sign, digits with groups or without, a fraction, an exponent.
pub(super) fn written(text: &str) -> bool {
    let text = text.trim().trim_start_matches(['-', '+', '−', '(', '~']).trim_end_matches([')', '-']);
    let mut digits = 0;
    let mut previous_is_digit = false;
    for character in text.trim().chars() {
        let is_digit = character.is_ascii_digit();
        let is_mark = matches!(character, '.' | ',' | '\'' | '’' | ' ' | '\u{a0}' | '\u{202f}');
        if !is_digit && !(is_mark && (previous_is_digit || digits == 0 && character == '.')) {
            return false;
        }
        digits += usize::from(is_digit);
        previous_is_digit = is_digit;
    }
    digits > 0 && previous_is_digit
}

/// Splits a text into its leading number, as written by people, and the rest.
pub(super) fn leading(text: &str) -> Option<(&str, &str)> {
    let end = text
        .char_indices()
        .find(|(index, c)| {
            let sign = *index == 0 && matches!(c, '-' | '+' | '−' | '~' | '<' | '>' | '≈');
            !sign && !c.is_ascii_digit() && !matches!(c, '.' | ',' | '\'' | ' ' | '\u{a0}' | '\u{202f}')
        })
        .map_or(text.len(), |(index, _)| index);
    let number = text[..end].trim();
    written(number.trim_start_matches(['<', '>', '≈'])).then(|| (number, text[end..].trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_from_other_text() {
        assert_eq!(plain("-12.50"), Some(Plain { value: -12.5, decimals: 2 }));
        assert_eq!(plain("1,5"), Some(Plain { value: 1.5, decimals: 1 }));
        for text in ["", "-", "1.2.3", "1e5", "12.", "a1"] {
            assert_eq!(plain(text), None, "{text}");
        }
        for text in ["1,234.50", "1.234,5", "12 345", "7", "(3.5)", ".5"] {
            assert!(written(text), "{text}");
        }
        assert_eq!(leading("12.5 kg"), Some(("12.5", "kg")));
        assert_eq!(leading("kg"), None);
    }
}
