"""A recipe: the stages' own settings put together in one YAML file, read with every mistake listed at once.

Keys never stand in a recipe: a backend reads its key from the environment variable it names (a `.env` file beside the
recipe or in the working folder is read first). Nothing is run here.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator

from synth.engine.batches import BatchSettings
from synth.engine.budget import Price
from synth.errors import InputError, UsageError
from synth.given import (
    StrictSettings,
    as_mistake,
    check_file,
    contents_of,
    flat,
    lines_of,
    load_env,
    names_file,
    parse_yaml,
    placed,
    read_named,
    with_files,
)
from synth.mistakes import FLAGS, NAME, PLACE, mistakes_of, place_of
from synth.models import not_shaping
from synth.plugins import is_reference
from synth.prompts import version
from synth.records import digest
from synth.shipped import SEED_FILE
from synth.stages.order import STAGES, find_stage
from synth.stages.stage import Planned, Stage
from synth.student.holdout import HoldOutSettings
from synth.version import RECIPE_SCHEMA

Settings = TypeVar("Settings", bound=BaseModel)


class SeedsSettings(StrictSettings):
    """Where the seed tasks are, and what is done with them beside bootstrap."""

    path: Path = Field(
        SEED_FILE, description="A file of seed tasks, relative to the recipe; the shipped 175 by default."
    )
    export: bool = Field(
        False, description="Export the seed tasks with the rest: they join the other records before the checks."
    )
    evolve: bool = Field(False, description="Evolve the seed tasks too, and then export them.")


class ModelSettings(BaseModel):
    """A model in a role: its backend, that backend's own settings beside these (see `synth/models`), and how it is
    used.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    backend: str = Field(
        "embedded",
        description=(
            "embedded (a reference bench, no model), openai (any compatible server), vllm, transformers, or "
            "module:name."
        ),
    )
    concurrency: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        "auto", description="Requests in flight at once, at each server; auto finds what it takes."
    )
    max_tokens: int = Field(2048, ge=1, description="Longest answer in tokens where a stage sets no limit of its own.")
    api: Literal["chat", "completion", "batch"] = Field(
        "chat",
        description=(
            "chat, completion for base models without a chat template, or batch: chat in files that a provider answers "
            "within a day for half the price."
        ),
    )
    batch: BatchSettings = Field(BatchSettings(), description="With `api: batch`: how files are filled and waited for.")

    @property
    def options(self) -> dict[str, Any]:
        """What goes to the backend."""
        return dict(self.__pydantic_extra__ or {})

    @property
    def kind(self) -> Literal["chat", "completion"]:
        """The endpoint of its requests."""
        return "completion" if self.api == "completion" else "chat"

    @model_validator(mode="after")
    def _backend_knows_its_options(self) -> ModelSettings:
        from synth.models import check_options

        if self.api == "batch" and self.backend != "openai" and not is_reference(self.backend):
            raise ValueError(f"the backend {self.backend} has no batch API; `api: batch` goes with `backend: openai`")
        with as_mistake():
            check_options(self.backend, self.options)
        return self


class PriceSettings(StrictSettings):
    """Money per million tokens."""

    prompt: float = Field(ge=0, description="Price of a million prompt tokens.")
    completion: float = Field(ge=0, description="Price of a million answer tokens.")


class EngineSettings(StrictSettings):
    """How requests are made. Nothing here changes the result."""

    max_attempts: int = Field(
        8,
        ge=1,
        description="Attempts at one request before its item is quarantined; refusals for load (429) are not counted.",
    )
    deadline_s: float = Field(900, gt=0, description="Seconds for all attempts at one request together.")
    grace_s: float = Field(60, ge=0, description="Seconds to wait for answers in flight when a run stops.")
    on: str = Field(
        "here",
        pattern=PLACE,
        description=(
            "Where records are worked on: here, in this process; ray, in processes that Ray starts on this machine; "
            "ray://HOST:PORT, on a Ray cluster (needs the extra [ray])."
        ),
    )
    workers: int = Field(2, ge=1, description="Ray: processes that work on records; they share the concurrency.")
    worker_gpus: float = Field(
        0, ge=0, description="Ray: GPUs of each worker, for a backend that runs its own model (vllm, transformers)."
    )
    max_cost: float | None = Field(
        None, gt=0, description="Stop before more dollars than this are spent, by known prices."
    )
    max_tokens_total: int | None = Field(
        None, gt=0, description="Stop before more tokens than this are spent, prompts and answers together."
    )
    prices: dict[str, PriceSettings] = Field(
        default_factory=dict,
        description=(
            "Model or family to its prices. They go before those of the file that SYNTH_PRICES names and of the table "
            "in synth/data/prices.yaml; tokens without a price cost nothing."
        ),
    )

    @property
    def price_table(self) -> dict[str, Price]:
        """Prices by model name."""
        return {name: Price(price.prompt, price.completion) for name, price in self.prices.items()}


class Recipe(StrictSettings):
    """A whole run. Each stage has a section of its name; one that is null is left out, the others run in order.

    Recipes are made by `build_recipe`, whose model has the sections of all stages.
    """

    name: str = Field(
        "run",
        pattern=NAME,
        description="Name of the run, and of its folder in runs/: small letters, digits and hyphens.",
    )
    seed: int = Field(0, ge=0, description="Seed of everything that is drawn at random.")
    seeds: SeedsSettings = Field(SeedsSettings(), description="The seed tasks.")
    input: Path | None = Field(
        None, description="A file of records to work on, in any known format, beside bootstrap or in place of it."
    )
    strict_input: bool = Field(False, description="Refuse an input file with rows that cannot be used; else skip them.")
    teacher: ModelSettings = Field(default_factory=ModelSettings, description="The model that makes and answers tasks.")
    judge: ModelSettings | None = Field(
        None, description="The model that compares and grades; the teacher where none is given."
    )
    engine: EngineSettings = Field(EngineSettings(), description="How requests are made, and what may be spent.")
    hold_out: HoldOutSettings = Field(HoldOutSettings(), description="Instances kept back for evaluation.")
    stages: list[str] | None = Field(
        None,
        description=(
            "Names of the stages in the order wanted, where the usual order is not enough; one without a section runs "
            "with its defaults, and a name of your own has a section with the key `kind`."
        ),
    )

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    @property
    def has_source(self) -> bool:
        """Does anything in it make records, or name some that are there?"""
        makes = any(planned.stage.kind == "seeds" for planned in self.plan())
        return makes or self.input is not None or self.seeds.export or self.seeds.evolve

    @property
    def order(self) -> list[str]:
        """The names of the stages in their order, with those that are left out."""
        return [stage.name for stage in STAGES] if self.stages is None else [_section(name) for name in self.stages]

    def plan(self) -> list[Planned]:
        """The stages of this run in order, with their settings."""
        found = ((name, getattr(self, name, None)) for name in self.order)
        return [Planned(name, find_stage(str(getattr(it, "kind", name))), it) for name, it in found if it is not None]

    @property
    def needs_teacher(self) -> bool:
        """Does any stage ask a teacher?"""
        return any(one.stage.asks and one.stage.kind not in ("checks", "folder") for one in self.plan())

    def to_yaml(self) -> str:
        """The recipe as resolved, every default spelled out."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

    @property
    def hash(self) -> str:
        """16 hex digits over all that shapes the result."""
        return digest(shaping(self.model_dump(mode="json")))[:16]


NOT_SECTIONS = frozenset(Recipe.model_fields)


@functools.cache
def _usual_model() -> type[Recipe]:
    return create_model("Recipe", __base__=Recipe, **{stage.name: _section_field(stage) for stage in STAGES})


def _section_field(stage: Stage, is_named: bool = False) -> Any:
    """(type, field) of a stage's section; its description is the first line of the settings' docstring.

    `is_named`: the recipe names the stage in its order, so that it runs without a section too.
    """
    about = (stage.Settings.__doc__ or "").strip().partition("\n\n")[0]
    default: Any = stage.Settings() if stage.is_default else None
    if is_named:
        default = ... if _has_required(stage.Settings) else stage.Settings()
    return (stage.Settings | None, Field(default, description=" ".join(about.split())))


def recipe_model(data: Mapping[str, Any] = {}) -> type[Recipe]:
    """The model of a recipe: a section for each stage of STAGES, and for those that `data["stages"]` names beside them.

    Such a section may have a key `kind`, the stage that runs under its name. Raises UsageError for unknown stages.
    """
    usual, named = _usual_model(), data.get("stages")
    entries = {_section(str(entry)): str(entry) for entry in (named if isinstance(named, list) else ())}
    further = {name: entry for name, entry in entries.items() if name not in usual.model_fields or name in NOT_SECTIONS}
    fields = {name: _further_section(entry, name, data.get(name)) for name, entry in further.items()}
    fields |= {name: _section_field(find_stage(name), True) for name in entries if name not in {*further, *data}}
    return create_model("Recipe", __base__=usual, **fields) if fields else usual


def recipe_schema() -> dict[str, Any]:
    """The JSON Schema of recipes, for editors; it names no path of this machine."""
    schema = recipe_model().model_json_schema()
    del schema["$defs"]["SeedsSettings"]["properties"]["path"]["default"], schema["properties"]["seeds"]["default"]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:synth:recipe:{RECIPE_SCHEMA}"}
    return {**head, **schema, "title": f"Recipe of synth, version {RECIPE_SCHEMA} of the schema"}


def _further_section(entry: str, name: str, section: Any) -> Any:
    """(type, default) of the section `name` of a stage that is none of STAGES, or one of them under another name."""
    if not name.isidentifier() or name in NOT_SECTIONS:
        raise UsageError(f"stages: {name!r} cannot be the name of a stage", "use small letters, none of the other keys")
    kind = section.get("kind") if isinstance(section, dict) else None
    stage = find_stage(str(kind or entry))
    model = create_model(stage.Settings.__name__, __base__=stage.Settings, kind=(str, str(kind or entry)))
    return (model, ...) if _has_required(model) else (model, Field(default_factory=model))


def _has_required(model: type[BaseModel]) -> bool:
    return any(field.is_required() for field in model.model_fields.values())


def _section(entry: str) -> str:
    """The name of a stage in `stages:`; of `module:name` the stage's own."""
    return find_stage(entry).name if is_reference(entry) else entry


def shaping(dump: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's dump without what cannot change the result: its name, the engine, how many requests are in flight.

    A file stands for what is in it, wherever it lies. Of several addresses of one model the first counts, under which
    its answers are stored: servers may join and leave.
    """
    free_sections = {stage.name for stage in STAGES if not getattr(stage.Settings, "is_shaping", True)}
    usual = dump["teacher"]["backend"]
    rest = {key: _shaping(value, usual) for key, value in dump.items() if key not in {"name", "engine"} | free_sections}
    return with_files(rest, lambda path: contents_of(path) or path)


def _shaping(value: Any, usual: str) -> Any:
    """`value` with every model in it, the teachers of a pool too, without what cannot change its answers.

    `usual`: the backend of a model that names none.
    """
    if not isinstance(value, dict):
        return value
    if "backend" not in value:
        return {key: _shaping(one, usual) for key, one in value.items()}
    free = {"concurrency", "latency_ms", "batch", "base_urls"} | not_shaping(str(value["backend"] or usual))
    kept = {key: one for key, one in value.items() if key not in free}
    kept |= {"base_url": value["base_urls"][0]} if value.get("base_urls") else {}
    return kept | ({"api": "chat"} if kept.get("api") == "batch" else {})


def read_recipe(path: str | Path, overrides: Sequence[str] = (), sections: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe in a YAML file, with whole `sections` in place of its own and `a.b=value` overrides on top.

    Raises InputError with every mistake, its line and what to do; UsageError for a file that cannot be read.
    """
    path = Path(path)
    text = read_named(path, "`synth init DIR` writes one to start from", f"recipe {path}")
    data, lines = _parse(text, path)
    data |= sections or {}
    for override in overrides:
        set_value(data, override)
    load_env(path.parent, data)
    recipe = beside(build_recipe(data, str(path), lines), path.parent.resolve())
    _check_files(recipe, str(path), lines)
    return recipe


def _check_files(recipe: Recipe, where: str, lines: Mapping[str, int]) -> None:
    """Raises InputError with every file a recipe names that is not there or no prompt, and UsageError for a device."""
    named = {key: value for key, value in flat(recipe.model_dump(mode="json")).items() if value and names_file(key)}
    faults = {key: fault for key, value in named.items() if (fault := _file_fault(key, value))}
    if faults:
        mistakes = [f"{place_of(key.split('.'), where, lines)}: {key}: {fault}" for key, fault in faults.items()]
        raise InputError(f"{where}: {len(mistakes)} mistake(s)", mistakes, "files are looked for beside the recipe")


def _file_fault(key: str, path: str) -> str:
    if not check_file(Path(path)).exists():
        return f"there is no file {path}"
    try:
        if "prompt_path" in key:
            version(path)
    except UsageError as error:
        return error.message
    return ""


def beside(recipe: Recipe, base: Path) -> Recipe:
    """`recipe` with every file it names taken from the folder `base`, whatever the working folder is."""
    changes: dict[str, Any] = {"input": base / recipe.input} if recipe.input else {}
    for name in ("seeds", *(planned.name for planned in recipe.plan())):
        changes[name] = placed(getattr(recipe, name), base)
    return recipe.model_copy(update=changes)


def validated(model: type[Settings], data: Mapping[str, Any], where: str) -> Settings:
    """`model` from plain data; raises InputError with every mistake."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        mistakes = mistakes_of(error, where, {}, model)
        raise InputError(f"{where}: {len(mistakes)} mistake(s)", mistakes) from None


def build_recipe(data: Mapping[str, Any], where: str = "recipe", lines: Mapping[str, int] | None = None) -> Recipe:
    """A recipe from plain data; raises InputError with every mistake."""
    model = recipe_model(data)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        mistakes = mistakes_of(error, where, lines or {}, model)
        hint = "--help lists the flags" if where == FLAGS else "`synth schema` prints all keys"
        raise InputError(f"{where}: {len(mistakes)} mistake(s)", mistakes, hint) from None


def _parse(text: str, path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    data, node = parse_yaml(text, f"recipe {path}")
    data = {} if data is None else data
    if not isinstance(data, dict):
        raise UsageError(f"recipe {path} must be a mapping of sections", "see examples/quickstart.yaml")
    lines: dict[str, int] = {}
    if node is not None:
        lines_of(node, "", lines)
    return data, lines


def set_value(data: dict[str, Any], override: str) -> None:
    """Put the value of `a.b=value` into nested `data`. Raises UsageError for another form."""
    path, equals, value = override.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise UsageError(f"--set {override}: not of the form key=value", "for example --set bootstrap.num_tasks=60")
    parsed, _ = parse_yaml(value, f"--set {path}")
    at = data
    for key in keys[:-1]:
        inner = at.get(key)
        at[key] = at = dict(inner) if isinstance(inner, dict) else {}
    at[keys[-1]] = parsed
