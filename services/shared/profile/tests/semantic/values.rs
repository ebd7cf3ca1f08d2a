//! Values of meanings that are listed or have a syntax of their own. The lists are chosen by hand.

use crate::draw::Draw;

pub const ALPHA_2: &str = "DE FR US GB CN JP IN BR CA AU MX ZA NG EG KE AR CL CO PE SE NO FI DK NL BE CH AT PL CZ HU RO GR TR \
    RU UA KR TH VN ID MY SG NZ IL SA AE PK BD IR IQ ES PT IT IE";
pub const ALPHA_3: &str = "DEU FRA USA GBR CHN JPN IND BRA CAN AUS MEX ZAF NGA EGY KEN ARG CHL COL PER SWE NOR FIN DNK NLD BEL \
    CHE AUT POL CZE HUN ROU GRC TUR RUS UKR KOR THA VNM IDN MYS SGP NZL ISR SAU ARE PAK BGD IRN IRQ ESP PRT ITA IRL";
pub const NUMERIC: &str = "276 250 840 826 156 392 356 076 124 036 484 710 566 818 404 032 152 170 604 752 578 246 208 528 056 \
    756 040 616 203 348 642 300 792 643 804 410 764 704 360 458 702 554 376 682 784 586 050 364 368 724 620 380 372";
pub const SUBDIVISIONS: &str = "US-CA US-NY US-TX DE-BY DE-BE DE-HH FR-IDF GB-ENG GB-SCT CA-ON CA-QC ES-MD ES-CT IT-25 IT-62 \
    JP-13 JP-27 AU-NSW AU-VIC BR-SP BR-RJ IN-MH IN-KA CN-BJ CN-SH MX-JAL NL-NH CH-ZH AT-9 SE-AB PL-14 RU-MOW ZA-GT";
pub const CURRENCIES: &str = "USD EUR GBP JPY CHF CAD AUD NZD CNY HKD SGD SEK NOK DKK PLN CZK HUF RON BGN TRY RUB UAH INR IDR \
    MYR THB PHP VND KRW TWD BRL ARS CLP COP PEN MXN ZAR NGN EGP KES ILS SAR AED QAR KWD PKR BDT LKR";
pub const LANGUAGES_2: &str =
    "en de fr es it pt nl sv da no fi pl cs sk hu ro bg el tr ru uk ar he fa hi bn ta te ja ko zh vi th id ms sw";
pub const LANGUAGES_3: &str = "eng deu fra spa ita por nld swe dan nor fin pol ces slk hun ron bul ell tur rus ukr ara heb fas hin \
    ben tam tel jpn kor zho vie tha ind msa swa lat";
pub const LANGUAGES_3_ALL: &str = "cmn yue wuu hak nan pes prs arz ary apc acm ydd gsw bar nds vls lmo vec scn pms lij nap ksh pfl \
    swg azj azb uzn khk pnb skr bgp ckb kmr sdh arb ajp aeb ayl mey hsn gan cdo cjy czh";
pub const STATES: &str = "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND \
    OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY";
pub const STATE_FIPS: &str = "01 02 04 05 06 08 09 10 11 12 13 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 \
    37 38 39 40 41 42 44 45 46 47 48 49 50 51 53 54 55 56";
pub const COUNTIES: &str = "01001 01073 01097 04013 04019 05119 06001 06037 06059 06065 06073 06085 08031 08041 09001 10003 11001 \
    12011 12057 12086 12095 13121 15003 16001 17031 17043 18097 19153 20091 21111 22071 23005 24031 25017 25025 26125 26163 \
    27053 28049 29189 31055 32003 33011 34003 34013 35001 36029 36047 36061 36081 37119 37183 38017 39035 39049 40109 41051 \
    42003 42101 44007 45045 46099 47157 48029 48113 48201 48439 48453 49035 50007 51059 53033 54039 55079 56021";
pub const IATA: &str = "JFK LAX ORD ATL DFW DEN SFO SEA MIA BOS EWR IAH PHX LAS MCO CLT MSP DTW PHL LGA BWI SLC SAN TPA PDX LHR \
    CDG FRA AMS MAD BCN FCO MXP MUC ZRH VIE CPH ARN OSL HEL DUB LIS ATH IST SVO DXB DOH AUH DEL BOM SIN BKK HKG PEK PVG NRT HND \
    ICN SYD MEL AKL JNB CPT NBO CAI LOS GRU GIG EZE SCL BOG LIM MEX YYZ YVR YUL";
pub const ICAO: &str = "KJFK KLAX KORD KATL KDFW KDEN KSFO KSEA KMIA KBOS KEWR KIAH KPHX KLAS EGLL EGKK LFPG LFPO EDDF EDDM EDDB \
    EHAM LEMD LEBL LIRF LIMC LSZH LOWW EKCH ESSA ENGM EFHK EIDW LPPT LGAV LTFM UUEE OMDB OTHH VIDP VABB WSSS VTBS VHHH ZBAA ZSPD \
    RJAA RJTT RKSI YSSY YMML NZAA FAOR FACT HKJK HECA DNMM SBGR SAEZ SCEL SKBO SPJC MMMX CYYZ CYVR CYUL";
pub const NUTS: &str = "DE1 DE2 DE11 DE21 DE111 DE212 DE300 DE600 FR101 FR102 FRK26 FRL04 ES300 ES511 ES618 ITC4 ITC11 ITI43 ITH10 \
    NL329 NL310 BE100 BE211 AT130 AT323 PL911 PL213 CZ010 CZ064 HU110 RO321 BG411 EL303 PT170 SE110 SE232 FI1B1 DK011 IE061 SK010";
pub const HS: &str = "010121 020130 030214 040210 070200 080810 090111 100199 110100 120190 150710 170199 180100 190531 210111 220300 \
    220421 240220 250100 270900 271012 300490 310210 330300 340111 390110 401110 420221 440710 480100 490199 520100 610910 620342 \
    640399 690721 700910 710812 720839 730890 760110 840734 841510 843149 847130 850440 851712 852872 854231 870323 870899 880240 \
    901890 910111 940161 950300";
pub const NAICS: &str = "111110 112111 113310 211120 212210 221111 236115 236220 237310 238160 311111 311811 312120 315990 321113 \
    322121 325412 331110 332710 333120 334111 336111 336411 423110 424410 441110 444110 445110 452210 481111 484121 492110 511110 \
    517311 518210 522110 523120 524114 531110 541110 541211 541330 541511 541512 541611 551111 561320 611310 621111 622110 713940 \
    721110 722511 811111 812112 813110 921110 928110";
const WEEKDAYS: [&str; 6] = [
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "Mon Tue Wed Thu Fri Sat Sun",
    "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
    "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "lunes martes miércoles jueves viernes sábado domingo",
    "понедельник вторник среда четверг пятница суббота воскресенье",
];
const MONTHS: [&str; 6] = [
    "January February March April May June July August September October November December",
    "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
    "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь декабрь",
];
const SCALES: [&str; 8] = [
    "low medium high",
    "Low Moderate High Critical",
    "poor fair good excellent",
    "never rarely sometimes often always",
    "XS S M L XL XXL",
    "bronze silver gold platinum",
    "minor major critical blocker",
    "beginner intermediate advanced expert",
];
const ANSWERS: [&str; 10] =
    ["yes no", "Y N", "true false", "TRUE FALSE", "0 1", "ja nein", "oui non", "sí no", "да нет", "active inactive"];
const GENDERS: [&str; 8] =
    ["M F", "male female", "Male Female Other", "m f d", "männlich weiblich", "homme femme", "hombre mujer", "м ж"];
const CATEGORIES: [&str; 6] = [
    "Electronics Furniture Clothing Grocery Toys Garden",
    "pending shipped delivered returned",
    "cardiology oncology radiology surgery pediatrics",
    "sedan truck coupe van convertible wagon",
    "freshwater marine terrestrial",
    "north south central coastal inland",
];

fn of(d: &mut Draw, sets: &[&str], style: usize) -> String {
    d.word(sets[style % sets.len()])
}

pub fn weekday(d: &mut Draw, style: usize) -> String {
    of(d, &WEEKDAYS, style)
}

pub fn month_name(d: &mut Draw, style: usize) -> String {
    of(d, &MONTHS, style)
}

pub fn ordinal(d: &mut Draw, style: usize) -> String {
    of(d, &SCALES, style)
}

pub fn answer(d: &mut Draw, style: usize) -> String {
    of(d, &ANSWERS, style)
}

pub fn gender(d: &mut Draw, style: usize) -> String {
    of(d, &GENDERS, style)
}

pub fn category(d: &mut Draw, style: usize) -> String {
    of(d, &CATEGORIES, style)
}

pub fn listed(d: &mut Draw, list: &str, lower: bool) -> String {
    let code = d.word(list);
    if lower { code.to_lowercase() } else { code }
}

pub fn phone_e164(d: &mut Draw, style: usize) -> String {
    let country = d.word("1 44 49 33 34 39 31 46 48 7 81 86 91 55 61");
    let number = d.digits(9);
    match style {
        0 => format!("+{country} {} {} {}", &number[..3], &number[3..6], &number[6..]),
        1 => format!("+{country}-{}-{}", &number[..3], &number[3..]),
        _ => format!("+{country}{number}"),
    }
}

pub fn phone_national(d: &mut Draw, style: usize) -> String {
    let (a, b, c) = (d.range(201, 989), d.range(200, 999), d.digits(4));
    match style {
        0 => format!("({a}) {b}-{c}"),
        1 => format!("{a}-{b}-{c}"),
        2 => format!("{a}.{b}.{c}"),
        3 => format!("0{} {} {} {} {}", d.range(1, 6), d.digits(2), d.digits(2), d.digits(2), d.digits(2)),
        4 => format!("0{}/{}", d.range(30, 999), d.digits(7)),
        _ => format!("0{} {}", d.range(30, 9_999), d.digits(6)),
    }
}

pub fn ipv4(d: &mut Draw, _: usize) -> String {
    format!("{}.{}.{}.{}", d.range(1, 224), d.range(0, 256), d.range(0, 256), d.range(1, 255))
}

pub fn ipv6(d: &mut Draw, style: usize) -> String {
    if style == 0 {
        return format!("2001:db8::{}:{}", d.hex(3), d.hex(4));
    }
    (0..8).map(|_| d.hex(4)).collect::<Vec<_>>().join(":")
}

pub fn cidr(d: &mut Draw, _: usize) -> String {
    let bits = d.range(8, 31);
    format!("{}.{}.{}.0/{bits}", d.range(1, 224), d.range(0, 256), d.range(0, 256))
}

pub fn mac(d: &mut Draw, style: usize) -> String {
    let separator = if style == 0 { "-" } else { ":" };
    let mac = (0..6).map(|_| d.hex(2)).collect::<Vec<_>>().join(separator);
    if style < 2 { mac.to_uppercase() } else { mac }
}

pub fn windows_path(d: &mut Draw) -> String {
    format!("C:\\Users\\{}\\{}.{}", d.pool("word"), d.pool("word"), d.word("docx txt xlsx png"))
}

pub fn point(d: &mut Draw) -> (f64, f64) {
    (d.float(-60.0, 75.0), d.float(-180.0, 180.0))
}

pub fn lat_lon(d: &mut Draw, style: usize) -> String {
    let (lat, lon) = point(d);
    match style {
        0 => format!("({lat:.6}, {lon:.6})"),
        1 => format!("{lat:.4},{lon:.4}"),
        _ => format!("{lat:.5}, {lon:.5}"),
    }
}

pub fn wkt(d: &mut Draw, style: usize) -> String {
    let (y, x) = point(d);
    match style {
        0 => format!("POLYGON (({x:.3} {y:.3}, {:.3} {y:.3}, {x:.3} {:.3}, {x:.3} {y:.3}))", x + 1.0, y + 1.0),
        1 => format!("LINESTRING({x:.4} {y:.4}, {:.4} {:.4})", x + 0.5, y - 0.5),
        _ => format!("POINT ({x:.5} {y:.5})"),
    }
}

pub fn geojson(d: &mut Draw, style: usize) -> String {
    let (y, x) = point(d);
    match style {
        0 => format!("{{\"type\":\"LineString\",\"coordinates\":[[{x:.3},{y:.3}],[{:.3},{y:.3}]]}}", x + 1.0),
        _ => format!("{{\"type\": \"Point\", \"coordinates\": [{x:.5}, {y:.5}]}}"),
    }
}

/// Interleaves the bits of longitude and latitude, five to a character.
pub fn geohash(d: &mut Draw, length: usize) -> String {
    let (lat, lon) = point(d);
    let (mut south, mut north, mut west, mut east) = (-90.0, 90.0, -180.0, 180.0);
    let mut hash = String::new();
    let (mut bits, mut filled, mut is_longitude) = (0usize, 0, true);
    while hash.len() < length {
        let (low, high, value) = if is_longitude { (&mut west, &mut east, lon) } else { (&mut south, &mut north, lat) };
        let middle = (*low + *high) / 2.0;
        bits = bits * 2 + usize::from(value >= middle);
        *(if value >= middle { low } else { high }) = middle;
        is_longitude = !is_longitude;
        filled += 1;
        if filled == 5 {
            hash.push(char::from(b"0123456789bcdefghjkmnpqrstuvwxyz"[bits]));
            (bits, filled) = (0, 0);
        }
    }
    hash
}

/// A cell of resolution 9: mode, resolution, base cell, nine digits of 0 to 6, the rest 7. No pentagon.
pub fn h3(d: &mut Draw, _: usize) -> String {
    let bases = [0u64, 1, 2, 3, 5, 6, 7, 8, 10, 20, 30, 40, 50, 60, 70, 80, 90, 110, 120];
    let mut index = 1u64 << 59 | 9 << 52 | bases[d.next() as usize % bases.len()] << 45;
    for place in 0..15 {
        let digit = if place < 9 { d.next() % 7 } else { 7 };
        index |= digit << (3 * (14 - place));
    }
    format!("{index:x}")
}

pub fn quarter(d: &mut Draw, style: usize) -> String {
    let (q, year) = (d.range(1, 5), d.range(1995, 2025));
    match style {
        0 => format!("{year}-Q{q}"),
        1 => format!("Q{q} {year}"),
        2 => format!("{year}Q{q}"),
        _ => format!("Q{q}"),
    }
}

pub fn year_month(d: &mut Draw, style: usize) -> String {
    let (year, month) = (d.range(1990, 2025), d.range(1, 13));
    match style {
        0 => format!("{month:02}/{year}"),
        1 => format!("{year}{month:02}"),
        _ => format!("{year}-{month:02}"),
    }
}

pub fn iso_week(d: &mut Draw, style: usize) -> String {
    let (year, week) = (d.range(2000, 2025), d.range(1, 53));
    match style {
        0 => format!("{year}W{week:02}"),
        1 => format!("{year}-W{week:02}-{}", d.range(1, 8)),
        _ => format!("{year}-W{week:02}"),
    }
}

pub fn fiscal_year(d: &mut Draw, style: usize) -> String {
    let year = d.range(1998, 2025);
    match style {
        0 => format!("FY{year}"),
        1 => format!("FY{:02}", year % 100),
        _ => format!("{year}/{:02}", (year + 1) % 100),
    }
}

pub fn year_range(d: &mut Draw, style: usize) -> String {
    let year = d.range(1950, 2010);
    let end = year + d.range(1, 14);
    match style {
        0 => format!("{year} - {end}"),
        1 => format!("{year}–{end}"),
        _ => format!("{year}-{end}"),
    }
}

/// A number with its digits in groups by the mark.
pub fn grouped(number: i64, mark: &str) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push_str(mark);
        }
        out.push(digit);
    }
    out
}

pub fn amount(d: &mut Draw, style: usize) -> String {
    let cents = d.float(1.0, 90_000.0);
    match style {
        0 => format!("${cents:.2}"),
        1 => format!("{cents:.2} €").replace('.', ","),
        2 => format!("€{}", grouped(cents as i64 * 13, ".")),
        3 => format!("USD {cents:.2}"),
        4 => format!("£{}.{}", grouped(cents as i64, ","), d.range(10, 99)),
        _ => format!("{} kr", cents as i64),
    }
}

pub fn with_unit(d: &mut Draw, style: usize) -> String {
    let units = ["kg", "cm", "km/h", "°C", "kWh", "lbs", "mm", "miles", "m²"];
    let unit = units[style % units.len()];
    let value = d.float(0.1, 900.0);
    if style.is_multiple_of(2) { format!("{value:.1} {unit}") } else { format!("{value:.0}{unit}") }
}

pub fn scientific(d: &mut Draw, style: usize) -> String {
    let (mantissa, exponent) = (d.float(1.0, 9.99), d.range(-12, 18));
    if style == 0 { format!("{mantissa:.2}E{exponent:+03}") } else { format!("{mantissa:.3}e{exponent}") }
}

pub fn file_size(d: &mut Draw, style: usize) -> String {
    let unit = d.word(if style == 0 { "KiB MiB GiB" } else { "KB MB GB B" });
    let value = d.float(1.0, 900.0);
    if style == 1 { format!("{value:.0}{unit}") } else { format!("{value:.1} {unit}") }
}

pub fn duration(d: &mut Draw, style: usize) -> String {
    let (hours, minutes) = (d.range(1, 30), d.range(1, 60));
    match style {
        0 => format!("PT{hours}H{minutes}M"),
        1 => format!("{hours}h {minutes}m"),
        2 => format!("{hours} days"),
        _ => format!("{hours} hours {minutes} minutes"),
    }
}

pub fn version(d: &mut Draw, style: usize) -> String {
    let core = format!("{}.{}.{}", d.range(0, 12), d.range(0, 30), d.range(0, 90));
    match style {
        0 => format!("v{core}"),
        1 if d.unit() < 0.3 => format!("{core}-rc.{}", d.range(1, 5)),
        _ => core,
    }
}

pub fn json(d: &mut Draw, style: usize) -> String {
    match style {
        0 => format!("[{}, {}, {}]", d.range(0, 99), d.range(0, 99), d.range(0, 99)),
        _ => format!("{{\"{}\": {}, \"ok\": true}}", d.pool("word"), d.range(0, 999)),
    }
}

pub fn html(d: &mut Draw, style: usize) -> String {
    match style {
        0 => format!("<div class=\"{}\"><b>{}</b></div>", d.pool("word"), d.pool("word")),
        _ => format!("<p>{} {} <a href=\"/{}\">more</a></p>", d.pool("word"), d.pool("word"), d.pool("word")),
    }
}

pub fn base64(d: &mut Draw, _: usize) -> String {
    let body = d.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 23);
    format!("{body}=")
}
