"""The last number of an answer, in the ways people write numbers: 1,234.5; 1.299,00; 12,5; 3/4; 4.2 x 10^3."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import deque

_SPACES = "\u00a0\u202f\u2009"
_POWER = (
    r"(?:\s?[×x*·]\s?10\s?(?:(?:\^|\*\*)\s?[{(]?(?P<power>[-+\u2212]?\d{1,3})[})]?"
    r"|(?P<raised>[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3})))?"
)
_NUMBER = re.compile(
    rf"(?<![\w.,/])(?P<sign>[-+\u2212])?(?:"
    r"(?:(?P<units>\d{1,9})[ \u00a0])?(?P<over>\d{1,15})\s?[/\u2044]\s?(?P<under>\d{1,15})(?![\d/]|[.,]\d)"
    rf"|(?P<run>\d+(?:[.,'’{_SPACES} ]\d+)*|\.\d+)(?P<exponent>[eE][-+]?\d{{1,3}}(?!\w))?{_POWER})"
)
_FRACTION = re.compile(r"\\[dt]?frac\{(\d{1,15})\}\{(\d{1,15})\}")
_SIGNS = re.compile(r"(\d?)([\u00bc-\u00be\u2150-\u215e])")
_REFERENCE = re.compile(
    r"\b(?:steps?|lines?|sections?|pages?|figures?|tables?|equations?|eq\.|questions?|parts?|examples?|rules?|notes?"
    r"|chapters?|see|option|method)\s(?:no\.\s)?\d+(?:\s?(?:-|to|and|,)\s?\d+)?\b(?!\s?[:.)]\s)",
    re.IGNORECASE,
)
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺\u2212", "0123456789-+-")


def number_readings(text: str) -> list[float]:
    """What the last number of `text` may mean, the likeliest first; empty where there is none.

    A comma before exactly three digits is a thousands separator, else the sign of decimals; of point and comma in one
    number the later one is. "2,5,8,11" and "101 103 107" are lists, of which the last is taken (the latter may also be
    one number). Digits inside a word ("CO2", "x1") are no numbers, and "step 3" is none where there is another.
    """
    plain = text.replace("\u066b", ".").replace("\u066c", ",")
    plain = _SIGNS.sub(_spelt, _FRACTION.sub(r"\1/\2", plain))
    for whole in (_REFERENCE.sub(" ", plain), plain):
        if found := deque(_NUMBER.finditer(whole), maxlen=1):
            return _readings(found[0])
    return []


def last_number(text: str) -> float | None:
    """The likeliest reading of the last number in `text`; None where there is none."""
    return next(iter(number_readings(text)), None)


def _spelt(sign: re.Match[str]) -> str:
    """A sign such as ¾ as 3/4, apart from digits before it."""
    parts = unicodedata.normalize("NFKC", sign[2]).replace("\u2044", "/")
    return f"{sign[1]} {parts}" if sign[1] else parts


def _readings(match: re.Match[str]) -> list[float]:
    sign = -1.0 if match["sign"] in ("-", "\u2212") else 1.0
    if match["over"]:
        under = float(match["under"])
        return [sign * (float(match["units"] or 0) + float(match["over"]) / under)] if under else []
    power = int((match["power"] or match["raised"] or "0").translate(_RAISED))
    factor = sign * float(f"1{match['exponent'] or 'e0'}") * float(f"1e{power}")
    values = [factor * number for number in _of_run(match["run"])]
    return [value for value in values if math.isfinite(value)]


def _of_run(run: str) -> list[float]:
    """The readings of digits with points, commas, apostrophes and spaces between them."""
    groups = run.split(" ")
    joined = all(len(group) == 3 for group in groups[1:-1]) and re.fullmatch(r"\d{3}(?:[.,]\d+)?", groups[-1])
    if len(groups) == 1:
        return [_plain(run)]
    if not joined or len(groups[0]) > 3:
        return [_plain(groups[-1])]
    whole = _plain("".join(groups))
    return [_plain(groups[-1]), whole] if len(groups) > 2 and len(groups[0]) == 3 else [whole]


def _plain(run: str) -> float:
    digits = re.sub(f"['’{_SPACES}]", "", run)
    points, commas = digits.count("."), digits.count(",")
    if points and commas:
        decimal, other = (".", ",") if digits.rfind(".") > digits.rfind(",") else (",", ".")
        return (
            _last(digits, decimal)
            if digits.count(decimal) > 1
            else float(digits.replace(other, "").replace(decimal, "."))
        )
    sign = "," if commas else "."
    parts = digits.split(sign)
    is_grouped = 0 < len(parts[0]) <= 3 and all(len(part) == 3 for part in parts[1:])
    if (commas or points > 1) and is_grouped:
        return float("".join(parts))
    return float(digits.replace(",", ".")) if points + commas <= 1 else _last(digits, sign)


def _last(digits: str, sign: str) -> float:
    """The last item of a list without spaces."""
    return float(digits.rsplit(sign, 1)[1].replace(",", "."))
