"""`synth chat DIR`: ask a trained student, once or in turns. It only passes words on; nothing is stored."""

from __future__ import annotations

import json as json_module
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth.cli.command import command
from synth.cli.common import Json, log, print_json, say
from synth.errors import RequestFailed, RetryableError, UsageError

if TYPE_CHECKING:
    import asyncio

MAX_QUESTION = 200_000
"""Characters of a question that are read; the contexts of students are far shorter."""


@command()
def chat(
    folder: Annotated[Path, typer.Argument(help="A student's folder, or the run folder it is in.", show_default=False)],
    question: Annotated[str | None, typer.Argument(help="One question; without it a conversation.")] = None,
    input: Annotated[str, typer.Option(help="Material that belongs to the question.")] = "",
    backend: Annotated[
        str, typer.Option(help="transformers (in this process) or vllm (a server of its own).")
    ] = "transformers",
    executable: Annotated[str | None, typer.Option(help="For vllm: the environment it is in.")] = None,
    temperature: Annotated[float, typer.Option(min=0, help="0 always takes the likeliest word.")] = 0.0,
    max_tokens: Annotated[int, typer.Option(min=1, help="The longest answer, in tokens.")] = 512,
    seed: Annotated[int, typer.Option(help="Another number, another answer (with a temperature above 0).")] = 0,
    json: Json = False,
) -> None:
    """Ask a trained student. In a conversation /new starts over and /quit ends.

    Example: synth chat runs/quickstart "Rate the review as good or bad." --input "The soup was delicious."
    """
    import asyncio

    from synth.models import connect
    from synth.models.base import Sampling

    options = model_options(student_folder(folder), backend, executable)
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens, seed=seed)
    if question is None and (json or not sys.stdin.isatty()):
        question = sys.stdin.read(MAX_QUESTION + 1).strip()
        if len(question) > MAX_QUESTION:
            raise UsageError(f"the question is longer than {MAX_QUESTION:,} characters", "no student reads that much")
        if not question:
            raise UsageError("there is no question", 'write it behind the folder: synth chat DIR "..."')
    with asyncio.Runner() as runner:
        talk = Conversation(connect(backend, options), sampling)
        try:
            if question is None:
                _in_turns(talk, runner)
            else:
                _once(talk, runner, f"{question}\n\n{input}" if input else question, json)
        finally:
            runner.run(talk.model.close())


class Conversation:
    """A model and the messages so far."""

    def __init__(self, model: Any, sampling: Any) -> None:
        self.model, self.sampling = model, sampling
        self.messages: list[dict[str, str]] = []

    async def ask(self, text: str) -> Any:
        """The Completion of what was said so far and `text`; a question that fails twice is forgotten."""
        from synth.models.base import ChatRequest

        asked = [*self.messages, {"role": "user", "content": text}]
        request = ChatRequest(tuple(asked), self.sampling)
        try:
            answer = await self.model.complete(request)
        except RetryableError:
            answer = await self.model.complete(request)
        answer = replace(answer, text=answer.text.strip())
        self.messages = [*asked, {"role": "assistant", "content": answer.text}]
        return answer


def _once(talk: Conversation, runner: asyncio.Runner, question: str, json: bool) -> None:
    answer = runner.run(talk.ask(question))
    if json:
        usage = {"prompt_tokens": answer.usage.prompt_tokens, "completion_tokens": answer.usage.completion_tokens}
        print_json({"answer": answer.text, "finish_reason": answer.finish_reason, "model": answer.model} | usage)
    else:
        say(answer.text)


def _in_turns(talk: Conversation, runner: asyncio.Runner) -> None:
    log(f"{talk.model.name}: /new starts over, /quit ends")
    while True:
        try:
            text = input("> ").strip()
        except EOFError:
            return
        if text == "/quit":
            return
        if text == "/new":
            talk.messages = []
        elif text:
            try:
                say(runner.run(talk.ask(text)).text)
            except RequestFailed as error:
                log(f"{error.message}; {error.hint or '/new starts over'}")


def student_folder(folder: Path) -> Path:
    """The folder with the weights: `folder`, or the student of the run in it. Raises UsageError where there is none."""
    for path in (folder, folder / "student"):
        if (path / "config.json").is_file() or (path / "adapter_config.json").is_file():
            return path
    raise UsageError(f"{folder} holds no student", "name a folder that `synth train` made, or a run folder with one")


def model_options(folder: Path, backend: str, executable: str | None) -> dict[str, Any]:
    """What the backend needs to serve a student's folder; vLLM takes an adapter together with its base."""
    if backend != "vllm":
        if executable:
            raise UsageError("--executable is for --backend vllm", "leave it out")
        return {"model": str(folder)}
    options = {"executable": executable} if executable else {}
    if (folder / "config.json").is_file():
        return options | {"model": str(folder.absolute())}
    base = json_module.loads((folder / "adapter_config.json").read_text("utf-8")).get("base_model_name_or_path")
    return options | {"model": base, "lora_modules": {"student": str(folder.absolute())}}
