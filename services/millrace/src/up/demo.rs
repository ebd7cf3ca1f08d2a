//! The demonstration: a folder of small datasets, registered as a source as any client would.

use std::path::{Path, PathBuf};

use proto::discovery::v1::source::Settings;
use proto::discovery::v1::{
    Crawl, CreateSourceRequest, FolderSettings, GetSourceRequest, ListCrawlsRequest, RunSourceRequest, Source,
};
use tonic::Code;

use super::banner::Banner;
use crate::client::{Client, Credential, request_id};
use crate::commands::{crawl_to_end, datasets_settled};
use crate::failure::Failure;
use crate::output::note;

const SOURCE_ID: &str = "demo";

/// Finds the folder: beneath the working directory, else beside the binary.
pub fn find() -> Result<PathBuf, Failure> {
    let here = std::env::current_dir().ok();
    let binary = std::env::current_exe().ok().and_then(|path| Some(path.canonicalize().ok()?.parent()?.to_owned()));
    find_in(&[here, binary].into_iter().flatten().collect::<Vec<_>>())
}

fn find_in(folders: &[PathBuf]) -> Result<PathBuf, Failure> {
    let places: Vec<PathBuf> = folders.iter().map(|folder| folder.join("deploy/demo")).collect();
    let found = places.iter().find(|place| place.is_dir()).and_then(|place| place.canonicalize().ok());
    found.ok_or_else(|| {
        let looked = places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(" and ");
        Failure::usage(format!("there is no demonstration data; looked for {looked}; start where deploy/demo lies"))
    })
}

/// Registers the folder as a source of the tenant `main`, if it is not one yet, and waits until it can be searched.
pub async fn register(banner: &Banner, folder: &Path) -> Result<(), Failure> {
    let token = std::fs::read_to_string(&banner.token).map_err(|error| {
        let path = banner.token.display();
        Failure::other(format!("cannot read {path} ({error}); `millrace admin reset-token` writes it anew"))
    })?;
    let client = Client::to(banner.gateway.to_string(), None, Credential::Token(token.trim().to_owned())).await?;
    let started = match create(&client, folder).await? {
        Some(crawl) => crawl,
        None => known(&client, folder).await?,
    };
    let crawl = crawl_to_end(&client, started).await?;
    datasets_settled(&client, &crawl).await
}

/// Creates the source; none when there is one of this name already.
async fn create(client: &Client, folder: &Path) -> Result<Option<Crawl>, Failure> {
    let settings = Settings::Folder(FolderSettings { path: folder.to_string_lossy().into_owned() });
    let source = Source { title: "Demonstration".to_owned(), settings: Some(settings), ..Default::default() };
    let request = CreateSourceRequest {
        parent: client.parent().await?,
        source_id: SOURCE_ID.to_owned(),
        source: Some(source),
        request_id: request_id(),
    };
    match client.discovery().create_source(request).await {
        Ok(reply) => Ok(reply.into_inner().crawl),
        Err(status) if status.code() == Code::AlreadyExists => Ok(None),
        Err(status) => Err(status.into()),
    }
}

/// The last crawl of the source that an earlier start made; it goes on where it stopped.
async fn known(client: &Client, folder: &Path) -> Result<Crawl, Failure> {
    let name = client.name("sources", SOURCE_ID).await?;
    let source = client.discovery().get_source(GetSourceRequest { name: name.clone() }).await?.into_inner().source;
    match source.and_then(|source| source.settings) {
        Some(Settings::Folder(settings)) if Path::new(&settings.path) != folder => {
            note(&format!("the source `{SOURCE_ID}` is there already and looks at {}", settings.path));
        }
        _ => {}
    }
    let request = ListCrawlsRequest { parent: name.clone(), page_size: 1, page_token: String::new() };
    let crawls = client.discovery().list_crawls(request).await?.into_inner().crawls;
    if let Some(crawl) = crawls.into_iter().next() {
        return Ok(crawl);
    }
    let request = RunSourceRequest { name, accept_losses: false, request_id: request_id() };
    Ok(client.discovery().run_source(request).await?.into_inner().crawl.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_found_or_the_error_says_where_it_was_looked_for() {
        let (one, other) = (testkit::temp_dir(), testkit::temp_dir());
        let folders = [one.path().to_owned(), other.path().to_owned()];
        let text = format!("{:?}", find_in(&folders).unwrap_err());
        assert!(folders.iter().all(|folder| text.contains(&folder.display().to_string())), "{text}");
        std::fs::create_dir_all(other.path().join("deploy/demo")).unwrap();
        assert!(find_in(&folders).is_ok());
    }
}
