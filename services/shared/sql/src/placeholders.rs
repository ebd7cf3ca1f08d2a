//! Placeholders: written `?` and `?1`, as SQLite takes them; PostgreSQL takes `$1`.

/// Writes the placeholders of `text` for PostgreSQL.
///
/// `?` is numbered one above the highest before it, as in SQLite. What stands in quotes or in a comment is left alone.
pub(crate) fn numbered(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut highest = 0u32;
    let mut rest = text;
    while let Some(at) = rest.find(['?', '\'', '"', '-']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let length = match from.as_bytes()[0] {
            b'?' => {
                let digits = from[1..].bytes().take_while(u8::is_ascii_digit).count();
                let number = from[1..=digits].parse().unwrap_or(highest + 1);
                highest = highest.max(number);
                out.push('$');
                out.push_str(&number.to_string());
                rest = &from[1 + digits..];
                continue;
            }
            b'-' if from.starts_with("--") => from.find('\n').unwrap_or(from.len()),
            b'-' => 1,
            quote => from[1..].find(char::from(quote)).map_or(from.len(), |end| end + 2),
        };
        out.push_str(&from[..length]);
        rest = &from[length..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::numbered;

    #[test]
    fn each_question_mark_gets_its_number() {
        assert_eq!(numbered("SELECT ?, ? WHERE a = ?"), "SELECT $1, $2 WHERE a = $3");
        assert_eq!(numbered("?1 = ?2 OR ?1 IS NULL"), "$1 = $2 OR $1 IS NULL");
        assert_eq!(numbered("?5, ?, ?2, ?"), "$5, $6, $2, $7");
        assert_eq!(numbered("no parameter"), "no parameter");
    }

    #[test]
    fn quotes_and_comments_are_left_alone() {
        let text = "'it''s ?' || \"odd ?\" - ? -- really ?\n, ?";
        assert_eq!(numbered(text), "'it''s ?' || \"odd ?\" - $1 -- really ?\n, $2");
        assert_eq!(numbered("'open ?"), "'open ?");
    }
}
