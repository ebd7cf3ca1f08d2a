//! Wide tables, whose columns are points in time.

/// The fewest columns that make a table wide.
const FEWEST: usize = 3;
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// What the names of a run of columns are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// Years, such as `1998` or `FY 1998`.
    Year,
    /// Quarters, such as `2001-Q3` or `Q3 2001`.
    Quarter,
    /// Months, such as `2001-03` or `Mar 2001`.
    Month,
    /// Days, such as `2001-03-28` or `3/28/2001`.
    Day,
}

/// How a wide table becomes a long one: each row once for each column of the run, with the column's name as one more
/// cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpivot {
    /// The index of the first column of the run.
    pub first: usize,
    /// How many columns follow each other in it.
    pub count: usize,
    /// What their names are.
    pub period: Period,
}

/// Offers to unpivot a table whose column names are, one after the other, different points in time of one kind: at least
/// three of them, and at least half of all columns. Nothing where the table is not wide.
pub fn unpivot(names: &[String]) -> Option<Unpivot> {
    let periods: Vec<Option<Period>> = names.iter().map(|name| period(name)).collect();
    let mut best: Option<Unpivot> = None;
    let mut first = 0;
    for run in periods.chunk_by(|one, next| one == next) {
        let (start, count) = (first, run.len());
        first += count;
        if let Some(period) = run[0].filter(|_| best.as_ref().is_none_or(|best| count > best.count)) {
            best = Some(Unpivot { first: start, count, period });
        }
    }
    best.filter(|best| best.count >= FEWEST && best.count * 2 >= names.len())
}

fn period(name: &str) -> Option<Period> {
    let name = name.trim().to_ascii_lowercase();
    let parts: Vec<&str> = name.split(|character: char| !character.is_ascii_alphanumeric()).collect();
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [one]
            if is_year(one.trim_start_matches(|character: char| character.is_ascii_alphabetic()))
                && ["", "y", "yr", "fy", "cy", "year", "x"]
                    .contains(&one.trim_end_matches(|c: char| c.is_ascii_digit())) =>
        {
            Some(Period::Year)
        }
        ["fy" | "cy" | "year", year] if is_year(year) => Some(Period::Year),
        [year, quarter] | [quarter, year] if is_year(year) && is_quarter(quarter) => Some(Period::Quarter),
        [one] if one.get(..4).is_some_and(is_year) && one.get(4..).is_some_and(is_quarter) => Some(Period::Quarter),
        [year, month] | [month, year] if is_year(year) && is_month(month) => Some(Period::Month),
        [year, month, day] if is_year(year) && is_month(month) && is_day(day) => Some(Period::Day),
        [one, other, year] if is_year(year) && (is_month(one) && is_day(other) || is_day(one) && is_month(other)) => {
            Some(Period::Day)
        }
        _ => None,
    }
}

fn is_year(text: &str) -> bool {
    text.len() == 4 && text.parse().is_ok_and(|year: u16| (1500..2200).contains(&year))
}

fn is_quarter(text: &str) -> bool {
    matches!(text, "q1" | "q2" | "q3" | "q4")
}

fn is_month(text: &str) -> bool {
    let number = text.len() <= 2 && text.parse().is_ok_and(|month: u8| (1..=12).contains(&month));
    number || text.get(..3).is_some_and(|start| MONTHS.contains(&start)) && text.bytes().all(|b| b.is_ascii_lowercase())
}

fn is_day(text: &str) -> bool {
    text.len() <= 2 && text.parse().is_ok_and(|day: u8| (1..=31).contains(&day))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(names: &str) -> Option<(usize, usize, Period)> {
        let names: Vec<String> = names.split(',').map(str::to_owned).collect();
        unpivot(&names).map(|Unpivot { first, count, period }| (first, count, period))
    }

    #[test]
    fn columns_that_are_points_in_time_are_offered() {
        assert_eq!(offer("country,code,1998,1999,2000"), Some((2, 3, Period::Year)));
        assert_eq!(offer("country,Y1998,Y1999,Y2000,note"), Some((1, 3, Period::Year)));
        assert_eq!(offer("a,2001-Q1,2001-Q2,2001-Q3"), Some((1, 3, Period::Quarter)));
        assert_eq!(offer("a,Jan 2001,Feb 2001,March 2001"), Some((1, 3, Period::Month)));
        assert_eq!(offer("a,2001-01,2001-02,2001-03"), Some((1, 3, Period::Month)));
        assert_eq!(offer("Province,Lat,1/22/2020,1/23/2020,1/24/2020"), Some((2, 3, Period::Day)));
    }

    #[test]
    fn other_tables_are_left_alone() {
        for names in
            ["year,month,day", "a,1998,1999", "id,1998,b,1999,c,2000", "a,b,c,d,e,f,1998,1999,2000", "x1,x2,x3"]
        {
            assert_eq!(offer(names), None, "{names}");
        }
    }
}
