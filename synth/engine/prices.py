"""What models cost by family: prices of the recipe first, then of the user's own file, then of the shipped table.

The shipped table counts for endpoints on the open internet only: a server of one's own has no price but a stated one.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from synth.engine.budget import Price
from synth.errors import UsageError
from synth.given import parse_yaml, read_text

USER_FILE = "SYNTH_PRICES"
"""The environment variable that names a price file of the user's own, in the form of the shipped one."""
SHIPPED = Path(__file__).parent.parent / "data" / "prices.yaml"
UNKNOWN = "unknown"
_DATED = r"(-(\d{4}-\d{2}-\d{2}|\d{4,8}|latest))?"


def find_price(model: str, endpoint: str, own: Mapping[str, Price]) -> Price | None:
    """The price of `model` at `endpoint` (a URL, or the name of a backend); None where it is not known.

    `own`: prices by model or family that go before those of files. Raises UsageError for a file that cannot be used.
    """
    user = os.environ.get(USER_FILE)
    tables = [own, read_prices(Path(user)) if user else {}, read_prices(SHIPPED) if _is_public(endpoint) else {}]
    found = (table[family] for table in tables if (family := _family(model, table)) is not None)
    return next(found, None)


def is_service(endpoint: str) -> bool:
    """Is it reached over HTTP, so that what it costs is for somebody else to say?"""
    return endpoint.startswith(("http://", "https://"))


def cost_words(cost: float | None, num_unpriced: int = 0) -> str:
    """A cost in dollars for people; `num_unpriced` requests, whose price is not known, come on top of it."""
    if cost is None or (num_unpriced and not cost):
        return UNKNOWN
    return f"over {cost:,.4f}" if num_unpriced else f"{cost:,.4f}"


def _family(model: str, table: Mapping[str, Price]) -> str | None:
    """The name in `table` that `model` goes by: its own, or that of its family, of which it is a dated version.

    A router's prefix does not count: openai/gpt-4.1-mini-2025-04-14 is of the family gpt-4.1-mini.
    """
    for name in (model, model.rpartition("/")[2]):
        for family in sorted(table, key=len, reverse=True):
            if re.fullmatch(re.escape(family) + _DATED, name):
                return family
    return None


@cache
def read_prices(path: Path) -> dict[str, Price]:
    """Family → price, of a YAML file: `as_of: DATE`, `families: {NAME: {prompt: 0.4, completion: 1.6}}`.

    Prices are US dollars per million tokens. Raises UsageError for a file that cannot be used.
    """
    try:
        data, _ = parse_yaml(read_text(path), str(path))
        return {str(name): _price(about) for name, about in data["families"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"the price file {path} cannot be used: {error!r}",
            "it needs `families: {MODEL: {prompt: 0.4, completion: 1.6}}`, in dollars per million tokens",
        ) from None


def _price(about: Any) -> Price:
    price = Price(float(about["prompt"]), float(about["completion"]))
    if not (0 <= price.prompt < 1e6 and 0 <= price.completion < 1e6):
        raise ValueError("a price is not a number from 0 on")
    return price


def _is_public(endpoint: str) -> bool:
    host = (urlsplit(endpoint).hostname or "") if "//" in endpoint else ""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith((".local", ".internal", ".lan"))
