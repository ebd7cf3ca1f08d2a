"""Makes ../tests/semantic/pools.txt: values from which the labelled columns of the tests are drawn.

    python3 -m venv V && V/bin/pip install -r requirements.txt
    V/bin/python pools.py
"""

import importlib.resources
import json
import pathlib
import random
import warnings
from collections.abc import Callable, Iterable, Iterator

from faker import Faker

OUT = pathlib.Path(__file__).parent.parent / "tests/semantic/pools.txt"
LOCALES = {
    "en": "en_US", "gb": "en_GB", "de": "de_DE", "fr": "fr_FR", "es": "es_ES", "it": "it_IT", "pl": "pl_PL", "ru": "ru_RU",
    "nl": "nl_NL", "sv": "sv_SE", "br": "pt_BR", "ja": "ja_JP", "zh": "zh_CN", "tr": "tr_TR",
}
WITH_SENTENCES = ("en", "de", "fr", "ru", "zh", "ja", "es", "it", "nl", "pl", "br")
WITH_NAMES = ("en", "gb", "de", "fr", "es", "it", "pl")
WITH_PLACES = ("en", "de", "fr", "es", "it", "pl", "nl", "pt-br", "ru", "sv", "tr", "ja")

pools: dict[str, list[str]] = {}


def add(pool: str, values: Iterable, most: int) -> None:
    """Takes the first `most` distinct values, in one line each."""
    lines = filter(None, (" ".join(str(value).split()) for value in values))
    distinct: dict[str, None] = {}
    for line in lines:
        distinct[line] = None
        if len(distinct) >= most:
            break
    pools[pool] = list(distinct)


def several(make: Callable[[], object], count: int) -> Iterator[object]:
    return (make() for _ in range(count))


def people_and_addresses() -> None:
    for short, locale in LOCALES.items():
        fake = Faker(locale)
        fake.seed_instance(11)
        for pool, make, most in (
            ("person", fake.name, 80),
            ("company", fake.company, 60),
            ("street", fake.street_address, 60),
            ("phone", fake.phone_number, 60),
            ("postcode", fake.postcode, 80),
        ):
            add(f"{pool}.{short}", several(make, most * 12), most)
        if short in WITH_SENTENCES:
            add(f"sentence.{short}", several(lambda: fake.paragraph(nb_sentences=2), 480), 40)
        if short in WITH_NAMES:
            add(f"given.{short}", several(fake.first_name, 720), 60)
            add(f"family.{short}", several(fake.last_name, 720), 60)


def machines_and_words() -> None:
    fake = Faker("en_US")
    fake.seed_instance(5)
    for pool, make, most in (
        ("user_agent", fake.user_agent, 60),
        ("mime", fake.mime_type, 60),
        ("job", fake.job, 120),
        ("word", fake.word, 300),
        ("path", lambda: fake.file_path(depth=random.randint(1, 4)), 60),
        ("file", fake.file_name, 40),
        ("url", fake.uri, 80),
        ("email", fake.email, 80),
        ("host", lambda: random.choice([fake.domain_name(), fake.hostname()]), 80),
        ("country.en", fake.country, 80),
        ("time_zone", fake.timezone, 60),
        ("color", fake.color_name, 60),
    ):
        add(pool, several(make, most * 6), most)


def places() -> None:
    for locale in WITH_PLACES:
        path = importlib.resources.files("mimesis").joinpath(f"datasets/{locale}/address.json")
        address = json.loads(path.read_text())
        cities, states = shuffled(address.get("city", [])), shuffled(address.get("state", []))
        add(f"city.{locale}", cities, 60)
        if len(states) >= 10:
            add(f"region.{locale}", states, 50)
    for short in ("de", "fr", "es", "it", "ru"):
        fake = Faker(LOCALES[short])
        fake.seed_instance(3)
        add(f"country.{short}", several(fake.country, 360), 60)


def shuffled(values: list | dict) -> list:
    values = list(values.get("name", []) if isinstance(values, dict) else values)
    random.shuffle(values)
    return values


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    random.seed(7)
    people_and_addresses()
    machines_and_words()
    places()
    head = "# Values for the labelled columns, made by the PyPI packages faker 40.54 and mimesis 22.2 (cities, regions), both MIT.\n"
    OUT.write_text(head + "".join(f"[{pool}]\n" + "".join(f"{line}\n" for line in lines) for pool, lines in pools.items()))
    print(len(pools), "pools", sum(map(len, pools.values())), "values")
