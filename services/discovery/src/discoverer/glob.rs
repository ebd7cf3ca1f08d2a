//! Globs over paths.

/// A pattern over the path within a source: `*` stands for anything within a segment, `?` for one character, `**` for
/// any number of whole segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<String>);

impl Glob {
    /// Reads a pattern; tells what is wrong with one that is of no use.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() || text.chars().count() > 500 {
            return Err("a glob takes 1 to 500 characters");
        }
        if text.starts_with('/') {
            return Err("a glob is relative to the source, without `/` first");
        }
        let segments: Vec<String> = text.trim_end_matches('/').split('/').map(str::to_owned).collect();
        if segments.iter().any(|segment| segment.contains("**") && segment != "**") {
            return Err("`**` stands alone between slashes");
        }
        Ok(Self(segments))
    }

    /// Tells whether the pattern covers `path`, or a folder above it.
    pub fn covers(&self, path: &str) -> bool {
        let segments: Vec<&str> = path.split('/').collect();
        (1..=segments.len()).any(|length| matches(&self.0, &segments[..length]))
    }
}

/// Matches in one pass, like [`segment_matches`] and for the same reason.
fn matches(pattern: &[String], path: &[&str]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while let Some(segment) = path.get(t) {
        match pattern.get(p) {
            Some(glob) if glob == "**" => {
                star = Some((p, t));
                p += 1;
            }
            Some(glob) if segment_matches(glob.as_bytes(), segment.as_bytes()) => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                (p, t) = (at + 1, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|glob| glob == "**")
}

/// Matches in one pass with a single place to come back to, so that no pattern takes exponential time.
fn segment_matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(b'?') => {
                p += 1;
                t += 1;
                // One character may be several bytes.
                while text.get(t).is_some_and(|byte| byte & 0xC0 == 0x80) {
                    t += 1;
                }
            }
            Some(byte) if *byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((back, from)) = star else { return false };
                star = Some((back, from + 1));
                p = back + 1;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(pattern: &str, path: &str) -> bool {
        Glob::parse(pattern).unwrap().covers(path)
    }

    #[test]
    fn a_star_stays_within_its_segment_and_two_cross_them() {
        assert!(covers("*.csv", "a.csv"));
        assert!(!covers("*.csv", "x/a.csv"));
        assert!(covers("**/*.csv", "a.csv"));
        assert!(covers("**/*.csv", "x/y/a.csv"));
        assert!(covers("x/**/a.csv", "x/a.csv"));
        assert!(!covers("x/**/a.csv", "y/a.csv"));
        assert!(covers("d?ta-*", "däta-1"));
        assert!(covers("*a*b*", "xxaxxbxx"));
        assert!(!covers("*a*b", "xxaxxbxx"));
    }

    #[test]
    fn a_folder_covers_what_is_beneath_it() {
        assert!(covers("private", "private/a.csv"));
        assert!(covers("private/", "private/x/a.csv"));
        assert!(covers("**/old", "x/old/a.csv"));
        assert!(!covers("private", "privately/a.csv"));
    }

    #[test]
    fn patterns_of_no_use_are_refused() {
        for bad in ["", "/a", "a**/b", "***"] {
            assert!(Glob::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        assert!(!covers(&"*a".repeat(200), &"a".repeat(199)));
        assert!(!covers(&format!("{}b", "**/a/".repeat(90)), &"a/".repeat(64)));
        assert!(covers(&format!("{}a.csv", "**/".repeat(90)), "x/y/a.csv"));
    }
}
