"""What pydantic refuses, in words for whoever wrote a recipe or a flag: one mistake for each value."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

_BRANCH = re.compile(r"[\w-]*[\[({].*|constrained-\w+|(int|float|str|bool|list|dict|none|tuple|path)", re.I)
"""A part of an error's place that names a branch of a type, and no key."""
FLAGS = "flags"
"""Where a value comes from that was given by a flag."""
OTHER_FLAGS = {"prompt_paths": "prompt", "input": "from", "formats": "format"}
"""Settings whose flag has another name."""
KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "string": "a text", "list": "a list"}
KINDS |= {"dict": "a mapping", "model": "a mapping", "tuple": "a list", "path": "a path", "none": "null"}
BOUNDS: dict[str, tuple[str, str]] = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
    "too_short": ("min_length", "a list of at least"),
    "string_too_short": ("min_length", "a text of at least this many characters:"),
    "too_long": ("max_length", "a list of at most"),
}
NAME, PLACE, HOST = r"^[a-z0-9][a-z0-9-]{0,63}$", r"^(here|ray(://\S+)?)$", r"^[^\s:]+:\d{1,5}$"
"""Patterns of recipe values: a name, where a run works, a port of a host."""
PATTERNS = {
    NAME: "it must be made of small letters, digits and dashes, 64 at most",
    PLACE: "it must be here, ray or ray://HOST:PORT",
    HOST: "it must be of the form HOST:PORT",
}
WORDS: dict[str, Callable[[Any], str]] = {
    "missing": lambda _: "it is missing",
    "literal_error": lambda error: f"it must be {error['ctx']['expected']}",
    "string_pattern_mismatch": lambda error: PATTERNS.get(
        error["ctx"]["pattern"], f"it does not fit the pattern {error['ctx']['pattern']}"
    ),
    "finite_number": lambda _: "it must be a finite number",
}


def plain(errors: Sequence[Any]) -> list[tuple[list[str], str, str]]:
    """(place, kind of error, words) for each value that is refused; what the branches of its type want is one."""
    found: dict[tuple[str, ...], tuple[str, list[str]]] = {}
    for error in errors:
        place = tuple(str(part) for n, part in enumerate(error["loc"]) if n == 0 or not _BRANCH.fullmatch(str(part)))
        _, words = found.setdefault(place, (error["type"], []))
        said = plain_words(error)
        words += [said] if said not in words else []
    return [(list(place), kind, _either(words)) for place, (kind, words) in found.items()]


def plain_words(error: Any) -> str:
    """What one error of pydantic says, without its inner words."""
    kind, context = error["type"], error.get("ctx") or {}
    if kind in BOUNDS and BOUNDS[kind][0] in context:
        name, words = BOUNDS[kind]
        return f"it must be {words} {context[name]}"
    if kind in WORDS:
        return WORDS[kind](error)
    wanted = KINDS.get(kind.partition("_")[0])
    if wanted and kind.endswith(("_type", "_parsing", "_from_float", "_mapping")):
        return f"it must be {wanted}"
    return str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")


def _either(words: Sequence[str]) -> str:
    if all(one.startswith("it must be ") for one in words):
        return "it must be " + " or ".join(one.removeprefix("it must be ") for one in words)
    return "; ".join(words)


def mistakes_of(error: ValidationError, where: str, lines: Mapping[str, int], model: type[BaseModel]) -> list[str]:
    """A line for each value of `model` that is refused: its place in the file `where`, its key, and what is wrong.

    `lines`: dotted key → line, for the keys whose line is known.
    """
    return [_line(one, where, lines, model) for one in plain(error.errors(include_url=False))]


def _line(mistake: tuple[list[str], str, str], where: str, lines: Mapping[str, int], model: type[BaseModel]) -> str:
    loc, kind, words = mistake
    path = ".".join(loc)
    if where == FLAGS:
        return f"{_flag(loc)}: {words}"
    place = place_of(loc, where, lines)
    if kind == "extra_forbidden":
        return f"{place}: {path}: unknown key; {_nearest(loc, model)}"
    return f"{place}: {path}: {words}" if path else f"{place}: {words}"


def place_of(loc: Sequence[str], where: str, lines: Mapping[str, int]) -> str:
    """The file `where` with the line of a key, or of the section around it, where one is known."""
    line = next((lines[".".join(loc[:n])] for n in range(len(loc), 0, -1) if ".".join(loc[:n]) in lines), None)
    return f"{where}, line {line}" if line else where


def _flag(loc: Sequence[str]) -> str:
    """The flag by which a value of a recipe is given."""
    names = [part for part in loc if not part.isdigit() and part != "tune"][:2]  # `synth evolve tune` has its own flags
    name = names[0] if names[0] in ("seeds", "judge") or names[-1] in ("model", "backend") else names[-1]
    return "--" + OTHER_FLAGS.get(name, name).replace("_", "-")


# Names that other tools use for a setting.
OTHER_NAMES = {
    "lr": "learning_rate",
    "bs": "batch_size",
    "num_epochs": "epochs",
    "num_train_epochs": "epochs",
    "micro_batch_size": "micro_tokens",
    "per_device_train_batch_size": "micro_tokens",
    "cutoff_len": "max_length",
    "sequence_len": "max_length",
    "max_seq_length": "max_length",
    "lora_r": "lora_rank",
    "bf16": "precision",
    "gradient_checkpointing": "activation_checkpointing",
    "warmup_ratio": "warmup",
    "lr_scheduler_type": "schedule",
}


def _nearest(loc: Sequence[str], root: type[BaseModel]) -> str:
    model: Any = root
    for part in loc[:-1]:
        found = model.model_fields.get(part)
        inner = (
            [t for t in _types(found.annotation) if isinstance(t, type) and issubclass(t, BaseModel)] if found else []
        )
        model = inner[0] if inner else None
        if model is None:
            return "see `synth schema`"
    known = [OTHER_NAMES[loc[-1]]] if OTHER_NAMES.get(loc[-1]) in model.model_fields else list(model.model_fields)
    close = difflib.get_close_matches(loc[-1], known, n=1, cutoff=0.5 if len(known) > 1 else 0)
    return f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(model.model_fields)}"


def _types(annotation: Any) -> Sequence[Any]:
    return getattr(annotation, "__args__", None) or (annotation,)
