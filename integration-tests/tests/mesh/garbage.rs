//! Files that are hardly datasets: each fails with a reason, or its profile says what was odd. Nothing crashes.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use millrace_integration_tests::{Mesh, csv, reason, write};
use proto::catalog::v1::DatasetState;
use proto::profiling::v1::ProfileDataStart;
use testkit::hostile;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn garbage_fails_with_a_reason_or_is_profiled_and_never_crashes() {
    let mesh = Mesh::start().await;
    let folder = mesh.folder();
    let zipped = gzip(csv("zipped", 5000).as_bytes());
    let junk: Vec<u8> = (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    write(&folder, "empty.csv", "");
    write(&folder, "junk.csv", &junk);
    write(&folder, "nul.csv", vec![0; 100_000]);
    write(&folder, "cut.csv.gz", &zipped[..zipped.len() / 2]);
    write(&folder, "noise.csv.gz", [&zipped[..20], &junk[..1000]].concat());
    write(&folder, "cut.parquet", [b"PAR1".as_slice(), &junk[..5000]].concat());
    write(&folder, "cut.json", "[{\"a\": 1}, {\"a\": ");
    write(&folder, "broken.json", "{\"a\": [1, 2}");
    write(&folder, "deep.json", "[".repeat(100_000));
    write(&folder, "latin.csv", b"name,place\nJos\xe9,Malm\xf6\nZo\xeb,Li\xe8ge\n");
    write(&folder, "invalid.csv", b"name,place\nad\xff\xfea,here\nbob,there\n");
    write(&folder, "headers.csv", "a,a,,b,\n1,2,3,4,5\n6,7,8,9,10\n");
    write(&folder, "ragged.csv", "a,b,c\n1,2,3\n4,5\n6,7,8,9\n10,11,12\n");
    write(&folder, "good.csv", csv("good", 10));
    let admin = mesh.admin().await;
    admin.crawl_folder("garbage", &folder).await;
    let datasets = admin.settled(14).await;
    for dataset in &datasets {
        if dataset.state() == DatasetState::Failed {
            let error = dataset.latest_attempt.clone().unwrap().error.unwrap();
            assert!(!error.reason.is_empty() && error.reason != "PANICKED", "{}: {error:?}", dataset.path);
        }
    }
    let state = |path: &str| datasets.iter().find(|dataset| dataset.path == path).unwrap().state();
    for failed in ["empty.csv", "cut.csv.gz", "noise.csv.gz", "cut.parquet", "cut.json", "deep.json"] {
        assert_eq!(state(failed), DatasetState::Failed, "{failed}");
    }
    for indexed in ["good.csv", "latin.csv", "headers.csv", "ragged.csv"] {
        assert_eq!(state(indexed), DatasetState::Indexed, "{indexed}");
    }
    assert!(mesh.answers().await);
}

#[tokio::test]
async fn files_that_crash_their_parsers_fail_alone() {
    let mesh = Mesh::start().await;
    let folder = mesh.folder();
    write(&folder, "lying.parquet", hostile::parquet_of_lying_length());
    write(&folder, "deep.parquet", hostile::parquet_of_deep_nesting(300_000));
    write(&folder, "good.csv", csv("good", 10));
    let admin = mesh.admin().await;
    admin.crawl_folder("hostile", &folder).await;
    let datasets = admin.settled(3).await;
    for (path, expected) in [("lying.parquet", "MEMORY_LIMIT"), ("deep.parquet", "PARSER_CRASHED")] {
        let dataset = datasets.iter().find(|dataset| dataset.path == path).unwrap();
        let error = dataset.latest_attempt.clone().unwrap().error.unwrap();
        assert_eq!((dataset.state(), error.reason.as_str()), (DatasetState::Failed, expected), "{error:?}");
        assert!(!error.retryable, "{error:?}");
    }
    assert_eq!(datasets.iter().find(|dataset| dataset.path == "good.csv").unwrap().state(), DatasetState::Indexed);
    // What is sent to be profiled, and not stored, is treated alike.
    let start = ProfileDataStart { parent: "tenants/main".into(), file_name: "x.parquet".into(), ..Default::default() };
    let source = std::io::Cursor::new(hostile::parquet_of_deep_nesting(300_000));
    let (messages, _) = rpc::upload::messages(start, source, |_| ());
    let mut answer = admin.profiling().profile_data(messages).await.unwrap().into_inner();
    let refused = loop {
        match answer.message().await {
            Ok(message) => assert!(message.is_some(), "a crash is no end"),
            Err(status) => break status,
        }
    };
    assert_eq!(reason(&refused), "PARSER_CRASHED", "{refused:?}");
    assert!(mesh.answers().await);
}

#[tokio::test]
async fn a_huge_line_and_too_many_columns_are_refused_in_bounded_memory() {
    let mesh = Mesh::start().await;
    let folder = mesh.folder();
    // Gigabytes without a line break; the file system need not hold its zeros.
    let line = std::fs::File::create(folder.join("line.csv")).unwrap();
    (&line).write_all(b"a,b\n1,2\nxxxxxxxxxxxxxxxx").unwrap();
    line.set_len(3 << 30).unwrap();
    // And one that cannot be taken for binary junk.
    write(&folder, "text-line.csv", format!("a,b\n1,2\n{}\n", "x".repeat(200 << 20)));
    let header: Vec<_> = (0..100_000).map(|n| format!("column{n}")).collect();
    write(&folder, "wide.csv", format!("{}\n{}\n", header.join(","), "1,".repeat(99_999) + "1"));
    let admin = mesh.admin().await;
    admin.crawl_folder("huge", &folder).await;
    for dataset in admin.settled(3).await {
        assert_eq!(dataset.state(), DatasetState::Failed, "{}", dataset.path);
        let error = dataset.latest_attempt.unwrap().error.unwrap();
        assert!(!error.retryable, "{}: {error:?}", dataset.path);
    }
    assert!(mesh.peak_memory() < 700 << 20, "{} MiB", mesh.peak_memory() >> 20);
}
