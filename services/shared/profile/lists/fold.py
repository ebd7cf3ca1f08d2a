"""Text as the lists hold it: what `fold` in src/semantic does in Rust, so that both sides compare alike."""

import unicodedata

SPELLED = {"ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i", "þ": "th", "ð": "d", "ß": "ss"}
SILENT = "'’ʼ`´ʻ"


def is_mark(char: str) -> bool:
    return unicodedata.category(char).startswith("M")


def fold(text: str) -> str:
    """Lower case, without marks and apostrophes; whatever is no letter or digit is one space."""
    folded = []
    for char in unicodedata.normalize("NFKD", text):
        if is_mark(char):
            continue
        for lower in char.lower():
            lower = SPELLED.get(lower, lower)
            if is_mark(lower[0]) or lower in SILENT:
                continue
            folded.append(lower if lower.isalpha() or lower.isnumeric() else " ")
    return " ".join("".join(folded).split())
