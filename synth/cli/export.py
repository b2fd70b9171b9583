"""`synth export`: the records of a run as files for others, and their way to the Hugging Face Hub."""

from __future__ import annotations

import os
import shlex
import shutil
from json import loads as read_json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth.cli.command import command
from synth.cli.common import Json, log, print_json, say
from synth.errors import CredentialsError, SynthError, UsageError

if TYPE_CHECKING:
    from synth.recipe import Recipe

TOKEN_ENV = "HF_TOKEN"
FILES = (".json", ".jsonl", ".csv", ".parquet")
"""Endings of --out that name one file in place of a folder."""


@command()
def export(
    folder: Annotated[Path, typer.Argument(help="A run folder.", show_default=False)],
    format: Annotated[
        list[str] | None,
        typer.Option(
            help="alpaca, alpaca_jsonl, messages, prompt_completion, sharegpt, parquet, datasets, preference, kto ...; "
            "may be given several times. The recipe's by default."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="A folder, or one file (.jsonl, .json, .csv, .parquet); the run's own export/ by default."),
    ] = None,
    validation: Annotated[float | None, typer.Option(help="Share for validation, 0 to 1; families stay whole.")] = None,
    test: Annotated[float | None, typer.Option(help="Share for testing, 0 to 1; families stay whole.")] = None,
    provenance: Annotated[bool | None, typer.Option(help="Columns that say where each row comes from.")] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the data for the card, such as cc-by-4.0.")] = None,
    title: Annotated[str | None, typer.Option(help="Title of the card.")] = None,
    push_to_hub: Annotated[str | None, typer.Option(help="OWNER/NAME on the Hub; only shown unless --yes.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help=f"Really upload; the token is read from {TOKEN_ENV}.")] = False,
    json: Json = False,
) -> None:
    """Write the final records in formats that other tools read, with a card, Croissant and a manifest.

    Example: synth export runs/mine --format messages --format parquet --validation 0.05 --out data/
    """
    splits = {name: share for name, share in (("validation", validation), ("test", test)) if share is not None}
    options: dict[str, Any] = {"formats": format, "provenance": provenance, "licence": licence, "title": title}
    options |= {"splits": splits or None}
    given = {key: value for key, value in options.items() if value is not None}
    if out is not None and out.suffix in FILES:
        _one_file(folder, out, given, push_to_hub, json)
        return
    target = out or folder / "export"
    manifest = _made(folder, target, given)
    pushed = _push(target, manifest, push_to_hub, yes) if push_to_hub else None
    files = [(target / file["path"], file["rows"]) for file in manifest["files"]]
    _tell(target, files, manifest | ({"push": pushed} if pushed else {}), json)


def _tell(out: Path, files: list[tuple[Path, int | None]], manifest: dict[str, Any], json: bool) -> None:
    """What was written, with its rows, and the notes."""
    if json:
        print_json({"out": str(out), **manifest})
        return
    for path, rows in files:
        say(f"{path}" + (f": {rows} rows" if rows is not None else ""))
    for note in manifest["notes"]:
        log(f"note: {note}")


def _made(folder: Path, out: Path, given: dict[str, Any]) -> dict[str, Any]:
    """Export to the folder `out`; the manifest. Raises UsageError where there is nothing to export."""
    from synth.pipeline.seals import made_anew

    with made_anew(folder, "export"):
        manifest = _export(folder, out, given)
    _refuse_empty(folder, manifest)
    return manifest


def _one_file(folder: Path, out: Path, given: dict[str, Any], push_to_hub: str | None, json: bool) -> None:
    """Export to a folder beside `out`, and of it keep the one data file. Raises UsageError where there are several."""
    if push_to_hub:
        raise UsageError("--push-to-hub uploads a folder with its card, and --out names one file", "name a folder")
    place = out.with_name(f".{out.name}.tmp")
    try:
        manifest = _made(folder, place, given)
        names = [file["path"] for file in manifest["files"] if file["rows"] is not None]
        if len(names) != 1 or Path(names[0]).suffix != out.suffix:
            raise UsageError(
                f"--out {out} names one file, and the export has {', '.join(names)}",
                "name a folder, or one --format that is written as such a file, without splits",
            )
        os.replace(place / names[0], out)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    _tell(out, [(out, manifest["records"])], manifest, json)


def _export(folder: Path, out: Path, given: dict[str, Any]) -> dict[str, Any]:
    from synth.engine.funnel import family_links, final_records
    from synth.engine.ledger import LedgerReader
    from synth.mistakes import FLAGS
    from synth.recipe import validated
    from synth.stages.export import ExportSettings, export, run_facts, spoiled_facts

    base, recipe = _recipe_settings(folder)
    settings = validated(ExportSettings, base | given, FLAGS)
    with LedgerReader(folder) as ledger:
        facts = run_facts(folder) | {"recipe_hash": recipe.hash if recipe else ""}
        links = family_links(ledger) if settings.splits else ()
        held_out = held_out_ids(folder)
        if recipe:
            facts |= spoiled_facts(recipe, (one for one in final_records(ledger) if one.id not in held_out))
        records = (record for record in final_records(ledger) if record.id not in held_out)
        return export(records, out, settings, facts, links).to_dict()


def _refuse_empty(folder: Path, manifest: dict[str, Any]) -> None:
    """Tell of tasks without an answer. Raises UsageError where there is nothing else."""
    count = manifest["left_out"].get("no_answer", 0)
    answering = f"synth respond --run {shlex.quote(str(folder))}"
    if count and not manifest["records"]:
        raise UsageError(f"there is nothing to export: none of the {count} tasks has an answer", f"type: {answering}")
    if count:
        log(f"note: {count} tasks without an answer are left out; {answering}")


def held_out_ids(folder: Path) -> set[str]:
    """Ids of the records a run keeps back for evaluation; they are in no export."""
    path = folder / "held_out.jsonl"
    return {read_json(line)["id"] for line in path.read_text("utf-8").splitlines()} if path.is_file() else set()


def _recipe_settings(folder: Path) -> tuple[dict[str, Any], Recipe | None]:
    """The export section of the run's recipe, and the recipe; nothing where the folder has none."""
    if not (folder / "recipe.yaml").is_file():
        return {}, None
    from synth.pipeline import read_run_recipe

    recipe = read_run_recipe(folder)
    return (recipe.export.model_dump() if recipe.export else {}), recipe


def _push(out: Path, manifest: dict[str, Any], repo: str, really: bool) -> dict[str, Any]:
    """Upload the files the manifest names (and nothing else), or only say what would be uploaded."""
    paths = [*(file["path"] for file in manifest["files"]), "manifest.json"]
    plan = {"repo": repo, "files": paths, "uploaded": False}
    if not really:
        log(f"would upload {len(paths)} files to the dataset {repo}; add --yes to do it")
        return plan
    token = os.environ.get(TOKEN_ENV)
    if not token:
        raise CredentialsError(f"there is no token in {TOKEN_ENV}", "make one with write access and put it there")
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise UsageError("huggingface_hub is not installed", "install synth-instruct[train]") from None
    try:
        api = HfApi(token=token)
        api.create_repo(repo, repo_type="dataset", private=True, exist_ok=True)
        api.upload_folder(repo_id=repo, repo_type="dataset", folder_path=out, allow_patterns=paths)
    except Exception as error:
        words = str(error).replace(token, "***").splitlines()
        raise SynthError(f"the upload to {repo} failed: {words[0] if words else type(error).__name__}") from None
    log(f"uploaded {len(paths)} files to the private dataset {repo}")
    return plan | {"uploaded": True}
