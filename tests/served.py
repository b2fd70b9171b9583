"""The embedded teacher as a real server in its own process, for any test that needs one. Not a test itself.

from served import ServedTeacher, serving, stand_in

with ServedTeacher("--faults", "light") as teacher:  # its own process
    ... teacher.url, teacher.model, teacher.stats(), teacher.labels() ...
async with serving(stand_in, "html=1", latency_ms=20) as (url, server):  # in this event loop
    ...
"""

from __future__ import annotations

import json
import signal
import tempfile
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from commands import Command

from synth.embedded.faults import Faults, prompt_kind
from synth.embedded.server import Answer, ServeSettings, TeacherServer
from synth.models.base import ChatRequest, Completion, Usage
from synth.prompts import Prompt, render
from synth.records import digest


class ServedTeacher:
    """Starts on a free port on entering and is gone on leaving. `flags` are those of `synth serve-teacher`."""

    def __init__(self, *flags: str, port: int = 0, env: Mapping[str, str] | None = None) -> None:
        self._flags, self._port, self._env = flags, port, env or {}
        self.url = ""
        self.model = "embedded"

    def __enter__(self) -> ServedTeacher:
        self._folder = tempfile.TemporaryDirectory()
        self.label_path = Path(self._folder.name) / "labels.jsonl"
        flags = ("--json", "--port", str(self._port), "--labels", self.label_path, *self._flags)
        self.process = Command("serve-teacher", *flags, env=self._env)
        self.url = json.loads(self.process.until(lambda text: text.partition("\n}\n")[1] and text))["url"]
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self._folder.cleanup()

    def stats(self, digests: bool = False) -> dict[str, Any]:
        """What `/stats` says; with `digests` also how often each request was admitted."""
        address = self.url.removesuffix("/v1") + "/stats" + ("?digests=1" if digests else "")
        with urllib.request.urlopen(address, timeout=10) as response:
            return dict(json.load(response))

    def labels(self) -> list[dict[str, Any]]:
        """The faults so far, from the side file."""
        lines = self.label_path.read_text("utf-8").splitlines() if self.label_path.exists() else []
        return [json.loads(line) for line in lines]


ANY: dict[str, Any] = {
    "instruction": "Add up the prices.",
    "input": "item,price\nbread,2",
    "answer": "2",
    "answer_a": "1",
    "answer_b": "2",
    "reference": "",
    "operator": "deepen",
    "method": "Let it ask for more.",
    "topic": "",
    "language": "",
    "as_json": False,
    "verbs": [],
    "with_inputs": True,
    "with_outputs": False,
    "changes_input": False,
    "classification_only": False,
    "num_tasks": 2,
    "num_new": 3,
    "num_instances": 2,
    "wanted_items": [
        {"kind": "change a table", "topic": "bread", "language": "", "material": "table"},
        {"kind": "sort a list", "topic": "", "language": "", "material": ""},
    ],
    "given": "### Instruction\nAdd up the prices.\n### Input\nitem,price\nbread,2",
    "talk": "",
    "instructions": ["Name a long river in Europe."] * 8,
}
TASK = {"instruction": ANY["instruction"], "input": ANY["input"], "output": "2", "is_classification": False}


def prompt_for(name: str, **values: Any) -> Prompt:
    """A prompt of the pipeline with some value for each of its variables."""
    fitting = {"examples": [], "first": TASK, "second": TASK, "with_outputs": name == "alpaca"}
    return render(name, **(ANY | fitting | values))


@asynccontextmanager
async def serving(
    answer: Answer, faults: str = "", label_path: Path | None = None, seed: int = 0, **settings: Any
) -> AsyncIterator[tuple[str, TeacherServer]]:
    """A TeacherServer on a free port of this event loop; gives its base URL and itself."""
    from aiohttp import web

    spoiler = Faults(faults, seed, label_path)
    server = TeacherServer("embedded", answer, spoiler, ServeSettings(**settings))
    runner = web.ServerRunner(web.Server(server, handler_cancellation=True, access_log=None), shutdown_timeout=0.2)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1", server
    finally:
        await runner.cleanup()
        spoiler.close()


REPLIES = {
    "list": "Name three rivers of Austria and say where each ends.\n"
    "10. Sort the words pear, fig and plum by their length.\n"
    "11. Tell whether the sentence about the late train is a complaint.",
    "tasks": "## Task 1\n### Instruction\nAdd up the prices of all items in the table.\n"
    "### Input\nitem,price\nbread,2\nmilk,3\n\n"
    "## Task 2\n### Instruction\nName the capital of the country with the longest coast.\n### Input\nNo input",
    "full_tasks": "## Task 1\n### Instruction\nAdd up the prices of all items in the table.\n"
    "### Input\nitem,price\nbread,2\nmilk,3\n### Output\n5\n\n"
    "## Task 2\n### Instruction\nName the season that follows after spring in Europe.\n"
    "### Input\nNo input\n### Output\nSummer follows.",
    "instances": "## Example 1\n### Input\nitem,price\nbread,2\nmilk,3\n### Output\n5\n\n"
    "## Example 2\n### Input\nitem,price\njam,4\nsalt,1\n### Output\n5",
    "labels": "## Example 1\n### Label\ncomplaint\n### Input\nThe train was late again.\n\n"
    "## Example 2\n### Label\npraise\n### Input\nThe driver waited for us.",
    "evolve": "### Instruction\nAdd up the prices of all items in the table that cost more than 2.\n"
    "### Input\nitem,price\nbread,2\nmilk,3",
    "classify": "No",
    "equal": "Reason: the second has one more condition.\nVerdict: different",
    "pair": "Reason: only the second is right.\nVerdict: B",
    "grade": "Reason: it is right but short.\nCorrectness: 5\nInstruction-following: 4\nCompleteness: 3",
    "difficulty": "Difficulty: 3",
    "answer": "There are 17 of them,\nand all are blue.",
}
"""A good reply to each of our prompts."""


def stand_in(request: ChatRequest) -> Completion:
    """A teacher in a few lines, as pure as the real one: a fixed good reply; a prompt that starts with `mark` gets a
    text that differs with all that determines an answer."""
    prompt = request.messages[-1]["content"]
    text = REPLIES[prompt_kind(request.messages)]
    if request.schema is not None:
        text = json.dumps({"answer": text})
    elif prompt.startswith("mark"):
        text = digest(request.to_dict())[:8]
    for stop in request.sampling.stop:
        text = text.partition(stop)[0]
    texts = (text, *(f"{text} ({choice})" for choice in range(1, request.num_choices)))
    usage = Usage(len(prompt.split()), sum(len(text.split()) for text in texts))
    finish = "unsupported" if "poem" in prompt else "stop"
    return Completion(text, finish, usage, "embedded", choices=texts if len(texts) > 1 else ())  # type: ignore[arg-type]
