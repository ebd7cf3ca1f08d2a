//! `dataset add` and `dataset download`: bytes to the mesh and from it, checked on the way.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use proto::catalog::v1 as pb;
use proto::catalog::v1::create_dataset_request::Item as Up;
use proto::catalog::v1::download_dataset_response::Item as Down;
use proto::common::v1::Metadata;
use types::DigestHasher;

use super::{Context, dataset};
use crate::client::{Client, Piece, Upload, follow, request_id};
use crate::client::{Seen, Watched};
use crate::failure::Failure;
use crate::output::{self, note};
use crate::progress::Progress;

/// What to upload.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The file.
    file: PathBuf,
    /// The id to give it; made up where it is not given.
    #[arg(long, default_value = "")]
    id: String,
    /// A title. Without it the file's name.
    #[arg(long, default_value = "")]
    title: String,
    /// A description.
    #[arg(long, default_value = "")]
    description: String,
    /// The licence.
    #[arg(long, default_value = "")]
    license: String,
    /// A tag.
    #[arg(long)]
    tag: Vec<String>,
    /// Wait until it is profiled and indexed.
    #[arg(long)]
    wait: bool,
}

/// What to download.
#[derive(Debug, Args)]
pub struct DownloadArgs {
    /// The name or id of the dataset, or DATASET/versions/NUMBER.
    dataset: String,
    /// Where to: a file, a folder, or `-` for stdout. Without it a file of the name that the mesh gives, here.
    #[arg(long, short = 'O', value_name = "PATH")]
    to: Option<PathBuf>,
    /// The form.
    #[arg(long, value_enum, default_value = "original")]
    form: Form,
    /// With `--form csv`, which table of a file with several, as `dataset get` names it. Without it the first that has a profile.
    #[arg(long, default_value = "")]
    table: String,
    /// Overwrite a file that is there.
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    /// As the bytes came.
    Original,
    /// UTF-8, comma, RFC 4180 quoting, a header line.
    Csv,
}

pub async fn add(context: &Context, client: &Client, args: AddArgs) -> Result<(), Failure> {
    let upload = Upload::open(&args.file).await?;
    let metadata = Metadata {
        title: args.title,
        description: args.description,
        license: args.license,
        tags: args.tag,
        origins: Vec::new(),
    };
    let start = pb::CreateDatasetStart {
        parent: client.parent().await?,
        dataset_id: args.id,
        file_name: upload.file_name(),
        metadata: Some(metadata),
        request_id: request_id(),
    };
    let size = upload.size_bytes;
    let mut progress = Progress::new("upload");
    let wrap = |piece| pb::CreateDatasetRequest {
        item: Some(match piece {
            Piece::Chunk(bytes) => Up::Chunk(bytes),
            Piece::Finish(size_bytes, digest) => {
                Up::Finish(pb::CreateDatasetFinish { size_bytes, digest: Some(digest) })
            }
        }),
    };
    let (sent, mut so_far) = tokio::sync::watch::channel(0);
    let first = pb::CreateDatasetRequest { item: Some(Up::Start(start)) };
    let messages = upload.messages(first, wrap, move |bytes| {
        let _unless_done = sent.send(bytes);
    });
    let mut catalog = client.catalog();
    let call = catalog.create_dataset(messages);
    tokio::pin!(call);
    let reply = loop {
        tokio::select! {
            reply = &mut call => break reply?.into_inner(),
            Ok(()) = so_far.changed() => {
                let bytes = *so_far.borrow_and_update();
                progress.set(bytes, Some(size), &output::bytes(i64::try_from(bytes).unwrap_or(i64::MAX)));
            }
        }
    };
    progress.finish(&output::bytes(i64::try_from(size).unwrap_or(i64::MAX)));
    let mut reply = reply;
    if args.wait {
        reply.dataset = Some(settled(client, reply.dataset.unwrap_or_default()).await?);
    }
    context.out.reply(&reply, |reply| reply.dataset.as_ref().map(dataset::describe).unwrap_or_default())?;
    match reply.dataset.filter(|dataset| dataset.state() == pb::DatasetState::Failed) {
        Some(dataset) => Err(Failure::work(format!("{} could not be profiled", dataset.name))),
        None => Ok(()),
    }
}

async fn settled(client: &Client, created: pb::Dataset) -> Result<pb::Dataset, Failure> {
    let parent = client.parent().await?;
    let mut latest = created;
    let mut progress = Progress::new("dataset");
    let open = async |resume_token| {
        let request = pb::WatchDatasetsRequest { parent: parent.clone(), resume_token, source: String::new() };
        client.catalog().watch_datasets(request).await
    };
    follow(client, open, |message: pb::WatchDatasetsResponse| {
        if let Some(Seen::Item(dataset)) = message.seen()
            && dataset.name == latest.name
        {
            latest = *dataset;
            progress.set(0, None, &output::lower(latest.state().as_str_name(), "DATASET_STATE_"));
        }
        Ok(match latest.state() {
            pb::DatasetState::Indexed | pb::DatasetState::Failed => std::ops::ControlFlow::Break(()),
            _ => std::ops::ControlFlow::Continue(()),
        })
    })
    .await?;
    progress.finish(&output::lower(latest.state().as_str_name(), "DATASET_STATE_"));
    Ok(latest)
}

pub async fn download(context: &Context, client: &Client, args: DownloadArgs) -> Result<(), Failure> {
    let name = client.name("datasets", &args.dataset).await?;
    let form = match args.form {
        Form::Original => pb::DownloadForm::Original,
        Form::Csv => pb::DownloadForm::Csv,
    };
    let request = pb::DownloadDatasetRequest { name, form: form.into(), table: args.table };
    let mut stream = client.catalog().download_dataset(request).await?.into_inner();
    let Some(Down::Start(start)) = stream.message().await?.and_then(|message| message.item) else {
        return Err(broken());
    };
    let mut target = Target::open(args.to.as_deref(), &start.file_name, args.force)?;
    let total = start.size_bytes.and_then(|size| u64::try_from(size).ok());
    let mut progress = Progress::new("download");
    let mut hasher = DigestHasher::default();
    let finish = loop {
        match stream.message().await?.and_then(|message| message.item) {
            Some(Down::Chunk(chunk)) => {
                if u64::try_from(chunk.offset) != Ok(hasher.length()) || crc32c(&chunk.content) != chunk.crc32c {
                    return Err(Failure::other("a piece of the download was damaged on the way; try again"));
                }
                hasher.update(&chunk.content);
                target.write(&chunk.content)?;
                let so_far = i64::try_from(hasher.length()).unwrap_or(i64::MAX);
                progress.set(hasher.length(), total, &output::bytes(so_far));
            }
            Some(Down::Finish(finish)) => break finish,
            Some(Down::Start(_)) | None => return Err(broken()),
        }
    };
    let length = hasher.length();
    let sent = finish.digest.and_then(|digest| types::Digest::try_from(digest).ok());
    if u64::try_from(finish.size_bytes) != Ok(length) || sent != Some(hasher.finish()) {
        return Err(Failure::other("the download does not have the digest that the mesh sent; try again"));
    }
    progress.finish(&output::bytes(finish.size_bytes));
    match target.finish()? {
        // The bytes went to stdout, so nothing else may.
        None => Ok(()),
        Some(path) if context.out.is_json() => {
            note(&format!("written to {}", path.display()));
            context.out.reply(&start, |_| String::new())
        }
        Some(path) => {
            note("complete, and checked against its digest");
            context.out.document(&serde_json::Value::Null, || path.display().to_string())
        }
    }
}

fn broken() -> Failure {
    Failure::unreachable("the download broke off; try again")
}

/// Where the bytes go: a file that appears whole or not at all, or stdout.
enum Target {
    Stdout,
    File { beside: tempfile::NamedTempFile, path: PathBuf, force: bool },
}

impl Target {
    fn open(to: Option<&Path>, file_name: &str, force: bool) -> Result<Self, Failure> {
        // The name comes from elsewhere: only its last part counts, so that it cannot lead out of the folder.
        let given = Path::new(file_name).file_name().map_or_else(|| PathBuf::from("dataset"), PathBuf::from);
        let path = match to {
            Some(path) if path == Path::new("-") => return Ok(Self::Stdout),
            Some(path) if path.is_dir() => path.join(given),
            Some(path) => path.to_owned(),
            None => given,
        };
        if path.exists() && !force {
            return Err(Failure::usage(format!("{} is there already; use `--force` or `--to`", path.display())));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let beside = tempfile::Builder::new().prefix(".millrace-").tempfile_in(folder);
        let beside =
            beside.map_err(|error| Failure::other(format!("cannot write to {}: {error}", folder.display())))?;
        Ok(Self::File { beside, path, force })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Stdout => Ok(std::io::stdout().write_all(bytes)?),
            Self::File { beside, path, .. } => beside
                .write_all(bytes)
                .map_err(|error| Failure::other(format!("cannot write {}: {error}", path.display()))),
        }
    }

    fn finish(self) -> Result<Option<PathBuf>, Failure> {
        match self {
            Self::Stdout => Ok(std::io::stdout().flush().map(|()| None)?),
            Self::File { beside, path, force } => {
                let failed =
                    |error: std::io::Error| Failure::other(format!("cannot write {}: {error}", path.display()));
                open_to_readers(beside.as_file()).map_err(failed)?;
                beside.as_file().sync_all().map_err(failed)?;
                let result = if force { beside.persist(&path) } else { beside.persist_noclobber(&path) };
                result.map_err(|error| failed(error.error))?;
                Ok(Some(path))
            }
        }
    }
}

/// A temporary file is its owner's alone; what was asked for gets the usual mode.
fn open_to_readers(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

/// CRC-32C (Castagnoli), reflected, as in RFC 3720, appendix B.4.
fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let mut value = index as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { (value >> 1) ^ 0x82f6_3b78 } else { value >> 1 };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |crc: u32, byte| TABLE[usize::from((crc as u8) ^ byte)] ^ (crc >> 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn a_name_from_elsewhere_cannot_lead_out_of_the_folder() {
        let folder = testkit::temp_dir();
        let target = Target::open(Some(folder.path()), "../../etc/passwd", false).ok().unwrap();
        assert_eq!(target.finish().ok().flatten(), Some(folder.path().join("passwd")));
    }

    #[test]
    fn a_file_that_is_there_is_kept() {
        let folder = testkit::temp_dir();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "mine").unwrap();
        assert!(Target::open(Some(&path), "x", false).is_err());
        let mut target = Target::open(Some(&path), "x", true).ok().unwrap();
        target.write(b"theirs").ok().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"mine", "not before it is whole");
        target.finish().ok().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
    }
}
