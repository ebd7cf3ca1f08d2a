//! Takes samples of the stacks of all threads.

use std::time::Duration;

use pprof::{ProfilerGuardBuilder, Report};

use super::Refusal;
use super::encode::{Frame, Line, Profile};

/// How often a second of processor time is sampled. A prime, so that it does not keep step with what runs periodically.
const FREQUENCY: i32 = 97;
const NANOS: u64 = 1_000_000_000;

/// Samples for so long, and gives the profile as Protobuf. Dropping the future ends it.
pub(super) async fn take(length: Duration) -> Result<Vec<u8>, Refusal> {
    let failed = |error: pprof::Error| Refusal::Failed(error.to_string());
    // A stack is followed by its frame pointers, so libraries without them are left out, and with them what could
    // hold a lock that the handler of the signal needs.
    let builder =
        ProfilerGuardBuilder::default().frequency(FREQUENCY).blocklist(&["libc.", "libgcc", "pthread", "vdso"]);
    let guard = builder.build().map_err(failed)?;
    tokio::time::sleep(length).await;
    // Finding the names of functions takes a while.
    let taken = crate::blocking(move || guard.report().build().map(|report| encoded(&report)));
    taken.await.map_err(failed)
}

fn encoded(report: &Report) -> Vec<u8> {
    let period = NANOS / u64::from(FREQUENCY.unsigned_abs());
    let mut profile = Profile::new(report.timing.start_time, report.timing.duration, period);
    for (stack, count) in &report.data {
        let frames = stack.frames.iter().map(|symbols| Frame {
            lines: symbols
                .iter()
                .map(|symbol| Line {
                    function: symbol.name(),
                    system_name: symbol.sys_name().into_owned(),
                    file: symbol.filename().into_owned(),
                    line: symbol.lineno(),
                })
                .collect(),
        });
        profile.add(frames, &stack.thread_name_or_id(), count.unsigned_abs() as u64);
    }
    profile.encode()
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::super::encode::pb;
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_profile_holds_samples_of_what_burns_the_processor() {
        let busy = tokio::sync::watch::channel(true);
        let burn = {
            let busy = busy.1.clone();
            crate::blocking(move || {
                let mut sum = 0_u64;
                while *busy.borrow() {
                    sum = (0..10_000).fold(sum, |sum, n| std::hint::black_box(sum.rotate_left(3) ^ n));
                }
                sum
            })
        };
        let profile = async {
            let taken = take(Duration::from_secs(1)).await;
            busy.0.send_replace(false);
            taken
        };
        let (bytes, _) = tokio::join!(profile, burn);
        let profile = pb::Profile::decode(bytes.unwrap().as_slice()).unwrap();
        assert!(!profile.sample.is_empty(), "a second of work leaves samples");
        let text = |index: i64| profile.string_table[usize::try_from(index).unwrap()].as_str();
        assert_eq!(text(0), "");
        let types: Vec<_> = profile.sample_type.iter().map(|one| (text(one.r#type), text(one.unit))).collect();
        assert_eq!(types, [("samples", "count"), ("cpu", "nanoseconds")]);
    }
}
