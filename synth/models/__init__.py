"""Models by name: `connect("openai", {...})` gives a ChatModel.

A backend is a module of this folder with a `Settings` dataclass and a `connect(settings)`; its file name is its name.
One lives elsewhere, the embedded teacher; one of your own is named as `module:name`, an object with the same two.
A backend is imported only when it is asked for.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Protocol, cast

from synth.errors import UsageError
from synth.mistakes import plain
from synth.models.base import ChatModel
from synth.plugins import is_reference, load, nearest


class Backend(Protocol):
    """What makes models: a module of this folder, or any object that `module:name` names.

    `Settings`: a dataclass of the options. Options named in an attribute `NOT_SHAPING`, where there is one, cannot
    change an answer.
    """

    @property
    def Settings(self) -> type[Any]: ...

    def connect(self, settings: Any, /) -> ChatModel: ...


_FOLDER = Path(__file__).parent
_ELSEWHERE = {"embedded": "synth.embedded"}


def list_backends() -> list[str]:
    """The names of all backends, found by reading the files of this folder without importing them."""
    files = [*_FOLDER.glob("*.py"), *_FOLDER.glob("*/__init__.py")]
    named = {path.parent.name if path.name == "__init__.py" else path.stem: path for path in files}
    named.pop(_FOLDER.name, None)
    here = [name for name, path in named.items() if re.search(r"^def connect\(", path.read_text("utf-8"), re.M)]
    return sorted([*here, *_ELSEWHERE])


def parse_teacher(text: str) -> tuple[str, str]:
    """`"openai:gpt-4.1-mini"` → `("openai", "gpt-4.1-mini")`; a bare backend has the model `""`.

    Only the first colon divides, so that `openai:hf.co/org/model:Q4` works; a backend from elsewhere is
    `module:name:model`. Raises UsageError for an unknown backend.
    """
    backend, _, model = text.strip().partition(":")
    if backend not in list_backends() and is_reference(":".join(text.split(":")[:2])):
        name, _, model = model.partition(":")
        backend = f"{backend}:{name}"
    _check_backend(backend)
    return backend, model


def connect(backend: str, options: Mapping[str, Any]) -> ChatModel:
    """The model that `backend` makes of `options` (the fields of its `Settings`).

    Raises UsageError for an unknown backend, an unknown option (naming the nearest) or a value that does not fit;
    CredentialsError where a key is missing. Values are never repeated in an error: one of them could be a key.
    """
    settings = check_options(backend, options)
    return cast(ChatModel, _module(backend).connect(settings))


def check_options(backend: str, options: Mapping[str, Any]) -> Any:
    """The backend's `Settings` made of `options`, without connecting. Raises UsageError as `connect` does."""
    _check_backend(backend)
    module = _module(backend)
    return read_settings(module.Settings, options, f"backend {backend}")


def backend_settings(backend: str) -> type[Any]:
    """The dataclass of a backend's options. Raises UsageError for an unknown backend."""
    _check_backend(backend)
    return cast(type[Any], _module(backend).Settings)


def not_shaping(backend: str) -> frozenset[str]:
    """Options of a backend that cannot change an answer, such as where its server runs."""
    _check_backend(backend)
    return frozenset(getattr(_module(backend), "NOT_SHAPING", ()))


def read_settings(settings: type[Any], options: Mapping[str, Any], where: str) -> Any:
    """`settings(**options)` with every value checked and converted by its type annotation."""
    from pydantic import TypeAdapter, ValidationError

    known = [field.name for field in fields(settings)]
    for name in options:
        if name not in known:
            raise UsageError(f"{where}: unknown option {name!r}", nearest(str(name), known))
    try:
        return TypeAdapter(settings).validate_python(dict(options))
    except ValidationError as error:
        wrong = [f"{'.'.join(place)}: {words}" for place, _, words in plain(error.errors(include_input=False))]
        raise UsageError(f"{where}: " + "; ".join(wrong), f"options are: {', '.join(known)}") from None


def _module(backend: str) -> Any:
    if is_reference(backend):
        found: Any = load(backend, "backend")
        if not (hasattr(found, "Settings") and hasattr(found, "connect")):
            raise UsageError(f"{backend}: it is no backend (Settings and connect)", "see examples/plugins/backend.py")
        return found
    return importlib.import_module(_ELSEWHERE.get(backend, f"synth.models.{backend}"))


def _check_backend(backend: str) -> None:
    known = list_backends()
    if backend not in known and not is_reference(backend):
        raise UsageError(f"there is no backend {backend!r}", nearest(backend, known))
