"""The prompts, one Jinja file each, and the only way to render them.

A prompt is a chat: a system message, worked examples as user and assistant turns in exactly the form the reply is to
have, and a last user turn that asks. Small models imitate examples; they copy descriptions of a form.

A file opens with a comment that names the source of its method. It writes each turn with `{% call turn("user") %}`; a
file without turns is one user turn. Static text comes first and drawn data last, so that a server's prefix cache is
used. User and model text is data: it enters through `fenced` (a Markdown fence longer than any run of backticks
inside, so nothing in it can end the block) or `one_line`, or fills a turn; it is never compiled as a template.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.errors import UsageError
from synth.given import read_named
from synth.records import digest

_FOLDER = Path(__file__).parent
ROLES = ("system", "user", "assistant")
BLOCK_END = "====="
"""The line that ends a worked example where a prompt is one text; a stop string for its reply."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt: OpenAI chat messages, the last of them the user's.

    `version`: `name@` and 8 hex digits of the hash of the template's own text.
    """

    messages: tuple[dict[str, str], ...]
    version: str

    @classmethod
    def of(cls, text: str, version: str) -> Prompt:
        """One user message."""
        return cls(({"role": "user", "content": text},), version)

    @property
    def text(self) -> str:
        """The prompt as one text that a base model continues: each worked example is a block that ends in BLOCK_END."""
        ends = {"system": "\n\n", "user": "\n", "assistant": f"\n\n{BLOCK_END}\n\n"}
        return "".join(message["content"] + ends[message["role"]] for message in self.messages).rstrip()


def fenced(text: str) -> str:
    """`text` in a Markdown fence that nothing inside can close."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def one_line(text: str) -> str:
    """`text` with every run of white space made one space: it cannot start a line, so it cannot pose as a heading."""
    return " ".join(text.split())


@functools.cache
def _template(path: Path) -> tuple[Any, str]:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    source = read_named(path, "name a readable template", f"prompt {path}")
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=False
    )
    environment.filters = {name: environment.filters[name] for name in ("length", "join", "trim", "upper")}
    environment.filters |= {"fenced": fenced, "one_line": one_line}
    from jinja2 import TemplateError

    try:
        return environment.from_string(source), digest(source)[:8]
    except TemplateError as error:
        raise UsageError(f"prompt {path}: {error}", "see synth/prompts for working examples") from error


def render(name: str, /, **values: Any) -> Prompt:
    """Render the prompt `name` (a file of this folder without .jinja) or a template of the user's by its path.

    Raises UsageError for an unknown prompt, a template mistake, an undefined variable or a turn of no known role.
    """
    from jinja2 import TemplateError

    template, _ = _template(_path(name))
    turns: list[dict[str, str]] = []

    def turn(role: str = "", *, caller: Callable[[], str]) -> str:
        if role not in ROLES:
            raise UsageError(f"prompt {name}: there is no role {role!r}", f"write one of {', '.join(ROLES)}")
        turns.append({"role": role, "content": caller().strip()})
        return ""

    try:
        rest = template.render(values | {"turn": turn}).strip()
    except TemplateError as error:
        raise UsageError(f"prompt {name}: {error}", "use only the variables of the shipped prompt") from error
    if turns and (rest or turns[-1]["role"] != "user"):
        raise UsageError(f"prompt {name}: text outside its turns, or no user turn at its end", "see synth/prompts")
    return Prompt(tuple(turns) or ({"role": "user", "content": rest},), version(name))


def version(name: str) -> str:
    """`name@` and 8 hex digits of the hash of the prompt's text, as in `Prompt.version`."""
    path = _path(name)
    return f"{path.stem}@{_template(path)[1]}"


def _path(name: str) -> Path:
    return _FOLDER / f"{name}.jinja" if name.isidentifier() else Path(name)
