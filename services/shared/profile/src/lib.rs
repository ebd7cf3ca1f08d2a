//! The profiler as a library: batches in, a profile out.
