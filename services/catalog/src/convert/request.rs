//! Requests to domain values. Every bad field is found before any of them is told.

use std::str::FromStr;

use prost::Message;
use proto::catalog::v1 as pb;
use proto::profiling::v1::StructuralType;
use rpc::{BadRequest, Violations};
use search::{ColumnFilter, FacetField, Filter, Range};
use types::{
    DatasetId, DatasetName, Digest, Malformed, NameError, RebuildName, Revision, Scoped, SourceName, TenantName,
};

use crate::document::type_word;
use crate::record::{Edit, EditedField, Metadata};
use crate::service::download::Form;
use crate::service::search::Search;
use crate::service::upload::{NewUpload, is_derived_form};
use crate::service::{Paging, RequestKey};
use crate::store::ListFilter;

const MAX_TITLE: usize = 500;
const MAX_DESCRIPTION: usize = 20_000;
const MAX_TAGS: usize = 100;
const MAX_TAG: usize = 64;
const MAX_ORIGINS: usize = 50;
const MAX_ORIGIN: usize = 2_000;
const MAX_FILE_NAME: usize = 255;
const MAX_QUERY: usize = 1_000;
const MAX_ENTRIES: usize = 100;
const DEFAULT_RESULTS: usize = 20;
const MAX_RESULTS: i32 = 100;
const FORMATS: [&str; 5] = ["csv", "tsv", "json", "jsonl", "parquet"];

/// What a list of datasets asks for.
pub fn list(request: pb::ListDatasetsRequest) -> Result<(TenantName, ListFilter, Paging), BadRequest> {
    let mut bad = Violations::new();
    let parent: Option<TenantName> = bad.parse("parent", &request.parent);
    let source = source(&mut bad, "source", &request.source, parent.as_ref());
    let state = bad.take("state", pb::DatasetState::try_from(request.state).map_err(|_| "is no state"));
    let paging = paging(&mut bad, request.page_size, request.page_token);
    bad.finish()?;
    let filter = ListFilter {
        source: source.map(|source| source.source),
        states: state.map(super::states).unwrap_or_default(),
        show_hidden: request.show_hidden,
    };
    Ok((checked(parent), filter, paging))
}

/// What a list of versions asks for.
pub fn list_versions(request: pb::ListVersionsRequest) -> Result<(DatasetName, Paging), BadRequest> {
    let mut bad = Violations::new();
    let parent = bad.parse("parent", &request.parent);
    let paging = paging(&mut bad, request.page_size, request.page_token);
    bad.finish()?;
    Ok((checked(parent), paging))
}

/// Which datasets a watch is about.
pub fn watch(request: &pb::WatchDatasetsRequest) -> Result<(TenantName, Option<SourceName>), BadRequest> {
    let mut bad = Violations::new();
    let parent: Option<TenantName> = bad.parse("parent", &request.parent);
    let source = source(&mut bad, "source", &request.source, parent.as_ref());
    bad.finish()?;
    Ok((checked(parent), source))
}

/// What an update changes.
pub fn update(request: pb::UpdateDatasetRequest) -> Result<(DatasetName, Edit, Revision, RequestKey), BadRequest> {
    let mut bad = Violations::new();
    let request_key = request_key(&mut bad, &request.request_id, &request);
    let dataset = bad.required("dataset", request.dataset).unwrap_or_default();
    let name = bad.parse("dataset.name", &dataset.name);
    bad.check(dataset.revision >= 0, "dataset.revision", "must not be negative");
    let paths = request.update_mask.unwrap_or_default().paths;
    bad.check(!paths.is_empty(), "update_mask", "must not be empty");
    let given: Metadata = dataset.metadata.unwrap_or_default().into();
    let mut edit = Edit::default();
    for path in paths {
        match path.as_str() {
            "hidden" => edit.hidden = Some(dataset.hidden),
            path if path == EditedField::Title.path() => edit.title = Some(given.title.clone()),
            path if path == EditedField::Description.path() => edit.description = Some(given.description.clone()),
            path if path == EditedField::Tags.path() => edit.tags = Some(given.tags.clone()),
            path => bad.add(
                "update_mask",
                format!(
                    "`{path}` cannot be edited; metadata.title, metadata.description, metadata.tags and hidden can"
                ),
            ),
        }
    }
    let edited = Metadata {
        title: edit.title.clone().unwrap_or_default(),
        description: edit.description.clone().unwrap_or_default(),
        tags: edit.tags.clone().unwrap_or_default(),
        ..Metadata::default()
    };
    check_metadata(&mut bad, "dataset.metadata", &edited);
    bad.finish()?;
    Ok((checked(name), edit, Revision(dataset.revision), request_key))
}

/// What an upload says before its bytes. The fingerprint of the key still lacks those.
pub fn new_upload(start: pb::CreateDatasetStart) -> Result<(TenantName, NewUpload, RequestKey), BadRequest> {
    let mut bad = Violations::new();
    let key = request_key(&mut bad, &start.request_id, &start);
    let parent = bad.parse("start.parent", &start.parent);
    let dataset: Option<DatasetId> = bad.parse_optional("start.dataset_id", &start.dataset_id);
    let reserved = dataset.as_ref().is_some_and(is_derived_form);
    bad.check(!reserved, "start.dataset_id", "`d` and 32 hexadecimal digits are reserved for datasets that are found");
    let plain = !start.file_name.chars().any(|c| c == '/' || c == '\\' || c.is_control());
    bad.check(plain, "start.file_name", "must be the name of a file, without folders");
    bad.check(start.file_name.len() <= MAX_FILE_NAME, "start.file_name", "takes at most 255 bytes");
    let metadata: Metadata = start.metadata.unwrap_or_default().into();
    check_metadata(&mut bad, "start.metadata", &metadata);
    bad.finish()?;
    Ok((checked(parent), NewUpload { dataset, file_name: start.file_name, metadata }, key))
}

/// The key of an operator's request for a rebuild.
pub fn new_rebuild(request: &pb::CreateIndexRebuildRequest) -> Result<RequestKey, BadRequest> {
    let mut bad = Violations::new();
    let key = request_key(&mut bad, &request.request_id, request);
    bad.finish()?;
    Ok(key)
}

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
        let known = FORMATS.contains(&format.as_str());
        bad.check(known, format!("filter.formats[{at}]"), format!("must be one of {}", FORMATS.join(", ")));
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

fn source(bad: &mut Violations, field: &str, text: &str, parent: Option<&TenantName>) -> Option<SourceName> {
    let source: SourceName = bad.parse_optional(field, text)?;
    let own = parent.is_none_or(|parent| parent.tenant() == source.tenant());
    bad.check(own, field, "must lie in the tenant of `parent`").then_some(source)
}

fn paging(bad: &mut Violations, size: i32, token: String) -> Paging {
    bad.check((0..=sql::pages::MAX_SIZE).contains(&size), "page_size", "must lie in 0 to 1000");
    Paging { size, token }
}

/// Reads a page of a list that has no other fields.
pub fn plain_paging(size: i32, token: String) -> Result<Paging, BadRequest> {
    let mut bad = Violations::new();
    let paging = paging(&mut bad, size, token);
    bad.finish()?;
    Ok(paging)
}

fn request_key(bad: &mut Violations, id: &str, request: &impl Message) -> RequestKey {
    bad.check(id.is_empty() || uuid::Uuid::from_str(id).is_ok(), "request_id", "must be a UUID, or empty");
    RequestKey { id: id.to_owned(), fingerprint: Digest::of(&request.encode_to_vec()) }
}

fn check_metadata(bad: &mut Violations, field: &str, metadata: &Metadata) {
    let short = |text: &str, most: usize| text.chars().count() <= most;
    bad.check(short(&metadata.title, MAX_TITLE), format!("{field}.title"), "takes at most 500 characters");
    bad.check(short(&metadata.license, MAX_TITLE), format!("{field}.license"), "takes at most 500 characters");
    let description = format!("{field}.description");
    bad.check(short(&metadata.description, MAX_DESCRIPTION), description, "takes at most 20,000 characters");
    bad.check(metadata.tags.len() <= MAX_TAGS, format!("{field}.tags"), "takes at most 100 tags");
    for (at, tag) in metadata.tags.iter().enumerate() {
        let fits = !tag.trim().is_empty() && short(tag, MAX_TAG);
        bad.check(fits, format!("{field}.tags[{at}]"), "takes 1 to 64 characters");
        bad.check(!metadata.tags[..at].contains(tag), format!("{field}.tags[{at}]"), "is there already");
    }
    bad.check(metadata.origins.len() <= MAX_ORIGINS, format!("{field}.origins"), "takes at most 50 origins");
    for (at, origin) in metadata.origins.iter().enumerate() {
        bad.check(short(origin, MAX_ORIGIN), format!("{field}.origins[{at}]"), "takes at most 2,000 characters");
    }
}

/// What a field that passed its check holds.
fn checked<T>(value: Option<T>) -> T {
    value.expect("a field that cannot be read was refused before")
}

/// The name of a rebuild in `field`.
pub fn rebuild_name(text: &str) -> Result<RebuildName, BadRequest> {
    text.parse().map_err(|error: NameError| BadRequest::field("name", error.to_string()))
}

/// In which form a download is asked for.
pub fn form(number: i32) -> Result<Form, BadRequest> {
    match pb::DownloadForm::try_from(number) {
        Ok(pb::DownloadForm::Unspecified | pb::DownloadForm::Original) => Ok(Form::Original),
        Ok(pb::DownloadForm::Csv) => Ok(Form::Csv),
        Err(_) => Err(BadRequest::field("form", "is no form of download")),
    }
}

#[cfg(test)]
mod tests {
    use proto::common::v1 as common;
    use types::Fault;

    use super::*;

    fn fields(error: &BadRequest) -> Vec<String> {
        error.violations().into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn a_search_names_every_bad_field() {
        let request = pb::SearchDatasetsRequest {
            parent: "nobody".to_owned(),
            query: "x".repeat(1001),
            filter: Some(pb::SearchFilter {
                sources: vec!["s".to_owned()],
                formats: vec!["csv".to_owned(), "doc".to_owned()],
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
        assert_eq!(
            fields(&search(request).unwrap_err()),
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

    #[test]
    fn an_update_names_every_bad_field() {
        let request = pb::UpdateDatasetRequest {
            dataset: Some(pb::Dataset {
                name: "tenants/main".to_owned(),
                revision: -1,
                metadata: Some(common::Metadata {
                    tags: vec!["a".to_owned(), "a".to_owned(), " ".to_owned()],
                    ..common::Metadata::default()
                }),
                ..pb::Dataset::default()
            }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["metadata.tags".to_owned(), "path".to_owned()] }),
            request_id: "7".to_owned(),
        };
        assert_eq!(
            fields(&update(request).unwrap_err()),
            [
                "request_id",
                "dataset.name",
                "dataset.revision",
                "update_mask",
                "dataset.metadata.tags[1]",
                "dataset.metadata.tags[2]"
            ]
        );
    }

    #[test]
    fn an_upload_may_not_take_the_id_of_a_found_dataset() {
        let start = pb::CreateDatasetStart {
            parent: "tenants/main".to_owned(),
            dataset_id: DatasetId::derive("source", "a.csv").to_string(),
            file_name: "../a.csv".to_owned(),
            ..pb::CreateDatasetStart::default()
        };
        assert_eq!(fields(&new_upload(start).unwrap_err()), ["start.dataset_id", "start.file_name"]);
    }
}
