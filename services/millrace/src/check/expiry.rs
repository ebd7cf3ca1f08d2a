//! When certificates end.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::Finding;
use crate::mesh::settings::Settings;

/// One that ends sooner is worth a word.
const SOON_DAYS: i64 = 21;

/// Looks at every certificate that the settings name.
pub fn of_certificates(settings: &Settings) -> Vec<Finding> {
    let files = [
        ("gateway.tls.certificate", &settings.gateway.tls.certificate),
        ("gateway.tls.client_ca", &settings.gateway.tls.client_ca),
        ("admin_tls.certificate", &settings.admin_tls.certificate),
        ("admin_tls.client_ca", &settings.admin_tls.client_ca),
        ("tls.certificate", &settings.tls.certificate),
        ("tls.ca", &settings.tls.ca),
    ];
    let named = files.iter().filter(|(_, path)| !path.as_os_str().is_empty());
    named.map(|(setting, path)| of_file(setting, path, Timestamp::now())).collect()
}

fn of_file(setting: &str, path: &Path, now: Timestamp) -> Finding {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return Finding::error(setting, format!("cannot read {}: {error}", path.display())),
    };
    let ends: Option<Vec<Timestamp>> = blocks(&text).map(|der| not_after(&der?)).collect();
    let Some(first) = ends.and_then(|ends| ends.into_iter().min()) else {
        return Finding::error(setting, format!("{} holds no certificate that can be read", path.display()));
    };
    let days = first.duration_since(now).as_hours() / 24;
    let message = format!("{} is good until {first}", path.display());
    match days {
        _ if first <= now => Finding::error(setting, format!("{} ended at {first}", path.display())),
        days if days < SOON_DAYS => Finding::warning(setting, format!("{message}, {days} days from now")),
        _ => Finding::ok(setting, message),
    }
}

/// The certificates of a PEM file.
fn blocks(text: &str) -> impl Iterator<Item = Option<Vec<u8>>> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    text.split(BEGIN).skip(1).map(|rest| {
        let body: String = rest.split("-----END").next()?.split_whitespace().collect();
        STANDARD.decode(body).ok()
    })
}

/// The end of a certificate's validity (RFC 5280, section 4.1): the second time in the fifth field of its first part,
/// where the version, which may be left out, does not count.
fn not_after(der: &[u8]) -> Option<Timestamp> {
    const VERSION: u8 = 0xa0;
    let (_, certificate, _) = element(der)?;
    let (_, signed, _) = element(certificate)?;
    let mut rest = signed;
    if *rest.first()? == VERSION {
        rest = element(rest)?.2;
    }
    for _serial_algorithm_issuer in 0..3 {
        rest = element(rest)?.2;
    }
    let (_, validity, _) = element(rest)?;
    let (_, _, rest) = element(validity)?;
    let (tag, time, _) = element(rest)?;
    read_time(tag, std::str::from_utf8(time).ok()?)
}

/// The first element: its tag, its content, and what follows (X.690).
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `YYMMDDHHMMSSZ` until 2049, `YYYYMMDDHHMMSSZ` after.
fn read_time(tag: u8, text: &str) -> Option<Timestamp> {
    const UTC_TIME: u8 = 0x17;
    let whole = match (tag, text.get(..2)?.parse::<u8>().ok()?) {
        (UTC_TIME, year @ 50..) => format!("19{year:02}{}", text.get(2..)?),
        (UTC_TIME, year) => format!("20{year:02}{}", text.get(2..)?),
        _ => text.to_owned(),
    };
    let time = DateTime::strptime("%Y%m%d%H%M%SZ", whole).ok()?;
    time.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    /// `openssl req -x509 -newkey ed25519 -nodes -subj /CN=t`.
    const ONE: &str = "-----BEGIN CERTIFICATE-----
MIIBLDCB36ADAgECAhRXeA1lupa/CUKlxc4qaWEHdRhijzAFBgMrZXAwDDEKMAgG
A1UEAwwBdDAeFw0yNjExMjExNDMwMDNaFw0yNjEyMzExNDMwMDNaMAwxCjAIBgNV
BAMMAXQwKjAFBgMrZXADIQBArveQkfmcSKnFBjv1WWo5cYSoeP2yfhUSjq5M0T+4
FqNTMFEwHQYDVR0OBBYEFIeZ1L2L9Jo8eMuzngF6kdPH+0FfMB8GA1UdIwQYMBaA
FIeZ1L2L9Jo8eMuzngF6kdPH+0FfMA8GA1UdEwEB/wQFMAMBAf8wBQYDK2VwA0EA
8woETjI7hOZg39BVi5ltKGJ8MFdG/IKuz4RquPoho78KWuiitIz82IVWVc8bv0ex
cUvbX5BVLRsTLwj/N4ubDw==
-----END CERTIFICATE-----
";

    #[test]
    fn the_end_of_a_certificate_is_read() {
        let folder = testkit::temp_dir();
        let path = folder.path().join("cert.pem");
        std::fs::write(&path, ONE).unwrap();
        let at = |text: &str| of_file("tls.certificate", &path, text.parse().unwrap());
        assert_eq!(at("2026-10-01T00:00:00Z").level, Level::Ok);
        assert_eq!(at("2026-12-21T14:30:03Z").level, Level::Warning);
        assert_eq!(at("2026-12-31T14:30:03Z").level, Level::Error);
        assert!(at("2026-10-01T00:00:00Z").message.ends_with("until 2026-12-31T14:30:03Z"));
    }

    #[test]
    fn what_is_no_certificate_is_an_error_and_no_panic() {
        let folder = testkit::temp_dir();
        let path = folder.path().join("cert.pem");
        for text in
            ["", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----"]
        {
            std::fs::write(&path, text).unwrap();
            assert_eq!(of_file("tls.ca", &path, Timestamp::UNIX_EPOCH).level, Level::Error, "{text}");
        }
        assert!(element(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0]).is_none());
    }

    #[test]
    fn years_have_two_digits_until_2049() {
        let year = |tag, text| read_time(tag, text).unwrap().to_string();
        assert!(year(0x17, "491231235959Z").starts_with("2049"));
        assert!(year(0x17, "500101000000Z").starts_with("1950"));
        assert!(year(0x18, "20500101000000Z").starts_with("2050"));
    }
}
