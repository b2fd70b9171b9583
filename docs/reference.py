"""A hook of the documentation's build: the pages of reference/ are made from the code."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Iterator
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import synth
from synth.checks import CHECKS, EVOLUTION_CHECKS, SUBJECTS
from synth.cli.app import app
from synth.models import backend_settings, list_backends
from synth.recipe import recipe_schema
from synth.stages.export.formats import FORMATS


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages made from the code, and the schema of recipes for editors."""
    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def pages() -> dict[str, str]:
    """Path → text of every page made from the code."""
    schema = recipe_schema()
    return {
        "reference/recipe.md": recipe_page(schema),
        "reference/commands.md": commands_page(),
        "reference/checks.md": checks_page(),
        "reference/python.md": python_page(),
        "reference/recipe-1.schema.json": json.dumps(schema, indent=1),
    }


def recipe_page(schema: dict[str, Any]) -> str:
    """Every key of a recipe, section by section, then the settings of each backend."""
    lines = [
        "# Recipe keys",
        "Every key of a recipe with its type, its default and what it does, made from the code of this version. "
        "`synth schema` prints the same as JSON Schema for editors. Keys without a default are required.",
    ]
    lines += ["## Top level", *_table(schema["properties"], schema, "")]
    for name, spec in schema["properties"].items():
        model = _model(spec, schema)
        if model is not None:
            lines += [f"## {name}", _plain(spec.get("description", "")), *_section(model, schema, name)]
    lines += ["## Backends", "Further keys of `teacher` and `judge`, by their `backend`."]
    for backend in list_backends():
        settings = backend_settings(backend)
        lines += [f"### backend: {backend}", inspect.cleandoc(settings.__doc__ or ""), *_fields(settings)]
    return _text(lines)


def _section(model: dict[str, Any], schema: dict[str, Any], path: str) -> Iterator[str]:
    """The table of a section's keys, and below it those of the sections inside it."""
    yield from _table(model["properties"], schema, path)
    for name, spec in model["properties"].items():
        inner = _model(spec, schema)
        if inner is not None and inner.get("properties"):
            yield f"### {path}.{name}"
            yield from _section(inner, schema, f"{path}.{name}")


def _table(properties: dict[str, Any], schema: dict[str, Any], path: str) -> Iterator[str]:
    rows = ["| key | type | default | |", "|---|---|---|---|"]
    for name, spec in properties.items():
        default = f"`{_cell(json.dumps(spec['default'], ensure_ascii=False))}`" if "default" in spec else ""
        inner = _model(spec, schema)
        shown = "section" if inner is not None else _type(spec, schema)
        default = "" if inner is not None and default != "`null`" else default
        rows.append(f"| `{name}` | {_cell(shown)} | {default} | {_cell(_plain(spec.get('description', '')))} |")
    yield "\n".join(rows)


def _model(spec: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any] | None:
    """The properties behind a reference to another model; None where the value is a plain one."""
    for one in (spec, *spec.get("anyOf", ()), *spec.get("allOf", ())):
        found = schema["$defs"].get(str(one.get("$ref", "")).rpartition("/")[2])
        if found is not None and found.get("type") == "object":
            return dict(found)
    return None


def _type(spec: dict[str, Any], schema: dict[str, Any]) -> str:
    """A type in a few words: `integer`, `text or null`, `list of text`."""
    if "anyOf" in spec:
        return " or ".join(dict.fromkeys(_type(one, schema) for one in spec["anyOf"]))
    if "$ref" in spec:
        return _type(schema["$defs"][spec["$ref"].rpartition("/")[2]], schema)
    if "enum" in spec:
        return ", ".join(f"`{one}`" for one in spec["enum"])
    if "const" in spec:
        return f"`{spec['const']}`"
    kind = str(spec.get("type", "any"))
    if kind == "array":
        return f"list of {_type(spec.get('items', {}), schema)}"
    inner = spec.get("additionalProperties")
    if kind == "object" and isinstance(inner, dict):
        return f"mapping to {_type(inner, schema)}"
    return {"string": "text", "object": "mapping"}.get(kind, kind)


def _fields(settings: type[Any]) -> Iterator[str]:
    """The table of a backend's settings."""
    rows = ["| key | type | default |", "|---|---|---|"]
    for field in dataclasses.fields(settings):
        has_none = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        made = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
        default = "" if has_none else f"`{_cell(json.dumps(made, default=str))}`"
        rows.append(f"| `{field.name}` | `{_cell(str(field.type))}` | {default} |")
    yield "\n".join(rows)


def commands_page() -> str:
    """Every command with its arguments and options."""
    lines = ["# Commands", "Every command takes `--json`, `--debug` and `--help`, which are not repeated below."]
    lines += ["## Exit codes", EXIT_CODES]
    for path, command in _commands(typer.main.get_command(app), "synth"):
        lines += [f"## {path}", inspect.cleandoc(command.help or "").partition("\f")[0], *_options(command)]
    return _text(lines)


EXIT_CODES = """| code | meaning |
|---|---|
| 0 | done |
| 1 | an error |
| 2 | wrong flags, recipe or file |
| 3 | done, but some items were quarantined; or a stage stopped because nearly all it made was rejected |
| 4 | the cap on money or tokens was reached |
| 5 | the disk, a lock or a damaged run folder |
| 6 | a key, a permission, a model name or a quota |
| 130, 143 | stopped by Ctrl-C or SIGTERM |"""


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", {})
    if path != "synth" and command.help:
        yield path, command
    for name, one in inner.items():
        yield from _commands(one, f"{path} {name}")


def _options(command: Any) -> Iterator[str]:
    hidden = ("json", "debug", "help")
    rows = ["| | default | |", "|---|---|---|"]
    for one in command.params:
        if one.name in hidden:
            continue
        is_argument = one.param_type_name == "argument"
        name = (one.metavar or str(one.name).upper()) if is_argument else ", ".join((*one.opts, *one.secondary_opts))
        default = "" if one.default in (None, False, ()) or callable(one.default) else f"`{_cell(str(one.default))}`"
        rows.append(f"| `{name}` | {default} | {_cell(getattr(one, 'help', '') or '')} |")
    if len(rows) > 2:
        yield "\n".join(rows)


def checks_page() -> str:
    """Every check with its options, those of evolution, and the export formats."""
    lines = [
        "# Checks and formats",
        "Names for `select.checks`, each alone or with options: `{instruction_length: {max_words: 300}}`. A check of "
        "your own is named as `module:name` (see [Parts of your own](../extending.md)).",
    ]
    lines += ["## Checks", *(_check(name, make) for name, make in CHECKS.items())]
    lines += ["## Checks of an evolved task against its parent"]
    lines += [_check(name, make) for name, make in EVOLUTION_CHECKS.items()]
    rows = ["| format | file | columns |", "|---|---|---|"]
    for name, one in FORMATS.items():
        rows.append(f"| `{name}` | `{one.file}` | {', '.join(one.columns)} |")
    return _text([*lines, "## Export formats", "\n".join(rows)])


def _check(name: str, make: Any) -> str:
    parameters = inspect.signature(make).parameters
    options = ", ".join(_parameter(one, with_type=False) for key, one in parameters.items() if key not in SUBJECTS)
    about = _plain(inspect.cleandoc(make.__doc__ or ""))
    return f"### {name}\n\n{about}\n" + (f"\nOptions: `{options}`\n" if options else "")


def python_page() -> str:
    """Every public name with its signature and what it is for."""
    lines = ["# Python", "Every name of the package `synth`. See [From Python](../python.md) for how to use them."]
    for name in synth.__all__:
        found = getattr(synth, name)
        if name != "__version__":
            lines += [f"## {name}", *_signature(name, found), inspect.cleandoc(found.__doc__ or "")]
            lines += _methods(found) if inspect.isclass(found) else []
    return _text(lines)


def _signature(name: str, found: Any) -> Iterator[str]:
    if inspect.isclass(found) and getattr(found, "_is_protocol", False):
        return
    try:
        parameters = list(inspect.signature(found).parameters.values())
    except (TypeError, ValueError):
        return
    first = next((one for one in parameters if one.kind is one.KEYWORD_ONLY), None)
    lines = [("    *,\n" if one is first else "") + f"    {_parameter(one)},\n" for one in parameters]
    yield f"```python\n{name}(\n{''.join(lines)})\n```"


def _parameter(one: inspect.Parameter, with_type: bool = True) -> str:
    """A parameter as it is written in code."""
    star = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
    kind = f": {one.annotation}" if with_type and one.annotation is not one.empty else ""
    value = "..." if str(one.default) == "<factory>" else repr(one.default)
    return f"{star}{one.name}{kind}" + ("" if one.default is one.empty else f" = {value}")


def _methods(found: type[Any]) -> Iterator[str]:
    for name, one in vars(found).items():
        inner = one.fget if isinstance(one, property) else getattr(one, "__func__", one)
        if not name.startswith("_") and inspect.isfunction(inner) and inner.__doc__:
            yield f"`{name}`{'' if isinstance(one, property) else '()'}: {_plain(inspect.cleandoc(inner.__doc__))}"


def _plain(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _text(lines: list[str]) -> str:
    return "\n\n".join(line for line in lines if line) + "\n"
