//! Requests to domain values. Every bad field is found before any of them is told.

mod search;

use std::str::FromStr;

use prost::Message;
use proto::catalog::v1 as pb;
use rpc::{BadRequest, Violations};
use types::{DatasetId, DatasetName, Digest, NameError, RebuildName, Revision, Scoped, SourceName, TenantName};

use crate::record::{Edit, EditedField, Metadata};
use crate::service::download::Form;
use crate::service::upload::{NewUpload, is_derived_form};
use crate::service::{Paging, RequestKey};
use crate::store::ListFilter;

pub use search::search;

const MAX_TITLE: usize = 500;
const MAX_DESCRIPTION: usize = 20_000;
const MAX_TAGS: usize = 100;
const MAX_TAG: usize = 64;
const MAX_ORIGINS: usize = 50;
const MAX_ORIGIN: usize = 2_000;
const MAX_FILE_NAME: usize = 255;

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
pub fn form(number: i32, table: String) -> Result<Form, BadRequest> {
    match pb::DownloadForm::try_from(number) {
        Ok(pb::DownloadForm::Csv) => Ok(Form::Csv { table }),
        Ok(_) if !table.is_empty() => {
            Err(BadRequest::field("table", "goes with the form CSV; the original has all tables"))
        }
        Ok(pb::DownloadForm::Unspecified | pb::DownloadForm::Original) => Ok(Form::Original),
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
