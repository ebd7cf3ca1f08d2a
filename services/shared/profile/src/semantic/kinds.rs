//! The meanings, their tests, and the figures that their odds rest on.
//!
//! `expected` is the share of values that pass in a column of the meaning; what is left are errors and, for names,
//! what the lists do not hold. `chance` is the share of values of other meanings but of like shape (as long, of the
//! same characters) that pass: the density of a list among all codes of its length, one in ten for a check digit.
//! `ceiling` is the greatest log-odds that values alone give, however many pass: how often a column whose values all
//! pass means something else nonetheless. The first two follow from the tests; ceilings are judged, and measured by the
//! labelled columns of this crate's tests.

use proto::profiling::v1::{PersonalData, SemanticType};

use super::cell::Cell;
use super::{codes, identifiers, names, network, places, quantities, times, words};

/// A meaning and how it is recognised; some meanings have several.
pub(super) struct Kind {
    pub(super) semantic_type: SemanticType,
    pub(super) test: fn(&Cell<'_>) -> bool,
    pub(super) expected: f64,
    pub(super) chance: f64,
    pub(super) ceiling: f64,
    pub(super) personal: PersonalData,
    /// What is tested, for people.
    pub(super) how: &'static str,
    /// The values are plain numbers, which mean many things.
    pub(super) is_numeric: bool,
}

const fn kind(
    semantic_type: SemanticType,
    test: fn(&Cell<'_>) -> bool,
    chance: f64,
    ceiling: f64,
    how: &'static str,
) -> Kind {
    let personal = PersonalData::Unspecified;
    Kind { semantic_type, test, expected: 0.96, chance, ceiling, personal, how, is_numeric: false }
}

impl Kind {
    const fn expecting(mut self, share: f64) -> Self {
        self.expected = share;
        self
    }

    const fn personal(mut self, personal: PersonalData) -> Self {
        self.personal = personal;
        self
    }

    const fn numeric(mut self) -> Self {
        self.is_numeric = true;
        self
    }
}

use PersonalData as P;
use SemanticType as S;

/// Every meaning that single values tell.
pub(super) static KINDS: &[Kind] = &[
    kind(S::Uuid, identifiers::uuid, 1e-9, 8.0, "32 hexadecimal digits in five groups"),
    kind(S::Isbn10, identifiers::isbn_10, 0.09, 4.0, "check digit modulo 11"),
    kind(S::Isbn13, identifiers::isbn_13, 2e-4, 7.0, "prefix 978 or 979 and check digit"),
    kind(S::Issn, identifiers::issn, 0.05, 5.0, "check digit modulo 11"),
    kind(S::Doi, identifiers::doi, 1e-9, 8.0, "prefix 10, registrant and suffix"),
    kind(S::Orcid, identifiers::orcid, 1e-9, 8.0, "four groups and a check digit").personal(P::Identity),
    kind(S::Iban, identifiers::iban, 1e-4, 8.0, "length of the country and check digits modulo 97")
        .personal(P::Financial),
    kind(S::CreditCard, identifiers::credit_card, 0.015, 5.0, "issuer's prefix and Luhn check digit")
        .personal(P::Financial),
    kind(S::Vin, identifiers::vin, 0.05, 5.0, "seventeen characters and their check digit").personal(P::Device),
    kind(S::Npi, identifiers::npi, 0.02, 4.0, "ten digits and their check digit").personal(P::Identity),
    kind(S::Gtin, identifiers::gtin, 0.1, 3.5, "GS1 check digit"),
    kind(S::Lei, identifiers::lei, 1e-3, 7.0, "twenty characters and check digits modulo 97"),
    kind(S::Isin, identifiers::isin, 1e-3, 7.0, "country and check digit"),
    kind(S::Cusip, identifiers::cusip, 0.1, 4.0, "check digit modulo 10"),
    kind(S::Imei, identifiers::imei, 0.02, 4.0, "reporting body and Luhn check digit").personal(P::Device),
    kind(S::UsSsn, identifiers::us_ssn, 1e-3, 4.0, "area, group and serial in their ranges").personal(P::Identity),
    kind(S::Bic, identifiers::bic, 0.2, 3.0, "bank, country, place"),
    kind(S::VatNumber, identifiers::vat_number, 0.01, 3.5, "country and length of its numbers"),
    kind(S::Md5, identifiers::md5, 1e-6, 6.0, "32 hexadecimal digits"),
    kind(S::Sha1, identifiers::sha1, 1e-6, 7.0, "40 hexadecimal digits"),
    kind(S::Sha256, identifiers::sha256, 1e-6, 7.0, "64 hexadecimal digits"),
    kind(S::CountryCodeAlpha2, codes::alpha_2, 0.37, 2.5, "listed in ISO 3166-1"),
    kind(S::CountryCodeAlpha3, codes::alpha_3, 0.014, 4.0, "listed in ISO 3166-1"),
    kind(S::CountryCodeNumeric, codes::country_number, 0.25, 0.3, "listed in ISO 3166-1").numeric(),
    kind(S::SubdivisionCode, codes::subdivision, 1e-3, 6.0, "listed in ISO 3166-2"),
    kind(S::CurrencyCode, codes::currency, 0.01, 4.5, "listed in ISO 4217"),
    kind(S::LanguageCode2, codes::language_2, 0.27, 2.5, "listed in ISO 639-1"),
    kind(S::LanguageCode3, codes::language_3, 0.03, 3.5, "listed in ISO 639-2"),
    kind(S::LanguageCode3All, codes::language_3_all, 0.45, 0.8, "listed in ISO 639-3"),
    kind(S::FipsState, codes::fips_state, 0.56, -0.5, "listed by the US Census Bureau").numeric(),
    kind(S::FipsCounty, codes::fips_county, 0.04, 3.5, "listed by the US Census Bureau").numeric(),
    kind(S::UsState, codes::us_state_code, 0.08, 4.0, "listed codes of US states"),
    kind(S::UsState, codes::us_state_name, 2e-3, 5.0, "listed names of US states"),
    kind(S::IcaoAirport, codes::icao, 0.037, 3.0, "listed airports"),
    kind(S::IataAirport, codes::iata, 0.45, 1.2, "listed airports"),
    kind(S::MimeType, codes::mime, 1e-4, 7.0, "listed media types, registered top-level types"),
    kind(S::Nuts, codes::nuts, 0.02, 4.0, "listed by Eurostat"),
    kind(S::HsCode, codes::hs, 0.03, 2.5, "listed headings of the Harmonized System").numeric(),
    kind(S::Naics, codes::naics, 0.02, 2.5, "listed industries").numeric(),
    kind(S::Email, network::email, 1e-6, 8.0, "user and domain").personal(P::Contact),
    kind(S::PhoneE164, network::phone_e164, 1e-3, 5.0, "calling code and length").personal(P::Contact),
    kind(S::PhoneNational, network::phone_national, 0.05, 2.0, "digits in groups").personal(P::Contact),
    kind(S::Url, network::url, 1e-6, 8.0, "scheme and host"),
    kind(S::Ipv4, network::ipv4, 1e-3, 5.0, "four numbers below 256").personal(P::Device),
    kind(S::Ipv6, network::ipv6, 1e-4, 7.0, "groups of hexadecimal digits").personal(P::Device),
    kind(S::Cidr, network::cidr, 1e-4, 7.0, "address and bits"),
    kind(S::MacAddress, network::mac_address, 1e-5, 7.0, "six groups of hexadecimal digits").personal(P::Device),
    kind(S::HostName, network::host_name, 0.01, 3.5, "labels and a known top-level domain"),
    kind(S::FilePath, network::file_path, 0.01, 4.0, "a root, or a known extension"),
    kind(S::UserAgent, network::user_agent, 1e-4, 7.0, "products with their versions").personal(P::Device),
    kind(S::Latitude, places::latitude, 0.5, -0.3, "decimal degrees, -90 to 90").numeric(),
    kind(S::Longitude, places::longitude, 0.6, -0.3, "decimal degrees, -180 to 180").numeric(),
    kind(S::LatLon, places::is_lat_lon, 5e-3, 4.5, "two numbers within -90 to 90 and -180 to 180"),
    kind(S::Wkt, places::wkt, 1e-7, 8.0, "name of a shape and its coordinates"),
    kind(S::Geojson, places::geojson, 1e-7, 8.0, "JSON with type and coordinates"),
    kind(S::Geohash, places::geohash, 0.3, 0.6, "letters and digits of the geohash alphabet"),
    kind(S::H3Cell, places::h3_cell, 1e-3, 7.0, "valid cells of the grid"),
    kind(S::Country, places::country, 1e-3, 5.0, "names of countries in forty languages").expecting(0.94),
    kind(S::Region, places::region, 0.03, 2.0, "names of first-level subdivisions").expecting(0.8),
    kind(S::City, places::city, 0.2, 1.1, "names of towns in the gazetteer").expecting(0.75),
    kind(S::PostalCode, places::postal_code_with_marks, 2e-3, 3.5, "formats of national postal services"),
    kind(S::PostalCode, places::postal_code_of_digits, 0.45, -0.6, "four to six digits").numeric(),
    kind(S::StreetAddress, places::street_address, 0.01, 4.0, "a number and a word for a street")
        .expecting(0.8)
        .personal(P::Address),
    kind(S::TimeZone, places::time_zone, 1e-4, 7.0, "listed by IANA"),
    kind(S::Year, times::year, 0.05, 1.6, "four digits, 1500 to 2100").numeric(),
    kind(S::Quarter, times::quarter, 1e-3, 5.0, "a quarter's mark and number"),
    kind(S::Quarter, times::quarter_number, 0.3, -1.6, "1 to 4").numeric(),
    kind(S::Month, times::month, 0.15, -1.0, "1 to 12").numeric(),
    kind(S::YearMonth, times::year_month, 0.01, 3.5, "a year and a month"),
    kind(S::MonthName, times::month_name, 1e-3, 6.0, "names in forty languages"),
    kind(S::IsoWeek, times::iso_week, 1e-3, 6.0, "a year and a week"),
    kind(S::Weekday, times::weekday, 1e-3, 6.0, "names in forty languages"),
    kind(S::Weekday, times::weekday_number, 0.3, -1.6, "0 to 7").numeric(),
    kind(S::Hour, times::hour, 0.25, -1.0, "0 to 23").numeric(),
    kind(S::EpochSeconds, times::epoch_seconds, 0.1, 2.0, "seconds from 1990 to 2050").numeric(),
    kind(S::EpochMilliseconds, times::epoch_milliseconds, 0.05, 3.5, "milliseconds from 1990 to 2050").numeric(),
    kind(S::EpochMicroseconds, times::epoch_microseconds, 0.05, 3.5, "microseconds from 1990 to 2050").numeric(),
    kind(S::FiscalYear, times::fiscal_year, 1e-3, 5.0, "a mark and a year, or two years in a row"),
    kind(S::YearRange, times::year_range, 1e-3, 5.0, "two years in order"),
    kind(S::CurrencyAmount, quantities::currency_amount, 1e-3, 5.0, "a number with a symbol or code"),
    kind(S::Percent, quantities::percent, 1e-4, 6.0, "a number with its sign"),
    kind(S::Percent, quantities::percent_number, 0.7, -2.4, "numbers of at most a hundred").numeric(),
    kind(S::NumberWithUnit, quantities::number_with_unit, 1e-3, 5.0, "a number and a known unit"),
    kind(S::GroupedNumber, quantities::grouped_number, 0.05, 4.0, "digits in groups of three").expecting(0.94),
    kind(S::ScientificNumber, quantities::scientific, 1e-3, 5.0, "a mantissa and an exponent"),
    kind(S::FileSize, quantities::file_size, 2e-4, 5.5, "a number and a unit of bytes"),
    kind(S::Duration, quantities::duration, 2e-4, 5.5, "numbers with units of time"),
    kind(S::BooleanLike, words::answer, 0.05, 2.0, "opposite answers"),
    kind(S::Ordinal, words::degree, 0.03, 2.5, "degrees of one scale"),
    kind(S::HexColor, words::hex_color, 1e-6, 7.0, "a hash and hexadecimal digits"),
    kind(S::VersionNumber, words::version, 0.02, 4.0, "numbers with points between them"),
    kind(S::Json, words::json, 1e-4, 5.0, "parsed"),
    kind(S::Html, words::html, 1e-4, 6.0, "tags"),
    kind(S::Base64, words::base64, 0.01, 3.5, "its alphabet, in fours"),
    kind(S::PersonName, names::person, 0.03, 3.0, "listed given and family names").expecting(0.8).personal(P::Name),
    kind(S::PersonName, names::given_name, 0.15, 0.3, "listed given names").expecting(0.85).personal(P::Name),
    kind(S::PersonName, names::family_name, 0.15, 0.0, "listed family names").expecting(0.8).personal(P::Name),
    kind(S::CompanyName, names::company, 0.01, 3.5, "legal forms and words for trades").expecting(0.7),
    kind(S::Gender, words::gender, 0.02, 3.5, "words for genders").personal(P::Demographic),
    kind(S::Age, words::age, 0.5, -1.3, "0 to 115").numeric().personal(P::Demographic),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_meaning_has_a_test_but_for_those_that_columns_tell() {
        let named: Vec<S> = (1..=200).filter_map(|number| S::try_from(number).ok()).collect();
        let missing: Vec<&S> = named.iter().filter(|s| !KINDS.iter().any(|kind| kind.semantic_type == **s)).collect();
        assert_eq!(missing, [&S::Categorical, &S::FreeText]);
        assert!(named.len() >= 90);
    }
    #[test]
    fn the_documentation_has_a_row_for_every_meaning() {
        let page = include_str!("../../../../../docs/profile.md");
        let rows: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        for meaning in (1..=200).filter_map(|number| S::try_from(number).ok()) {
            let name = meaning.as_str_name().trim_start_matches("SEMANTIC_TYPE_");
            assert!(rows.contains(&name), "docs/profile.md has no row for {name}");
        }
    }
}
