//! Pages: the second one follows the first, whatever changes meanwhile.

use millrace_integration_tests::{Mesh, Session, csv, reason, write};
use proto::catalog::v1::{ListDatasetsRequest, ListDatasetsResponse, SearchDatasetsRequest};
use tonic::{Code, Status};

async fn page(admin: &Session, token: &str, size: i32) -> Result<ListDatasetsResponse, Status> {
    let request = ListDatasetsRequest {
        parent: "tenants/main".into(),
        page_size: size,
        page_token: token.into(),
        ..ListDatasetsRequest::default()
    };
    admin.catalog().list_datasets(request).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn pages_go_on_in_the_list_that_the_first_one_began() {
    let mesh = Mesh::start().await;
    for number in 0..15 {
        write(&mesh.folder(), &format!("set-{number:02}.csv"), csv("topic", 12));
    }
    let admin = mesh.admin().await;
    admin.crawl_folder("all", &mesh.folder()).await;
    let before: Vec<_> = admin.settled(15).await.into_iter().map(|dataset| dataset.name).collect();

    let first = page(&admin, "", 6).await.unwrap();
    for number in 15..40 {
        write(&mesh.folder(), &format!("set-{number:02}.csv"), csv("later", 12));
    }
    admin.run_source("all", false).await;
    admin.settled(40).await;
    let second = page(&admin, &first.next_page_token, 6).await.unwrap();
    let third = page(&admin, &second.next_page_token, 6).await.unwrap();
    assert_eq!(third.next_page_token, "");
    let pages = [first.datasets, second.datasets.clone(), third.datasets];
    let paged: Vec<_> = pages.into_iter().flatten().map(|dataset| dataset.name).collect();
    assert_eq!(paged, before);
    // The same token gives the same page again.
    assert_eq!(page(&admin, &first.next_page_token, 6).await.unwrap().datasets.len(), second.datasets.len());
}

#[tokio::test]
async fn a_page_token_of_another_list_is_refused() {
    let mesh = Mesh::start().await;
    for number in 0..5 {
        write(&mesh.folder(), &format!("set-{number}.csv"), csv("topic", 12));
    }
    let admin = mesh.admin().await;
    admin.crawl_folder("all", &mesh.folder()).await;
    admin.settled(5).await;
    let token = page(&admin, "", 2).await.unwrap().next_page_token;
    for token in ["nonsense", &format!("{token}x")] {
        let status = page(&admin, token, 2).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "PAGE_TOKEN_INVALID"));
    }
    let other = ListDatasetsRequest {
        parent: "tenants/main".into(),
        show_hidden: true,
        page_token: token,
        ..ListDatasetsRequest::default()
    };
    let status = admin.catalog().list_datasets(other).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    for size in [-1, 1001] {
        assert_eq!(page(&admin, "", size).await.unwrap_err().code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn a_search_pages_through_every_result_once() {
    let mesh = Mesh::start().await;
    for number in 0..25 {
        write(&mesh.folder(), &format!("set-{number:02}.csv"), csv("rivers", 10 + number));
    }
    let admin = mesh.admin().await;
    admin.crawl_folder("all", &mesh.folder()).await;
    admin.settled(25).await;
    let mut names = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = SearchDatasetsRequest {
            parent: "tenants/main".into(),
            query: "river".into(),
            page_size: 7,
            page_token,
            ..SearchDatasetsRequest::default()
        };
        let page = admin.catalog().search_datasets(request).await.unwrap().into_inner();
        assert_eq!(page.total_size, 25);
        names.extend(page.results.into_iter().map(|result| result.dataset.unwrap().name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(names.len(), 25);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 25);
}
