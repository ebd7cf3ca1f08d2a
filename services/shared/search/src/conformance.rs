//! What every search index promises, one function per promise.

mod filters;
mod matching;
mod rebuilds;
mod writes;

pub use filters::*;
pub use matching::*;
pub use rebuilds::*;
pub use writes::*;

use std::sync::Arc;

use types::Timestamp;

use crate::{Column, Document, Filter, Hits, Op, Query, SearchIndex};

/// Makes a test of each promise. Takes an `async` block that gives a new, empty index and what keeps it alive.
#[macro_export]
macro_rules! conformance_tests {
    ($make:expr) => {
        $crate::conformance_tests!(@each $make;
            a_word_in_any_field_is_found,
            every_word_must_match,
            case_accents_and_inflection_do_not_count,
            names_are_found_by_their_parts_and_whole,
            a_title_counts_more_than_a_column_than_a_description_than_a_value,
            equal_scores_are_ordered_by_id,
            without_words_the_newest_come_first,
            a_text_without_words_finds_nothing_and_an_empty_one_everything,
            tenants_do_not_see_each_other,
            totals_are_exact_whatever_the_limit,
            no_more_hits_than_the_greatest_limit_come_back,
            a_dataset_is_one_hit_however_often_it_matches,
            every_hit_can_be_explained,
            hostile_queries_are_only_words,
            values_of_one_filter_are_joined_by_or_and_filters_by_and,
            a_column_filter_holds_for_one_column,
            all_column_filters_must_hold,
            ranges_are_closed_and_ends_may_be_open,
            only_what_was_updated_since_passes,
            time_ranges_meet_when_they_share_an_instant,
            boxes_meet_also_across_the_antimeridian,
            filters_do_not_change_scores,
            facets_count_exactly_over_all_that_matches,
            values_beyond_the_most_frequent_are_counted_by_dataset,
            what_was_applied_is_found_at_once,
            a_put_replaces_the_document,
            a_delete_takes_the_document_in_the_same_commit,
            operations_apply_in_order,
            a_hidden_document_is_not_found_until_it_is_shown,
            the_change_number_is_kept_and_never_goes_back,
            applying_twice_is_applying_once,
            concurrent_writers_and_readers_lose_nothing,
            odd_documents_are_taken,
            a_rebuild_takes_the_place_of_the_index_at_once,
            a_dropped_rebuild_leaves_no_trace,
            only_one_rebuild_runs_at_a_time,
            what_is_applied_during_a_rebuild_wins,
            of_two_documents_with_one_id_a_rebuild_keeps_the_later,
        );
    };
    (@each $make:expr; $($promise:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let (index, _keep) = $make.await;
                $crate::conformance::$promise(std::sync::Arc::new(index)).await;
            }
        )+
    };
}

type Index = Arc<dyn SearchIndex>;

/// A document of tenant `main` with nothing in it but its id.
fn document(id: &str) -> Document {
    Document {
        id: id.to_owned(),
        tenant: "main".to_owned(),
        version: 1,
        title: String::new(),
        description: String::new(),
        tags: Vec::new(),
        path: String::new(),
        columns: Vec::new(),
        values: Vec::new(),
        source: String::new(),
        source_kind: String::new(),
        license: String::new(),
        format: String::new(),
        rows: 0,
        size_bytes: 0,
        updated: Timestamp::from_micros(0),
        time_range: None,
        bounding_box: None,
        hidden: false,
    }
}

fn titled(id: &str, title: &str) -> Document {
    Document { title: title.to_owned(), ..document(id) }
}

fn columns(pairs: &[(&str, &str)]) -> Vec<Column> {
    let column = |(name, kind): &(&str, &str)| Column { name: (*name).into(), structural_type: (*kind).into() };
    pairs.iter().map(column).collect()
}

async fn put(index: &Index, documents: impl IntoIterator<Item = Document>) {
    index.apply(documents.into_iter().map(Op::put).collect(), 1).await.expect("applies");
}

async fn find(index: &Index, text: &str) -> Vec<String> {
    ids(index.search(&Query::words("main", text)).await.expect("searches"))
}

async fn passing(index: &Index, filter: Filter) -> Vec<String> {
    let mut found = ids(index.search(&Query { filter, ..Query::words("main", "") }).await.expect("searches"));
    found.sort();
    found
}

fn ids(hits: Hits) -> Vec<String> {
    hits.hits.into_iter().map(|hit| hit.id).collect()
}
