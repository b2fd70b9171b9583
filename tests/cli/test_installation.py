"""What a newcomer's editor, shell and bug report get: the schema, completion, `--version`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import synth
from synth.cli.run import SCHEMA_FILE
from synth.recipe import read_recipe, recipe_schema


def synth_command(*words: str, **env: str) -> str:
    code = "import sys; sys.argv[0] = 'synth'; from synth.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, env=os.environ | env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_version_tells_the_facts_that_a_bug_report_needs() -> None:
    facts = dict(line.rsplit(" ", 1) for line in synth_command("--version").splitlines())
    assert facts["synth"] == synth.__version__
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"sqlite", "openai", "pydantic", "recipe schema"} <= facts.keys()


def test_a_shell_completes_commands() -> None:
    asked = {"_SYNTH_COMPLETE": "complete_bash", "COMP_WORDS": "synth boo", "COMP_CWORD": "1"}
    assert synth_command(**asked).split() == ["bootstrap"]


def described(spec: dict[str, Any], path: str) -> list[str]:
    """The properties below `spec` that say nothing of themselves."""
    missing = []
    for name, one in spec.get("properties", {}).items():
        missing += [] if one.get("description") else [f"{path}.{name}"]
    return missing


def test_every_property_of_the_schema_is_described_and_names_no_file_of_this_machine() -> None:
    schema = recipe_schema()
    missing = described(schema, "")
    for name, spec in schema["$defs"].items():
        missing += described(spec, name)
    assert missing == []
    assert not re.search(r'"/\w+/', json.dumps(schema))
    assert schema["$id"] == "urn:synth:recipe:1"


def test_init_writes_a_recipe_that_names_its_schema_to_editors(tmp_path: Path) -> None:
    synth_command("init", str(tmp_path / "mine"))
    recipe = tmp_path / "mine" / "recipe.yaml"
    first = recipe.read_text("utf-8").splitlines()[0]
    assert first == f"# yaml-language-server: $schema={SCHEMA_FILE}"
    assert json.loads((tmp_path / "mine" / SCHEMA_FILE).read_text("utf-8")) == recipe_schema()
    assert read_recipe(recipe).name == "mine"
