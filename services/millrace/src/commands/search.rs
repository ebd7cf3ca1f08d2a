//! `search`: datasets by words and filters.

use std::str::FromStr;

use clap::{Args, ValueEnum};
use proto::catalog::v1 as pb;
use proto::common::v1::{BoundingBox, TimeRange};
use proto::profiling::v1::StructuralType;
use types::Span;

use super::Context;
use crate::client::{Client, pages};
use crate::failure::Failure;
use crate::output::{self, note};

/// How many results people get when they do not say.
const USUAL_LIMIT: usize = 20;
const PAGE: i32 = 100;

/// What to look for.
#[derive(Debug, Args)]
pub struct SearchArgs {
    /// Words that a dataset must have, in title, description, column names, values, tags or path. None: all datasets.
    words: Vec<String>,
    /// Only datasets of this source.
    #[arg(long)]
    source: Vec<String>,
    /// Only datasets of this kind of source.
    #[arg(long, value_parser = ["folder", "http-index", "upload"])]
    kind: Vec<String>,
    /// Only datasets under this licence.
    #[arg(long)]
    license: Vec<String>,
    /// Only datasets with this tag.
    #[arg(long)]
    tag: Vec<String>,
    /// Only datasets in this format: `csv`, `tsv`, `json`, `jsonl`, `parquet`.
    #[arg(long)]
    format: Vec<String>,
    /// Only datasets with this column, all of them where several are given: NAME, NAME:TYPE or :TYPE.
    #[arg(long, value_name = "NAME:TYPE")]
    column: Vec<ColumnArg>,
    /// At least this many rows.
    #[arg(long)]
    min_rows: Option<i64>,
    /// At most this many rows.
    #[arg(long)]
    max_rows: Option<i64>,
    /// At least this many bytes.
    #[arg(long, value_name = "SIZE")]
    min_size: Option<types::ByteSize>,
    /// At most this many bytes.
    #[arg(long, value_name = "SIZE")]
    max_size: Option<types::ByteSize>,
    /// Only datasets recorded at most this long ago: `12h`, `30d`.
    #[arg(long, value_name = "DURATION")]
    max_age: Option<Span>,
    /// Only datasets that reach past this date or time.
    #[arg(long, value_name = "TIME")]
    from: Option<TimeArg>,
    /// Only datasets that begin before this date or time.
    #[arg(long, value_name = "TIME")]
    to: Option<TimeArg>,
    /// Only datasets that meet this box, in degrees.
    #[arg(long = "box", value_name = "WEST,SOUTH,EAST,NORTH", allow_hyphen_values = true)]
    bounds: Option<BoxArg>,
    /// Count the results by this as well.
    #[arg(long, value_enum)]
    facet: Vec<FacetArg>,
    /// At most this many results. Without it 20 in tables, all in JSON.
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
}

/// What results can be counted by.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum FacetArg {
    Source,
    Kind,
    License,
    Tag,
    Format,
    ColumnType,
}

impl From<FacetArg> for pb::FacetField {
    fn from(arg: FacetArg) -> Self {
        match arg {
            FacetArg::Source => Self::Source,
            FacetArg::Kind => Self::SourceKind,
            FacetArg::License => Self::License,
            FacetArg::Tag => Self::Tag,
            FacetArg::Format => Self::Format,
            FacetArg::ColumnType => Self::ColumnType,
        }
    }
}

#[derive(Debug, Clone)]
struct ColumnArg(pb::ColumnFilter);

impl FromStr for ColumnArg {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (column, kind) = text.rsplit_once(':').unwrap_or((text, ""));
        let structural_type = match kind {
            "" => StructuralType::Unspecified,
            kind => StructuralType::from_str_name(&format!("STRUCTURAL_TYPE_{}", kind.to_uppercase()))
                .ok_or("types are text, integer, float, boolean, date, time, timestamp, nested, binary, missing")?,
        };
        Ok(Self(pb::ColumnFilter { column: column.to_owned(), structural_type: structural_type.into() }))
    }
}

#[derive(Debug, Clone)]
struct TimeArg(prost_types::Timestamp);

impl FromStr for TimeArg {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let instant = text.parse::<jiff::Timestamp>().ok().or_else(|| {
            let day = text.parse::<jiff::civil::Date>().ok()?;
            jiff::tz::TimeZone::UTC.to_timestamp(day.to_datetime(jiff::civil::Time::midnight())).ok()
        });
        let instant = instant.ok_or("write a date, 2024-05-01, or a time with its zone, 2024-05-01T12:00:00Z")?;
        Ok(Self(types::Timestamp::from_micros(instant.as_microsecond()).into()))
    }
}

#[derive(Debug, Clone)]
struct BoxArg(BoundingBox);

impl FromStr for BoxArg {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
        match numbers.as_deref() {
            Ok([west, south, east, north]) => {
                Ok(Self(BoundingBox { west: *west, south: *south, east: *east, north: *north }))
            }
            _ => Err("write four numbers: WEST,SOUTH,EAST,NORTH".to_owned()),
        }
    }
}

pub async fn run(context: &Context, args: SearchArgs) -> Result<(), Failure> {
    let client = context.client().await?;
    let limit = args.limit.or((!context.out.is_json()).then_some(USUAL_LIMIT));
    let request = request(&client, args, limit).await?;
    let page = async |page_token| {
        client.catalog().search_datasets(pb::SearchDatasetsRequest { page_token, ..request.clone() }).await
    };
    let mut reply = pages(limit, page).await?;
    reply.results.truncate(limit.unwrap_or(usize::MAX));
    context.out.reply(&reply, describe)?;
    let shown = reply.results.len();
    if !context.out.is_json() {
        note(&format!(
            "{} of {} results{}",
            shown,
            reply.total_size,
            if reply.truncated { ", of those that paging reaches" } else { "" }
        ));
    }
    Ok(())
}

async fn request(
    client: &Client,
    args: SearchArgs,
    limit: Option<usize>,
) -> Result<pb::SearchDatasetsRequest, Failure> {
    let mut sources = Vec::new();
    for source in &args.source {
        sources.push(client.name("sources", source).await?);
    }
    let size = |size: Option<types::ByteSize>| size.map(|size| i64::try_from(size.as_bytes()).unwrap_or(i64::MAX));
    let range = |min: Option<i64>, max: Option<i64>| (min.or(max).is_some()).then_some(pb::Int64Range { min, max });
    let max_age = args.max_age.map(|age| prost_types::Duration::try_from(age.as_duration()));
    let (start, end) = (args.from.map(|time| time.0), args.to.map(|time| time.0));
    let filter = pb::SearchFilter {
        sources,
        source_kinds: args.kind.iter().map(|kind| kind.replace('-', "_")).collect(),
        licenses: args.license,
        tags: args.tag,
        formats: args.format,
        columns: args.column.into_iter().map(|column| column.0).collect(),
        rows: range(args.min_rows, args.max_rows),
        size_bytes: range(size(args.min_size), size(args.max_size)),
        max_age: max_age.transpose().map_err(|_| Failure::usage("`--max-age` is too long a duration"))?,
        time_range: start.or(end).is_some().then_some(TimeRange { start, end }),
        r#box: args.bounds.map(|bounds| bounds.0),
    };
    let page_size = limit.and_then(|limit| i32::try_from(limit).ok()).unwrap_or(PAGE).clamp(1, PAGE);
    Ok(pb::SearchDatasetsRequest {
        parent: client.parent().await?,
        query: args.words.join(" "),
        filter: (filter != pb::SearchFilter::default()).then_some(filter),
        facets: args.facet.into_iter().map(|facet| pb::FacetField::from(facet).into()).collect(),
        page_size,
        page_token: String::new(),
    })
}

fn describe(reply: &pb::SearchDatasetsResponse) -> String {
    let rows = reply.results.iter().map(|result| {
        let dataset = result.dataset.clone().unwrap_or_default();
        let version = dataset.current_version.unwrap_or_default();
        let title = dataset.metadata.map(|metadata| metadata.title).filter(|title| !title.is_empty());
        let why = result.matches.first().map(why).unwrap_or_default();
        let title = title.unwrap_or(dataset.path);
        vec![output::short(&dataset.name), title, version.row_count.to_string(), version.column_count.to_string(), why]
    });
    let mut text = output::table(&["id", "title", "rows", "columns", "found in"], rows);
    for facet in &reply.facets {
        let name = output::lower(facet.field().as_str_name(), "FACET_FIELD_");
        let rows = facet.counts.iter().map(|count| vec![count.value.clone(), count.count.to_string()]);
        text += &format!("\n\n{}", output::table(&[&name, "datasets"], rows));
        if facet.other_count > 0 {
            text += &format!("\n(other values: {} datasets)", facet.other_count);
        }
    }
    text
}

/// Where a result matched, the words that did in brackets.
fn why(found: &pb::Match) -> String {
    let field = output::lower(found.field().as_str_name(), "MATCH_FIELD_");
    let mut text = String::new();
    for (index, character) in found.text.chars().enumerate() {
        let is = |edge: i32| usize::try_from(edge).is_ok_and(|edge| edge == index);
        text.extend(found.spans.iter().filter(|span| is(span.end)).map(|_| ']'));
        text.extend(found.spans.iter().filter(|span| is(span.start)).map(|_| '['));
        text.push(if character.is_control() { ' ' } else { character });
    }
    let length = found.text.chars().count();
    let last = found.spans.iter().filter(|span| usize::try_from(span.end).is_ok_and(|end| end >= length));
    text.extend(last.map(|_| ']'));
    if found.table.is_empty() { format!("{field}: {text}") } else { format!("{field} of {}: {text}", found.table) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_read_as_documented() {
        let column: ColumnArg = "lat:float".parse().unwrap();
        assert_eq!(column.0.structural_type(), StructuralType::Float);
        assert_eq!(":date".parse::<ColumnArg>().unwrap().0.column, "");
        assert!("x:colour".parse::<ColumnArg>().is_err());
        assert_eq!("1970-01-02".parse::<TimeArg>().unwrap().0.seconds, 86_400);
        assert_eq!("1970-01-01T00:00:01Z".parse::<TimeArg>().unwrap().0.seconds, 1);
        assert!("yesterday".parse::<TimeArg>().is_err());
        assert_eq!("-10,-5,10,5".parse::<BoxArg>().unwrap().0.west, -10.0);
        assert!("1,2,3".parse::<BoxArg>().is_err());
    }

    #[test]
    fn the_words_that_matched_stand_in_brackets() {
        let spans = vec![pb::TextSpan { start: 0, end: 4 }, pb::TextSpan { start: 5, end: 12 }];
        let found =
            pb::Match { field: pb::MatchField::Title.into(), text: "Bird strikes".into(), spans, ..Default::default() };
        assert_eq!(why(&found), "title: [Bird] [strikes]");
        assert_eq!(why(&pb::Match { table: "Sheet".into(), ..found }), "title of Sheet: [Bird] [strikes]");
    }
}
