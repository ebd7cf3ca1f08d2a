//! Names of persons and companies.

use std::sync::LazyLock;

use super::cell::Cell;
use super::lists::{FIRST_NAMES, SURNAMES, Words, holds, words};

static TITLES: Words = LazyLock::new(|| {
    words(
        "mr mrs ms miss mx dr prof professor sir dame herr frau monsieur madame mme m sr sra srta don dona sig \
    signor signora dott ing dipl univ jr phd md dds dvm ii iii iv van von der de den del della di da dos das du la le el al bin \
    ibn af av zu ter ten",
    )
});

/// Two to five words of letters, a given and a family name among them that are listed; in either order, with titles,
/// initials and a comma. Names in scripts without spaces are looked up by their beginning.
pub(super) fn person(cell: &Cell<'_>) -> bool {
    let text = cell.text;
    let spelled = |c: char| c.is_alphabetic() || matches!(c, ' ' | '.' | ',' | '-' | '\'' | '’' | '`' | '·');
    let is_mark = |c: char| unicode_normalization::char::is_combining_mark(c);
    if text.len() > 80 || !text.chars().all(|c| spelled(c) || is_mark(c)) || text.matches(',').count() > 1 {
        return false;
    }
    if is_east_asian(text) {
        return east_asian_person(text);
    }
    let starts_small = text.chars().next().is_some_and(char::is_lowercase);
    let name = cell.folded();
    let words: Vec<&str> = name.split(' ').filter(|word| word.chars().count() > 1 && !TITLES.contains(word)).collect();
    if !(2..=5).contains(&words.len()) {
        // An initial and a family name.
        let initials = name.split(' ').filter(|word| word.chars().count() == 1).count();
        return words.len() == 1 && (1..=2).contains(&initials) && holds(&SURNAMES, words[0]);
    }
    let given = words.iter().filter(|word| holds(&FIRST_NAMES, word)).count();
    let family = words.iter().filter(|word| holds(&SURNAMES, word)).count();
    let known = words.iter().filter(|word| holds(&FIRST_NAMES, word) || holds(&SURNAMES, word)).count();
    given > 0 && (known >= 2 || words.len() == 2 || family > 0) && !starts_small && !is_company(name)
}

/// A given name alone.
pub(super) fn given_name(cell: &Cell<'_>) -> bool {
    starts_large(cell.text) && !cell.folded().contains(' ') && holds(&FIRST_NAMES, cell.folded())
}

/// A family name alone.
pub(super) fn family_name(cell: &Cell<'_>) -> bool {
    starts_large(cell.text) && !cell.folded().contains(' ') && holds(&SURNAMES, cell.folded())
}

fn starts_large(text: &str) -> bool {
    text.chars().next().is_some_and(|c| c.is_alphabetic() && !c.is_lowercase())
}

fn is_east_asian(text: &str) -> bool {
    text.chars()
        .all(|c| matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | ' ' | '·'))
}

/// A family name of one to three characters, then one to three more.
fn east_asian_person(text: &str) -> bool {
    let characters: Vec<char> = text.chars().filter(|c| *c != ' ').collect();
    let family =
        |length: usize| characters.len() > length && holds(&SURNAMES, &characters[..length].iter().collect::<String>());
    (2..=6).contains(&characters.len()) && (1..=3).any(family)
}

static LEGAL_FORMS: Words = LazyLock::new(|| {
    words(
        "inc incorporated llc llp lp ltd limited corp corporation co company plc gmbh ag kg ohg ug gbr mbh ev \
    eg kgaa stiftung se sa sas sarl sasu snc eurl spa srl scarl sl slu sau sc cv bv nv vof oy oyj ab as asa aps hf ehf kft zrt \
    bt nyrt sro spol doo dd ad ood eood ooo oao zao pao pty pte bhd sdn tbk pt kk yk sia uab oü ou ltda eireli me epp jsc pjsc \
    ооо оао зао пао ип ао нко",
    )
});
static TRADES: Words = LazyLock::new(|| {
    words(
        "group groupe gruppe grupo gruppo holding holdings partners associates bank insurance industries \
    enterprises technologies technology systems solutions services consulting international motors airlines pharmaceuticals \
    laboratories foods energy media studios ventures capital logistics bros brothers sons",
    )
});

const FAR_EASTERN_FORMS: [&str; 7] = ["株式会社", "有限会社", "合同会社", "有限公司", "(주)", "주식회사", "유한회사"];

/// A legal form, a word for a trade, or names joined as in a firm.
pub(super) fn company(cell: &Cell<'_>) -> bool {
    let text = cell.text;
    let long = text.len() > 100 || text.bytes().filter(u8::is_ascii_digit).count() > 4;
    !long && (is_company(cell.folded()) || is_firm(text))
        || !text.is_ascii() && FAR_EASTERN_FORMS.iter().any(|form| text.contains(form))
}

fn is_company(folded: &str) -> bool {
    if !folded.contains(' ') {
        return false;
    }
    let words: Vec<&str> = folded.split(' ').collect();
    let last = words.last().copied().unwrap_or_default();
    let form = |word: &str| LEGAL_FORMS.contains(word);
    let dotted =
        ["spa", "srl", "gmbh", "sarl", "spzoo", "sro", "doo", "cokg", "gmbhcokg", "sadecv", "bv", "nv", "sa", "kgaa"];
    let in_letters = || {
        let joined = folded.replace(' ', "");
        words.len() > 2 && last.len() <= 2 && dotted.iter().any(|form| joined.ends_with(form))
    };
    form(last) || form(words[0]) || in_letters() || words.iter().any(|word| TRADES.contains(word))
}

/// `Smith, Jones and Brown`, `Smith & Sons`, `Smith-Jones`.
fn is_firm(text: &str) -> bool {
    let large = |part: &str| part.trim().chars().next().is_some_and(char::is_uppercase) && !part.trim().contains(' ');
    let list = text.split_once(',').is_some_and(|(first, rest)| {
        let joined = [" and ", " & ", " und ", " et ", " y "].iter().find_map(|word| rest.split_once(word));
        large(first) && joined.is_some_and(|(second, third)| large(second) && large(third))
    });
    let pair = text
        .split_once(" & ")
        .or_else(|| text.split_once('-'))
        .is_some_and(|(first, second)| large(first) && large(second) && holds_surname(first) && holds_surname(second));
    list || pair
}

fn holds_surname(word: &str) -> bool {
    holds(&SURNAMES, &super::fold::fold(word))
}
