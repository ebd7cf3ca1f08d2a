//! Spans of time in cells.

const SECOND: f64 = 1e6;

/// Reads a span of time in microseconds: `P1DT2H30M`, `-PT0.5S` (ISO 8601 without years and months, whose length
/// varies), `36:15:00` (hours beyond a day, or a sign) and `3 days 04:05:06`.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let seconds = match unsigned.strip_prefix('P') {
        Some(rest) => iso(rest)?,
        None if unsigned.len() <= 32 && unsigned.contains([':', ' ']) => days_and_clock(unsigned, negative)?,
        None => return None,
    };
    let micros = (seconds * SECOND).round();
    (micros < 9e18).then_some(if negative { -micros as i64 } else { micros as i64 })
}

/// What follows the `P`.
fn iso(mut rest: &str) -> Option<f64> {
    let (mut seconds, mut in_time, mut order) = (0.0, false, 0);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix('T') {
            if in_time || time.is_empty() {
                return None;
            }
            (in_time, rest) = (true, time);
        }
        let length = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let amount: f64 = rest[..length].parse().ok()?;
        let (rank, each) = match (in_time, rest.as_bytes().get(length)?) {
            (false, b'W') => (1, 604_800.0),
            (false, b'D') => (2, 86_400.0),
            (true, b'H') => (3, 3_600.0),
            (true, b'M') => (4, 60.0),
            (true, b'S') => (5, 1.0),
            _ => return None,
        };
        if rank <= order {
            return None;
        }
        order = rank;
        seconds += amount * each;
        rest = &rest[length + 1..];
    }
    Some(seconds)
}

fn days_and_clock(text: &str, negative: bool) -> Option<f64> {
    let (days, clock) = match text.split_once(" day") {
        Some((days, rest)) => {
            let rest = rest.strip_prefix('s').unwrap_or(rest);
            let rest = rest.strip_prefix(',').unwrap_or(rest);
            (Some(whole(days, 9)?), rest.trim_start())
        }
        None => (None, text),
    };
    if clock.is_empty() {
        return days.map(|days| days * 86_400.0);
    }
    let mut parts = clock.split(':');
    let hours = whole(parts.next()?, 6)?;
    let minutes = whole(parts.next()?, 2).filter(|minutes| *minutes < 60.0)?;
    let last = parts.next()?;
    let (second, fraction) = last.split_once('.').unwrap_or((last, ""));
    let seconds = whole(second, 2).filter(|seconds| *seconds < 60.0)?;
    let fraction = if fraction.is_empty() { 0.0 } else { whole(fraction, 9)? / 10f64.powi(fraction.len() as i32) };
    // What could be a time of day is one.
    let beyond = days.is_some() || negative || hours >= 24.0;
    (beyond && parts.next().is_none())
        .then(|| days.unwrap_or(0.0) * 86_400.0 + hours * 3_600.0 + minutes * 60.0 + seconds + fraction)
}

fn whole(text: &str, most: usize) -> Option<f64> {
    let good = (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if good { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read() {
        for (text, seconds) in [
            ("P1DT2H30M", 95_400.0),
            ("PT0.5S", 0.5),
            ("-PT10S", -10.0),
            ("P2W", 1_209_600.0),
            ("36:15:00", 130_500.0),
            ("-01:00:00", -3_600.0),
            ("3 days 04:05:06.5", 273_906.5),
            ("1 day, 0:00:01", 86_401.0),
            ("2 days", 172_800.0),
        ] {
            assert_eq!(parse(text), Some((seconds * 1e6) as i64), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_spans() {
        for text in ["", "P", "PT", "P1Y", "P1H", "PT1S2H", "12:30:00", "12:30", "1:2:3:4", "Paris", "3 dayss", "-5"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
