//! What the name of a column says about its meaning.

use std::collections::HashMap;
use std::sync::LazyLock;

use proto::profiling::v1::SemanticType;

use super::fold::fold;

/// The name is the phrase.
const WHOLE: f64 = 2.5;
/// The name holds the phrase.
const PART: f64 = 1.5;
/// The name is a phrase of another meaning.
const OTHER: f64 = -1.0;

/// What a name says.
pub(super) struct Name {
    said: Vec<(SemanticType, f64)>,
    says_one: bool,
}

impl Name {
    /// What the name adds to the odds of a meaning, in natural logarithms.
    pub(super) fn says(&self, meaning: SemanticType) -> f64 {
        let said = self.said.iter().filter(|(other, _)| *other == meaning).map(|(_, odds)| *odds);
        said.max_by(f64::total_cmp).unwrap_or(if self.says_one { OTHER } else { 0.0 })
    }
}

/// Reads a name: its words are divided at what is neither letter nor digit and where capitals begin.
pub(super) fn read(name: &str) -> Name {
    let words = words(name);
    let whole = words.concat();
    let known = &*KNOWN;
    let mut said: Vec<(SemanticType, f64)> = Vec::new();
    said.extend(known.by_whole.get(whole.as_str()).into_iter().flatten().map(|meaning| (*meaning, WHOLE)));
    let says_one = !said.is_empty();
    for (place, word) in words.iter().enumerate() {
        for (phrase, meaning) in known.by_word.get(word.as_str()).into_iter().flatten() {
            if words[place..].starts_with(phrase) {
                said.push((*meaning, PART));
            }
        }
    }
    Name { said, says_one }
}

/// The phrases, to be looked up.
struct Known {
    /// Meanings by phrase, without the spaces.
    by_whole: HashMap<String, Vec<SemanticType>>,
    /// Phrases, word by word, by the first word.
    by_word: HashMap<&'static str, Vec<(Vec<String>, SemanticType)>>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let mut known = Known { by_whole: HashMap::new(), by_word: HashMap::new() };
    for (meaning, phrases) in PHRASES {
        for phrase in phrases.split(',').map(str::trim) {
            known.by_whole.entry(phrase.replace(' ', "")).or_default().push(*meaning);
            let words: Vec<String> = phrase.split(' ').map(str::to_owned).collect();
            let first = phrase.split(' ').next().unwrap_or_default();
            known.by_word.entry(first).or_default().push((words, *meaning));
        }
    }
    known
});

fn words(name: &str) -> Vec<String> {
    let mut spaced = String::with_capacity(name.len() + 8);
    let mut after_lower = false;
    for character in name.chars() {
        if character.is_uppercase() && after_lower {
            spaced.push(' ');
        }
        after_lower = character.is_lowercase() || character.is_numeric();
        spaced.push(character);
    }
    let folded = fold(&spaced);
    let words = folded.split(' ').filter(|word| !word.is_empty() && *word != "column" && *word != "col");
    words.map(str::to_owned).collect()
}

use SemanticType as S;

/// Phrases, folded, in the languages that headers are met in most.
const PHRASES: &[(SemanticType, &str)] = &[
    (S::Latitude, "latitude, lat, breitengrad, breite, latitud, latitudine, y coord, geo lat, широта, 纬度, 緯度"),
    (
        S::Longitude,
        "longitude, lon, lng, long, langengrad, lange, longitud, longitudine, x coord, geo lon, долгота, 经度, 経度",
    ),
    (S::Uuid, "uuid, guid"),
    (S::Isbn10, "isbn, isbn10, isbn 10"),
    (S::Isbn13, "isbn, isbn13, isbn 13"),
    (S::Issn, "issn, eissn"),
    (S::Doi, "doi"),
    (S::Orcid, "orcid"),
    (S::Iban, "iban, kontonummer, bank account, compte, cuenta bancaria, rekeningnummer"),
    (S::CreditCard, "credit card, card number, creditcard, cc number, pan, kreditkarte, carte bancaire, tarjeta"),
    (S::Vin, "vin, vehicle identification number, chassis, fahrgestellnummer, fin"),
    (S::Npi, "npi, provider id, national provider identifier"),
    (S::Gtin, "ean, upc, gtin, barcode, ean13, strichcode, code barres"),
    (S::Lei, "lei, legal entity identifier"),
    (S::Isin, "isin"),
    (S::Cusip, "cusip"),
    (S::Imei, "imei"),
    (S::UsSsn, "ssn, social security number, social security"),
    (S::Bic, "bic, swift, swift code"),
    (S::VatNumber, "vat, vat number, vat id, ust id, ustid, umsatzsteuer id, tva, partita iva, nif, btw"),
    (S::Md5, "md5, checksum, hash"),
    (S::Sha1, "sha1, sha 1, commit, hash"),
    (S::Sha256, "sha256, sha 256, digest, hash"),
    (
        S::CountryCodeAlpha2,
        "country code, country, iso2, iso 2, alpha2, land, landercode, pays, pais, paese, nation, cc, country iso",
    ),
    (S::CountryCodeAlpha3, "country code, country, iso3, iso 3, alpha3, land, pays, pais, paese, nation, country iso"),
    (S::CountryCodeNumeric, "country number, numeric code, iso numeric, m49, un code, country code"),
    (S::SubdivisionCode, "subdivision, iso 3166 2, region code, state code, province code"),
    (S::CurrencyCode, "currency, currency code, wahrung, devise, moneda, valuta, munt, waluta, валюта, ccy"),
    (S::LanguageCode2, "language, language code, lang, sprache, langue, idioma, lingua, taal, jezyk, язык, locale"),
    (S::LanguageCode3, "language, language code, lang, sprache, langue, idioma, lingua, iso639, iso 639 2"),
    (S::LanguageCode3All, "language, language code, lang, sprache, langue, idioma, lingua, iso639 3, iso 639 3"),
    (S::FipsState, "fips, state fips, fips state, statefp, state code"),
    (S::FipsCounty, "fips, county fips, fips county, fips code, geoid, countyfp, county code"),
    (S::UsState, "state, us state, state code, state abbr, state name, st"),
    (S::IcaoAirport, "icao, icao code, airport, airport code, aerodrome, origin, destination"),
    (
        S::IataAirport,
        "iata, iata code, airport, airport code, origin, destination, origin airport, flughafen, aeroport, aeropuerto",
    ),
    (S::MimeType, "mime, mime type, mimetype, content type, media type"),
    (S::Nuts, "nuts, nuts code, nuts id, nuts3, nuts2"),
    (S::HsCode, "hs, hs code, hscode, tariff, tariff code, commodity code, hts, zolltarifnummer, cn code"),
    (S::Naics, "naics, naics code, industry code, industry"),
    (S::Email, "email, e mail, mail, email address, correo, courriel, почта"),
    (
        S::PhoneE164,
        "phone, telephone, tel, mobile, phone number, telefon, telefono, cell, fax, handy, gsm, телефон, 电话, 電話",
    ),
    (
        S::PhoneNational,
        "phone, telephone, tel, mobile, phone number, telefon, telefono, cell, fax, handy, gsm, телефон, 电话, 電話",
    ),
    (S::Url, "url, uri, link, website, web, homepage, webseite, site web, sitio web, href"),
    (S::Ipv4, "ip, ip address, ipv4, client ip, remote addr, host ip, adresse ip"),
    (S::Ipv6, "ip, ip address, ipv6, client ip, remote addr"),
    (S::Cidr, "cidr, subnet, network, prefix, netz"),
    (S::MacAddress, "mac, mac address, hardware address, ethernet"),
    (S::HostName, "host, hostname, host name, domain, fqdn, server, domain name"),
    (S::FilePath, "path, file, filename, file name, filepath, file path, datei, pfad, fichier, archivo"),
    (S::UserAgent, "user agent, useragent, browser, agent"),
    (
        S::LatLon,
        "location, coordinates, geo, position, latlon, lat lon, latlng, gps, koordinaten, coordonnees, coordenadas, geo point, geopoint",
    ),
    (S::Wkt, "wkt, geometry, geom, shape, the geom"),
    (S::Geojson, "geojson, geometry, geom, shape"),
    (S::Geohash, "geohash, geo hash"),
    (S::H3Cell, "h3, h3 index, h3 cell, hex id, h3index"),
    (S::Country, "country, country name, nation, land, pays, pais, paese, страна, 国家, 国, nationality, location"),
    (
        S::Region,
        "region, province, state, bundesland, departement, provincia, regione, provincie, prefecture, county, oblast, область, 省, admin1, district",
    ),
    (
        S::City,
        "city, town, municipality, stadt, ort, ville, ciudad, citta, cidade, stad, miasto, город, 城市, commune, gemeinde, birthplace, location, place",
    ),
    (
        S::PostalCode,
        "zip, zip code, zipcode, postal code, postcode, post code, plz, postleitzahl, code postal, codigo postal, cap, cep, индекс, 邮编, 郵便番号, postnummer",
    ),
    (
        S::StreetAddress,
        "address, street, street address, addr, adresse, anschrift, strasse, rue, direccion, calle, indirizzo, via, endereco, adres, адрес, 地址, 住所",
    ),
    (S::TimeZone, "time zone, timezone, tz, zeitzone, fuseau horaire, zona horaria"),
    (S::Year, "year, yr, yyyy, jahr, annee, ano, anno, jaar, ar, rok, год, 年, 年份, model year, year built"),
    (S::Quarter, "quarter, qtr, quartal, trimestre, trimester, kwartaal, квартал, 季度"),
    (S::Month, "month, mo, mon, mm, monat, mois, mes, mese, maand, miesiac, месяц, 月, 月份"),
    (S::YearMonth, "month, year month, yearmonth, period, monat, mois, mes, periode, periodo"),
    (S::MonthName, "month, month name, monat, mois, mes, mese, maand, miesiac, месяц, 月"),
    (S::IsoWeek, "week, iso week, woche, kw, kalenderwoche, semaine, semana, settimana, неделя, 周"),
    (
        S::Weekday,
        "weekday, day, day of week, dow, wochentag, tag, jour, dia, giorno, dag, день, 星期, dayofweek, day name",
    ),
    (S::Hour, "hour, hr, hh, stunde, heure, hora, ora, uur, час, hour of day"),
    (S::EpochSeconds, "timestamp, epoch, unix time, ts, time, created at, updated at, unixtime"),
    (S::EpochMilliseconds, "timestamp, epoch, unix time, ts, time, created at, updated at, timestamp ms, epoch ms"),
    (S::EpochMicroseconds, "timestamp, epoch, unix time, ts, time, created at, updated at, timestamp us, epoch us"),
    (
        S::FiscalYear,
        "fiscal year, fy, financial year, geschaftsjahr, school year, academic year, season, exercice, schuljahr, saison, ejercicio",
    ),
    (S::YearRange, "years, period, year range, zeitraum, jahre, periode, periodo, tenure, season, era"),
    (
        S::CurrencyAmount,
        "price, amount, cost, salary, revenue, preis, betrag, prix, montant, precio, importe, prezzo, total, fee, income, budget, цена, 价格",
    ),
    (
        S::Percent,
        "percent, percentage, pct, rate, share, prozent, anteil, pourcentage, porcentaje, percentuale, процент, discount",
    ),
    (
        S::NumberWithUnit,
        "weight, height, length, distance, speed, size, width, depth, temperature, gewicht, lange, poids, peso, volume, dimension",
    ),
    (S::GroupedNumber, "population, total, amount, count, einwohner, revenue, poblacion, habitants"),
    (S::ScientificNumber, "concentration, flux, value, p value, pvalue, evalue, mass"),
    (S::FileSize, "size, file size, filesize, memory, bytes, disk, dateigrosse, taille, ram, storage"),
    (S::Duration, "duration, elapsed, runtime, length, dauer, duree, duracion, durata, time spent, age, uptime"),
    (S::BooleanLike, "flag, is, has, active, enabled, aktiv, actif, activo, valid, deleted, verified, available"),
    (
        S::Ordinal,
        "level, rating, grade, priority, severity, rank, stufe, niveau, nivel, note, satisfaction, tier, risk, size, quality",
    ),
    (
        S::Categorical,
        "category, type, kind, class, status, group, kategorie, typ, categorie, categoria, tipo, classe, segment",
    ),
    (
        S::FreeText,
        "description, comment, comments, note, notes, text, message, review, body, abstract, summary, beschreibung, kommentar, bemerkung, commentaire, descripcion, comentario, remarks, bio, content",
    ),
    (S::HexColor, "color, colour, hex, hex color, farbe, couleur"),
    (S::VersionNumber, "version, ver, release, build, firmware"),
    (S::Json, "json, payload, metadata, properties, attributes, data"),
    (S::Html, "html, body, content, markup, snippet"),
    (S::Base64, "base64, b64, encoded, token, signature, payload, blob"),
    (
        S::PersonName,
        "name, full name, person, customer, author, employee, first name, last name, surname, given name, family name, vorname, nachname, nom, prenom, nombre, apellido, cognome, contact, manager, patient, имя, фамилия, 姓名, 名前, teacher, player",
    ),
    (
        S::CompanyName,
        "company, organization, organisation, employer, vendor, supplier, manufacturer, firma, unternehmen, entreprise, societe, empresa, azienda, компания, 公司, 会社, brand, company name, publisher",
    ),
    (S::Gender, "gender, sex, geschlecht, sexe, sexo, genere, sesso, geslacht, kon, plec, пол, 性别, 性別"),
    (S::Age, "age, alter, age years, edad, eta, idade, leeftijd, alder, wiek, возраст, 年龄, 年齢, patient age"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_its_meaning_in_many_spellings_and_tongues() {
        for name in ["zip", "ZipCode", "ZIP_CODE", "Postleitzahl", "Código Postal", "郵便番号"] {
            assert_eq!(read(name).says(S::PostalCode), WHOLE, "{name}");
        }
        assert_eq!(read("billing_zip_code").says(S::PostalCode), PART);
        assert_eq!(read("zip").says(S::Age), OTHER);
        for name in ["", "column_3", "Unnamed: 4", "zipper"] {
            assert_eq!(read(name).says(S::PostalCode), 0.0, "{name}");
        }
    }

    #[test]
    fn phrases_are_folded_as_names_are() {
        for (meaning, phrases) in PHRASES {
            for phrase in phrases.split(',').map(str::trim) {
                assert_eq!(fold(phrase), phrase, "{meaning:?}");
            }
        }
    }
}
