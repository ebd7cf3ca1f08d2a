//! Names made comparable.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Folds a name for comparison: compatibility decomposition, marks dropped, lower case, letters with strokes and
/// ligatures spelled plainly, apostrophes dropped, and every other run of characters that are neither letters nor
/// digits made one space. The lists of this crate hold folded names.
pub(crate) fn fold(name: &str) -> String {
    if name.is_ascii() {
        return fold_ascii(name);
    }
    let mut folded = String::with_capacity(name.len());
    let mut gap = false;
    for character in name.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        if is_combining_mark(character) || is_apostrophe(character) {
            continue;
        }
        if !character.is_alphanumeric() {
            gap = true;
            continue;
        }
        if gap && !folded.is_empty() {
            folded.push(' ');
        }
        gap = false;
        match spelled(character) {
            Some(plain) => folded.push_str(plain),
            None => folded.push(character),
        }
    }
    folded
}

/// The same for a name without anything to decompose or to spell plainly.
fn fold_ascii(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    let mut gap = false;
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() {
            if gap && !folded.is_empty() {
                folded.push(' ');
            }
            gap = false;
            folded.push(char::from(byte.to_ascii_lowercase()));
        } else if !is_apostrophe(char::from(byte)) {
            gap = true;
        }
    }
    folded
}

fn is_apostrophe(character: char) -> bool {
    matches!(character, '\'' | '’' | 'ʼ' | '`' | '´' | 'ʻ')
}

fn spelled(character: char) -> Option<&'static str> {
    Some(match character {
        'ł' => "l",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'æ' => "ae",
        'œ' => "oe",
        'ı' => "i",
        'þ' => "th",
        'ß' => "ss",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ascii_folds_like_everything_else(name in "[ -~]{0,40}") {
            // What follows the letter beyond ASCII is folded the long way.
            let long = fold(&format!("{name} ż"));
            prop_assert_eq!(fold(&name), long.strip_suffix('z').unwrap().trim_end());
        }
    }

    #[test]
    fn spellings_of_one_name_fold_alike() {
        assert_eq!(fold("  Côte d’Ivoire "), "cote divoire");
        assert_eq!(fold("STRASSE"), fold("Straße"));
        assert_eq!(fold("Łódź"), "lodz");
        assert_eq!(fold("Saint-Denis (Réunion)"), "saint denis reunion");
        assert_eq!(fold("ＡＢＣ１"), "abc1");
    }
}
