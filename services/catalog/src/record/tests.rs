use proptest::prelude::*;
use types::{Origin, WorkError};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

fn found(token: &str) -> Found {
    Found {
        source: None,
        source_kind: "folder".to_owned(),
        path: "a.csv".to_owned(),
        materialization: Materialization {
            origin: Origin::File { path: "/a.csv".into() },
            version_token: token.to_owned(),
        },
    }
}

fn titled(title: &str) -> Metadata {
    Metadata { title: title.to_owned(), ..Metadata::default() }
}

fn attempt(token: &str, phase: AttemptPhase) -> Attempt {
    Attempt {
        job: "tenants/main/jobs/j1".parse().unwrap(),
        phase,
        attempts: 1,
        next: None,
        error: None::<WorkError>,
        version_token: token.to_owned(),
    }
}

fn announced(token: &str) -> Record {
    Record::new("tenants/main/datasets/d1".parse().unwrap(), found(token), titled("one"), at(0))
}

/// What the store and the indexer do between two facts.
fn indexed(record: &mut Record, change: i64) -> bool {
    if std::mem::take(&mut record.index.touched) {
        record.index.change = change;
        record.index.done = false;
    }
    let wanted = record.wanted_in_index();
    record.settle(wanted, record.index.change, at(change))
}

#[test]
fn a_success_waits_for_the_indexer_and_is_then_indexed() {
    let mut record = announced("t1");
    record.succeed(attempt("t1", AttemptPhase::Succeeded), 1, true, at(1));
    assert_eq!((record.state(), record.current), (State::Indexing, None));
    assert!(indexed(&mut record, 5), "it appeared");
    assert_eq!((record.state(), record.current), (State::Indexed, Some(1)));
    assert!(!indexed(&mut record, 5), "it appears once");
}

#[test]
fn an_edit_is_indexed_without_leaving_the_state() {
    let mut record = announced("t1");
    record.succeed(attempt("t1", AttemptPhase::Succeeded), 1, true, at(1));
    indexed(&mut record, 1);
    let edit = Edit { title: Some("two".to_owned()), ..Edit::default() };
    record.edit(edit, Revision(0), at(2)).unwrap();
    assert_eq!(record.state(), State::Indexed);
    assert!(record.index.touched);
}

#[test]
fn progress_of_a_job_is_no_revision() {
    let mut record = announced("t1");
    let revision = record.revision;
    record.advance(attempt("t1", AttemptPhase::Fetching));
    assert_eq!((record.state(), record.revision), (State::Fetching, revision));
}

#[test]
fn a_new_announcement_makes_the_attempt_at_the_old_one_old() {
    let mut record = announced("t1");
    record.advance(attempt("t1", AttemptPhase::Failed));
    record.announce(found("t2"), titled("one"), at(1));
    assert_eq!(record.state(), State::Announced);
}

#[test]
fn bytes_that_come_back_need_no_new_attempt() {
    let mut record = announced("t1");
    record.succeed(attempt("t1", AttemptPhase::Succeeded), 1, true, at(1));
    indexed(&mut record, 1);
    record.retract(at(2));
    assert_eq!(record.wanted_in_index(), None);
    indexed(&mut record, 2);
    record.announce(found("t1"), titled("one"), at(3));
    assert_eq!(record.state(), State::Indexing);
    indexed(&mut record, 3);
    assert_eq!(record.state(), State::Indexed);
}

#[test]
fn a_change_while_the_indexer_works_leaves_the_record_waiting() {
    let mut record = announced("t1");
    record.succeed(attempt("t1", AttemptPhase::Succeeded), 1, true, at(1));
    record.index = IndexMark { change: 7, touched: false, ..record.index };
    record.settle(Some(1), 5, at(2));
    assert!(!record.index.done);
    assert_eq!(record.current, Some(1), "readers see what the index holds");
}

/// A fact of one of the two streams.
#[derive(Debug, Clone)]
enum Fact {
    Announced(String),
    Retracted,
    Advanced(String, AttemptPhase),
    Succeeded(String),
}

fn apply(record: &mut Record, fact: &Fact, now: i64) {
    match fact {
        Fact::Announced(token) => record.announce(found(token), titled(token), at(now)),
        Fact::Retracted => record.retract(at(now)),
        Fact::Advanced(token, phase) => record.advance(attempt(token, *phase)),
        Fact::Succeeded(token) => {
            // Each token stands for bytes of its own.
            let same = record.newest.as_ref().filter(|newest| newest.version_token == *token);
            let version = match same {
                Some(newest) => newest.version,
                None => record.newest.as_ref().map_or(1, |newest| newest.version + 1),
            };
            let changed = same.is_none();
            record.succeed(attempt(token, AttemptPhase::Succeeded), version, changed, at(now));
        }
    }
}

fn token() -> impl Strategy<Value = String> {
    prop_oneof!["t1", "t2"]
}

fn discovered() -> impl Strategy<Value = Vec<Fact>> {
    let fact = prop_oneof![3 => token().prop_map(Fact::Announced), 1 => Just(Fact::Retracted)];
    proptest::collection::vec(fact, 0..5)
}

fn profiled() -> impl Strategy<Value = Vec<Fact>> {
    let phase = prop_oneof![Just(AttemptPhase::Queued), Just(AttemptPhase::Fetching), Just(AttemptPhase::Failed)];
    let advanced = (token(), phase).prop_map(|(token, phase)| Fact::Advanced(token, phase));
    proptest::collection::vec(prop_oneof![advanced, token().prop_map(Fact::Succeeded)], 0..6)
}

/// Applies both streams, the next fact from the first one where `first` says so, with the indexer running in between.
fn merged(discovered: &[Fact], profiled: &[Fact], first: &[bool], index_between: bool) -> Record {
    let mut record = announced("t1");
    let (mut discovered, mut profiled, mut first) = (discovered.iter(), profiled.iter(), first.iter());
    let mut now = 0;
    loop {
        now += 1;
        let next = match first.next().copied().unwrap_or(true) {
            true => discovered.next().or_else(|| profiled.next()),
            false => profiled.next().or_else(|| discovered.next()),
        };
        let Some(fact) = next else { break };
        apply(&mut record, fact, now);
        if index_between {
            indexed(&mut record, now);
        }
    }
    indexed(&mut record, now);
    record
}

proptest! {
    #[test]
    fn the_order_between_the_streams_makes_no_difference(
        discovered in discovered(),
        profiled in profiled(),
        first in proptest::collection::vec(any::<bool>(), 12),
        index_between in any::<bool>(),
    ) {
        let one = merged(&discovered, &profiled, &[], false);
        let other = merged(&discovered, &profiled, &first, index_between);
        prop_assert_eq!(one.state(), other.state());
        prop_assert_eq!(one.newest.clone(), other.newest.clone());
        prop_assert_eq!(one.wanted_in_index(), other.index.held);
        prop_assert_eq!(&one.metadata, &other.metadata);
    }

    #[test]
    fn once_the_indexer_ran_nothing_waits(
        discovered in discovered(),
        profiled in profiled(),
        first in proptest::collection::vec(any::<bool>(), 12),
    ) {
        let record = merged(&discovered, &profiled, &first, false);
        prop_assert!(record.index.done);
        prop_assert_eq!(record.index.held, record.wanted_in_index());
        prop_assert_ne!(record.state(), State::Indexing);
    }
}
