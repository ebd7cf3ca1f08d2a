//! Identifiers with check digits of their own arithmetic.

use crate::draw::Draw;

fn values(text: &str) -> Vec<u32> {
    text.chars().map(|c| c.to_digit(36).unwrap()).collect()
}

fn luhn_digit(body: &str) -> u32 {
    let sum: u32 = values(body)
        .iter()
        .rev()
        .enumerate()
        .map(|(i, d)| if i % 2 == 0 { if d * 2 > 9 { d * 2 - 9 } else { d * 2 } } else { *d })
        .sum();
    (10 - sum % 10) % 10
}

fn luhn(body: String) -> String {
    format!("{body}{}", luhn_digit(&body))
}

fn gs1(body: String) -> String {
    let sum: u32 = values(&body).iter().rev().enumerate().map(|(i, d)| if i % 2 == 0 { d * 3 } else { *d }).sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

fn eleven(body: String) -> String {
    let length = body.len() as u32 + 1;
    let sum: u32 = values(&body).iter().enumerate().map(|(i, d)| d * (length - i as u32)).sum();
    match (11 - sum % 11) % 11 {
        10 => format!("{body}X"),
        digit => format!("{body}{digit}"),
    }
}

fn rest_97(text: &str) -> u32 {
    let spelled: String = values(text).iter().map(u32::to_string).collect();
    spelled.bytes().fold(0, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97)
}

pub fn uuid(d: &mut Draw, style: usize) -> String {
    let plain = format!("{}-{}-4{}-a{}-{}", d.hex(8), d.hex(4), d.hex(3), d.hex(3), d.hex(12));
    match style {
        0 => plain.to_uppercase(),
        1 => format!("{{{plain}}}"),
        _ => plain,
    }
}

pub fn isbn_10(d: &mut Draw, style: usize) -> String {
    let number = eleven(d.digits(9));
    if style == 0 { format!("{}-{}-{}-{}", &number[..1], &number[1..4], &number[4..9], &number[9..]) } else { number }
}

pub fn isbn_13(d: &mut Draw, style: usize) -> String {
    let prefix = d.one(&["978", "978", "979"]);
    let number = gs1(format!("{prefix}{}", d.digits(9)));
    match style {
        0 => format!("{}-{}-{}-{}", &number[..3], &number[3..4], &number[4..12], &number[12..]),
        1 => format!("ISBN {number}"),
        _ => number,
    }
}

pub fn issn(d: &mut Draw, _: usize) -> String {
    let number = eleven(d.digits(7));
    format!("{}-{}", &number[..4], &number[4..])
}

pub fn doi(d: &mut Draw, style: usize) -> String {
    let (registrant, suffix) = (d.range(1_000, 40_000), d.hex(8));
    let doi = format!("10.{registrant}/{}.{suffix}", d.word("j nature s13 jrnl pone"));
    if style == 0 { format!("https://doi.org/{doi}") } else { doi }
}

pub fn orcid(d: &mut Draw, style: usize) -> String {
    let body = format!("0000000{}", d.digits(8));
    let total = body.bytes().fold(0u32, |t, digit| (t + u32::from(digit - b'0')) * 2 % 11);
    let check = match (12 - total) % 11 {
        10 => "X".to_owned(),
        digit => digit.to_string(),
    };
    let all = format!("{body}{check}");
    let grouped = format!("{}-{}-{}-{}", &all[..4], &all[4..8], &all[8..12], &all[12..]);
    if style == 0 { format!("https://orcid.org/{grouped}") } else { grouped }
}

pub fn iban(d: &mut Draw, style: usize) -> String {
    let (country, body) = match d.range(0, 5) {
        0 => ("DE", d.digits(18)),
        1 => ("FR", d.digits(23)),
        2 => ("ES", d.digits(20)),
        3 => ("GB", format!("{}{}", d.upper(4), d.digits(14))),
        _ => ("NL", format!("{}{}", d.upper(4), d.digits(10))),
    };
    let check = 98 - rest_97(&format!("{body}{country}00"));
    let iban = format!("{country}{check:02}{body}");
    let groups: Vec<&str> = iban.as_bytes().chunks(4).map(|c| std::str::from_utf8(c).unwrap()).collect();
    if style == 0 { groups.join(" ") } else { iban }
}

pub fn credit_card(d: &mut Draw, style: usize) -> String {
    let body = match d.range(0, 4) {
        0 => format!("4{}", d.digits(14)),
        1 => format!("5{}{}", d.range(1, 6), d.digits(13)),
        2 => format!("37{}", d.digits(12)),
        _ => format!("6011{}", d.digits(11)),
    };
    let number = luhn(body);
    let groups: Vec<&str> = number.as_bytes().chunks(4).map(|c| std::str::from_utf8(c).unwrap()).collect();
    match style {
        0 => groups.join(" "),
        1 => groups.join("-"),
        _ => number,
    }
}

pub fn vin(d: &mut Draw, _: usize) -> String {
    const MAP: &str = "0123456789.ABCDEFGH..JKLMN.P.R..STUVWXYZ";
    let alphabet = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789";
    let mut vin: Vec<u8> = d.from(alphabet, 17).into_bytes();
    vin[8] = b'0';
    let weights = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let sum: usize = vin.iter().zip(weights).map(|(c, w)| MAP.find(char::from(*c)).unwrap() % 10 * w).sum();
    vin[8] = b"0123456789X"[sum % 11];
    String::from_utf8(vin).unwrap()
}

pub fn npi(d: &mut Draw, _: usize) -> String {
    let body = format!("{}{}", d.range(1, 3), d.digits(8));
    format!("{body}{}", luhn_digit(&format!("80840{body}")))
}

pub fn gtin(d: &mut Draw, style: usize) -> String {
    let body = match style {
        0 => d.digits(7),
        1 => d.digits(11),
        _ => format!("{}{}", d.range(30, 70), d.digits(10)),
    };
    gs1(body)
}

pub fn lei(d: &mut Draw, _: usize) -> String {
    let body = format!("{}00{}", d.digits(4), d.from("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 12));
    format!("{body}{:02}", 98 - rest_97(&format!("{body}00")))
}

pub fn isin(d: &mut Draw, _: usize) -> String {
    let country = d.word("US DE FR GB JP CH NL XS CA");
    let body = format!("{country}{}", d.from("ABCDEFGHIJKLMNOPQRSTUVWXYZ01234567890123456789", 9));
    let spelled: String = values(&body).iter().map(u32::to_string).collect();
    format!("{body}{}", luhn_digit(&spelled))
}

pub fn cusip(d: &mut Draw, _: usize) -> String {
    let body = format!("{}{}", d.digits(6), d.from("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789", 2));
    let digit = |(i, v): (usize, &u32)| {
        let v = if i % 2 == 1 { v * 2 } else { *v };
        v / 10 + v % 10
    };
    let sum: u32 = values(&body).iter().enumerate().map(digit).sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

pub fn imei(d: &mut Draw, _: usize) -> String {
    let body = format!("{}{}", d.one(&["35", "86", "01", "99"]), d.digits(12));
    luhn(body)
}

pub fn ssn(d: &mut Draw, _: usize) -> String {
    format!("{:03}-{:02}-{:04}", d.range(1, 665), d.range(1, 100), d.range(1, 10_000))
}

pub fn bic(d: &mut Draw, style: usize) -> String {
    let country = d.word("DE FR GB US NL ES IT CH AT BE SE");
    let tail = if style == 0 { "XXX".to_owned() } else { String::new() };
    format!("{}{country}{}{tail}", d.upper(4), d.from("ABCDEFGHIJKLMNPQRSTUVWXYZ23456789", 2))
}

pub fn vat(d: &mut Draw, _: usize) -> String {
    match d.range(0, 6) {
        0 => format!("DE{}", d.digits(9)),
        1 => format!("FR{}", d.digits(11)),
        2 => format!("IT{}", d.digits(11)),
        3 => format!("NL{}B{}", d.digits(9), d.digits(2)),
        4 => format!("PL{}", d.digits(10)),
        _ => format!("ATU{}", d.digits(8)),
    }
}

pub fn digest(d: &mut Draw, length: usize, style: usize) -> String {
    let hex = d.hex(length);
    if style == 0 { hex.to_uppercase() } else { hex }
}
