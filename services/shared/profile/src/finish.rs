//! From what was remembered to the messages of the profile.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ScopedJoinHandle};

use proto::common::v1 as common;
use proto::profiling::v1::{
    ColumnProfile, ProfilePart, ProfileWarning, SampleRow, SemanticType, SpaceCoverage, SpatialCoverage, StoredProfile,
    StructuralType, TableProfile, TemporalCoverage, ValueSketch,
};
use sketch::DistinctSample;
use table::{Recipe, Warning};
use types::Digest;

use crate::correlate;
use crate::decide::{self, Decision};
use crate::describe::{self, Described};
use crate::error::Error;
use crate::keys;
use crate::layout::Layout;
use crate::options::Options;
use crate::partial::Partial;
use crate::place::{self, Extent, Values};
use crate::semantic::{self, Finding};
use crate::spatial::{Axis, Pair};
use crate::summary::Summary;
use crate::time;
use crate::wide;

/// Warnings beyond these are counted in one.
const WARNINGS: usize = 100;

/// A file that a profile covers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) digest: Digest,
    pub(crate) size_bytes: u64,
    pub(crate) rows: u64,
}

/// Makes the profile of the rows that were remembered, which came from `origins`.
pub(crate) fn profile(
    layout: &Layout,
    partial: &Partial,
    origins: &[Origin],
    recipe: &common::Recipe,
    options: &Options,
) -> Result<StoredProfile, Error> {
    let mut warnings = partial.warnings.clone();
    let mut temporal_coverage = Vec::new();
    let mut columns = Vec::with_capacity(partial.columns.len());
    let mut value_sketches = Vec::new();
    let mut meanings = Vec::with_capacity(partial.columns.len());
    let mut places = Vec::new();
    // What points fill takes as long as several columns, so that comes first.
    let pairs = partial.pairs.len();
    let work = |index: usize| match index.checked_sub(pairs) {
        None => Done::Pair(partial.pairs[index].coverage.finish()),
        Some(column) => Done::Column(Box::new(finish_column(layout, partial, column, options))),
    };
    let mut extents = Vec::with_capacity(pairs);
    for done in every(pairs + partial.columns.len(), options, work)? {
        let finished = match done {
            Done::Column(finished) => finished,
            Done::Pair(extent) => {
                extents.push(extent);
                continue;
            }
        };
        warnings.extend(finished.warnings);
        temporal_coverage.extend(finished.coverage);
        columns.push(finished.profile);
        value_sketches.extend(finished.value_sketch);
        meanings.push(finished.findings);
        places.push(finished.places);
    }
    temporal_coverage.extend(partial.splits.iter().filter_map(|split| split.coverage(&layout.names)));
    let spatial_coverage = recognise_places(layout, partial, &mut columns);
    columns.iter_mut().zip(meanings).for_each(|(column, findings)| semantic::describe(column, findings));
    let space_coverage = space_coverage(layout, partial, extents, &columns, places);
    let single = if let [origin] = origins { Some(*origin) } else { None };
    let mut table = TableProfile {
        name: String::new(),
        digest: single.map(|origin| origin.digest.into()),
        engine_version: crate::ENGINE_VERSION.to_owned(),
        recipe: Some(recipe.clone()),
        size_bytes: signed(origins.iter().map(|origin| origin.size_bytes).sum()),
        row_count: signed(partial.row_count),
        column_count: i32::try_from(layout.names.len()).unwrap_or(i32::MAX),
        column_names: layout.names.clone(),
        temporal_coverage,
        spatial_coverage,
        space_coverage,
        sample: partial.sample.items().into_iter().map(sample_row).collect(),
        warnings: limited(warnings),
        create_time: None,
        parts: if single.is_some() { Vec::new() } else { origins.iter().map(part).collect() },
        candidate_keys: keys::candidates(layout, partial, &columns),
        duplicate_rows: keys::duplicates(partial),
        correlation_sketches: correlate::describe(&partial.keyed, &columns),
        ..TableProfile::default()
    };
    table.unpivot = wide::unpivot(&table);
    Ok(StoredProfile { table: Some(table), columns, value_sketches, ..StoredProfile::default() })
}

/// A column, or what the points of a pair of columns fill.
enum Done {
    Column(Box<Finished>),
    Pair(Option<Extent>),
}

/// A column whose rows are all known.
struct Finished {
    profile: ColumnProfile,
    coverage: Option<TemporalCoverage>,
    warnings: Vec<ProfileWarning>,
    findings: Vec<Finding>,
    /// What the column covers on the globe, if the first finding is its meaning.
    places: Option<SpaceCoverage>,
    value_sketch: Option<ValueSketch>,
}

fn finish_column(layout: &Layout, partial: &Partial, index: usize, options: &Options) -> Finished {
    let name = &layout.names[index];
    let mut summary = Summary::new(&partial.columns[index]);
    let decision = decide::decide(&summary, layout.declared[index]);
    if !decision.tokens_are_missing {
        summary.keep_tokens();
    }
    let Described { profile, spectrum } = describe::column(index, name, &summary, &decision, layout.names.len());
    let entries = summary.sample.entries();
    let sample: Vec<(&str, u64)> = entries.iter().map(|(_, count, text)| (*text, *count)).collect();
    let findings = semantic::findings(&profile, &sample);
    let meaning = semantic::meaning(&findings);
    let values = || Values::of(&summary, &decision.repeated);
    Finished {
        places: meaning.and_then(|meaning| place::of_column(name, meaning, values)),
        coverage: time::coverage(name, &decision, &summary, spectrum.as_ref()),
        warnings: column_warnings(name, &summary, &decision),
        findings,
        value_sketch: options.value_sketches.then(|| value_sketch(&summary.sample)),
        profile,
    }
}

/// Does the work of each column on the threads that are given, and gives the results in order.
fn every<T: Send>(count: usize, options: &Options, work: impl Fn(usize) -> T + Sync) -> Result<Vec<T>, Error> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(count));
    let run = || {
        while !options.cancel.is_cancelled() {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return;
            }
            let result = work(index);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
        }
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..options.threads.get().min(count)).map(|_| scope.spawn(run)).collect();
        run();
        others.into_iter().for_each(joined);
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    if done.len() < count {
        return Err(table::Error::Cancelled.into());
    }
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

/// Waits for a thread, and goes on with its panic.
pub(crate) fn joined<T>(handle: ScopedJoinHandle<'_, T>) -> T {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// What each pair of coordinates covers, then each column of places.
fn space_coverage(
    layout: &Layout,
    partial: &Partial,
    extents: Vec<Option<Extent>>,
    columns: &[ColumnProfile],
    places: Vec<Option<SpaceCoverage>>,
) -> Vec<SpaceCoverage> {
    let is = |index: usize, axis: SemanticType| columns[index].semantic_types().any(|meaning| meaning == axis);
    let is_pair =
        |pair: &Pair| is(pair.latitude, SemanticType::Latitude) && is(pair.longitude, SemanticType::Longitude);
    let name = |index: usize| layout.names[index].as_str();
    let pairs = partial.pairs.iter().zip(extents).filter(|(pair, _)| is_pair(pair));
    let of_pair = |(pair, extent): (&Pair, Option<Extent>)| {
        extent.map(|extent| place::of_pair(name(pair.latitude), name(pair.longitude), extent))
    };
    // A column of a pair means what the pair tells.
    let places = places.into_iter().enumerate().filter_map(|(index, places)| Some((index, places?)));
    let alone = places.filter(|(index, places)| is(*index, places.semantic_type())).map(|(_, places)| places);
    pairs.filter_map(of_pair).chain(alone).collect()
}

/// Marks latitudes and longitudes, and finds the box of the pair with the most points.
fn recognise_places(layout: &Layout, partial: &Partial, columns: &mut [ColumnProfile]) -> Option<SpatialCoverage> {
    let in_range: Vec<bool> =
        columns.iter().zip(&layout.named).map(|(c, named)| named.as_ref().is_some_and(|n| fits(c, n.axis))).collect();
    let good: Vec<&Pair> =
        partial.pairs.iter().filter(|pair| in_range[pair.latitude] && in_range[pair.longitude]).collect();
    let paired = |index: usize| good.iter().any(|pair| pair.latitude == index || pair.longitude == index);
    for (index, named) in layout.named.iter().enumerate() {
        let Some(named) = named else { continue };
        if paired(index) || named.plain && in_range[index] {
            let meaning = match named.axis {
                Axis::Latitude => SemanticType::Latitude,
                Axis::Longitude => SemanticType::Longitude,
            };
            columns[index].semantic_types.push(meaning.into());
        }
    }
    // The first of equals: columns to the left are the more important ones.
    let most = good.iter().map(|pair| pair.points).max()?;
    let pair = good.iter().find(|pair| pair.points == most)?;
    Some(SpatialCoverage {
        latitude_column: layout.names[pair.latitude].clone(),
        longitude_column: layout.names[pair.longitude].clone(),
        r#box: Some(pair.bounding_box()?.into()),
        point_count: signed(pair.points),
    })
}

/// Numbers lie on an axis when all of them do, but for the outermost hundredths.
fn fits(column: &ColumnProfile, axis: Axis) -> bool {
    let Some(numeric) = &column.numeric else { return false };
    if !matches!(column.structural_type(), StructuralType::Integer | StructuralType::Float | StructuralType::Decimal) {
        return false;
    }
    let at = |rank: f64| numeric.quantiles.iter().find(|quantile| quantile.rank == rank).map(|quantile| quantile.value);
    let (Some(low), Some(high)) = (at(0.01), at(0.99)) else { return false };
    match axis {
        Axis::Latitude => low >= -90.0 && high <= 90.0,
        Axis::Longitude => low >= -180.0 && high <= 180.0 || low >= 0.0 && high <= 360.0,
    }
}

fn column_warnings(name: &str, summary: &Summary<'_>, decision: &Decision) -> Vec<ProfileWarning> {
    let mut warnings = Vec::new();
    let mut warn = |reason: &str, message: String, count: u64, first_row: Option<u64>| {
        let first_row = first_row.map(signed);
        warnings.push(ProfileWarning {
            reason: reason.to_owned(),
            message,
            count: signed(count),
            first_row,
            first_byte: None,
        });
    };
    if decision.order_is_open {
        let (count, first_row) = decide::open_dates(&summary.figures, summary.column);
        let message =
            format!("Nothing in column `{name}` tells whether day or month comes first; the month was taken.");
        warn("AMBIGUOUS_DATE_ORDER", message, count, first_row);
    }
    if decision.codes {
        let message = format!("The numbers of column `{name}` begin with 0 and are equally long: codes, kept as text.");
        warn("LEADING_ZEROS", message, summary.figures.codes.leading_zeros, summary.column.first_code);
    }
    warnings
}

/// A warning of the reader as the profile tells it.
pub(crate) fn warning(warning: Warning) -> ProfileWarning {
    ProfileWarning {
        reason: warning.reason.to_owned(),
        message: warning.message,
        count: signed(warning.count),
        first_row: warning.first_row.map(signed),
        first_byte: warning.first_byte.map(signed),
    }
}

fn limited(mut warnings: Vec<ProfileWarning>) -> Vec<ProfileWarning> {
    let surplus = warnings.len().saturating_sub(WARNINGS);
    if surplus > 0 {
        warnings.truncate(WARNINGS);
        warnings.push(ProfileWarning {
            reason: "MORE_WARNINGS".to_owned(),
            message: "There were more warnings than are kept.".to_owned(),
            count: signed(surplus as u64),
            first_row: None,
            first_byte: None,
        });
    }
    warnings
}

/// How the bytes were read, as the profile tells it.
pub(crate) fn recipe_message(recipe: &Recipe) -> common::Recipe {
    common::Recipe {
        compression: recipe.compression.clone(),
        member: recipe.member.clone(),
        table: recipe.table.clone(),
        preamble_lines: signed(recipe.preamble_lines),
        format: recipe.format.name().to_owned(),
        encoding: recipe.encoding_label(),
        delimiter: recipe.delimiter.map(String::from).unwrap_or_default(),
        quote: recipe.quote.map(String::from).unwrap_or_default(),
        header: recipe.header,
        column_starts: recipe.column_starts.iter().map(|start| i32::try_from(*start).unwrap_or(i32::MAX)).collect(),
    }
}

fn sample_row((index, cells): (u64, Vec<String>)) -> SampleRow {
    SampleRow { index: signed(index), cells }
}

fn part(origin: &Origin) -> ProfilePart {
    ProfilePart {
        digest: Some(origin.digest.into()),
        size_bytes: signed(origin.size_bytes),
        row_count: signed(origin.rows),
    }
}

fn value_sketch(sample: &DistinctSample) -> ValueSketch {
    let entries = sample.entries();
    ValueSketch {
        limit: sample.limit(),
        hashes: entries.iter().map(|(hash, ..)| *hash).collect(),
        counts: entries.iter().map(|(_, count, _)| signed(*count)).collect(),
    }
}

pub(crate) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
