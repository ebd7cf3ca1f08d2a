//! Several rows in one statement.

use sql::Dialect;

/// The most rows in one statement of SQLite; with ten values each they are far below what it binds at once.
const IN_SQLITE: usize = 256;
/// The most rows in one statement of PostgreSQL, which is the same for any number of rows: this bounds its memory.
const IN_POSTGRES: usize = 4096;

/// Cuts a list into parts for a statement each. For SQLite they are of a few lengths alone, powers of two, so that a
/// connection prepares few statements.
pub(crate) fn parts<T>(dialect: Dialect, list: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let length = match dialect {
            Dialect::Sqlite => (1 << rest.len().checked_ilog2()?).min(IN_SQLITE),
            Dialect::Postgres if rest.is_empty() => return None,
            Dialect::Postgres => rest.len().min(IN_POSTGRES),
        };
        let (part, left) = rest.split_at(length);
        rest = left;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_few_lengths_and_make_up_the_list() {
        let list: Vec<_> = (0..777).collect();
        for (dialect, wanted) in [(Dialect::Sqlite, vec![256, 256, 256, 8, 1]), (Dialect::Postgres, vec![777])] {
            let lengths: Vec<_> = parts(dialect, &list).map(<[_]>::len).collect();
            assert_eq!(lengths, wanted);
            assert_eq!(parts(dialect, &list).flatten().copied().collect::<Vec<_>>(), list);
            assert_eq!(parts::<u8>(dialect, &[]).count(), 0);
        }
    }
}
