"""A field that a server refuses is left out, said once on the terminal, and noted in the card; judges too."""

from __future__ import annotations

from pathlib import Path

from runs import FaultServer, run, write_recipe


def test_a_refused_field_is_said_once_and_noted_in_the_card(tmp_path: Path) -> None:
    with FaultServer("--refuse", "temperature,top_p") as server:
        judge = f'judge: {{backend: openai, model: j, base_url: "{server.url}"}}'
        code, words = run(write_recipe(tmp_path, server.url, num_tasks=6, more=judge), tmp_path / "run")
    assert code == 0, words
    card = (tmp_path / "run" / "export" / "README.md").read_text()
    for line in ("m: temperature is left out from now on", "m: top_p is left out", "j: temperature is left out"):
        assert words.count(f"note: {line}") == 1, words
        assert card.replace("\\", "").count(f"Not as the recipe says: {line}") == 1
