"""The Croissant description (MLCommons, version 1.0) of an export: JSON-LD that search engines and loaders read."""

from __future__ import annotations

from typing import Any

from synth.stages.export.manifest import FileEntry
from synth.stages.export.settings import ExportSettings

_NAMES = """@language @vocab citeAs column conformsTo cr rai data dataType dct equivalentProperty examples extract field
fileProperty fileObject fileSet format includes isLiveDataset jsonPath key md5 parentField path recordSet references
regex repeated replace samplingRate sc separator source subField transform"""
_OTHERS: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "sc": "https://schema.org/",
}
CONTEXT = {name: _OTHERS.get(name, f"cr:{name}") for name in _NAMES.split()}
"""The names of JSON-LD as Croissant prescribes them: its own, but for the few of `_OTHERS`."""
ENCODINGS = {
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".csv": "text/csv",
    ".parquet": "application/x-parquet",
}
TYPES = {"str": "sc:Text", "int": "sc:Integer", "date": "sc:Date", "bool": "sc:Boolean", "float": "sc:Float"}
LICENCE_URLS = {
    "apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
    "mit": "https://opensource.org/license/mit",
    "cc0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "cc-by-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "cc-by-sa-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "cc-by-nc-4.0": "https://creativecommons.org/licenses/by-nc/4.0/",
}


def croissant(data: list[FileEntry], settings: ExportSettings, facts: dict[str, Any]) -> dict[str, Any]:
    """The JSON-LD object. Record sets describe the columns of text and whole numbers; chat turns stay in the files."""
    title = settings.title or str(facts.get("name") or "synthetic instruction data")
    about: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": title,
        "description": settings.description
        or f"{title}: instruction data made by synth from a small pool of seed tasks.",
        "license": LICENCE_URLS.get(settings.licence.lower(), settings.licence),
        "version": "1.0.0",
    }
    about |= {"url": settings.url} if settings.url else {}
    about |= {"datePublished": facts["date"]} if facts.get("date") else {}
    about |= {"creator": [{"@type": "Person", "name": name} for name in settings.authors]} if settings.authors else {}
    about["citeAs"] = _citation(title, settings.authors, str(facts.get("date", "")))
    about["distribution"] = [_file_object(entry) for entry in data]
    about["recordSet"] = [_record_set(entry) for entry in data if entry.rows and _simple_columns(entry)]
    return about


def _citation(title: str, authors: list[str], date: str) -> str:
    """A BibTeX entry for the data."""
    fields = {"title": title, "author": " and ".join(authors), "year": date[:4]}
    body = ", ".join(f"{key} = {{{value}}}" for key, value in fields.items() if value)
    return f"@misc{{synthdata, {body}}}"


def _file_object(entry: FileEntry) -> dict[str, Any]:
    suffix = entry.path[entry.path.rindex(".") :]
    return {
        "@type": "cr:FileObject",
        "@id": entry.path,
        "name": entry.path,
        "contentUrl": entry.path,
        "contentSize": f"{entry.num_bytes} B",
        "encodingFormat": ENCODINGS[suffix],
        "sha256": entry.sha256,
    }


def _simple_columns(entry: FileEntry) -> dict[str, str]:
    return {name: TYPES[kind] for name, kind in entry.columns.items() if kind in TYPES}


def _record_set(entry: FileEntry) -> dict[str, Any]:
    name = "_".join(part for part in (entry.format, entry.split) if part)
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"{entry.rows} rows of {entry.path}",
        "field": [_field(name, column, kind, entry) for column, kind in _simple_columns(entry).items()],
    }


def _field(record_set: str, column: str, kind: str, entry: FileEntry) -> dict[str, Any]:
    extract = {"jsonPath": f"$[*].{column}"} if entry.path.endswith(".json") else {"column": column}
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{column}",
        "name": column,
        "description": column,
        "dataType": kind,
        "source": {"fileObject": {"@id": entry.path}, "extract": extract},
    }
