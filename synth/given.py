"""What a user hands over, read within bounds: YAML text, a `.env` file, and the files that settings name."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from synth.errors import UsageError

MAX_RECIPE_BYTES, MAX_NODES, MAX_DEPTH = 1_000_000, 20_000, 32
"""Bounds of a recipe; nodes are counted with every alias written out."""
MAX_DATA_BYTES = 2**30
_SECRET_NAME = re.compile(r"[A-Z][A-Z0-9_]*(KEY|TOKEN|SECRET|PASSWORD|AUTH)[A-Z0-9_]*")
USUAL_SECRETS = ("OPENAI_API_KEY", "HF_TOKEN")


class StrictSettings(BaseModel):
    """Settings: a name that is not known is a mistake, and nothing changes them afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@contextmanager
def as_mistake() -> Iterator[None]:
    """In a validator of settings: what a UsageError says becomes one of the mistakes that are told together."""
    try:
        yield
    except UsageError as error:
        raise ValueError(f"{error.message}; {error.hint}") from error


def check_file(path: Path) -> Path:
    """`path`. Raises UsageError where it is a device, a pipe or a socket, from which reading may never end."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return path  # who reads it says what is wrong
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise UsageError(f"{path} is not a file but a device or a pipe", "write it to a file first")
    return path


def read_text(path: Path, most: int = MAX_RECIPE_BYTES) -> str:
    """A small UTF-8 text. Raises OSError, UnicodeDecodeError, and UsageError for what is no file or too big."""
    with check_file(path).open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise UsageError(f"{path} is bigger than {most:,} bytes", "is it the right file?")
    return data.decode("utf-8-sig")


def read_named(path: Path, hint: str, what: str = "", most: int = MAX_RECIPE_BYTES) -> str:
    """The text of a file that a user names (`what` it is). Raises UsageError, with `hint`, where it cannot be read."""
    try:
        return read_text(path, most)
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise UsageError(f"{what or path} cannot be read: {why}", hint) from error


class PlainKeys(yaml.SafeLoader):
    """YAML whose keys `on`, `off`, `yes` and `no` are these words, not truth values."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping of a node."""
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:bool":
                key.tag = "tag:yaml.org,2002:str"
        return super().construct_mapping(node, deep)


def parse_yaml(text: str, where: str, loader: type[yaml.SafeLoader] = PlainKeys) -> tuple[Any, yaml.Node | None]:
    """The value of a YAML text and its node tree. Raises UsageError for what is not YAML, or grows when read."""
    hint = "mind the indentation and the colons"
    try:
        _check_depth(text, where)
        node = yaml.compose(text, yaml.SafeLoader)
        if node is not None and _size(node, {}) > MAX_NODES:
            raise UsageError(
                f"{where} has more than {MAX_NODES:,} values, its aliases written out", "use fewer aliases"
            )
        return yaml.load(text, loader), node
    except yaml.YAMLError as error:
        raise UsageError(f"{where} is not valid YAML: {error}", hint) from error
    except (ValueError, RecursionError, OverflowError) as error:
        raise UsageError(f"{where} holds a value that cannot be read: {error}", hint) from error


def lines_of(node: yaml.Node, prefix: str, lines: dict[str, int]) -> None:
    """Put the line, from 1, of every key below a node into `lines`, by its dotted path."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            path = f"{prefix}.{key.value}".lstrip(".")
            lines[path] = key.start_mark.line + 1
            lines_of(value, path, lines)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            lines[f"{prefix}.{number}"] = value.start_mark.line + 1
            lines_of(value, f"{prefix}.{number}", lines)


def _check_depth(text: str, where: str) -> None:
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise UsageError(f"{where} is nested deeper than {MAX_DEPTH} levels", "no recipe needs that")


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """How many nodes there are below and with `node`, an alias counted as what it stands for."""
    if id(node) not in known:
        known[id(node)] = MAX_NODES  # for one that contains itself
        known[id(node)] = 1 + sum(_size(inner, known) for inner in _inner(node))
    return known[id(node)]


def _inner(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from (key, value)
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def secret_names(data: Any) -> set[str]:
    """The environment variables that a recipe names as keys: every `api_key_env`, and `$NAME` in `extra_headers`."""
    names = set(USUAL_SECRETS)
    for inner in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        names |= secret_names(inner)
    if isinstance(data, dict):
        named = data.get("extra_headers")
        names |= {str(data.get("api_key_env", ""))}
        names |= {str(value).removeprefix("$") for value in named.values()} if isinstance(named, dict) else set()
    return {name for name in names if _SECRET_NAME.fullmatch(name)}


def load_env(folder: Path, data: Mapping[str, Any] = {}) -> None:
    """Take the keys that a recipe names from `.env` in its `folder` or the working folder, where not yet set.

    Nothing else is taken: what such a file says of proxies or libraries is not for us to obey.
    """
    names = secret_names(data)
    for path in {folder / ".env", Path(".env")}:
        if path.is_file():
            for line in read_text(path).splitlines():
                match = re.match(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$", line)
                if match and match[1] in names:
                    os.environ.setdefault(match[1], match[2].strip("\"'"))


def contents_of(path: str) -> str | None:
    """A mark of what is in the file at `path`, None where there is no file."""
    if not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"


def flat(data: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, keys joined by dots."""
    if not isinstance(data, dict):
        return {prefix: data}
    return {
        key: value for name, inner in data.items() for key, value in flat(inner, f"{prefix}.{name}".lstrip(".")).items()
    }


def names_file(key: str) -> bool:
    """Does a value at this dotted key name a file: `input`, `path`, `..._path`, or any of `..._paths`?"""
    *before, last = key.split(".")
    return last in ("input", "path") or last.endswith("_path") or "".join(before[-1:]).endswith("_paths")


def with_files(dump: Mapping[str, Any], change: Callable[[str], str], at: str = "") -> dict[str, Any]:
    """A recipe's dump with `change` made to every file it names. `at`: the dotted key under which the dump stands."""
    changed: dict[str, Any] = {}
    for name, value in dump.items():
        key = f"{at}.{name}"
        if isinstance(value, dict):
            changed[name] = with_files(value, change, key)
        else:
            changed[name] = change(value) if isinstance(value, str) and names_file(key) else value
    return changed


def placed(section: BaseModel, base: Path) -> BaseModel:
    """The same settings with their fields `path`, `..._path` and `..._paths` below `base`."""
    changes: dict[str, Any] = {}
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            changes[name] = placed(value, base)
        elif isinstance(value, dict) and any(isinstance(one, BaseModel) for one in value.values()):
            changes[name] = {key: placed(one, base) for key, one in value.items()}
        elif name.endswith("_paths") and isinstance(value, dict):
            changes[name] = {key: str(base / path) for key, path in value.items()}
        elif (name == "path" or name.endswith("_path")) and isinstance(value, str | Path):
            changes[name] = type(value)(base / value)
    return section.model_copy(update=changes)
