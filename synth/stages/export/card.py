"""The dataset card: README.md with the header that Hugging Face reads, and what a careful user asks first.

Whatever comes from models or recipes is data here: it is escaped for Markdown and cannot add headings, tables or HTML.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from synth.stages.export.columns import features
from synth.stages.export.manifest import FileEntry
from synth.stages.export.settings import ExportSettings
from synth.stages.export.totals import Totals, length_summary

FACTS = {
    "name": "the run's name",
    "date": "ISO date of the run",
    "recipe_hash": "hash of the recipe",
    "models": "role -> names of the models that answered",
    "teacher_terms": "what the teacher's terms say about the use of its answers",
    "funnel": "list of {stage, in, made, kept, reasons}",
    "funnel_problems": "sentences about sums that do not come out",
    "contamination": "sentences about overlap with evaluation sets",
    "settings": "stage -> settings",
    "asked_otherwise": "sentences about what the endpoints would not take and how they were asked instead",
    "seeds": "where the seed tasks come from",
    "spoiled": "{faults, records, differ}: of a teacher spoiled on purpose, how many answers differ from its own",
    "reproduce": "the command that makes the data again",
    "versions": "package -> version",
}
"""The keys of `facts` the card knows, all optional."""

LICENCES = (
    "apache-2.0 mit cc0-1.0 cc-by-4.0 cc-by-sa-4.0 cc-by-nc-4.0 cc-by-nc-sa-4.0 odc-by pddl gpl-3.0 bsd-3-clause "
    "openrail unknown other"
)
"""Names that Hugging Face knows; another licence is given as `other` with its name beside it."""
SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#|~!&])")


def card(
    data: list[FileEntry],
    totals: Totals,
    settings: ExportSettings,
    left_out: dict[str, int],
    notes: list[str],
    facts: dict[str, Any],
) -> str:
    """The text of README.md."""
    known = {key: facts.get(key) for key in FACTS}
    title = settings.title or str(known["name"] or "Synthetic instruction data")
    lengths = {name: length_summary(words) for name, words in totals.words.items()}
    text = _template().render(
        header=_header(data, totals, settings, title),
        title=title,
        data=data,
        totals=totals,
        settings=settings,
        left_out=left_out,
        notes=notes,
        lengths=lengths,
        facts=known,
        is_reference=totals.from_reference_teacher,
        first=_first([str(entry.format) for entry in data if entry.rows]),
    )
    return str(text).rstrip() + "\n"


def _header(data: list[FileEntry], totals: Totals, settings: ExportSettings, title: str) -> str:
    import yaml

    licence = settings.licence.lower()
    header: dict[str, Any] = {"license": licence if licence in LICENCES.split() else "other"}
    header |= {"license_name": settings.licence} if header["license"] == "other" and licence != "other" else {}
    languages = sorted(code for code in totals.counts.get("language", {}) if re.fullmatch("[a-z]{2,3}", code))
    header |= {"language": languages} if languages else {}
    size = next((name for limit, name in SIZES if totals.records < limit), "n>10M")
    header |= {"pretty_name": title, "task_categories": ["text-generation"], "size_categories": [size]}
    header["tags"] = ["synthetic", "instruction-tuning", "synth"]
    header["tags"] += ["benchmark"] if totals.from_reference_teacher else []
    header["configs"] = _configs(data)
    header["dataset_info"] = [
        {"config_name": c["config_name"], "features": _features(data, c)} for c in header["configs"]
    ]
    return yaml.safe_dump(header, sort_keys=False, allow_unicode=True).rstrip()


def _first(formats: list[str]) -> str:
    """The format that loads by default."""
    return "datasets" if "datasets" in formats else next(iter(formats), "")


def _configs(data: list[FileEntry]) -> list[dict[str, Any]]:
    """A configuration for each format that `load_dataset(folder, name)` can read, the default first.

    One loader serves a whole folder there, so formats of another kind than the default's (JSON, Parquet, CSV) get none.
    """
    named: dict[str, list[dict[str, str]]] = {}
    for entry in data:
        if entry.rows:
            named.setdefault(str(entry.format), []).append({"split": entry.split or "train", "path": entry.path})
    first = _first(list(named))
    same = [name for name in named if name != first and _loader(named[name]) == _loader(named[first])]
    configs: list[dict[str, Any]] = [
        {"config_name": name, "data_files": named[name]} for name in (first, *same) if name
    ]
    return [configs[0] | {"default": True}, *configs[1:]] if configs else []


def _loader(files: list[dict[str, str]]) -> str:
    """The kind of file, as Hugging Face groups them."""
    return Path(files[0]["path"]).suffix.replace(".jsonl", ".json")


def _features(data: list[FileEntry], config: dict[str, Any]) -> list[dict[str, Any]]:
    """The columns of a configuration, with their types."""
    columns = next(entry.columns for entry in data if entry.format == config["config_name"])
    return features(columns, ("from", "value") if config["config_name"] == "sharegpt" else ("role", "content"))


def code_line(value: Any) -> str:
    """Text of foreign origin as one line of an indented code block."""
    return "".join(c for c in " ".join(str(value).split())[:500] if c.isprintable())


def one_line(value: Any) -> str:
    """Text of foreign origin as one line of Markdown that shows it and does nothing else."""
    text = " ".join(str(value).split())[:500]
    return _MARKUP.sub(r"\\\1", "".join(c for c in text if c.isprintable()))


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
    environment.filters |= {"one_line": one_line, "code_line": code_line}
    return environment.from_string((Path(__file__).parent / "card.md.jinja").read_text("utf-8"))
