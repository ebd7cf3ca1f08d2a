//! Domain types that several services share: ids, names, digests, sizes, times, errors.
