//! What a profile says about the places of its rows.

use std::fmt::Write as _;

use millrace_profile::{Hint, Options, place, profile};
use proto::profiling::v1::{SemanticType, SpaceCoverage, TableProfile};
use testkit::temp_dir;

fn table(text: &str) -> TableProfile {
    let folder = temp_dir();
    let path = folder.path().join("file");
    std::fs::write(&path, text).unwrap();
    profile(&path, &Hint::default(), &Options::default()).unwrap().table.unwrap()
}

fn covered<'a>(table: &'a TableProfile, column: &str) -> &'a SpaceCoverage {
    table.space_coverage.iter().find(|coverage| coverage.columns[0] == column).unwrap_or_else(|| panic!("{table:?}"))
}

#[test]
fn every_kind_of_place_column_is_covered() {
    let mut text = "lat,lon,location,geometry,city,country\n".to_owned();
    let cities = ["Berlin", "Hamburg", "München", "Köln", "Leipzig", "Dresden", "Bremen", "Hannover"];
    for row in 0..16 {
        let (lat, lon) = (52.5 + f64::from(row) * 1e-3, 13.4 + f64::from(row % 5) * 1e-3);
        let (city, country) = (cities[row as usize % 8], if row < 12 { "Germany" } else { "France" });
        writeln!(text, "{lat:.4},{lon:.4},\"{lat:.4}, {lon:.4}\",POINT ({lon:.4} {lat:.4}),{city},{country}").unwrap();
    }
    let table = table(&text);

    let pair = covered(&table, "lat");
    assert_eq!((pair.columns.as_slice(), pair.point_count), (["lat".to_owned(), "lon".to_owned()].as_slice(), 16));
    assert_eq!((pair.regions[0].country_code.as_str(), pair.regions[0].point_count), ("DE", 16));
    assert!((pair.height_metres - 1_668.0).abs() < 5.0, "{}", pair.height_metres);
    assert_eq!(pair.clusters.iter().map(|cluster| cluster.point_count).sum::<i64>(), 16);
    assert_eq!(pair.levels[0].resolution, 10);
    for (column, meaning) in [("location", SemanticType::LatLon), ("geometry", SemanticType::Wkt)] {
        let coverage = covered(&table, column);
        assert_eq!((coverage.semantic_type(), coverage.point_count), (meaning, 16));
        assert_eq!(coverage.r#box, pair.r#box);
    }
    let towns = covered(&table, "city");
    assert_eq!((towns.semantic_type(), towns.point_count, towns.unknown_count), (SemanticType::City, 16, 0));
    assert!(towns.regions.iter().any(|region| region.region == "Bavaria" && region.point_count == 2));
    let countries = covered(&table, "country");
    assert_eq!((countries.point_count, countries.region_count, countries.regions[0].point_count), (0, 2, 12));
}

/// Points in single cells, all different: seven of ten around Paris, the others around Sydney.
fn points(rows: u32) -> TableProfile {
    let mut text = "location,row\n".to_owned();
    for row in 0..rows {
        let (lat, lon) = if row % 10 < 7 { (48.85, 2.35) } else { (-33.87, 151.2) };
        let place = f64::from(row) * 1e-6;
        writeln!(text, "\"{:.6}, {:.6}\",{row}", lat + place, lon - place).unwrap();
    }
    table(&text)
}

#[test]
fn places_in_single_cells_rest_on_every_value_or_on_a_sample() {
    let few = points(3_000);
    let coverage = covered(&few, "location");
    assert_eq!((coverage.value_count, coverage.point_count, coverage.share_error), (3_000, 3_000, 0.0));
    assert_eq!(coverage.clusters.iter().map(|cluster| cluster.point_count).max(), Some(2_100));
    let many = points(30_000);
    let coverage = covered(&many, "location");
    assert!((1_000..1_100).contains(&coverage.value_count), "{}", coverage.value_count);
    assert!(coverage.share_error > 0.02 && coverage.share_error < 0.05, "{}", coverage.share_error);
    assert_eq!(coverage.point_count, 30_000);
    let of = |country: &str| {
        let regions = coverage.regions.iter().filter(|region| region.country_code == country);
        regions.map(|region| region.point_count).sum::<i64>()
    };
    assert!((of("FR") as f64 / 30_000.0 - 0.7).abs() <= coverage.share_error, "{coverage:?}");
    assert!((of("AU") as f64 / 30_000.0 - 0.3).abs() <= coverage.share_error, "{coverage:?}");
}

/// Frequent values count for their own cells, however many there are; what stands for missing ones is no place.
#[test]
fn frequent_places_are_counted_and_tokens_are_none() {
    let mut text = "location,row\n".to_owned();
    let mut row = 0;
    let mut write = |place: &str, times: u32| {
        for _ in 0..times {
            row += 1;
            writeln!(text, "\"{place}\",{row}").unwrap();
        }
    };
    for point in 0..20_000 {
        write(&format!("{:.6}, 2.35", 48.0 + f64::from(point) * 1e-5), 1);
        if point % 250 == 0 {
            write(&format!("-33.87, {:.6}", 151.2 + f64::from(point) * 1e-6), 200);
            write("unknown", 40);
        }
    }
    let table = table(&text);
    let coverage = covered(&table, "location");
    assert_eq!((coverage.point_count, coverage.unknown_count), (36_000, 0));
    assert!(coverage.value_count > 16_000 && coverage.share_error < 0.02, "{coverage:?}");
    let of = |country: &str| {
        let regions = coverage.regions.iter().filter(|region| region.country_code == country);
        regions.map(|region| region.point_count).sum::<i64>()
    };
    assert!((of("AU") as f64 / 36_000.0 - 16_000.0 / 36_000.0).abs() <= coverage.share_error, "{}", of("AU"));

    let few: String = (0..1_000).map(|point| format!("\"47.{point:04}, 8.5\",1\n")).collect();
    let table = self::table(&format!("location,row\n{few}{}", "unknown,1\n".repeat(60)));
    let coverage = covered(&table, "location");
    assert_eq!((coverage.point_count, coverage.value_count, coverage.unknown_count), (1_000, 1_000, 0));
}

#[test]
fn the_gazetteer_answers_by_name_and_by_place() {
    let town = place::named("Zürich").unwrap();
    assert_eq!(town.country, "CH");
    let (nearest, metres) = place::nearest(town.latitude, town.longitude).unwrap();
    assert!(nearest.country == "CH" && metres < 2_000.0, "{nearest:?}");
}
