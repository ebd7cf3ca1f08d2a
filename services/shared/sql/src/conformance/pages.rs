//! Pinned lists.

use std::time::Duration;

use super::Store;
use crate::pages::{self, Page};
use crate::{Database, Error};

async fn page(db: &Database, owner: &str, token: &str, size: i32, list: usize) -> Result<Page, Error> {
    pages::page(db, owner, "List(all)", token, size, move |_| {
        Box::pin(async move { Ok((0..list).map(|n| format!("id-{n}")).collect()) })
    })
    .await
}

pub async fn later_pages_come_from_the_list_that_the_first_saw(store: Store) {
    let first = page(&store.db, "t", "", 2, 5).await.unwrap();
    assert_eq!(first.ids, ["id-0", "id-1"]);
    // The list has become another one; the pages do not show it.
    let second = page(&store.db, "t", &first.next_page_token, 2, 100).await.unwrap();
    assert_eq!(second.ids, ["id-2", "id-3"]);
    let again = page(&store.db, "t", &first.next_page_token, 2, 100).await.unwrap();
    assert_eq!(again, second);
    let third = page(&store.db, "t", &second.next_page_token, 2, 100).await.unwrap();
    assert_eq!((third.ids.as_slice(), third.next_page_token.as_str()), (["id-4".to_owned()].as_slice(), ""));
}

pub async fn a_list_of_one_page_pins_nothing(store: Store) {
    let ticks = store.db.changed();
    let only = page(&store.db, "t", "", 0, 50).await.unwrap();
    assert_eq!((only.ids.len(), only.next_page_token.as_str()), (50, ""));
    assert!(!ticks.has_changed().unwrap());
}

pub async fn a_long_list_is_read_whole(store: Store) {
    let (mut token, mut all) = (String::new(), Vec::new());
    loop {
        let page = page(&store.db, "t", &token, 700, 3500).await.unwrap();
        all.extend(page.ids);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(all, (0..3500).map(|n| format!("id-{n}")).collect::<Vec<_>>());
}

pub async fn a_token_ends_after_ten_minutes(store: Store) {
    let first = page(&store.db, "t", "", 2, 5).await.unwrap();
    store.clock.advance(Duration::from_secs(599));
    page(&store.db, "t", &first.next_page_token, 2, 5).await.unwrap();
    store.clock.advance(Duration::from_secs(1));
    let expired = page(&store.db, "t", &first.next_page_token, 2, 5).await.unwrap_err();
    assert!(matches!(expired, Error::PageTokenExpired), "{expired:?}");
    // The next pin sweeps it; the answer stays the same.
    page(&store.db, "t", "", 2, 5).await.unwrap();
    let expired = page(&store.db, "t", &first.next_page_token, 2, 5).await.unwrap_err();
    assert!(matches!(expired, Error::PageTokenExpired), "{expired:?}");
}

pub async fn a_token_serves_its_owner_and_query_alone(store: Store) {
    let first = page(&store.db, "t", "", 2, 5).await.unwrap();
    let other_owner = page(&store.db, "u", &first.next_page_token, 2, 5).await.unwrap_err();
    assert!(matches!(other_owner, Error::PageTokenInvalid));
    let token = first.next_page_token.clone();
    let other_query = pages::page(&store.db, "t", "List(some)", &token, 2, |_| Box::pin(async { Ok(Vec::new()) }));
    assert!(matches!(other_query.await, Err(Error::PageTokenInvalid)));
    for made_up in ["x", "AAAA", &"A".repeat(43)] {
        assert!(page(&store.db, "t", made_up, 2, 5).await.is_err(), "{made_up}");
    }
}

pub async fn a_page_size_out_of_range_is_refused(store: Store) {
    for bad in [-1, 1001] {
        assert!(matches!(page(&store.db, "t", "", bad, 5).await, Err(Error::PageSize { .. })));
    }
}
