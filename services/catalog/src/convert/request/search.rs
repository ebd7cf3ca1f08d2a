//! What a search asks for.

use ::search::{ColumnFilter, FacetField, Filter, Range};
use prost::Message;
use proto::catalog::v1 as pb;
use proto::profiling::v1::StructuralType;
use rpc::{BadRequest, Violations};
use table::Format;
use types::{Digest, Malformed, TenantName};

use super::{checked, source};
use crate::document::type_word;
use crate::service::search::Search;

const MAX_QUERY: usize = 1_000;
const MAX_ENTRIES: usize = 100;
const DEFAULT_RESULTS: usize = 20;
const MAX_RESULTS: i32 = 100;

/// What a search asks for.
pub fn search(mut request: pb::SearchDatasetsRequest) -> Result<(TenantName, Search), BadRequest> {
    let (page_size, page_token) = (std::mem::take(&mut request.page_size), std::mem::take(&mut request.page_token));
    // What is left tells this search from others.
    let fingerprint = format!("SearchDatasets {}", Digest::of(&request.encode_to_vec()));

    let mut bad = Violations::new();
    let parent: Option<TenantName> = bad.parse("parent", &request.parent);
    bad.check(request.query.chars().count() <= MAX_QUERY, "query", "takes at most 1000 characters");
    bad.check((0..=MAX_RESULTS).contains(&page_size), "page_size", "must lie in 0 to 100");
    let facets = request.facets.iter().enumerate();
    let facets = facets.filter_map(|(at, number)| facet(&mut bad, &format!("facets[{at}]"), *number)).collect();
    let filter = request.filter.unwrap_or_default();
    let max_age = filter.max_age.map(Malformed::duration);
    let max_age = max_age.and_then(|age| bad.take("filter.max_age", age));
    let filter = self::filter(&mut bad, filter, parent.as_ref());
    bad.finish()?;
    let page_size = usize::try_from(page_size).ok().filter(|size| *size > 0).unwrap_or(DEFAULT_RESULTS);
    let search = Search { text: request.query, filter, max_age, facets, page_size, page_token, fingerprint };
    Ok((checked(parent), search))
}

fn filter(bad: &mut Violations, filter: pb::SearchFilter, parent: Option<&TenantName>) -> Filter {
    for (field, entries) in [
        ("filter.sources", filter.sources.len()),
        ("filter.source_kinds", filter.source_kinds.len()),
        ("filter.licenses", filter.licenses.len()),
        ("filter.tags", filter.tags.len()),
        ("filter.formats", filter.formats.len()),
        ("filter.columns", filter.columns.len()),
    ] {
        bad.check(entries <= MAX_ENTRIES, field, "takes at most 100 entries");
    }
    for (at, text) in filter.sources.iter().enumerate() {
        source(bad, &format!("filter.sources[{at}]"), text, parent);
        bad.check(!text.is_empty(), format!("filter.sources[{at}]"), "must not be empty");
    }
    for (at, format) in filter.formats.iter().enumerate() {
        let known = Format::ALL.map(Format::name);
        let message = || format!("must be one of {}", known.join(", "));
        bad.check(known.contains(&format.as_str()), format!("filter.formats[{at}]"), message());
    }
    let columns = filter.columns.into_iter().enumerate();
    Filter {
        sources: filter.sources,
        source_kinds: filter.source_kinds,
        licenses: filter.licenses,
        tags: filter.tags,
        formats: filter.formats,
        columns: columns
            .filter_map(|(at, column)| self::column(bad, &format!("filter.columns[{at}]"), column))
            .collect(),
        rows: range(bad, "filter.rows", filter.rows),
        size_bytes: range(bad, "filter.size_bytes", filter.size_bytes),
        updated_since: None,
        time_range: filter.time_range.and_then(|range| bad.take("filter.time_range", range.try_into())),
        bounding_box: filter.r#box.and_then(|bounds| bad.take("filter.box", bounds.try_into())),
    }
}

fn column(bad: &mut Violations, field: &str, filter: pb::ColumnFilter) -> Option<ColumnFilter> {
    let kind = StructuralType::try_from(filter.structural_type).map_err(|_| "is no structural type");
    let kind = bad.take(format!("{field}.structural_type"), kind)?;
    let given = (kind != StructuralType::Unspecified).then(|| type_word(kind));
    let name = Some(filter.column).filter(|name| !name.is_empty());
    bad.check(name.is_some() || given.is_some(), field, "must give a name or a structural type");
    Some(ColumnFilter { name, structural_type: given })
}

fn range(bad: &mut Violations, field: &str, range: Option<pb::Int64Range>) -> Range {
    let pb::Int64Range { min, max } = range.unwrap_or_default();
    let empty = matches!((min, max), (Some(min), Some(max)) if min > max);
    bad.check(!empty, field, "must not end before it begins");
    Range { min, max }
}

fn facet(bad: &mut Violations, field: &str, number: i32) -> Option<FacetField> {
    use pb::FacetField as Message;
    let facet = match Message::try_from(number) {
        Ok(Message::Source) => Ok(FacetField::Source),
        Ok(Message::SourceKind) => Ok(FacetField::SourceKind),
        Ok(Message::License) => Ok(FacetField::License),
        Ok(Message::Tag) => Ok(FacetField::Tag),
        Ok(Message::Format) => Ok(FacetField::Format),
        Ok(Message::ColumnType) => Ok(FacetField::ColumnType),
        Ok(Message::Unspecified) => Err("must be given"),
        Err(_) => Err("is no field that facets can count"),
    };
    bad.take(field, facet)
}

#[cfg(test)]
mod tests {
    use proto::common::v1 as common;
    use types::Fault;

    use super::*;

    #[test]
    fn a_search_names_every_bad_field() {
        let request = pb::SearchDatasetsRequest {
            parent: "nobody".to_owned(),
            query: "x".repeat(1001),
            filter: Some(pb::SearchFilter {
                sources: vec!["s".to_owned()],
                formats: vec!["orc".to_owned(), "doc".to_owned()],
                columns: vec![pb::ColumnFilter::default()],
                rows: Some(pb::Int64Range { min: Some(2), max: Some(1) }),
                max_age: Some(prost_types::Duration { seconds: -1, nanos: 0 }),
                r#box: Some(common::BoundingBox { west: 0.0, south: 95.0, east: 0.0, north: 99.0 }),
                ..pb::SearchFilter::default()
            }),
            facets: vec![0, 1, 99],
            page_size: 101,
            ..pb::SearchDatasetsRequest::default()
        };
        let bad = search(request).unwrap_err().violations();
        assert_eq!(
            bad.iter().map(|violation| violation.field.as_str()).collect::<Vec<_>>(),
            [
                "parent",
                "query",
                "page_size",
                "facets[0]",
                "facets[2]",
                "filter.max_age",
                "filter.sources[0]",
                "filter.formats[1]",
                "filter.columns[0]",
                "filter.rows",
                "filter.box"
            ]
        );
    }

    #[test]
    fn paging_alone_does_not_tell_searches_apart() {
        let of = |query: &str, page_token: &str| {
            let (parent, query, page_token) = ("tenants/main".to_owned(), query.to_owned(), page_token.to_owned());
            let request = pb::SearchDatasetsRequest { parent, query, page_token, ..Default::default() };
            search(request).unwrap().1.fingerprint
        };
        assert_eq!(of("a", ""), of("a", "token"));
        assert_ne!(of("a", ""), of("b", ""));
    }
}
