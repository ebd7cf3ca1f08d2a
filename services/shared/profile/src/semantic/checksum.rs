//! Check digits.

/// The digits of a number, with the characters that people put between them left out; nothing when others are among
/// them, or when there are more than `most`.
pub(super) fn digits(text: &str, between: &[char], most: usize) -> Option<Vec<u8>> {
    let mut digits = Vec::with_capacity(text.len().min(most));
    for character in text.chars() {
        if let Some(digit) = character.to_digit(10) {
            digits.push(digit as u8);
        } else if !between.contains(&character) {
            return None;
        }
        if digits.len() > most {
            return None;
        }
    }
    Some(digits)
}

/// ISO/IEC 7812-1, annex B: every second digit from the right doubled.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits.iter().rev().enumerate().map(|(place, digit)| doubled(place, u32::from(*digit))).sum();
    !digits.is_empty() && sum.is_multiple_of(10)
}

fn doubled(place: usize, digit: u32) -> u32 {
    if place.is_multiple_of(2) { digit } else { digit * 2 / 10 + digit * 2 % 10 }
}

/// The GS1 check digit: weights 3 and 1 from the right.
pub(super) fn gs1(digits: &[u8]) -> bool {
    let weight = |place: usize| if place.is_multiple_of(2) { 1 } else { 3 };
    let sum: u32 = digits.iter().rev().enumerate().map(|(place, digit)| weight(place) * u32::from(*digit)).sum();
    sum.is_multiple_of(10)
}

/// Check digit modulo 11 with `X` for ten, weights falling to 1: ISBN-10 (ISO 2108) and ISSN (ISO 3297).
pub(super) fn modulo_11(characters: &[u8]) -> bool {
    let last = characters.len() - 1;
    let mut sum = 0;
    for (index, character) in characters.iter().enumerate() {
        let digit = match character {
            b'0'..=b'9' => u32::from(character - b'0'),
            b'X' | b'x' if index == last => 10,
            _ => return false,
        };
        sum += digit * (characters.len() - index) as u32;
    }
    sum.is_multiple_of(11)
}

/// ISO 7064, MOD 11-2, with `X` for ten: ORCID and ISNI.
pub(super) fn modulo_11_2(characters: &[u8]) -> bool {
    let Some((last, body)) = characters.split_last() else { return false };
    let mut total = 0;
    for character in body {
        if !character.is_ascii_digit() {
            return false;
        }
        total = (total + u32::from(character - b'0')) * 2 % 11;
    }
    let check = (12 - total) % 11;
    match last {
        b'0'..=b'9' => check == u32::from(last - b'0'),
        b'X' | b'x' => check == 10,
        _ => false,
    }
}

/// ISO 7064, MOD 97-10, letters counting from 10: the remainder of the number that the characters spell.
pub(super) fn modulo_97(characters: impl Iterator<Item = u8>) -> Option<u32> {
    let mut remainder = 0;
    for character in characters {
        remainder = match character {
            b'0'..=b'9' => remainder * 10 + u32::from(character - b'0'),
            b'A'..=b'Z' => remainder * 100 + u32::from(character - b'A') + 10,
            b'a'..=b'z' => remainder * 100 + u32::from(character - b'a') + 10,
            _ => return None,
        } % 97;
    }
    Some(remainder)
}

/// ISO 6166: letters spelled as two digits, then Luhn.
pub(super) fn isin(characters: &[u8]) -> bool {
    let mut spelled = Vec::with_capacity(24);
    for character in characters {
        match character {
            b'0'..=b'9' => spelled.push(character - b'0'),
            b'A'..=b'Z' => spelled.extend([(character - b'A' + 10) / 10, (character - b'A' + 10) % 10]),
            _ => return false,
        }
    }
    luhn(&spelled)
}

/// ANSI X9.6: values of letters from 10, every second one doubled, digits summed.
pub(super) fn cusip(characters: &[u8]) -> bool {
    let Some((last, body)) = characters.split_last() else { return false };
    let mut sum = 0;
    for (index, character) in body.iter().enumerate() {
        let value = match character {
            b'0'..=b'9' => u32::from(character - b'0'),
            b'A'..=b'Z' => u32::from(character - b'A') + 10,
            b'*' => 36,
            b'@' => 37,
            b'#' => 38,
            _ => return false,
        };
        let value = if index.is_multiple_of(2) { value } else { value * 2 };
        sum += value / 10 + value % 10;
    }
    last.is_ascii_digit() && (10 - sum % 10) % 10 == u32::from(last - b'0')
}

/// 49 CFR 565.15: the ninth character is the weighted sum modulo 11.
pub(super) fn vin(characters: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    if characters.len() != WEIGHTS.len() {
        return false;
    }
    let mut sum = 0;
    for (character, weight) in characters.iter().zip(WEIGHTS) {
        let Some(value) = vin_value(*character) else { return false };
        sum += value * weight;
    }
    let check = sum % 11;
    characters[8] == if check == 10 { b'X' } else { b'0' + check as u8 }
}

fn vin_value(character: u8) -> Option<u32> {
    Some(match character.to_ascii_uppercase() {
        digit @ b'0'..=b'9' => u32::from(digit - b'0'),
        letter @ b'A'..=b'H' => u32::from(letter - b'A') + 1,
        letter @ b'J'..=b'N' => u32::from(letter - b'J') + 1,
        b'P' => 7,
        b'R' => 9,
        letter @ b'S'..=b'Z' => u32::from(letter - b'S') + 2,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(text: &str) -> Vec<u8> {
        digits(text, &[' ', '-'], 30).unwrap()
    }

    #[test]
    fn published_examples_pass_and_their_neighbours_fail() {
        assert!(luhn(&spelled("4111 1111 1111 1111")) && !luhn(&spelled("4111 1111 1111 1112")));
        assert!(gs1(&spelled("4006381333931")) && !gs1(&spelled("4006381333932")));
        assert!(modulo_11(b"0306406152") && modulo_11(b"2434561X") && !modulo_11(b"0306406153"));
        assert!(modulo_11_2(b"0000000218250097") && !modulo_11_2(b"0000000218250098"));
        assert_eq!(modulo_97(b"WEST12345698765432GB82".iter().copied()), Some(1));
        assert!(isin(b"US0378331005") && !isin(b"US0378331006"));
        assert!(cusip(b"037833100") && !cusip(b"037833101"));
        assert!(vin(b"1M8GDM9AXKP042788") && !vin(b"1M8GDM9A1KP042788"));
    }
}
