//! Contact and network.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use super::cell::Cell;
use super::lists::{Words, words};

/// Calling codes of countries. Source: ITU-T E.164, list of assigned country codes.
static CALLING_CODES: Words = LazyLock::new(|| {
    words(
        "1 7 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 \
    63 64 65 66 81 82 84 86 90 91 92 93 94 95 98 211 212 213 216 218 220 221 222 223 224 225 226 227 228 229 230 231 232 \
    233 234 235 236 237 238 239 240 241 242 243 244 245 246 247 248 249 250 251 252 253 254 255 256 257 258 260 261 262 \
    263 264 265 266 267 268 269 290 291 297 298 299 350 351 352 353 354 355 356 357 358 359 370 371 372 373 374 375 376 \
    377 378 380 381 382 383 385 386 387 389 420 421 423 500 501 502 503 504 505 506 507 508 509 590 591 592 593 594 595 \
    596 597 598 599 670 672 673 674 675 676 677 678 679 680 681 682 683 685 686 687 688 689 690 691 692 800 808 850 852 \
    853 855 856 870 878 880 881 882 883 886 888 960 961 962 963 964 965 966 967 968 970 971 972 973 974 975 976 977 979 \
    992 993 994 995 996 998",
    )
});

/// Top-level domains of more than two letters that are met often. Source: IANA's root zone database.
static TOP_LEVEL: Words = LazyLock::new(|| {
    words(
        "com org net edu gov mil int arpa info biz name pro aero coop museum mobi jobs travel asia cat tel \
    post app dev page cloud online site shop store tech xyz club blog wiki news live life world today media agency digital \
    email group company network systems solutions services software studio design space website local internal lan corp \
    home example test localhost bank law academy university health care energy africa berlin london paris tokyo swiss eus",
    )
});

pub(super) fn email(cell: &Cell<'_>) -> bool {
    let text = cell.text.strip_prefix("mailto:").unwrap_or(cell.text);
    let Some((user, domain)) = text.rsplit_once('@') else { return false };
    let plain = |c: char| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c);
    !user.is_empty() && user.len() <= 64 && !user.starts_with('.') && user.chars().all(plain) && domain_name(domain)
}

fn domain_name(domain: &str) -> bool {
    let mut labels = 0;
    let mut last = "";
    for label in domain.split('.') {
        let spelled = label.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
        if label.is_empty() || label.len() > 63 || !spelled || label.starts_with('-') || label.ends_with('-') {
            return false;
        }
        labels += 1;
        last = label;
    }
    labels >= 2 && last.chars().count() >= 2 && !last.bytes().any(|byte| byte.is_ascii_digit())
        || labels >= 2 && last.starts_with("xn--")
}

pub(super) fn phone_e164(cell: &Cell<'_>) -> bool {
    let text = cell.text.strip_prefix("tel:").unwrap_or(cell.text);
    let Some(rest) = text.strip_prefix('+').or_else(|| text.strip_prefix("00")) else { return false };
    let rest = rest.split(['x', ';']).next().unwrap_or(rest);
    let Some(digits) = phone_digits(rest) else { return false };
    let called = (1..=3).any(|length| digits.get(..length).is_some_and(is_calling_code));
    (8..=15).contains(&digits.len()) && called
}

fn is_calling_code(code: &str) -> bool {
    CALLING_CODES.contains(code)
}

/// The digits of a phone number, when nothing but what stands between them is left.
fn phone_digits(text: &str) -> Option<String> {
    let mut digits = String::new();
    let mut marks = 0;
    for character in text.chars() {
        if character.is_ascii_digit() {
            digits.push(character);
        } else if matches!(character, ' ' | '-' | '.' | '/' | '(' | ')' | '\u{a0}') {
            marks += 1;
        } else {
            return None;
        }
    }
    (marks <= 8).then_some(digits)
}

/// Seven to twelve digits in groups, an area code in parentheses or a leading zero, an extension perhaps.
pub(super) fn phone_national(cell: &Cell<'_>) -> bool {
    // No letters but those that mark an extension.
    let is_other = |byte: &u8| byte.is_ascii_alphabetic() && !matches!(byte, b'e' | b'x' | b't');
    if cell.bytes().iter().any(is_other) {
        return false;
    }
    let mut text = cell.text;
    for mark in [" ext. ", " ext ", "ext", " x", "x"] {
        if let Some((number, extension)) = text.split_once(mark)
            && !extension.trim().is_empty()
            && extension.trim().bytes().all(|byte| byte.is_ascii_digit())
        {
            text = number.trim();
            break;
        }
    }
    let Some(digits) = phone_digits(text) else { return false };
    if !(7..=12).contains(&digits.len()) {
        return false;
    }
    let groups: Vec<&str> = text.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty()).collect();
    if groups.len() == 1 {
        return digits.starts_with('0') && digits.len() >= 9 || text.starts_with('(');
    }
    let looks_like_a_date = groups.len() == 3 && (groups[0].len() == 4 || groups[2].len() == 4) && digits.len() == 8;
    let decimal = groups.len() == 2 && text.contains('.');
    let code = groups.len() == 2 && text.contains('-') && groups[0].len() == 5 && groups[1].len() <= 4;
    let social = groups.len() == 3 && groups[0].len() == 3 && groups[1].len() == 2 && groups[2].len() == 4;
    !looks_like_a_date && !decimal && !code && !social && groups.iter().all(|group| group.len() <= 8)
}

pub(super) fn url(cell: &Cell<'_>) -> bool {
    let text = cell.text;
    if text.contains(char::is_whitespace) {
        return false;
    }
    if let Some(host) = text.strip_prefix("www.") {
        return host.contains('.') && domain_name(host.split(['/', '?', ':']).next().unwrap_or(host));
    }
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let spelled = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && spelled && !rest.is_empty()
}

pub(super) fn ipv4(cell: &Cell<'_>) -> bool {
    let host = cell.text.rsplit_once(':').map_or(cell.text, |(host, port)| match port.parse::<u16>() {
        Ok(_) => host,
        Err(_) => cell.text,
    });
    host.len() >= 7 && host.parse::<Ipv4Addr>().is_ok()
}

pub(super) fn ipv6(cell: &Cell<'_>) -> bool {
    let text = cell.text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(cell.text);
    let text = text.split('%').next().unwrap_or(text);
    text.contains(':') && text.parse::<Ipv6Addr>().is_ok()
}

pub(super) fn cidr(cell: &Cell<'_>) -> bool {
    let Some((address, bits)) = cell.text.split_once('/') else { return false };
    let Ok(bits) = bits.parse::<u8>() else { return false };
    address.parse::<Ipv4Addr>().is_ok() && bits <= 32 || address.parse::<Ipv6Addr>().is_ok() && bits <= 128
}

pub(super) fn mac_address(cell: &Cell<'_>) -> bool {
    let text = cell.text;
    let parts = |separator: char, count: usize, width: usize| {
        let parts: Vec<&str> = text.split(separator).collect();
        parts.len() == count
            && parts.iter().all(|part| part.len() == width && part.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    (12..=23).contains(&text.len()) && (parts(':', 6, 2) || parts('-', 6, 2) || parts('.', 3, 4) || parts(':', 8, 2))
}

pub(super) fn host_name(cell: &Cell<'_>) -> bool {
    let text = cell.text.trim_end_matches('.').to_lowercase();
    let Some((_, top)) = text.rsplit_once('.') else { return false };
    let listed = top.len() == 2 && top.bytes().all(|byte| byte.is_ascii_lowercase()) && !is_extension(top)
        || top.starts_with("xn--")
        || TOP_LEVEL.contains(top);
    listed && text.len() <= 253 && domain_name(&text)
}

/// A path of any system, or a file's name by its extension.
pub(super) fn file_path(cell: &Cell<'_>) -> bool {
    let text = cell.text;
    if text.contains("://") || text.len() > 1_024 || text.contains(['\n', '<', '>']) {
        return false;
    }
    let bytes = text.as_bytes();
    let drive =
        bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':' && matches!(bytes[2], b'\\' | b'/');
    let rooted = text.starts_with('/') && text.len() > 1 && !text.contains("//") && !text.starts_with("/ ");
    let home = ["~/", "./", "../", "\\\\", "file:/"].iter().any(|prefix| text.starts_with(prefix));
    let extension = text.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    let named = extension.is_some_and(|extension| is_extension(&extension) && !text.contains('@'));
    drive || rooted || home || named
}

fn is_extension(extension: &str) -> bool {
    static EXTENSIONS: Words = LazyLock::new(|| {
        words(
            "txt csv tsv pdf doc docx xls xlsx ods odt ppt pptx rtf md json jsonl xml yaml yml toml ini cfg \
        conf log html htm css js ts jsx tsx py rs go java class jar cpp hpp rb php sh bat ps1 sql db sqlite parquet avro orc \
        zip gz tar tgz bz2 xz 7z rar zst png jpg jpeg gif bmp tif tiff svg webp ico mp3 mp4 wav flac ogg avi mov mkv webm \
        mpg mpeg exe dll so bin iso img dmg deb rpm msi apk tmp bak dat key pem crt shp dbf geojson kml ipynb eml numbers pages",
        )
    });
    EXTENSIONS.contains(extension)
}

pub(super) fn user_agent(cell: &Cell<'_>) -> bool {
    const BROWSERS: [&str; 4] = ["Mozilla/", "Opera/", "Dalvik/", "AppleWebKit/"];
    const TOOLS: [&str; 14] = [
        "curl/",
        "Wget/",
        "python-requests/",
        "PostmanRuntime/",
        "okhttp/",
        "Go-http-client/",
        "Java/",
        "axios/",
        "Googlebot",
        "bingbot",
        "Apache-HttpClient/",
        "Python-urllib/",
        "libwww-perl/",
        "facebookexternalhit/",
    ];
    let text = cell.text;
    BROWSERS.iter().any(|browser| text.starts_with(browser)) || TOOLS.iter().any(|tool| text.starts_with(tool))
}
