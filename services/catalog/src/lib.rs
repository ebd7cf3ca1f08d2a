//! Keeps dataset records and their versions, searches and serves them.
