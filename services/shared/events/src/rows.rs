//! Several rows in one statement.

/// The most rows in one statement; with ten values each they are far below what a database binds at once.
const MOST: usize = 256;

/// Cuts a list into parts of a few lengths alone, powers of two, so that a connection prepares few statements.
pub(crate) fn parts<T>(list: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let length = (1 << rest.len().checked_ilog2()?).min(MOST);
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
        let lengths: Vec<_> = parts(&list).map(<[_]>::len).collect();
        assert_eq!(lengths, [256, 256, 256, 8, 1]);
        assert_eq!(parts(&list).flatten().copied().collect::<Vec<_>>(), list);
        assert_eq!(parts::<u8>(&[]).count(), 0);
    }
}
