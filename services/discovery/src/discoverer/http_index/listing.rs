//! Reads the listings of Apache (plain, fancy, table) and nginx.
//!
//! An entry is a link to something directly below the folder. The links that sort a listing, that lead up, or that lead
//! elsewhere are none.

use percent_encoding::percent_decode_str;
use scraper::{ElementRef, Html, Selector};
use url::Url;

use crate::discoverer::Warning;
use crate::discoverer::tree::{Entry, Listing};

/// Reads a listing of `folder`. `None` when the text is no listing.
pub(super) fn parse(text: &str, folder: &Url) -> Option<Listing> {
    let page = Html::parse_document(text);
    if !is_listing(&page) {
        return None;
    }
    let mut listing = Listing::default();
    for link in page.select(&selector("a[href]")) {
        let Some((segment, is_folder)) = link.attr("href").and_then(|href| below(folder, href)) else { continue };
        match percent_decode_str(&segment).decode_utf8() {
            // A slash or a dot in disguise is no name.
            Ok(name) if name.contains('/') || name == "." || name == ".." || name.is_empty() => {}
            Ok(name) => listing.entries.push(Entry { name: name.into_owned(), is_folder, note: note(&link) }),
            Err(_) => listing.warnings.push(Warning::new(&segment, "NAME_NOT_UTF8", "the name is no UTF-8")),
        }
    }
    Some(listing)
}

fn selector(text: &str) -> Selector {
    Selector::parse(text).expect("the selector is written here, and is one")
}

fn is_listing(page: &Html) -> bool {
    let says_so = |element: ElementRef| {
        let text = element.text().collect::<String>().trim().to_ascii_lowercase();
        text.starts_with("index of") || text.starts_with("directory listing")
    };
    let leads_up = |link: ElementRef| {
        let text = link.text().collect::<String>();
        let text = text.trim().trim_end_matches('/');
        text == ".." || text.eq_ignore_ascii_case("parent directory")
    };
    page.select(&selector("title, h1")).any(says_so) || page.select(&selector("a[href]")).any(leads_up)
}

/// The one segment, still encoded, by which a link leads directly below `folder`, and whether a slash ends it.
fn below(folder: &Url, href: &str) -> Option<(String, bool)> {
    if href.starts_with(['?', '#']) {
        return None;
    }
    let target = folder.join(href).ok()?;
    if target.origin() != folder.origin() || target.query().is_some() {
        return None;
    }
    let rest = target.path().strip_prefix(folder.path())?;
    let segment = rest.strip_suffix('/').unwrap_or(rest);
    (!segment.is_empty() && !segment.contains('/')).then(|| (segment.to_owned(), rest.ends_with('/')))
}

/// What the listing says beside a link: time and size.
fn note(link: &ElementRef) -> String {
    // A row is near: whoever nests a document deeply must not make each link a long way up.
    let row = link.ancestors().take(8).filter_map(ElementRef::wrap).find(|element| element.value().name() == "tr");
    let text = match row {
        Some(row) => {
            let cells: Vec<String> = row.select(&selector("td")).map(|cell| cell.text().collect()).collect();
            let own: String = link.text().collect();
            cells.into_iter().filter(|cell| cell.trim() != own.trim()).collect::<Vec<_>>().join(" ")
        }
        None => link
            .next_sibling()
            .and_then(|node| node.value().as_text().map(|text| text.text.to_string()))
            .unwrap_or_default(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &str) -> Vec<(String, bool, String)> {
        let listing = parse(text, &"http://h/data/".parse().unwrap()).expect("a listing");
        listing.entries.into_iter().map(|entry| (entry.name, entry.is_folder, entry.note)).collect()
    }

    fn entry(name: &str, is_folder: bool, note: &str) -> (String, bool, String) {
        (name.to_owned(), is_folder, note.to_owned())
    }

    #[test]
    fn the_listing_of_nginx_is_read() {
        let text = "<html><head><title>Index of /data/</title></head><body><h1>Index of /data/</h1><hr><pre>\
            <a href=\"../\">../</a>\n<a href=\"sub/\">sub/</a>     21-Nov-2026 10:00       -\n\
            <a href=\"a%20b.csv\">a b.csv</a>     21-Nov-2026 10:00     1234\n</pre><hr></body></html>";
        let expected = [entry("sub", true, "21-Nov-2026 10:00 -"), entry("a b.csv", false, "21-Nov-2026 10:00 1234")];
        assert_eq!(entries(text), expected);
    }

    #[test]
    fn the_table_of_apache_is_read() {
        let text = r#"<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN"><html><head><title>Index of /data</title>
            </head><body><h1>Index of /data</h1><table><tr><th><a href="?C=N;O=D">Name</a></th></tr>
            <tr><td valign="top"></td><td><a href="/">Parent Directory</a></td><td>&nbsp;</td></tr>
            <tr><td><img src="/icons/text.gif" alt="[TXT]"></td><td><a href="a.csv">a.csv</a></td>
            <td align="right">2026-11-21 10:00  </td><td align="right">1.2K</td><td>&nbsp;</td></tr>
            </table><address>Apache/2.4</address></body></html>"#;
        assert_eq!(entries(text), [entry("a.csv", false, "2026-11-21 10:00 1.2K")]);
    }

    #[test]
    fn the_plain_list_of_apache_is_read() {
        let text = r#"<html><head><title>Index of /data</title></head><body><h1>Index of /data</h1>
            <ul><li><a href="/"> Parent Directory</a></li><li><a href="a.csv"> a.csv</a></li></ul></body></html>"#;
        assert_eq!(entries(text), [entry("a.csv", false, "")]);
    }

    #[test]
    fn links_that_lead_elsewhere_are_no_entries() {
        let text = "<title>Index of /data/</title><a href=\"http://other/data/x.csv\">x</a><a href=\"/x.csv\">x</a>\
            <a href=\"x/y.csv\">x</a><a href=\"../x.csv\">x</a><a href=\"%2e%2e/\">x</a><a href=\"a%2Fb.csv\">x</a>\
            <a href=\"javascript:x\">x</a><a href=\"a.csv?x=1\">x</a><a href=\"/data/ok.csv\">ok</a>";
        assert_eq!(entries(text), [entry("ok.csv", false, "")]);
    }

    #[test]
    fn an_empty_listing_is_one_and_another_page_is_none() {
        assert!(entries("<title>Index of /data/</title><pre><a href=\"../\">../</a></pre>").is_empty());
        let folder = "http://h/data/".parse().unwrap();
        for text in ["", "junk \u{0}", "<html><body>Welcome <a href=\"a.csv\">a</a></body></html>", "{}"] {
            assert!(parse(text, &folder).is_none(), "{text}");
        }
    }
}
