//! What the gateway adds to a call.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::Options;
use crate::door::Doors;
use crate::figures::{Row, Table, median, micros, progress};
use crate::rounds::Limit;

const WARM_UP: usize = 300;

/// Times the same call through the gateway and straight to the routes behind it, in turn, so that whatever else the
/// machine does meets both alike.
pub async fn measure(options: &Options, work: &Path, table: &mut Table) -> Result<()> {
    progress(format_args!("one call through two doors"));
    let folder = work.join("doors");
    std::fs::create_dir_all(&folder)?;
    let doors = Doors::open(&folder).await?;
    let limit = Limit::start();
    for _ in 0..WARM_UP {
        if limit.is_over() {
            break;
        }
        doors.gateway.time_get(&doors.dataset).await?;
        doors.direct.time_get(&doors.dataset).await?;
    }
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        rounds.push(round(&doors, options.calls).await?);
    }
    doors.close().await?;

    let of = |field: fn(&Round) -> f64| median(&rounds.iter().map(field).collect::<Vec<_>>());
    let measured = format!(
        "{:.0} µs more ({} against {})",
        of(|round| (round.gateway.as_secs_f64() - round.direct.as_secs_f64()) * 1e6),
        micros(Duration::from_secs_f64(of(|round| round.gateway.as_secs_f64()))),
        micros(Duration::from_secs_f64(of(|round| round.direct.as_secs_f64()))),
    );
    let figure = "unary call through the gateway with all checks, against the same routes on a TCP listener, p50";
    let calls: usize = rounds.iter().map(|round| round.calls).sum();
    let runs = format!("{calls} calls each way in {} rounds, in turn", rounds.len());
    table.add(Row::new(figure, "at most 250 µs more", measured, runs));
    table.note(
        "Unary call: `GetDataset` of one record, one after the other on one connection each, `catalog` and gateway \
         wired in the process of the bench, logs as the binary writes them, to a file; the gateway's limits of rate \
         were raised.",
    );
    Ok(())
}

/// The median of each way in one round.
struct Round {
    calls: usize,
    gateway: Duration,
    direct: Duration,
}

/// Makes at least one call each way, at most `calls`, and fewer where that would take too long.
async fn round(doors: &Doors, calls: usize) -> Result<Round> {
    let (mut gateway, mut direct) = (Vec::with_capacity(calls), Vec::with_capacity(calls));
    let limit = Limit::start();
    for _ in 0..calls {
        direct.push(doors.direct.time_get(&doors.dataset).await?);
        gateway.push(doors.gateway.time_get(&doors.dataset).await?);
        if limit.is_over() {
            break;
        }
    }
    Ok(Round { calls: gateway.len(), gateway: median(&gateway), direct: median(&direct) })
}
