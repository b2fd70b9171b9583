"""Laws of the small parts: choices, rounding, lists and tables as text."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from synth.embedded.draws import Draw
from synth.embedded.material import read_table, write_table
from synth.embedded.operations.quantities import divided
from synth.embedded.values import (
    Column,
    Quantity,
    Table,
    Unfit,
    show_number,
    show_quantity,
)

CENTS = st.decimals(min_value=-10_000, max_value=10_000, places=2)
NAMES = st.text("abcdefghij ", min_size=1, max_size=8).map(str.strip).filter(bool)


@given(st.lists(st.integers(), max_size=20), st.integers(0, 25), st.integers())
def test_a_draw_takes_each_position_once(items: list[int], count: int, seed: int) -> None:
    taken = Draw(seed).some(items, count)
    assert len(taken) == min(count, len(items)) and sorted(Draw(seed).shuffled(items)) == sorted(items)
    rest = list(items)
    for item in taken:
        rest.remove(item)


def test_draws_are_spread_evenly() -> None:
    draw = Draw("spread")
    seen = [draw.between(0, 5) for _ in range(6000)]
    assert all(900 < seen.count(side) < 1100 for side in range(6))
    assert {draw.between(2, 4) for _ in range(100)} == {2, 3, 4}


@given(CENTS, st.integers(0, 2))
def test_a_shown_number_is_the_number(value: Decimal, places: int) -> None:
    text = show_number(value, places)
    assert Decimal(text) == value and len(text.partition(".")[2]) in (places, 1, 2)


def test_quotients_are_shown_to_two_decimals_without_useless_zeros() -> None:
    assert [show_number(Decimal(10) / 3), show_number(Decimal("14.396")), show_number(Decimal(5), 2)] == [
        "3.33",
        "14.4",
        "5.00",
    ]
    assert [show_quantity(Quantity(Decimal(n), "pages")) for n in (1, 2)] == ["1 page", "2 pages"]
    assert show_quantity(Quantity(Decimal(1), "kg")) == "1 kg"


@given(st.decimals(0, 1000, places=2), st.integers(1, 12))
def test_a_division_half_way_between_two_cents_is_refused(total: Decimal, count: int) -> None:
    is_tie = (total * 1000) % count == 0 and (total * 1000 / count) % 10 == 5
    try:
        divided(total, count)
        assert not is_tie
    except Unfit:
        assert is_tie


@settings(max_examples=60)
@given(st.lists(st.tuples(NAMES, CENTS), min_size=1, max_size=6), st.sampled_from(["csv", "json"]))
def test_tables_are_read_as_written(rows: list[tuple[str, Decimal]], form: str) -> None:
    columns = (Column("loaf", "name"), Column("price", "measure", "euros", 2))
    table = Table("loaves", columns, tuple(rows))
    found = read_table(write_table(table, form))
    assert found.rows == table.rows and [c.header for c in found.columns] == ["loaf", "price (euros)"]
