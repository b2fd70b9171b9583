"""Templates in the form of promptsource (arXiv 2202.01279), with which T0 was trained: read and written.

A file has the templates of one dataset: Jinja texts with `|||` between input and target, answer choices, and notes on
what they are for. Its YAML tags name Python classes there; here they are read as plain mappings, other tags are not.
Nothing is compiled or rendered here.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from synth.errors import InputError, UsageError
from synth.given import parse_yaml, read_named

SEPARATOR = "|||"
TAGS = ("!Template", "!TemplateMetadata")
MAX_FILE_BYTES = 5_000_000


@dataclass(frozen=True, slots=True)
class Template:
    """A template: `jinja` gives input, `|||` and target; `answer_choices` (Jinja too) gives the choices between `|||`.

    `metadata`: promptsource's notes; `original_task` is false where the template turns the task round or changes it.
    """

    id: str
    name: str
    jinja: str
    answer_choices: str | None = None
    reference: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_original(self) -> bool:
        """Does it ask for what the dataset was made for?"""
        return self.metadata.get("original_task") is not False

    @property
    def must_choose(self) -> bool:
        """Does the target name one of the choices? That is what accuracy, the metric noted for it, compares."""
        return self.answer_choices is not None and "Accuracy" in (self.metadata.get("metrics") or ())


@dataclass(frozen=True, slots=True)
class TemplateFile:
    """The templates of a dataset, or of one `subset` of it."""

    dataset: str
    templates: tuple[Template, ...]
    subset: str | None = None


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, which takes TAGS for plain mappings."""


class _Dumper(yaml.SafeDumper):
    """Its inverse."""


class _Tagged(dict[str, Any]):
    tag = TAGS[0]


class _Notes(_Tagged):
    tag = TAGS[1]


def _plain(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    if not isinstance(node, yaml.MappingNode):
        raise yaml.constructor.ConstructorError(None, None, f"{node.tag} must be a mapping", node.start_mark)
    return loader.construct_mapping(node, deep=True)


for _tag in TAGS:
    _Loader.add_constructor(_tag, _plain)
for _kind in (_Tagged, _Notes):
    _Dumper.add_representer(_kind, lambda dumper, value: dumper.represent_mapping(value.tag, dict(value)))


def read_templates(path: Path) -> TemplateFile:
    """The templates of a file. Raises UsageError where it cannot be read, InputError with every template at fault."""
    text = read_named(path, "name a YAML file in promptsource's form", f"templates {path}", MAX_FILE_BYTES)
    data, _ = parse_yaml(text, f"templates {path}", _Loader)
    listed = data.get("templates") if isinstance(data, dict) else None
    if not isinstance(listed, dict) or not listed:
        raise UsageError(f"templates {path}: there is no mapping `templates`", "write it in promptsource's form")
    mistakes: list[str] = []
    found = [_template(str(key), one, f"{path}: template {key}", mistakes) for key, one in listed.items()]
    if mistakes:
        raise InputError(f"{path} has {len(mistakes)} mistake(s):", mistakes, "correct the templates; nothing was made")
    subset = data.get("subset")
    return TemplateFile(str(data.get("dataset") or path.stem), tuple(found), None if subset is None else str(subset))


def _template(key: str, given: Any, where: str, mistakes: list[str]) -> Template:
    """A template of a file; whatever is wrong with it is added to `mistakes`."""
    row = given if isinstance(given, dict) else {}
    name, jinja, choices = str(row.get("name") or key), row.get("jinja"), row.get("answer_choices")
    where = f"{where} ({name})" if name != key else where
    if not isinstance(jinja, str) or not jinja.strip():
        mistakes.append(f"{where}: `jinja` is missing or not a text")
    elif SEPARATOR not in jinja:
        mistakes.append(f"{where}: there is no {SEPARATOR} between input and target")
    elif jinja.count(SEPARATOR) > 1 and "{%" not in jinja:
        mistakes.append(
            f"{where}: {SEPARATOR} stands {jinja.count(SEPARATOR)} times; it divides input from target once"
        )
    if not (choices is None or isinstance(choices, str)):
        mistakes.append(f"{where}: `answer_choices` is not a text; write a {SEPARATOR} b")
    notes = row.get("metadata")
    if not (notes is None or isinstance(notes, dict)):
        mistakes.append(f"{where}: `metadata` is not a mapping")
    plain = choices if isinstance(choices, str) else None
    return Template(
        key, name, str(jinja), plain, str(row.get("reference") or ""), notes if isinstance(notes, dict) else {}
    )


def templates_text(file: TemplateFile) -> str:
    """The YAML of a file; promptsource's own files come back byte for byte."""
    rows = {
        one.id: _Tagged(
            answer_choices=one.answer_choices, id=one.id, jinja=one.jinja,
            metadata=_Notes(one.metadata), name=one.name, reference=one.reference,
        )
        for one in file.templates
    }  # fmt: skip
    subset = {} if file.subset is None else {"subset": file.subset}
    return yaml.dump({"dataset": file.dataset, **subset, "templates": rows}, Dumper=_Dumper)


def wordings(name: str, texts: Sequence[str], *, metadata: Mapping[str, Any]) -> list[Template]:
    """Templates of plain Jinja texts, with ids made of `name` and their place."""
    space = uuid.NAMESPACE_URL
    return [
        Template(str(uuid.uuid5(space, f"synth {name} {number}")), f"{name} {number}", text, metadata=metadata)
        for number, text in enumerate(texts, 1)
    ]
