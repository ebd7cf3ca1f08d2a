//! Events that cannot be applied block their key alone, until a person decides.

use millrace_integration_tests::{Ledger, Mesh, PATIENCE, Session, csv, write};
use prost::Message as _;
use proto::catalog::v1::DatasetState;
use proto::common::v1::{
    DeadLetter, EventEnvelope, GetDeadLetterRequest, GetStatusRequest, ListDeadLettersRequest, PurgeDeadLetterRequest,
    RedriveDeadLetterRequest,
};

/// Writes into discovery's outbox what only a defect could: an announcement of `key` that no consumer can read.
async fn poison(mesh: &Mesh, key: &str) {
    let (ledger, thing) = (Ledger::of(mesh), "millrace.discovery.dataset");
    let next = format!(
        "UPDATE event_sequences SET last = last + 1 WHERE thing = '{thing}' AND key = '{key}' RETURNING CAST(last AS TEXT)"
    );
    let sequence: i64 = ledger.text("discovery", &next).await.parse().unwrap();
    let envelope = EventEnvelope {
        id: uuid::Uuid::now_v7().to_string(),
        subject: format!("{thing}.announced.v1"),
        time: Some(prost_types::Timestamp { seconds: 1_800_000_000, nanos: 0 }),
        resource: key.into(),
        tenant: "main".into(),
        actor: "services/discovery".into(),
        key: key.into(),
        sequence,
        payload_type: "millrace.discovery.v1.DatasetAnnounced".into(),
        payload: vec![0xff; 12],
        ..EventEnvelope::default()
    };
    let (id, bytes) = (&envelope.id, ledger.bytes(&envelope.encode_to_vec()));
    let insert = format!(
        "INSERT INTO outbox (id, thing, key, sequence, envelope, created) \
         VALUES ('{id}', '{thing}', '{key}', {sequence}, {bytes}, 1800000000000000)"
    );
    ledger.execute("discovery", &insert).await;
}

async fn letters(admin: &Session) -> Vec<DeadLetter> {
    let request = ListDeadLettersRequest { parent: "services/-".into(), page_size: 1, ..Default::default() };
    let mut all = Vec::new();
    let mut request = request;
    loop {
        let page = admin.operator().list_dead_letters(request.clone()).await.unwrap().into_inner();
        all.extend(page.dead_letters);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return all;
        }
    }
}

#[tokio::test]
async fn poison_blocks_its_key_alone_until_it_is_purged() {
    let mut mesh = Mesh::start().await;
    write(&mesh.folder(), "ill.csv", csv("ill", 10));
    write(&mesh.folder(), "well.csv", csv("well", 10));
    let admin = mesh.admin().await;
    admin.crawl_folder("all", &mesh.folder()).await;
    admin.settled(2).await;
    let ill = admin.dataset_at("ill.csv").await.unwrap();
    mesh.stop().await;
    poison(&mesh, &ill.name).await;
    mesh.spawn();
    mesh.ready().await;
    let admin = mesh.admin().await;
    // Profiling and catalog both read announcements.
    testkit::eventually!(PATIENCE, letters(&admin).await.len() == 2);

    write(&mesh.folder(), "ill.csv", csv("mended", 11));
    write(&mesh.folder(), "well.csv", csv("better", 12));
    admin.run_source("all", false).await;
    testkit::eventually!(PATIENCE, admin.search("better").await.total_size == 1);
    testkit::eventually!(PATIENCE, letters(&admin).await.iter().all(|letter| letter.waiting_events == 1));
    assert_eq!(admin.search("mended").await.total_size, 0);
    let status = admin.operator().get_status(GetStatusRequest::default()).await.unwrap().into_inner();
    let dead: i64 = status.roles.iter().flat_map(|role| &role.queues).map(|queue| queue.dead).sum();
    assert_eq!(dead, 2, "{status:?}");

    for letter in letters(&admin).await {
        let name = letter.name;
        let shown = admin.operator().get_dead_letter(GetDeadLetterRequest { name: name.clone() }).await.unwrap();
        let shown = shown.into_inner().dead_letter.unwrap();
        assert_eq!(shown.event.unwrap().key, ill.name);
        assert!(!shown.reason.is_empty() && !shown.message.is_empty());
        // A redrive tries it again; it is as unreadable as before.
        admin.operator().redrive_dead_letter(RedriveDeadLetterRequest { name }).await.unwrap();
    }
    testkit::eventually!(PATIENCE, letters(&admin).await.len() == 2);
    testkit::eventually!(PATIENCE, {
        for letter in letters(&admin).await {
            let _ = admin.operator().purge_dead_letter(PurgeDeadLetterRequest { name: letter.name }).await;
        }
        letters(&admin).await.is_empty()
    });
    // What waited behind it goes on, in order.
    testkit::eventually!(PATIENCE, admin.search("mended").await.total_size == 1);
    admin.in_state("ill.csv", DatasetState::Indexed).await;
    assert_eq!(admin.versions(&ill.name).await.len(), 2);
}

#[tokio::test]
async fn the_status_shows_every_loop_and_queue() {
    let mesh = Mesh::start().await;
    let admin = mesh.admin().await;
    let status = admin.operator().get_status(GetStatusRequest::default()).await.unwrap().into_inner();
    let roles: Vec<_> = status.roles.iter().map(|role| role.role.as_str()).collect();
    for role in ["discovery", "profiling", "catalog"] {
        assert!(roles.contains(&role), "{roles:?}");
    }
    for role in status.roles.iter().filter(|role| role.role != "gateway") {
        assert!(role.ready && !role.loops.is_empty() && !role.queues.is_empty(), "{role:?}");
    }
    testkit::eventually!({
        let status = admin.operator().get_status(GetStatusRequest::default()).await.unwrap().into_inner();
        let mut loops = status.roles.iter().flat_map(|role| &role.loops);
        loops.all(|each| each.last_run_time.is_some() && each.consecutive_failures == 0)
    });
}
