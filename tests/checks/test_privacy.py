"""Personal data and secrets: recall and false alarms on 500 made texts, and on the seeds."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from synth.checks import build_checks
from synth.checks.privacy import find_private, luhn_is_valid, mask
from synth.errors import UsageError
from synth.records import Record

ROOT = Path(__file__).resolve().parents[2]


def digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(count))


def letters(rng: random.Random, count: int, alphabet: str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789") -> str:
    return "".join(rng.choice(alphabet) for _ in range(count - 2)) + "a7"


def email(rng: random.Random) -> str:
    name = rng.choice(("anna.berg", "j_ortiz", "li-wei", "o'neill2", "piotr+news", "k.7"))
    host = rng.choice(("mail.harbour", "firma", "post.uni-west", "åkersberga"))
    return f"{name}@{host}.{rng.choice(('com', 'de', 'co.uk', 'io'))}"


def phone(rng: random.Random) -> str:
    shapes = (
        "+49 30 ######",
        "+1 (4##) 6##-####",
        "+44 20 7### ####",
        "+33 6 ## ## ## ##",
        "(6##) 7##-####",
        "4##-7##-####",
    )
    shape = rng.choice(
        (*shapes, "+86 138 #### ####", "0171 ### ####", "01 45 ## ## ##", "+919#########", "4##.7##.####")
    )
    return "".join(rng.choice("23456789") if c == "#" else c for c in shape)


def iban(rng: random.Random) -> str:
    country, length = rng.choice((("DE", 18), ("FR", 23), ("GB", 18), ("NL", 14), ("ES", 20)))
    body = {"GB": "WEST", "NL": "ABNA"}.get(country, "")
    body += digits(rng, length - len(body))
    number = int("".join(str(int(c, 36)) for c in f"{body}{country}00"))
    whole = f"{country}{98 - number % 97:02d}{body}"
    return whole if rng.random() < 0.5 else " ".join(whole[i : i + 4] for i in range(0, len(whole), 4))


def card(rng: random.Random) -> str:
    body = rng.choice(("4", "51", "6011"))
    body += digits(rng, 15 - len(body))
    number = next(body + d for d in "0123456789" if luhn_is_valid(body + d))
    return rng.choice(("", " ", "-")).join(number[i : i + 4] for i in range(0, 16, 4))


def ip(rng: random.Random) -> str:
    four = f"{rng.choice((81, 93, 146, 217))}.{rng.randint(20, 250)}.{rng.randint(10, 250)}.{rng.randint(10, 250)}"
    return rng.choice((four, four, f"2a02:8108:{rng.randint(1000, 9999)}::{rng.randint(1, 9)}"))


def ssn(rng: random.Random) -> str:
    return f"{rng.randint(100, 665)}-{rng.randint(10, 99)}-{rng.randint(1000, 9999)}"


def key(rng: random.Random) -> str:
    return rng.choice(
        (
            "sk-" + letters(rng, 40), "sk-proj-" + letters(rng, 60), "AKIA" + letters(rng, 16).upper(),
            "ghp_" + letters(rng, 36),
            "xoxb-" + digits(rng, 12) + "-" + letters(rng, 24), "AIza" + letters(rng, 35), "hf_" + letters(rng, 34),
            "sk_live_" + letters(rng, 24), f"api_key = '{letters(rng, 32)}'", f"password: {letters(rng, 20)}",
            f"eyJ{letters(rng, 20)}.eyJ{letters(rng, 30)}.{letters(rng, 40)}",
            f"-----BEGIN RSA PRIVATE KEY-----\n{letters(rng, 64)}\n-----END RSA PRIVATE KEY-----",
        )
    )  # fmt: skip


MAKERS = {"email": email, "phone": phone, "iban": iban, "card": card, "ip": ip, "ssn": ssn, "key": key}
FRAMES = (
    "Write to {} today.",
    "Contact: {}",
    "She gave me {}, I think.",
    "log: {}\nnext line",
    '"{}"',
    "({})",
    "账号是 {} 。",
)

HARMLESS = """Version 1.2.3.4 came out on 2024-05-17 at 10:30:45.
It costs 1,234,567.89 or 12 345 678 crowns.
ISBN 978-3-16-148410-0
The series 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
π is 3.14159265358979323846
Use 192.168.1.1 or 10.0.0.7 as the gateway.
Ask 8.8.8.8 for the name.
Write to jane@example.com.
Call 212-555-0142 in the film.
Order 4929-1234-5678-9012-X
The hash is 5d41402abc4b2a76b9719d911017c592.
@handle said: a@b
From 1914-1918 and 1939-1945
x = 10.5.3.2.1
Opening hours: 9.00-17.30, Sat 10-14
Room 12-34-56
00:1A:2B:3C:4D:5E is a hardware address
1200 x 800 x 600 mm
The password must have 12 letters and digits.
api_key = YOUR_API_KEY
Bible, John 3:16-18; Psalm 119:105
(555) 555-0199
DE00 0000 0000 0000 0000 00 is no account.
Population 83 240 525 (2020)
Flight LH 4711, gate B22, seat 14C
12/11/2026 08:15""".splitlines()


def test_recall_and_false_alarms_on_five_hundred_made_texts() -> None:
    rng = random.Random(5)
    found = dict.fromkeys(MAKERS, 0)
    missed = []
    for number in range(250):
        kind = list(MAKERS)[number % len(MAKERS)]
        text = rng.choice(FRAMES).format(MAKERS[kind](rng))
        hit = kind in {f.kind for f in find_private(text)}
        found[kind] += hit
        missed += [] if hit else [text]
    alarms = [text for text in harmless(rng) if find_private(text)]
    assert sum(found.values()) >= 0.98 * 250, missed
    assert len(alarms) <= 0.01 * 250, alarms


def harmless(rng: random.Random) -> list[str]:
    """250 texts with numbers and signs that are nobody's."""
    made = [f"{rng.choice(HARMLESS)} {rng.choice(HARMLESS)}" for _ in range(100)]
    made += [
        f"{rng.randint(1, 10**6)} + {rng.randint(1, 10**9)} = {rng.random() * 10**6:.{rng.randint(0, 9)}f}"
        for _ in range(75)
    ]
    return made + [" ".join(str(rng.randint(0, 10 ** rng.randint(1, 6))) for _ in range(12)) for _ in range(75)]


def test_at_most_one_seed_in_a_hundred_raises_an_alarm() -> None:
    rows = [json.loads(line) for line in (ROOT / "seed_tasks" / "seed_tasks.jsonl").read_text("utf-8").splitlines()]
    texts = [f"{r['instruction']}\n{i['input']}\n{i['output']}" for r in rows for i in r["instances"]]
    alarms = [(find.kind, text[find.start : find.end]) for text in texts for find in find_private(text)]
    assert len(alarms) <= 0.01 * len(texts), alarms


def test_checksums_decide() -> None:
    assert find_private("GB82 WEST 1234 5698 7654 32")[0].kind == "iban"
    assert not find_private("GB82 WEST 1234 5698 7654 33")
    assert find_private("4539 1488 0343 6467")[0].kind == "card"
    assert not [f for f in find_private("4539 1488 0343 6468") if f.kind == "card"]


def test_masking_replaces_each_part_by_its_kind() -> None:
    assert mask("Mail anna@firma.de or call +49 30 901820, thanks.") == "Mail <EMAIL> or call <PHONE>, thanks."
    assert mask("Mail anna@firma.de or call +49 30 901820.", ["phone"]) == "Mail anna@firma.de or call <PHONE>."


@pytest.mark.parametrize("action", ["flag", "mask", "drop"])
def test_action_decides_what_becomes_of_the_record(action: str) -> None:
    ((_, check),) = build_checks([{"privacy": {"action": action}}])
    record = Record("Whom do I write to?", "", "Write to anna@firma.de.")
    if action == "drop":
        assert check(record) == "private: output:email"
        return
    assert check(record) is None
    kept = check.admitted(record)  # type: ignore[attr-defined]
    assert kept.meta["private"] == ["output:email"]
    assert kept.output == ("Write to <EMAIL>." if action == "mask" else record.output)


def test_unknown_actions_and_kinds_are_refused() -> None:
    for options in ({"action": "shred"}, {"kinds": ["shoe_size"]}):
        with pytest.raises(UsageError, match="action is flag, mask or drop"):
            build_checks([{"privacy": options}])
