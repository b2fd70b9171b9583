"""Foreign templates: read and written in promptsource's form, rendered with bounds on what they may do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from synth.errors import InputError, UsageError
from synth.sources.flan import MODES, chosen, find_kind, task_kinds
from synth.sources.rendering import Fault, Job, Limits, Rendered, Renderer
from synth.sources.templates import Template, TemplateFile, read_templates, templates_text

REAL = sorted((Path(__file__).parents[3] / "shared/data/annotated").glob("promptsource_*.yaml"))
OWN = TemplateFile(
    "tones",
    (
        Template("1", "ask", "Kind or rude? {{text}} ||| {{answer_choices[label]}}", "rude ||| kind", "", {"metrics": ["Accuracy"]}),
        Template("2", "turned", "Say something {{answer_choices[label]}}. ||| {{text}}", "rude ||| kind", "", {"original_task": False}),
    ),
    "small",
)  # fmt: skip


def test_templates_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "templates.yaml"
    path.write_text(templates_text(OWN), "utf-8")
    assert "!TemplateMetadata" in path.read_text("utf-8")
    assert read_templates(path) == OWN


@pytest.mark.skipif(not REAL, reason="SKIPPED: no real templates beside this checkout")
def test_real_templates_come_back_byte_for_byte() -> None:
    for path in REAL:
        assert templates_text(read_templates(path)) == path.read_text("utf-8"), path.name


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("|||", "///"), "there is no \\|\\|\\| between"),
        (("Kind or rude?", "a ||| b"), "stands 2 times"),
        (("!Template\n", "!!python/object/apply:os.system\n"), "python/object"),
        (("templates:", "patterns:"), "no mapping `templates`"),
        (("name: ask", "name: ["), "not valid YAML"),
    ],
)
def test_templates_at_fault_are_refused_with_their_name_or_line(
    change: tuple[str, str], told: str, tmp_path: Path
) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(templates_text(OWN).replace(*change, 1) if "|||" not in change[0] else
                    templates_text(OWN).replace(*change), "utf-8")  # fmt: skip
    with pytest.raises((InputError, UsageError), match=told):
        read_templates(path)


HOSTILE = {
    "attribute": ("{{ ''.__class__.__mro__ }}", "template_forbidden"),
    "globals": ("{{ range.__globals__ }}", "template_forbidden"),
    "changes": ("{{ rows.append(1) }}", "template_forbidden"),
    "loop": ("{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}", "template_time"),
    "range": ("{% for i in range(10 ** 9) %}{% endfor %}", "template_forbidden"),
    "memory": ("{{ 'a' * 900000000 }}", "template_memory"),
    "recursion": ("{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}", "template_error"),
    "long": ("{{ 'ab' * 700000 }}", "too_long"),
    "missing": ("{{ nothing }}", "missing_variable"),
    "null": ("{{ empty }}", "missing_variable"),
    "syntax": ("{% if %}", "template_error"),
}  # fmt: skip


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    templates = [Template(name, name, f"{text}|||x") for name, (text, _) in HOSTILE.items()]
    with Renderer([*templates, *OWN.templates], Limits(seconds=0.5)) as found:
        yield found


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_template_is_a_fault_of_its_row_and_costs_no_other(name: str, renderer: Renderer) -> None:
    row = {"text": "Thanks!", "label": 1, "rows": [1], "empty": None}
    before, found, after = renderer.render([Job("1", row), Job(name, row), Job("1", row)])
    assert isinstance(found, Fault) and found.reason == HOSTILE[name][1], found
    assert before == after == Rendered(("Kind or rude? Thanks!", "kind"), ("rude", "kind"))


def test_a_template_that_never_ends_is_given_up_and_one_that_ends_sometimes_is_not() -> None:
    endless = "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}"
    texts = {"never": endless, "sometimes": f"{{% if n % 2 %}}{endless}{{% endif %}}{{{{n}}}}"}
    templates = [Template(name, name, f"{text}|||x") for name, text in texts.items()]
    with Renderer(templates, Limits(seconds=0.1)) as renderer:
        found = renderer.render([Job("never", {"n": n}) for n in range(200)])
        others = renderer.render([Job("sometimes", {"n": n}) for n in range(30)])
    assert {one.reason for one in found if isinstance(one, Fault)} == {"template_time"}
    tried = [one for one in found if isinstance(one, Fault) and "not tried again" not in one.detail]
    assert len(found) == 200 and found[: len(tried)] == tried and len(tried) == 5
    assert [isinstance(one, Rendered) for one in others] == [True, False] * 15


def test_a_process_that_dies_is_started_again_and_no_row_is_lost() -> None:
    jobs = [Job("1", {"text": text, "label": 0}) for text in "abc"]
    others = set(psutil.Process().children())
    with Renderer(OWN.templates) as renderer:
        before = renderer.render(jobs)
        [worker] = set(psutil.Process().children()) - others
        worker.kill()
        assert renderer.render(jobs) == before and all(isinstance(one, Rendered) for one in before)


def test_bars_in_a_row_are_no_separator_and_a_huge_row_is_refused(renderer: Renderer) -> None:
    rows = [{"text": "a ||| b", "label": 0}, {"text": "x" * 11_000_000, "label": 0}, {"text": "y", "label": 5}]
    first, second, third = renderer.render([Job("2", row) for row in rows])
    assert first == Rendered(("Say something rude.", "a ||| b"), ("rude", "kind"))
    assert isinstance(second, Fault) and second.reason == "too_long"
    assert isinstance(third, Fault) and third.reason == "not_an_option"


def test_every_kind_has_ten_wordings_of_its_own_and_renders_in_every_mode() -> None:
    cases = [(kind, mode, kind.templates(mode)) for kind in task_kinds().values() for mode in MODES]
    with Renderer([template for _, _, templates in cases for template in templates]) as renderer:
        for kind, mode, templates in cases:
            row = {name: f"<{name}>" for name in (*kind.fields, *kind.also)}
            row |= {"target_text": row[kind.output], "option_list": "", "task_name": kind.name, "dataset_name": "data"}
            assert len(templates) == (10 if mode == "instruction" else 1)
            for template, one in zip(templates, renderer.render([Job(t.id, row) for t in templates]), strict=True):
                assert isinstance(one, Rendered) and len(one.parts) == 2, (template.name, one)
                asked = (row[kind.output],) if template.is_original else tuple(row[name] for name in kind.inputs)
                assert one.parts[1] in asked
                assert one.parts[1] not in one.parts[0], template.name
    assert len({text for kind in task_kinds().values() for text in kind.wordings + kind.turned}) == 130


def test_a_label_names_an_option_by_text_or_number() -> None:
    options = ["No", "Yes"]
    assert [chosen(one, options) for one in ("yes", 1, "0", True, 2, "maybe")] == [
        "Yes",
        "Yes",
        "No",
        "Yes",
        None,
        None,
    ]
    with pytest.raises(UsageError) as caught:
        find_kind("sentimint")
    assert "'sentiment'" in caught.value.hint
