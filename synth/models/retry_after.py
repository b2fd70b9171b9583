"""How long a server wants us to wait, in the four spellings found in the wild. What cannot be read is no wish at all.

`retry-after-ms` (OpenAI, Azure), `retry-after` in seconds or as an HTTP date (RFC 9110, section 10.2.3), and
`x-ratelimit-reset-requests`/`-tokens` such as `6m0s` (OpenAI's rate limit guide). Pure; nothing waits here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")
_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,12})?")


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds to wait, greater than 0, or None when `headers` (lower-case names) express no usable wish.

    A date is taken relative to the server's own `date` header, else to `now`, so that a wrong clock here does no harm.
    Of the two x-ratelimit limits the exhausted one counts; when neither says that it is, the shorter wait.
    """
    wish = _number(headers.get("retry-after-ms"))
    if wish is not None:
        return wish / 1000.0
    text = headers.get("retry-after")
    wish = _number(text)
    if wish is None and text:
        wish = _until(text, headers.get("date"), now)
    return wish if wish is not None else _reset(headers)


def duration(text: str) -> float | None:
    """Seconds of `1s`, `6m0s`, `20ms`, `1h2m3.5s` or a bare number; None for anything else."""
    text = text.strip().lower()
    if _NUMBER.fullmatch(text):
        return float(text)
    if not _WHOLE.fullmatch(text):
        return None
    return sum(float(count) * _UNITS[unit] for count, unit in _PART.findall(text))


def _number(text: str | None) -> float | None:
    """A finite positive decimal number; not `NaN`, `-1`, `1e309` or `5, 5` (a header sent twice)."""
    if text is None or not _NUMBER.fullmatch(text.strip()):
        return None
    value = float(text)
    return value if value > 0 else None


def _until(text: str, date: str | None, now: datetime | None) -> float | None:
    then = _date(text)
    if then is None:
        return None
    start = (_date(date) if date else None) or now or datetime.now(UTC)
    seconds = (then - start).total_seconds()
    return seconds if seconds > 0 else None


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _reset(headers: Mapping[str, str]) -> float | None:
    waits: dict[str, float] = {}
    for limit in ("requests", "tokens"):
        seconds = duration(headers.get(f"x-ratelimit-reset-{limit}", ""))
        if seconds and math.isfinite(seconds):
            waits[limit] = seconds
    spent = [wait for limit, wait in waits.items() if headers.get(f"x-ratelimit-remaining-{limit}") == "0"]
    return max(spent) if spent else min(waits.values(), default=None)
