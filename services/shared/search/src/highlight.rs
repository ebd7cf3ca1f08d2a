//! Why a text matches some words.

use std::collections::HashSet;
use std::ops::Range;

use crate::analysis::{self, Word};

/// The longest extract, in code points.
pub const MAX_EXTRACT: usize = 200;

/// More matches than these are left out.
pub const MAX_MATCHES: usize = 10;

/// How much of a long text is shown before the first match, in code points at most.
const LEAD: usize = 60;

/// What a text is of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchField {
    /// The title.
    Title,
    /// The name of a column.
    Column,
    /// A tag.
    Tag,
    /// The path.
    Path,
    /// The description.
    Description,
    /// A frequent value.
    Value,
}

impl MatchField {
    /// What a word in this field counts, compared with other fields.
    pub(crate) fn boost(self) -> f32 {
        match self {
            Self::Title => 8.0,
            Self::Column => 4.0,
            Self::Tag | Self::Path => 2.0,
            Self::Description => 1.0,
            Self::Value => 0.5,
        }
    }
}

/// A text that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// What it is of the dataset.
    pub field: MatchField,
    /// The text, or an extract of it of at most [`MAX_EXTRACT`] code points.
    pub text: String,
    /// The words in `text` that match, in code points, in order, apart from each other.
    pub spans: Vec<Range<usize>>,
    /// Which of the texts that were looked at it is, the first one being 0.
    pub index: usize,
}

/// Tells which of `texts` match words of `query`, best first: at most [`MAX_MATCHES`], the same text of a field once.
pub fn highlight(query: &str, texts: &[(MatchField, &str)]) -> Vec<Match> {
    let wanted: HashSet<String> = analysis::words(query).flat_map(Word::tokens).map(|token| token.term).collect();
    let mut seen = HashSet::new();
    let mut found: Vec<(f32, Match)> = Vec::new();
    for (index, &(field, text)) in texts.iter().enumerate() {
        if !wanted.is_empty()
            && seen.insert((field, text))
            && let Some((words, matched)) = match_text(&wanted, field, text, index)
        {
            found.push((words as f32 * field.boost(), matched));
        }
    }
    // Stable: of equals the one that the caller named first stays first.
    found.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    found.into_iter().take(MAX_MATCHES).map(|(_, matched)| matched).collect()
}

/// How many of the wanted words a text has, and where in the extract with most of them.
fn match_text(wanted: &HashSet<String>, field: MatchField, text: &str, index: usize) -> Option<(usize, Match)> {
    let mut hits = Vec::new();
    let mut words = HashSet::new();
    for token in analysis::words(text).flat_map(Word::tokens) {
        if let Some(term) = wanted.get(&token.term) {
            words.insert(term);
            hits.push(token.span);
        }
    }
    let spans = in_code_points(text, join(hits));
    let extract = extract(text, &spans)?;
    let inside = spans.iter().filter(|span| extract.contains(&span.start));
    let spans = inside.map(|span| span.start - extract.start..span.end.min(extract.end) - extract.start).collect();
    let text = text.chars().skip(extract.start).take(extract.len()).collect();
    Some((words.len(), Match { field, text, spans, index }))
}

/// Joins spans that overlap, such as a word and a part of it.
fn join(mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    spans.sort_by_key(|span| span.start);
    let mut joined: Vec<Range<usize>> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            Some(_) | None => joined.push(span),
        }
    }
    joined
}

/// Turns spans of bytes, in order, into spans of code points.
fn in_code_points(text: &str, spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let (mut at_byte, mut at_char) = (0, 0);
    let mut count_to = |byte: usize| {
        at_char += text[at_byte..byte].chars().count();
        at_byte = byte;
        at_char
    };
    spans.into_iter().map(|span| count_to(span.start)..count_to(span.end)).collect()
}

/// The part of the text to show, in code points: all of a short one, else the window with most matches, the first of
/// several, which begins between words where it can. A match that is longer than an extract is cut.
fn extract(text: &str, spans: &[Range<usize>]) -> Option<Range<usize>> {
    let first = spans.first()?;
    let length = text.chars().count();
    if length <= MAX_EXTRACT {
        return Some(0..length);
    }
    let mut best = (0, first);
    for (index, span) in spans.iter().enumerate() {
        let within = spans[index..].iter().take_while(|other| other.end <= span.start + MAX_EXTRACT).count();
        if within > best.0 {
            best = (within, span);
        }
    }
    let (within, from) = best;
    let index = spans.iter().position(|span| span == from).unwrap_or(0);
    let reach = spans[(index + within).saturating_sub(1).max(index)].end.saturating_sub(from.start);
    let lead = LEAD.min(MAX_EXTRACT.saturating_sub(reach)).min(from.start);
    let start = after_a_space(text, from.start - lead, from.start).min(length.saturating_sub(MAX_EXTRACT));
    Some(start..(start + MAX_EXTRACT).min(length))
}

/// The first place from `earliest` on, up to `latest`, that follows a space; `earliest` itself when there is none.
fn after_a_space(text: &str, earliest: usize, latest: usize) -> usize {
    if earliest == 0 {
        return 0;
    }
    let mut before = text.chars().enumerate().skip(earliest - 1).take(latest - earliest + 1);
    before.find(|(_, c)| c.is_whitespace()).map_or(earliest, |(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marked(found: &Match) -> Vec<String> {
        let cut = |span: &Range<usize>| found.text.chars().skip(span.start).take(span.len()).collect();
        found.spans.iter().map(cut).collect()
    }

    #[test]
    fn spans_count_code_points() {
        let found = highlight("zurich trams", &[(MatchField::Title, "Öffentliche Trams in Zürich 🚋 tram")]);
        assert_eq!(found[0].spans, [12..17, 21..27, 30..34]);
        assert_eq!(marked(&found[0]), ["Trams", "Zürich", "tram"]);
    }

    #[test]
    fn a_part_of_a_name_is_marked_alone() {
        let found = highlight("distance", &[(MatchField::Column, "trip_distance")]);
        assert_eq!(marked(&found[0]), ["distance"]);
        let found = highlight("trip_distance", &[(MatchField::Column, "trip_distance")]);
        assert_eq!(marked(&found[0]), ["trip_distance"]);
    }

    #[test]
    fn the_best_match_comes_first_and_no_match_not_at_all() {
        let texts = [
            (MatchField::Value, "taxi"),
            (MatchField::Description, "every taxi trip of a year"),
            (MatchField::Column, "trip_id"),
            (MatchField::Title, "Taxi trips"),
            (MatchField::Tag, "weather"),
            (MatchField::Value, "taxi"),
        ];
        let found = highlight("taxi trip", &texts);
        let fields: Vec<MatchField> = found.iter().map(|found| found.field).collect();
        assert_eq!(fields, [MatchField::Title, MatchField::Column, MatchField::Description, MatchField::Value]);
        assert_eq!(found.iter().map(|found| found.index).collect::<Vec<_>>(), [3, 2, 1, 0]);
        assert!(highlight("", &texts).is_empty());
    }

    #[test]
    fn a_long_text_gives_an_extract_around_the_matches() {
        let text =
            format!("{} the famous river Thames and its river gauges {}", "word ".repeat(200), "tail ".repeat(200));
        let found = highlight("thames river gauge", &[(MatchField::Description, &text)]);
        assert!(found[0].text.chars().count() <= MAX_EXTRACT);
        assert!(found[0].text.starts_with("word"), "{}", found[0].text);
        assert_eq!(marked(&found[0]), ["river", "Thames", "river", "gauges"]);
    }

    proptest! {
        #[test]
        fn spans_lie_in_the_extract(text in "[a-c é🚋]{0,600}", query in "[a-c]{1,3}( [a-c]{1,2})?") {
            for found in highlight(&query, &[(MatchField::Value, &text)]) {
                let length = found.text.chars().count();
                prop_assert!(length <= MAX_EXTRACT);
                prop_assert!(text.contains(&found.text));
                prop_assert!(found.spans.windows(2).all(|pair| pair[0].end <= pair[1].start));
                prop_assert!(found.spans.iter().all(|span| span.start < span.end && span.end <= length));
                prop_assert!(!found.spans.is_empty());
            }
        }
    }
}
