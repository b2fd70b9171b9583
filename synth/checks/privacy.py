"""Personal data and secrets in a record: found by pattern and checksum, then flagged, masked or refused.

E-mail addresses, telephone numbers, IBANs (mod 97), payment cards (Luhn), public IP addresses, US social security
numbers, and keys of the usual services. What is reserved for examples is left alone: example.com, 555-01xx, private and
documentation networks, the card numbers of test shops. Names and postal addresses are not found.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from synth.checks.base import Check
from synth.records import Record

Kind = Literal["email", "phone", "iban", "card", "ip", "ssn", "key"]


@dataclass(frozen=True, slots=True)
class Find:
    """Something private at `text[start:end]`."""

    kind: Kind
    start: int
    end: int


_EXAMPLE_DOMAINS = re.compile(
    r"@(?:[\w.-]+\.)?(?:example(?:\.(?:com|org|net|edu))?|test|invalid|localhost|domain\.com|email\.com)$", re.I
)
_CARD_NUMBERS = re.compile(  # the ranges and lengths of the large networks
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:2[2-9]|[3-6]\d|7[01])\d{13}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}"
    r"|35\d{14}|6(?:011|5\d\d|4[4-9]\d)\d{12}|62\d{14,17}"
)
_TEST_CARDS = {
    *("4111111111111111", "4242424242424242", "5555555555554444", "378282246310005", "6011111111111117"),
    *("4012888888881881", "5105105105105100", "371449635398431", "30569309025904", "4000056655665556"),
}
_PATTERNS: dict[Kind, re.Pattern[str]] = {
    "key": re.compile(
        r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----[\s\S]{0,8000}?(?:-----END (?:[A-Z0-9]+ )*PRIVATE KEY-----|\Z)"
        r"|\bsk-(?:proj-|ant-|or-|svcacct-|live-)?[A-Za-z0-9_-]{20,}\b"
        r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
        r"|\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_[A-Za-z0-9_]{40,}\b|\bglpat-[A-Za-z0-9_-]{20,}"
        r"|\bxox[abeoprs]-[A-Za-z0-9-]{10,}\b|\bhooks\.slack\.com/services/T\w+/B\w+/\w+"
        r"|\bAIza[0-9A-Za-z_-]{35}\b|\bya29\.[0-9A-Za-z_-]{20,}"
        r"|\b(?:sk|rk|pk)_(?:live|test)_[0-9a-zA-Z]{16,}\b"
        r"|\bhf_[A-Za-z0-9]{30,}\b|\bnpm_[A-Za-z0-9]{36}\b|\bpypi-[A-Za-z0-9_-]{50,}"
        r"|\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|\bAC[0-9a-f]{32}\b|\bkey-[0-9a-f]{32}\b"
        r"|\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"
        r"|(?i:\b(?:api[_ -]?key|secret(?:[_ -]?key)?|access[_ -]?token|auth[_ -]?token|password"
        r"|passwd)\b[\"']?\s*[:=]\s*)"
        r"[\"']?"
        r"(?=[A-Za-z0-9_/+=-]*\d)(?=[A-Za-z0-9_/+=-]*[A-Za-z])[A-Za-z0-9_/+=-]{16,}"
    ),
    "email": re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_]{2,24}(?![\w-])"),
    "iban": re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?(?![A-Za-z0-9])"),
    "card": re.compile(
        r"(?<![\w.-])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|\d{4}([ -])\d{6}\2\d{5})(?![\w-]|[ .]\d)"
    ),
    "ssn": re.compile(r"(?<![\d-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])"),
    "ip": re.compile(
        r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)|(?<![\w:.])(?:[0-9A-Fa-f]{1,4}:){2,7}(?::|:?[0-9A-Fa-f]{1,4})"
        r"(?::[0-9A-Fa-f]{1,4}){0,6}(?![\w:])"
    ),
    "phone": re.compile(
        r"(?<![\w.+/-])(?:\+\d{1,3}[ .-]?(?:\(?\d{1,4}\)?[ ./-]?){2,5}\d{2,4}"
        r"|\(\d{2,5}\)[ -]?\d{3,4}[ .-]?\d{3,4}"
        r"|(?:1[ .-])?[2-9]\d{2}[-.][2-9]\d{2}[-.]\d{4}|[2-9]\d{2} [2-9]\d{2}-\d{4}|1-8\d\d-\d{3}-\d{4}"
        r"|0\d{2,4}[ /-]\d{3,4}[ -]?\d{3,5}|0\d(?:[ .]\d{2}){4})(?![\w-]|[./]\d)"
    ),
}

# What a text must hold, in lower case, for the pattern to be worth trying: the patterns are slow, most texts are clean.
_MARKS: dict[Kind, re.Pattern[str] | tuple[str, ...]] = {
    "email": ("@",),
    "ip": re.compile(r"\d\.\d|:"),
    "key": (
        *("private key", "sk-", "akia", "asia", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox"),
        *("slack", "aiza", "ya29.", "k_live_", "k_test_", "hf_", "npm_", "pypi-", "sg.", "ac0", "ac1", "ac2", "ac3"),
        *("ac4", "ac5", "ac6", "ac7", "ac8", "ac9", "aca", "acb", "acc", "acd", "ace", "acf", "key", "eyj", "secret"),
        *("token", "password", "passwd"),
    ),
}
_DIGITS = re.compile(r"\d\d")


def _may_hold(kind: Kind, lowered: str) -> bool:
    marks = _MARKS.get(kind, _DIGITS)
    return any(mark in lowered for mark in marks) if isinstance(marks, tuple) else bool(marks.search(lowered))


def find_private(text: str, kinds: Sequence[str] = ()) -> list[Find]:
    """What is private in `text`, in order, without overlaps; of these kinds only, or of all."""
    found: list[Find] = []
    lowered = text.lower()
    for kind, pattern in _PATTERNS.items():
        if (kinds and kind not in kinds) or not _may_hold(kind, lowered):
            continue
        for match in pattern.finditer(text):
            clear = all(match.end() <= f.start or match.start() >= f.end for f in found)
            if clear and _is_real(kind, match[0]):
                found.append(Find(kind, match.start(), match.end()))
    return sorted(found, key=lambda f: f.start)


def mask(text: str, kinds: Sequence[str] = ()) -> str:
    """`text` with each private part replaced by its kind: <EMAIL>, <PHONE>, ..."""
    for find in reversed(find_private(text, kinds)):
        text = f"{text[: find.start]}<{find.kind.upper()}>{text[find.end :]}"
    return text


def _is_real(kind: Kind, text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    if kind == "email":
        return not _EXAMPLE_DOMAINS.search(text)
    if kind == "iban":
        return _iban_is_valid(re.sub(r"[ -]", "", text))
    if kind == "card":
        known = _CARD_NUMBERS.fullmatch(digits) and digits not in _TEST_CARDS
        return bool(known) and luhn_is_valid(digits)
    if kind == "ip":
        return _is_public(text)
    if kind == "phone":
        return 7 <= len(digits) <= 15 and not re.search(r"555\D?01\d\d$", text) and len(set(digits)) > 2
    return True


def luhn_is_valid(digits: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812)."""
    doubled = [int(d) * (1 + place % 2) for place, d in enumerate(reversed(digits))]
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0 and len(set(digits)) > 1


def _iban_is_valid(text: str) -> bool:
    """ISO 13616: the country and check digits moved behind, letters as numbers, the rest of dividing by 97 is 1."""
    moved = text[4:] + text[:4]
    return 15 <= len(text) <= 34 and int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


def _is_public(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and text.count(":") < 4 and "::" not in text:
        return False
    # Resolvers everybody names, and what looks like a version (1.2.3.4), are nobody's address.
    return (
        address.is_global
        and text not in ("8.8.8.8", "8.8.4.4", "1.1.1.1", "9.9.9.9")
        and not re.fullmatch(r"(?:\d\.){3}\d", text)
    )


class Privacy:
    """The check. `action`: "drop" refuses the record; "mask" keeps it with the parts replaced; "flag" notes the kinds.

    With "mask" and "flag" the kinds stand in `meta["private"]` of the record kept.
    """

    def __init__(self, action: str, kinds: Sequence[str]) -> None:
        unknown = set(kinds) - set(_PATTERNS)
        if action not in ("flag", "mask", "drop") or unknown:
            raise ValueError(f"action is flag, mask or drop; kinds are among {', '.join(_PATTERNS)}")
        self._action, self._kinds = action, tuple(kinds)

    def __call__(self, record: Record) -> str | None:
        found = self._found(record) if self._action == "drop" else []
        return f"private: {', '.join(found)}" if found else None

    def admitted(self, record: Record) -> Record | None:
        """Flags or masks what was found."""
        found = self._found(record)
        if not found:
            return None
        if self._action == "mask":
            record = record.with_texts(lambda text: mask(text, self._kinds))
        return replace(record, meta=record.meta | {"private": found})

    def recalled(self, record: Record) -> None:
        """Nothing is kept of records that came before."""

    def _found(self, record: Record) -> list[str]:
        """The kinds found, as `field:kind`, each once, in order."""
        texts = {name: getattr(record, name) for name in ("instruction", "input", "output")}
        texts["history"] = "\n".join(message["content"] for message in record.earlier())
        texts["others"] = "\n".join(other.output for other in record.others)
        found = (f"{name}:{find.kind}" for name, text in texts.items() for find in find_private(text, self._kinds))
        return list(dict.fromkeys(found))


def privacy(action: Literal["flag", "mask", "drop"] = "flag", kinds: Sequence[Kind] = ()) -> Privacy:
    """Personal data and secrets; `kinds` of them, or all: key, email, iban, card, ssn, ip, phone."""
    return Privacy(action, kinds)


CHECKS: dict[str, Callable[..., Check]] = {"privacy": privacy}
