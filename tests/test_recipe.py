"""Recipes: every mistake at once with its line, overrides, what may differ between two runs of one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from synth.errors import InputError, UsageError
from synth.pipeline import flat
from synth.recipe import build_recipe, read_recipe, recipe_model, shaping

ROOT = Path(__file__).parent.parent


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text, "utf-8")
    return path


def test_every_example_is_a_recipe_without_mistakes() -> None:
    examples = sorted((ROOT / "examples").glob("*.yaml"))
    assert len(examples) >= 4
    for path in examples:
        assert read_recipe(path).name, path


def test_the_recipe_that_init_writes_is_without_mistakes() -> None:
    assert read_recipe(ROOT / "synth" / "data" / "recipe.yaml").bootstrap is not None


def test_all_mistakes_are_listed_at_once_with_line_and_nearest_key(tmp_path: Path) -> None:
    path = write(
        tmp_path, "name: x\nbootstrap:\n  num_task: 5\n  window: 0\nevolve: {operators: {nonsense: 1}}\nteachr: {}\n"
    )
    with pytest.raises(InputError) as caught:
        read_recipe(path)
    text = "\n".join(caught.value.mistakes)
    assert len(caught.value.mistakes) == 4
    for part in ("line 3: bootstrap.num_task: unknown key; did you mean 'num_tasks'?", "line 4", "line 5", "'teacher'"):
        assert part in text, (part, text)


def test_an_option_the_backend_does_not_know_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="base_url"):
        build_recipe({"teacher": {"backend": "openai", "model": "m", "base_ulr": "http://localhost"}})


@pytest.mark.parametrize("text", ["- a\n- b\n", "name: [x\n", "name: 'Has Spaces'\n"])
def test_files_that_are_no_recipe_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError):
        read_recipe(write(tmp_path, text))


def test_a_missing_file_is_a_usage_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_recipe(tmp_path / "none.yaml")
    assert "synth init" in caught.value.hint


def test_set_changes_one_value_and_makes_sections(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, "name: x\n"), ["bootstrap.num_tasks=60", "evolve.rounds=1", "name=y"])
    assert recipe.bootstrap and recipe.bootstrap.num_tasks == 60
    assert recipe.evolve and recipe.evolve.rounds == 1 and recipe.name == "y"
    with pytest.raises(UsageError, match="key=value"):
        read_recipe(write(tmp_path, "name: x\n"), ["bootstrap"])


def test_a_key_from_env_file_is_read_and_never_over_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("TEST_ONE_KEY=from-file\nexport TEST_TWO_KEY='quoted'\n", "utf-8")
    monkeypatch.setenv("TEST_ONE_KEY", "from-environment")
    monkeypatch.delenv("TEST_TWO_KEY", raising=False)
    named = "{{backend: openai, model: m, api_key_env: {}}}".format
    read_recipe(write(tmp_path, f"teacher: {named('TEST_ONE_KEY')}\njudge: {named('TEST_TWO_KEY')}\n"))
    import os

    assert (os.environ["TEST_ONE_KEY"], os.environ["TEST_TWO_KEY"]) == ("from-environment", "quoted")
    monkeypatch.delenv("TEST_TWO_KEY")


def test_the_resolved_recipe_reads_back_equal(tmp_path: Path) -> None:
    recipe = read_recipe(ROOT / "examples" / "quickstart.yaml")
    assert build_recipe(yaml.safe_load(recipe.to_yaml())) == recipe


def test_the_hash_ignores_what_cannot_change_the_result() -> None:
    one = build_recipe({"bootstrap": {"num_tasks": 5}})
    same = build_recipe(
        {"name": "other", "bootstrap": {"num_tasks": 5}, "engine": {"max_attempts": 3}, "teacher": {"concurrency": 4}}
    )
    other = build_recipe({"bootstrap": {"num_tasks": 6}})
    assert one.hash == same.hash != other.hash
    assert "engine" not in shaping(one.model_dump(mode="json"))


def test_how_a_model_of_a_pool_is_asked_shapes_nothing() -> None:
    def shaped(**options: Any) -> dict[str, Any]:
        pool = {"a": {"backend": "openai", "model": "m", "base_url": "http://h/v1"} | options}
        prefer = {"num_answers": 2, "teachers": pool}
        data = {"name": "x", "input": "tasks.jsonl", "teacher": {"backend": "embedded"}, "prefer": prefer}
        return shaping(build_recipe(data, "here").model_dump(mode="json"))

    assert shaped() == shaped(api="batch", batch={"linger_s": 1.0}) == shaped(timeout_s=5.0)
    assert shaped() != shaped(model="n")


def test_the_schema_names_every_section() -> None:
    schema = recipe_model().model_json_schema()
    assert {"teacher", "bootstrap", "evolve", "respond", "select", "export", "train", "evaluate"} <= set(
        schema["properties"]
    )


@given(
    st.dictionaries(
        st.text("abc", min_size=1),
        st.integers() | st.dictionaries(st.text("xyz", min_size=1), st.integers(), min_size=1),
    )
)
def test_flat_keeps_every_leaf(data: dict[str, object]) -> None:
    leaves = sum(len(value) if isinstance(value, dict) else 1 for value in data.values())
    assert len(flat(data)) == (leaves if data else 0) or not data


def test_every_file_a_recipe_names_lies_beside_it_whatever_the_working_folder_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    path = write(
        tmp_path,
        "seeds: {path: mine.jsonl}\nbootstrap: {prompt_paths: {diverse: prompts/own.jinja}}\n"
        f"evolve: {{method_path: tuned.txt, prompt_paths: {{evolve_depth: deep.jinja, answer: {tmp_path}/a.jinja}}}}\n",
    )
    (tmp_path / "prompts").mkdir()
    for name in ("mine.jsonl", "prompts/own.jinja", "tuned.txt", "deep.jinja", "a.jinja"):
        (tmp_path / name).touch()
    recipe = read_recipe(path)
    base = tmp_path.resolve()
    assert recipe.bootstrap is not None and recipe.evolve is not None
    assert recipe.seeds.path == base / "mine.jsonl" and recipe.evolve.method_path == base / "tuned.txt"
    assert recipe.bootstrap.prompt_paths == {"diverse": str(base / "prompts/own.jinja")}
    assert recipe.evolve.prompt_paths == {"evolve_depth": str(base / "deep.jinja"), "answer": f"{tmp_path}/a.jinja"}
    again = read_recipe(write(base, recipe.to_yaml()))
    assert again == recipe


def test_every_file_that_is_not_there_is_named_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "input: rows.jsonl\nbootstrap:\n  prompt_paths:\n    diverse: own.jinja\n")
    with pytest.raises(InputError) as caught:
        read_recipe(path, ["converse.prompt_path=user.jinja"])
    assert list(caught.value.mistakes) == [
        f"{path}, line 1: input: there is no file {tmp_path.resolve()}/rows.jsonl",
        f"{path}, line 4: bootstrap.prompt_paths.diverse: there is no file {tmp_path.resolve()}/own.jinja",
        f"{path}: converse.prompt_path: there is no file {tmp_path.resolve()}/user.jinja",
    ]


def test_a_prompt_that_is_no_template_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("{% call turn('user') %}\n{{ task\n", "utf-8")
    path = write(tmp_path, "respond:\n  prompt_path: own.txt\n")
    with pytest.raises(InputError) as caught:
        read_recipe(path)
    [mistake] = caught.value.mistakes
    assert (
        f"{path}, line 2: respond.prompt_path: prompt {tmp_path.resolve()}/own.txt" in mistake and "end of" in mistake
    )


def test_a_stage_that_is_named_in_the_order_runs_without_a_section_too() -> None:
    def planned(**sections: Any) -> list[str]:
        return [one.name for one in build_recipe({"stages": ["rephrase", "respond"], **sections}).plan()]

    assert planned() == ["rephrase", "respond"] and planned(rephrase=None) == ["respond"]
    with pytest.raises(InputError) as caught:
        build_recipe({"stages": ["annotate"]})
    assert list(caught.value.mistakes) == ["recipe: annotate: it is missing"]


def test_a_prompt_that_evolve_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(InputError) as caught:
        build_recipe({"evolve": {"prompt_paths": {"evolve_deep": "x.jinja"}}})
    assert "no prompt 'evolve_deep'" in caught.value.mistakes[0] and "evolve_depth" in caught.value.mistakes[0]


def test_the_schema_describes_every_property() -> None:
    schema = recipe_model().model_json_schema()
    sections = {"recipe": schema, **schema["$defs"]}
    bare = [
        f"{name}.{key}"
        for name, section in sections.items()
        for key, about in section.get("properties", {}).items()
        if len(str(about.get("description", "")).split()) < 2
    ]
    assert not bare and sum(len(section.get("properties", {})) for section in sections.values()) > 150
