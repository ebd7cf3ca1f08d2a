//! Archives and workbooks of several tables, written by hand.

/// A zip of these files, none of them compressed.
///
/// Source: PKWARE, .ZIP File Format Specification 6.3, sections 4.3.7, 4.3.12 and 4.3.16.
pub fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let offset = length(&bytes);
        // Needs version 2.0; no flags, stored, at midnight of 1980-01-01.
        let mut about = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        for number in [crc32(content), length(content), length(content)] {
            about.extend(number.to_le_bytes());
        }
        about.extend(short(name.len()));
        about.extend([0, 0]);
        bytes.extend(*b"PK\x03\x04");
        bytes.extend(&about);
        bytes.extend(name.as_bytes());
        bytes.extend(*content);
        directory.extend(*b"PK\x01\x02\x14\x00");
        directory.extend(&about);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let at = length(&bytes);
    bytes.extend(&directory);
    bytes.extend(*b"PK\x05\x06\0\0\0\0");
    bytes.extend([short(files.len()), short(files.len())].concat());
    bytes.extend(length(&directory).to_le_bytes());
    bytes.extend(at.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

/// An XLSX workbook of these sheets: the lines of each are rows, commas divide cells, and what reads as a number is one.
pub fn workbook(sheets: &[(&str, &str)]) -> Vec<u8> {
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let packages = "http://schemas.openxmlformats.org/package/2006";
    let list = |item: &dyn Fn(usize, &str) -> String| -> String {
        sheets.iter().enumerate().map(|(index, (name, _))| item(index + 1, name)).collect()
    };
    let names = list(&|number, name| format!(r#"<sheet name="{name}" sheetId="{number}" r:id="r{number}"/>"#));
    let targets = list(&|number, _| {
        format!(r#"<Relationship Id="r{number}" Type="{relations}/worksheet" Target="worksheets/sheet{number}.xml"/>"#)
    });
    let mut parts = vec![
        ("[Content_Types].xml".to_owned(), format!(r#"<Types xmlns="{packages}/content-types"/>"#)),
        (
            "_rels/.rels".to_owned(),
            format!(
                r#"<Relationships xmlns="{packages}/relationships"><Relationship Id="r1" Type="{relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>"#
            ),
        ),
        (
            "xl/workbook.xml".to_owned(),
            format!(r#"<workbook xmlns="{main}" xmlns:r="{relations}"><sheets>{names}</sheets></workbook>"#),
        ),
        (
            "xl/_rels/workbook.xml.rels".to_owned(),
            format!(r#"<Relationships xmlns="{packages}/relationships">{targets}</Relationships>"#),
        ),
    ];
    for (index, (_, rows)) in sheets.iter().enumerate() {
        let rows: String = rows.lines().enumerate().map(|(index, line)| row(index + 1, line)).collect();
        let sheet = format!(r#"<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>"#);
        parts.push((format!("xl/worksheets/sheet{}.xml", index + 1), sheet));
    }
    zip(&parts.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect::<Vec<_>>())
}

fn row(number: usize, line: &str) -> String {
    let cell = |(column, text): (u8, &str)| {
        let place = format!("{}{number}", char::from(b'A' + column));
        match text.parse::<f64>() {
            Ok(_) => format!(r#"<c r="{place}"><v>{text}</v></c>"#),
            Err(_) => format!(r#"<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>"#),
        }
    };
    let cells: String = (0..).zip(line.split(',')).map(cell).collect();
    format!(r#"<row r="{number}">{cells}</row>"#)
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("files of tests are short")
}

fn short(count: usize) -> [u8; 2] {
    u16::try_from(count).expect("archives of tests are small").to_le_bytes()
}

/// The checksum of ISO 3309, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step =
        |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 * (crc & 1)));
    !bytes.iter().fold(u32::MAX, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }
}
