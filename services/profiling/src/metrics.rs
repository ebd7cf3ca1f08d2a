//! Every metric of profiling, with unit and meaning.

use types::WorkPhase;

/// Counts an ended attempt in `profiling_attempts_total`, by the phase that the job is in then.
pub fn job_ended(phase: WorkPhase) {
    ::metrics::counter!("profiling_attempts_total", "phase" => phase.as_str()).increment(1);
}

/// Counts an object that nothing named in `profiling_swept_objects_total`, and its size in `profiling_swept_bytes_total`.
pub fn swept(size_bytes: u64) {
    ::metrics::counter!("profiling_swept_objects_total").increment(1);
    ::metrics::counter!("profiling_swept_bytes_total").increment(size_bytes);
}

/// Adds to `profiling_rows_total`, the rows that were profiled.
pub fn rows(count: u64) {
    ::metrics::counter!("profiling_rows_total").increment(count);
}
