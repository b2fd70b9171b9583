"""Every operation is derived in two independent ways, and both agree on whatever can be drawn."""

import pytest

from synth.embedded import samples
from synth.embedded.domains import columns_by_name, domains, nouns
from synth.embedded.draws import Draw
from synth.embedded.generate import Wish, draw_task
from synth.embedded.operations import OPERATIONS
from synth.embedded.plan import Operation, prove, same
from synth.embedded.values import Unfit, pluralise, singular


def agreements(operation: Operation, wanted: int) -> int:
    """How many of `wanted` worked-out cases both derivations agree on; fails on the first that differs."""
    found = 0
    for number in range(wanted * 40):
        draw = Draw("two derivations", operation.name, number)
        try:
            material, _ = samples.material(operation.takes, operation.name, draw.pick(domains()), draw)
            args = operation.draw(material, draw)
            if args is None:
                continue
            result = operation.solve(material, args)
        except Unfit:
            continue
        assert same(operation.check(material, args), result), (operation.name, args, material)
        found += 1
        if found == wanted:
            break
    return found


@pytest.mark.parametrize("name", OPERATIONS)
def test_two_derivations_agree_a_thousand_times(name: str) -> None:
    assert agreements(OPERATIONS[name], 1000) == 1000


def test_whole_chains_are_proved_step_by_step() -> None:
    for number in range(300):
        task = draw_task(Draw("chains", number), Wish())
        assert prove(task.plan, task.material, OPERATIONS), task.instruction


def test_each_operation_has_ten_wordings() -> None:
    sizes = {name: sum(len(p.pattern.wordings) for p in one.phrases) for name, one in OPERATIONS.items()}
    few = {name for name, size in sizes.items() if size < 10}
    assert not {name for name in few if OPERATIONS[name].role != "filter"}  # filters are said in 60 frames besides


def test_each_operation_can_be_asked_for() -> None:
    for name, operation in OPERATIONS.items():
        forms = {phrase.form for phrase in operation.phrases}
        assert forms & {"do", "np", "nps", "cond"}, name


def test_there_are_enough_operations_and_domains_to_vary() -> None:
    assert len(OPERATIONS) >= 18 and len(domains()) >= 20


def test_a_column_name_means_one_kind_everywhere() -> None:
    for name, columns in columns_by_name().items():
        assert len({(column.kind, column.summable) for column in columns}) == 1, name


def test_a_qualifying_phrase_belongs_to_one_column_name() -> None:
    named = {
        (column.phrase, column.name) for columns in columns_by_name().values() for column in columns if column.phrase
    }
    assert len({phrase for phrase, _ in named}) == len(named)


def test_plurals_lead_back_to_their_singulars() -> None:
    for name, columns in columns_by_name().items():
        if columns[0].kind == "count":
            assert pluralise(singular(name)) == name
        else:
            assert singular(pluralise(name)) == name
    assert all(pluralise(singular(noun)) == noun for noun in nouns())


def test_nouns_and_places_are_unique_and_tables_complete() -> None:
    assert len({domain.noun for domain in domains()}) == len({domain.place for domain in domains()}) == len(domains())
    for domain in domains():
        names = [column.name for column in domain.columns]
        assert len(set(names)) == len(names) and len(set(domain.columns[0].pool)) >= 10
        assert not any("," in value or '"' in value for column in domain.columns for value in column.pool)
