//! What a search gives back, besides what the index promises.

use std::collections::HashSet;

use proto::catalog::v1 as pb;
use proto::common::v1 as common;
use proto::profiling::v1::StructuralType;
use tonic::Code;

use super::harness::{Harness, titled};

fn request(query: &str) -> pb::SearchDatasetsRequest {
    let (parent, query) = ("tenants/main".to_owned(), query.to_owned());
    pb::SearchDatasetsRequest { parent, query, ..pb::SearchDatasetsRequest::default() }
}

fn names(page: &pb::SearchDatasetsResponse) -> Vec<String> {
    page.results.iter().map(|result| result.dataset.as_ref().unwrap().name.clone()).collect()
}

#[tokio::test]
async fn pages_are_stable_while_datasets_come_and_go() {
    let mut mesh = Harness::new().await;
    for number in 0..25 {
        mesh.announce_with(&format!("d{number}"), "t1", titled("Many")).await;
        mesh.succeed(&format!("d{number}"), "t1", super::harness::CSV).await;
    }
    mesh.settle().await;
    let mut ask = pb::SearchDatasetsRequest { page_size: 10, ..request("many") };
    let first = mesh.client.search_datasets(ask.clone()).await.unwrap().into_inner();
    assert_eq!((first.results.len(), first.total_size, first.truncated), (10, 25, false));

    // One that was still to come goes, and a new one comes.
    let seen: HashSet<_> = names(&first).into_iter().collect();
    let gone = (0..25).map(|n| format!("d{n}")).find(|id| !seen.contains(&Harness::dataset(id))).unwrap();
    mesh.retract(&gone).await;
    mesh.announce_with("new", "t1", titled("Many")).await;
    mesh.succeed("new", "t1", super::harness::CSV).await;
    mesh.settle().await;

    let mut all = names(&first);
    ask.page_token = first.next_page_token;
    while !ask.page_token.is_empty() {
        let page = mesh.client.search_datasets(ask.clone()).await.unwrap().into_inner();
        assert_eq!(page.total_size, 25);
        all.extend(names(&page));
        ask.page_token = page.next_page_token;
    }
    let distinct: HashSet<_> = all.iter().cloned().collect();
    assert_eq!((all.len(), distinct.len()), (24, 24), "nothing twice, and all but the one that is gone");
    assert!(!distinct.contains(&Harness::dataset("new")));
}

#[tokio::test]
async fn a_page_token_serves_its_own_search_alone() {
    let mut mesh = Harness::new().await;
    mesh.index("d1", titled("Many")).await;
    mesh.index("d2", titled("Many")).await;
    let ask = pb::SearchDatasetsRequest { page_size: 1, ..request("many") };
    let page_token = mesh.client.search_datasets(ask).await.unwrap().into_inner().next_page_token;
    for page_token in [page_token, "nonsense".to_owned(), "a.b".to_owned()] {
        let ask = pb::SearchDatasetsRequest { page_size: 1, page_token, ..request("city") };
        let status = mesh.client.search_datasets(ask).await.unwrap_err();
        assert_eq!(
            (status.code(), rpc::reason(&status).as_deref()),
            (Code::InvalidArgument, Some("PAGE_TOKEN_INVALID"))
        );
    }
}

#[tokio::test]
async fn a_result_says_why_it_matched() {
    let mut mesh = Harness::new().await;
    let metadata = common::Metadata { tags: vec!["census".into()], ..titled("Cities of Switzerland") };
    mesh.index("d1", metadata).await;
    for (query, field, text, marked) in [
        ("city", pb::MatchField::Title, "Cities of Switzerland", "Cities"),
        ("people", pb::MatchField::Column, "people", "people"),
        ("bern", pb::MatchField::Value, "Bern", "Bern"),
        ("census", pb::MatchField::Tag, "census", "census"),
        ("d1", pb::MatchField::Path, "d1.csv", "d1"),
    ] {
        let found = mesh.client.search_datasets(request(query)).await.unwrap().into_inner();
        let result = found.results.first().unwrap_or_else(|| panic!("`{query}` finds nothing"));
        assert!(result.score > 0.0);
        let matched = &result.matches[0];
        assert_eq!((matched.field(), matched.text.as_str()), (field, text), "{query}");
        let span = &matched.spans[0];
        assert_eq!(&matched.text[span.start as usize..span.end as usize], marked);
    }
    let found = mesh.client.search_datasets(request("")).await.unwrap().into_inner();
    assert!(found.results[0].matches.is_empty(), "without words there is nothing to explain");
}

#[tokio::test]
async fn filters_and_facets_speak_the_words_of_the_contract() {
    let mut mesh = Harness::new().await;
    mesh.index("d1", titled("One")).await;
    let column = |column: &str, kind: StructuralType| pb::SearchDatasetsRequest {
        filter: Some(pb::SearchFilter {
            columns: vec![pb::ColumnFilter { column: column.to_owned(), structural_type: kind.into() }],
            sources: vec!["tenants/main/sources/demo".to_owned()],
            ..pb::SearchFilter::default()
        }),
        facets: vec![pb::FacetField::SourceKind.into(), pb::FacetField::ColumnType.into()],
        ..request("")
    };
    let found = mesh.client.search_datasets(column("CITY", StructuralType::Text)).await.unwrap().into_inner();
    assert_eq!(found.total_size, 1);
    let counts = |facet: &pb::Facet| facet.counts.iter().map(|c| c.value.clone()).collect::<Vec<_>>();
    assert_eq!(counts(&found.facets[0]), ["folder"]);
    assert_eq!(counts(&found.facets[1]), ["integer", "text"]);
    let found = mesh.client.search_datasets(column("city", StructuralType::Integer)).await.unwrap().into_inner();
    assert_eq!(found.total_size, 0, "both must hold for the same column");
}

#[tokio::test]
async fn only_fresh_datasets_pass_a_filter_by_age() {
    let mut mesh = Harness::new().await;
    mesh.index("d1", titled("One")).await;
    let within = |seconds| pb::SearchDatasetsRequest {
        filter: Some(pb::SearchFilter {
            max_age: Some(prost_types::Duration { seconds, nanos: 0 }),
            ..pb::SearchFilter::default()
        }),
        ..request("one")
    };
    mesh.clock.advance(std::time::Duration::from_secs(3600));
    let total = mesh.client.search_datasets(within(1800)).await.unwrap().into_inner().total_size;
    assert_eq!(total, 0);
    let total = mesh.client.search_datasets(within(7200)).await.unwrap().into_inner().total_size;
    assert_eq!(total, 1);
}

#[tokio::test]
async fn a_list_that_many_ask_for_is_pinned_once() {
    let mut mesh = Harness::new().await;
    mesh.index("d1", titled("Many")).await;
    mesh.index("d2", titled("Many")).await;
    let ask = pb::SearchDatasetsRequest { page_size: 1, ..request("many") };
    let first = mesh.client.search_datasets(ask.clone()).await.unwrap().into_inner();
    let second = mesh.client.search_datasets(ask.clone()).await.unwrap().into_inner();
    assert_eq!(first.next_page_token, second.next_page_token);
    mesh.index("d3", titled("Many")).await;
    let third = mesh.client.search_datasets(ask).await.unwrap().into_inner();
    assert_ne!(first.next_page_token, third.next_page_token, "another list has a pin of its own");
}
