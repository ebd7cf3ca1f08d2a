//! The promises of this crate, one function each. Every back end runs the whole list.

mod database;
mod keeping;
mod lease;
mod lost;
mod pages;
mod requests;
mod server;
mod turns;
mod work;

use testkit::{ManualClock, Postgres};

use crate::{Database, Error, Settings};

/// A database of its own for one test.
pub struct Store {
    pub db: Database,
    pub clock: ManualClock,
    pub dir: tempfile::TempDir,
    url: String,
}

impl Store {
    async fn sqlite(_test: &str) -> Option<Self> {
        let (dir, clock) = (testkit::temp_dir(), ManualClock::default());
        let url = format!("sqlite:{}", dir.path().join("test.db").display());
        Some(Self { db: Database::open(&url, &[], clock.shared()).await.unwrap(), clock, dir, url })
    }

    async fn postgres(test: &str) -> Option<Self> {
        let (dir, clock) = (testkit::temp_dir(), ManualClock::default());
        let url = Postgres::shared(test)?.database();
        let db = Database::open_with(&url, &settings(), &[], clock.shared()).await.unwrap();
        Some(Self { db, clock, dir, url })
    }

    /// The same database, as another process opens it.
    pub async fn again(&self) -> Database {
        Database::open_with(&self.url, &settings(), &[], self.clock.shared()).await.unwrap()
    }

    pub async fn change(&self) -> Result<i64, Error> {
        change(&self.db).await
    }
}

/// Settings under which the test's clock is the only one.
fn settings() -> Settings {
    Settings { schema: "test".into(), user: "postgres".into(), server_clock: false, ..Settings::default() }
}

async fn change(db: &Database) -> Result<i64, Error> {
    db.write(|conn| Box::pin(async move { crate::next_change(conn).await })).await
}

macro_rules! conformance {
    ($($module:ident { $($promise:ident),+ $(,)? })+) => {
        conformance! { sqlite: $($module { $($promise),+ })+ }
        conformance! { postgres: $($module { $($promise),+ })+ }
    };
    ($backend:ident: $($module:ident { $($promise:ident),+ })+) => {
        mod $backend {
            $(mod $module {
                $(#[tokio::test]
                async fn $promise() {
                    if let Some(store) = super::super::Store::$backend(stringify!($promise)).await {
                        super::super::$module::$promise(store).await;
                    }
                })+
            })+
        }
    };
}

conformance! {
    database {
        an_error_leaves_nothing_behind,
        a_dropped_write_leaves_nothing_behind_and_blocks_nobody,
        a_reader_sees_one_moment,
        a_reader_cannot_write,
        writers_wait_for_each_other_and_all_get_their_turn,
        change_numbers_commit_in_order,
        a_commit_ticks_and_a_failure_does_not,
        violations_are_told_apart,
        values_of_all_kinds_read_back,
        lists_are_read_in_one_statement,
        tables_of_all_kinds_are_written_and_read_in_one_statement,
        one_statement_reads_by_itself_and_cannot_write,
        texts_are_ordered_by_their_bytes,
    }
    keeping {
        what_is_held_is_not_given_up,
        a_key_that_was_given_up_is_never_used_again,
        a_hold_that_ran_out_is_told,
        a_database_is_told_from_others,
    }
    lease {
        a_lease_is_taken_once,
        a_lease_that_ended_is_taken_by_another_and_the_first_is_fenced_off,
        a_renewed_lease_is_held,
        a_lease_that_ended_and_nobody_took_is_renewed,
        a_lease_is_resumed_by_its_holder_alone_and_fences_off_what_came_before,
        a_released_lease_is_free_at_once,
        leases_of_different_names_are_apart,
    }
    lost {
        what_kills_each_process_waits_longer_each_time_and_is_given_up,
        work_beside_what_kills_each_process_is_done,
        what_a_stop_drops_is_given_back_and_is_not_lost,
        a_stop_gives_back_nothing_but_what_it_holds,
        a_panic_gives_nothing_back,
        work_that_got_further_forgets_what_was_lost,
    }
    pages {
        later_pages_come_from_the_list_that_the_first_saw,
        a_list_of_one_page_pins_nothing,
        a_long_list_is_read_whole,
        a_token_ends_after_ten_minutes,
        a_token_serves_its_owner_and_query_alone,
        a_page_size_out_of_range_is_refused,
    }
    requests {
        a_repeated_request_gets_the_recorded_reply,
        a_reused_id_is_refused,
        owners_and_methods_are_apart_and_an_empty_id_is_never_seen,
        a_reply_is_forgotten_after_a_day,
    }
    turns {
        a_tenant_with_much_work_holds_up_nobody,
        who_has_the_fewest_running_comes_first,
        who_was_served_longest_ago_comes_first,
        a_lease_that_ended_does_not_count_as_running,
        a_lease_renewed_after_its_end_is_kept,
        what_comes_due_is_claimed_by_priority,
        queues_keep_turns_apart,
        a_claim_reads_by_indexes_alone,
        a_short_list_is_looked_up_by_key,
    }
    work {
        the_greatest_priority_then_the_oldest_is_claimed_first,
        work_is_claimed_once,
        work_not_yet_due_is_left_alone,
        a_lease_that_ended_is_claimed_by_another_and_the_first_is_fenced_off,
        a_renewed_lease_is_kept,
        a_retryable_failure_waits_longer_each_time_and_fails_at_last,
        a_final_failure_is_not_tried_again,
        what_is_postponed_is_tried_again_for_as_long_as_it_takes,
        lost_attempts_are_exhausted_with_a_word,
        lost_attempts_count_no_more_after_one_that_ended,
        cancelling_ends_what_waits_and_asks_what_runs,
        a_retry_starts_anew,
        leases_of_an_earlier_process_are_void_and_their_attempts_lost,
        changes_are_listed_in_order,
        a_listing_filters,
        an_idle_queue_writes_nothing,
        what_is_raised_goes_first,
        a_backlog_is_told_by_state,
    }
}
