//! Mergeable summaries of values with known error.
