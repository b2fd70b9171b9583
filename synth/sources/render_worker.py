"""The process that renders foreign templates: it holds no key, cannot use much memory, and stops what takes too long.

Run as a script by `synth.sources.rendering`, it imports nothing of ours. One JSON line in, one out: first the limits
and the templates, answered by the error of each that cannot be compiled; then lists of jobs, answered by their results.
"""

from __future__ import annotations

import json
import random
import resource
import signal
import sys
from collections import Counter
from contextlib import suppress
from typing import Any

from jinja2 import StrictUndefined, UndefinedError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

SEPARATOR, GUARDED = "|||", "\ue000\ue001\ue000"
"""What divides input from target, and what stands for it where it came from a row."""
IN_A_ROW = 5
"""Rows that may run out of time one after the other before a template is given up."""


class TooLong(BaseException):
    """The time of a template is over. No `except Exception` in between may catch it."""


class Environment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox without powers, which can take for ever within one step."""

    intercepted_binops = frozenset(["**"])

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Refuses `**`."""
        raise SecurityError("powers (**) are not allowed")


def environment() -> Environment:
    """With the names that promptsource gives to its templates: `zip`, `choice` and `most_frequent`."""
    made = Environment(undefined=StrictUndefined, finalize=printable)
    made.globals |= {"zip": zip}
    del made.globals["lipsum"]
    made.filters |= {"choice": random.choice, "most_frequent": most_frequent}
    return made


def printable(value: Any) -> Any:
    """A value that is printed into the text; a null would read "None" there."""
    if value is None:
        raise UndefinedError("a value that is null was to be printed")
    return value


def most_frequent(values: list[Any]) -> list[Any]:
    """The values that occur most often, in their order."""
    counts = {value: values.count(value) for value in values}
    return [value for value, count in counts.items() if count == max(counts.values())]


def guarded(value: Any) -> Any:
    """A row's value with no separator in any of its texts."""
    if isinstance(value, str):
        return value.replace(SEPARATOR, GUARDED)
    if isinstance(value, dict):
        return {key: guarded(one) for key, one in value.items()}
    return [guarded(one) for one in value] if isinstance(value, list) else value


def split(text: str) -> list[str]:
    """The parts between separators, as the row had them."""
    return [part.strip().replace(GUARDED, SEPARATOR) for part in text.split(SEPARATOR)]


def rendered(templates: Any, row: dict[str, Any]) -> dict[str, Any]:
    """Parts and choices of one row."""
    main, choices = templates
    values = guarded(row)
    listed = split(choices.render(values)) if choices is not None else None
    if listed is not None:
        values["answer_choices"] = [guarded(one) for one in listed]
    return {"parts": split(main.render(values)), "choices": listed}


def fault(error: BaseException) -> dict[str, str]:
    """Why a template failed, as a reason and a sentence."""
    kinds = {TooLong: "template_time", MemoryError: "template_memory", SecurityError: "template_forbidden",
             UndefinedError: "missing_variable"}  # fmt: skip
    reason = next((name for kind, name in kinds.items() if isinstance(error, kind)), "template_error")
    if reason == "missing_variable" and "list object" in f"{error}":
        reason = "not_an_option"
    said = {"template_time": "it ran longer than allowed", "template_memory": "it needs more memory than allowed"}
    text = said.get(reason) or f"{error}" or type(error).__name__
    return {"reason": reason, "detail": text[:300]}


def limited(seconds: float, work: Any, *given: Any) -> Any:
    """`work` within `seconds` of processor time; the fault where it fails."""
    try:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        made = work(*given)
        signal.setitimer(signal.ITIMER_PROF, 0)
        return made
    except (Exception, TooLong) as error:
        signal.setitimer(signal.ITIMER_PROF, 0)
        return fault(error)


def given_up() -> dict[str, str]:
    """The fault of a template that is not tried any more."""
    told = f"it ran longer than allowed in {IN_A_ROW} rows in a row, so it was not tried again"
    return {"reason": "template_time", "detail": told}


def stop(_signal: int, _frame: Any) -> None:
    """The signal handler."""
    raise TooLong


def compiled(made: Environment, given: dict[str, Any]) -> Any:
    """(template, its choices or None)."""
    choices = given["choices"]
    return made.from_string(given["jinja"]), None if choices is None else made.from_string(choices)


def main() -> None:
    """Serve until the input ends."""
    signal.signal(signal.SIGPROF, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    start = json.loads(sys.stdin.readline())
    seconds, most = start["seconds"], start["most_chars"]
    with suppress(ValueError, OSError):  # a system without this bound; Linux has it
        resource.setrlimit(resource.RLIMIT_AS, (start["memory"], start["memory"]))
    made = environment()
    templates = {name: limited(seconds, compiled, made, one) for name, one in start["templates"].items()}
    tell({name: one for name, one in templates.items() if isinstance(one, dict)})
    late: Counter[str] = Counter()
    for line in sys.stdin:
        results = []
        for name, row, seed in json.loads(line):
            random.seed(seed)
            result = limited(seconds, rendered, templates[name], row) if late[name] < IN_A_ROW else given_up()
            late[name] = late[name] + 1 if result.get("reason") == "template_time" else 0
            if sum(map(len, result.get("parts", ()))) > most:
                result = {"reason": "too_long", "detail": f"it gives a text of more than {most:,} characters"}
            results.append(result)
        tell(results)


def tell(value: Any) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
