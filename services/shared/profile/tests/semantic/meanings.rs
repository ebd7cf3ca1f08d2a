//! What each meaning's columns hold, and how they are headed.

use proto::profiling::v1::SemanticType as S;

use crate::draw::Draw;
use crate::identifiers as ids;
use crate::values as v;

/// Draws one value; `style` and `locale` are those of the column.
pub type Value = fn(&mut Draw, usize, &str) -> String;

/// A meaning, headers that columns of it bear, and its values.
pub struct Meaning {
    pub meaning: S,
    pub headers: &'static str,
    pub value: Value,
}

const fn of(meaning: S, headers: &'static str, value: Value) -> Meaning {
    Meaning { meaning, headers, value }
}

/// A pool of the column's locale, or of the first when it has none there.
fn local(d: &mut Draw, pool: &str, locales: &[&str], locale: &str) -> String {
    let locale = if locales.contains(&locale) { locale } else { locales[0] };
    d.pool(&format!("{pool}.{locale}"))
}

pub const LOCALES: [&str; 11] = ["en", "gb", "de", "fr", "es", "it", "pl", "ru", "nl", "sv", "ja"];
const NAMES: [&str; 11] = LOCALES;
const CITIES: [&str; 9] = ["en", "de", "fr", "es", "it", "pl", "nl", "ru", "sv"];
const REGIONS: [&str; 7] = ["de", "fr", "es", "it", "pl", "nl", "ru"];
const SENTENCES: [&str; 9] = ["en", "de", "fr", "es", "it", "pl", "ru", "nl", "ja"];

fn postal(d: &mut Draw, _: usize, l: &str) -> String {
    local(d, "postcode", &["en", "gb", "de", "fr", "pl", "nl", "ja", "sv"], l)
}

fn person(d: &mut Draw, style: usize, l: &str) -> String {
    match style {
        0 => local(d, "given", &["en", "gb", "de", "fr", "es", "it", "pl"], l),
        1 => {
            let family = local(d, "family", &["en", "gb", "de", "fr", "es", "it", "pl"], l);
            format!("{family}, {}", local(d, "given", &["en", "gb", "de", "fr", "es", "it", "pl"], l))
        }
        _ => local(d, "person", &NAMES, l),
    }
}

fn path(d: &mut Draw, style: usize, _: &str) -> String {
    match style {
        0 => v::windows_path(d),
        1 => d.pool("file"),
        _ => d.pool("path"),
    }
}

fn epoch(d: &mut Draw, unit: i64) -> String {
    (d.range(1_000_000_000, 1_760_000_000) * unit + d.range(0, unit.max(2) - 1)).to_string()
}

fn geohash(d: &mut Draw, style: usize, _: &str) -> String {
    v::geohash(d, [6, 7, 8, 9, 12][style % 5])
}

fn state(d: &mut Draw, style: usize, _: &str) -> String {
    if style == 0 { d.pool("region.en") } else { d.word(v::STATES) }
}

fn group_mark(style: usize) -> &'static str {
    [",", ".", " ", "'"][style % 4]
}

/// All meanings.
pub const MEANINGS: &[Meaning] = &[
    of(S::Latitude, "lat,Latitude,y_lat,decimalLatitude,breitengrad", |d, _, _| format!("{:.5}", d.float(-60.0, 75.0))),
    of(S::Longitude, "lon,Longitude,lng,decimalLongitude,längengrad", |d, _, _| {
        format!("{:.5}", d.float(-180.0, 180.0))
    }),
    of(S::Uuid, "uuid,id,session_guid,record id", |d, s, _| ids::uuid(d, s)),
    of(S::Isbn10, "isbn,ISBN-10,book_isbn", |d, s, _| ids::isbn_10(d, s)),
    of(S::Isbn13, "isbn13,ISBN,book isbn", |d, s, _| ids::isbn_13(d, s)),
    of(S::Issn, "issn,journal_issn,eISSN", |d, s, _| ids::issn(d, s)),
    of(S::Doi, "doi,article_doi,reference", |d, s, _| ids::doi(d, s)),
    of(S::Orcid, "orcid,author_orcid,researcher", |d, s, _| ids::orcid(d, s)),
    of(S::Iban, "iban,Kontonummer,account", |d, s, _| ids::iban(d, s)),
    of(S::CreditCard, "credit_card,cc_number,cardNumber", |d, s, _| ids::credit_card(d, s)),
    of(S::Vin, "vin,VIN Number,chassis", |d, s, _| ids::vin(d, s)),
    of(S::Npi, "npi,provider_npi,NPI", |d, s, _| ids::npi(d, s)),
    of(S::Gtin, "ean,upc,gtin,barcode", |d, s, _| ids::gtin(d, s)),
    of(S::Lei, "lei,issuer_lei,entity", |d, s, _| ids::lei(d, s)),
    of(S::Isin, "isin,security,ISIN code", |d, s, _| ids::isin(d, s)),
    of(S::Cusip, "cusip,CUSIP,security id", |d, s, _| ids::cusip(d, s)),
    of(S::Imei, "imei,device_imei,device", |d, s, _| ids::imei(d, s)),
    of(S::UsSsn, "ssn,social_security,taxpayer", |d, s, _| ids::ssn(d, s)),
    of(S::Bic, "bic,swift,bank_code", |d, s, _| ids::bic(d, s)),
    of(S::VatNumber, "vat,vat_id,USt-ID,tax_number", |d, s, _| ids::vat(d, s)),
    of(S::Md5, "md5,checksum,file_hash", |d, s, _| ids::digest(d, 32, s)),
    of(S::Sha1, "sha1,commit,hash", |d, s, _| ids::digest(d, 40, s)),
    of(S::Sha256, "sha256,digest,hash", |d, s, _| ids::digest(d, 64, s)),
    of(S::CountryCodeAlpha2, "country,country_code,Land,iso2,ship_country", |d, s, _| v::listed(d, v::ALPHA_2, s == 0)),
    of(S::CountryCodeAlpha3, "country,iso3,country_code,pays", |d, s, _| v::listed(d, v::ALPHA_3, s == 0)),
    of(S::CountryCodeNumeric, "country_code,un_code,m49,iso_numeric", |d, _, _| d.word(v::NUMERIC)),
    of(S::SubdivisionCode, "region_code,subdivision,iso_3166_2,area", |d, _, _| d.word(v::SUBDIVISIONS)),
    of(S::CurrencyCode, "currency,ccy,Währung,currency_code", |d, s, _| v::listed(d, v::CURRENCIES, s == 0)),
    of(S::LanguageCode2, "lang,language,locale,Sprache", |d, _, _| d.word(v::LANGUAGES_2)),
    of(S::LanguageCode3, "lang,language_code,idioma", |d, _, _| d.word(v::LANGUAGES_3)),
    of(S::LanguageCode3All, "iso639_3,language,lang code", |d, _, _| d.word(v::LANGUAGES_3_ALL)),
    of(S::FipsState, "state_fips,fips,STATEFP", |d, _, _| d.word(v::STATE_FIPS)),
    of(S::FipsCounty, "fips,county_fips,GEOID", |d, _, _| d.word(v::COUNTIES)),
    of(S::UsState, "state,State,st,state_abbr", state),
    of(S::IcaoAirport, "icao,airport,dep_icao", |d, _, _| d.word(v::ICAO)),
    of(S::IataAirport, "iata,origin,dest airport,airport_code", |d, _, _| d.word(v::IATA)),
    of(S::MimeType, "mime,content_type,file type", |d, _, _| d.pool("mime")),
    of(S::Nuts, "nuts,NUTS_ID,geo", |d, _, _| d.word(v::NUTS)),
    of(S::HsCode, "hs_code,tariff,HS,commodity", |d, _, _| d.word(v::HS)),
    of(S::Naics, "naics,NAICS code,industry", |d, _, _| d.word(v::NAICS)),
    of(S::Email, "email,E-Mail,contact,user_mail", |d, _, _| format!("{}{}", d.range(1, 99), d.pool("email"))),
    of(S::PhoneE164, "phone,mobile,Telefon,contact_tel", |d, s, _| v::phone_e164(d, s)),
    of(S::PhoneNational, "phone,Telephone,tel,fax number", |d, s, _| v::phone_national(d, s)),
    of(S::Url, "url,link,website,page", |d, _, _| d.pool("url")),
    of(S::Ipv4, "ip,client_ip,source,address", |d, s, _| v::ipv4(d, s)),
    of(S::Ipv6, "ip,ipv6,remote", |d, s, _| v::ipv6(d, s)),
    of(S::Cidr, "cidr,subnet,network", |d, s, _| v::cidr(d, s)),
    of(S::MacAddress, "mac,mac_address,device", |d, s, _| v::mac(d, s)),
    of(S::HostName, "host,hostname,domain,server", |d, _, _| d.pool("host")),
    of(S::FilePath, "path,file,filename,attachment", path),
    of(S::UserAgent, "user_agent,browser,client", |d, _, _| d.pool("user_agent")),
    of(S::LatLon, "location,coordinates,gps,position", |d, s, _| v::lat_lon(d, s)),
    of(S::Wkt, "wkt,geometry,the_geom", |d, s, _| v::wkt(d, s)),
    of(S::Geojson, "geojson,geometry,shape", |d, s, _| v::geojson(d, s)),
    of(S::Geohash, "geohash,cell,geo_hash", geohash),
    of(S::H3Cell, "h3,h3_index,hex_id", |d, s, _| v::h3(d, s)),
    of(S::Country, "country,Country Name,Land,pays,nation", |d, _, l| {
        local(d, "country", &["en", "de", "fr", "es", "it", "ru"], l)
    }),
    of(S::Region, "region,province,Bundesland,area", |d, _, l| local(d, "region", &REGIONS, l)),
    of(S::City, "city,Stadt,ville,town,birthplace", |d, _, l| local(d, "city", &CITIES, l)),
    of(S::PostalCode, "zip,postal_code,PLZ,code_postal,zipcode", postal),
    of(S::StreetAddress, "address,street,Adresse,addr_line_1", |d, _, l| {
        local(d, "street", &["en", "gb", "de", "fr", "es", "pl", "sv"], l)
    }),
    of(S::TimeZone, "time_zone,tz,zone", |d, _, _| d.pool("time_zone")),
    of(S::Year, "year,Jahr,yr,model_year", |d, _, _| d.range(1950, 2026).to_string()),
    of(S::Quarter, "quarter,Quartal,period", |d, s, _| v::quarter(d, s)),
    of(S::Month, "month,Monat,mois,birth_month", |d, _, _| d.range(1, 13).to_string()),
    of(S::YearMonth, "month,period,year_month", |d, s, _| v::year_month(d, s)),
    of(S::MonthName, "month,Monat,mes", |d, s, _| v::month_name(d, s)),
    of(S::IsoWeek, "week,KW,iso_week", |d, s, _| v::iso_week(d, s)),
    of(S::Weekday, "weekday,day,Wochentag,dow", |d, s, _| v::weekday(d, s)),
    of(S::Hour, "hour,Stunde,hr,pickup_hour", |d, _, _| d.range(0, 24).to_string()),
    of(S::EpochSeconds, "timestamp,epoch,ts,created", |d, _, _| epoch(d, 1)),
    of(S::EpochMilliseconds, "timestamp,epoch_ms,ts,event", |d, _, _| epoch(d, 1_000)),
    of(S::EpochMicroseconds, "timestamp,epoch_us,ts,event", |d, _, _| epoch(d, 1_000_000)),
    of(S::FiscalYear, "fiscal_year,FY,season,Geschäftsjahr", |d, s, _| v::fiscal_year(d, s)),
    of(S::YearRange, "years,period,Zeitraum", |d, s, _| v::year_range(d, s)),
    of(S::CurrencyAmount, "price,amount,Preis,total_cost", |d, s, _| v::amount(d, s)),
    of(S::Percent, "percent,share,rate,Anteil", |d, s, _| {
        format!("{:.1}{}%", d.float(0.0, 100.0), if s == 0 { " " } else { "" })
    }),
    of(S::NumberWithUnit, "weight,size,temperature,measure", |d, s, _| v::with_unit(d, s)),
    of(S::GroupedNumber, "population,total,Einwohner,sum", |d, s, _| {
        v::grouped(d.range(5_000, 90_000_000), group_mark(s))
    }),
    of(S::ScientificNumber, "value,concentration,flux", |d, s, _| v::scientific(d, s)),
    of(S::FileSize, "size,file_size,memory", |d, s, _| v::file_size(d, s)),
    of(S::Duration, "duration,elapsed,Dauer", |d, s, _| v::duration(d, s)),
    of(S::BooleanLike, "active,is_member,flag,aktiv", |d, s, _| v::answer(d, s)),
    of(S::Ordinal, "level,priority,rating,severity", |d, s, _| v::ordinal(d, s)),
    of(S::Categorical, "category,type,segment,dept", |d, s, _| v::category(d, s)),
    of(S::FreeText, "description,comment,review,Bemerkung", |d, _, l| local(d, "sentence", &SENTENCES, l)),
    of(S::HexColor, "color,farbe,hex", |d, _, _| format!("#{}", d.hex(6))),
    of(S::VersionNumber, "version,release,build", |d, s, _| v::version(d, s)),
    of(S::Json, "payload,attributes,metadata", |d, s, _| v::json(d, s)),
    of(S::Html, "html,body,content", |d, s, _| v::html(d, s)),
    of(S::Base64, "token,encoded,signature", |d, s, _| v::base64(d, s)),
    of(S::PersonName, "name,customer,Vorname,author,full_name", person),
    of(S::CompanyName, "company,Firma,employer,vendor", |d, _, l| {
        local(d, "company", &["en", "gb", "de", "nl", "sv", "ja"], l)
    }),
    of(S::Gender, "gender,sex,Geschlecht", |d, s, _| v::gender(d, s)),
    of(S::Age, "age,Alter,patient_age", |d, _, _| (18 + (d.range(0, 35) + d.range(0, 35))).to_string()),
];

/// Columns that mean none of these.
pub const NOTHING: &[Value] = &[
    |d, _, _| d.range(0, 1_000_000).to_string(),
    |d, _, _| d.range(-500, 500).to_string(),
    |d, _, _| format!("{:.2}", d.float(0.0, 5_000.0)),
    |d, _, _| format!("{:.6}", d.unit()),
    |d, _, _| format!("{:.3}", d.float(-4.0, 4.0) * d.float(0.0, 300.0)),
    |d, _, _| d.pool("job"),
    |d, _, _| d.pool("word"),
    |d, _, _| format!("{} {}", d.pool("word"), d.pool("word")),
    |d, _, _| format!("{}-{}", d.upper(2), d.digits(5)),
    |d, _, _| d.upper(3),
    |d, _, _| d.upper(4),
    |d, _, _| d.upper(2),
    |d, _, _| d.digits(9),
    |d, _, _| d.range(1_000_000_000, 9_999_999_999).to_string(),
    |d, _, _| d.digits(13),
    |d, _, _| d.from("abcdefghijklmnopqrstuvwxyz0123456789", 8),
    |d, _, _| d.hex(15),
    |d, _, _| format!("ORD{}", d.digits(7)),
    |d, _, _| format!("{} {}", d.pool("color"), d.pool("word")),
    |d, _, _| d.digits(16),
];
