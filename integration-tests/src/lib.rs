//! The mesh harness, one test per promise, and the benches.
