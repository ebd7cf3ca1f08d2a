//! Test support: eventually!, a manual clock, captured logs, back-end look-up.
