"""The wish of a server, in every spelling, and what is no wish."""

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.models.retry_after import duration, retry_after

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=90), usegmt=True)}, 90.0),
        ({"x-ratelimit-reset-requests": "6m0s"}, 360.0),
        ({"x-ratelimit-reset-tokens": "20ms"}, 0.02),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"x-ratelimit-reset-requests": "8s", "x-ratelimit-reset-tokens": "2s"}, 2.0),
        (
            {
                "x-ratelimit-reset-requests": "8s",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-tokens": "2s",
                "x-ratelimit-remaining-tokens": "900",
            },
            8.0,
        ),
    ],
)
def test_each_spelling_is_understood(headers: dict[str, str], seconds: float) -> None:
    assert retry_after(headers, NOW) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "NaN", "-1", "1e309", "inf", "soon", "5, 5", "0", "0x10", "1_000", "Mon, 99 Foo"])
@pytest.mark.parametrize("name", ["retry-after-ms", "retry-after", "x-ratelimit-reset-requests"])
def test_what_cannot_be_read_is_no_wish(name: str, text: str) -> None:
    assert retry_after({name: text}, NOW) is None


def test_a_date_in_the_past_is_no_wish() -> None:
    assert retry_after({"retry-after": format_datetime(NOW - timedelta(hours=1), usegmt=True)}, NOW) is None


def test_a_date_is_read_by_the_servers_clock() -> None:
    server = NOW + timedelta(hours=5)
    headers = {"retry-after": format_datetime(server + timedelta(seconds=3), usegmt=True)}
    assert retry_after(headers | {"date": format_datetime(server, usegmt=True)}, NOW) == 3.0


@given(
    st.dictionaries(st.sampled_from(["retry-after-ms", "retry-after", "date", "x-ratelimit-reset-tokens"]), st.text())
)
def test_no_header_breaks_the_reader(headers: dict[str, str]) -> None:
    seconds = retry_after(headers, NOW)
    assert seconds is None or (math.isfinite(seconds) and seconds > 0)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_durations_add_up(hours: int, minutes: int, seconds: int, milliseconds: int) -> None:
    text = f"{hours}h{minutes}m{seconds}s{milliseconds}ms"
    assert duration(text) == pytest.approx(hours * 3600 + minutes * 60 + seconds + milliseconds / 1000)
