"""Workers in Ray actors: what `engine: {on: ray}` means. The only module that knows Ray.

Plain actors, not Ray Data: its operators order blocks and do a block again when an actor dies, while here a single
item is done again and its answers are found in the shard. A worker needs this very version of synth, the teacher's key
in its environment, and a folder of the run's path on its own disk or on one that it shares with the driver.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import logging
import os
import shutil
import socket
import uuid
import warnings
from collections.abc import AsyncIterator, Awaitable, Collection, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import synth
from synth.engine.between import moved_servers
from synth.engine.budget import Budget
from synth.engine.crew import Crew, WorkerLost
from synth.engine.ledger import RUN_ID
from synth.engine.lock import run_lock
from synth.engine.run import Engine, rare_collections
from synth.engine.shards import FOLDER, Shard, left_behind
from synth.engine.worker import DriverBudget, Message, Worker, WorkerEngine, portable
from synth.errors import SynthError, UsageError
from synth.pipeline.roles import connect_roles, engine_options, known_prices
from synth.recipe import Recipe, build_recipe

OBJECT_STORE = 100 * 2**20
"""Bytes of shared memory for a Ray of our own; messages between driver and workers are small."""
REACH_S, START_S = 3.0, 300.0
"""Seconds for an address to take a connection, and for the cluster to start a worker."""
Reply = TypeVar("Reply")


@dataclass(frozen=True, slots=True)
class Spec:
    """All that a worker must know. `share`: its number and how many divide the slots. `code`: see `code_digest`.

    `session` names the driver's process, `run` the run's ledger; `after` is the shard of the dead worker it follows,
    and those in `skip` have been read.
    """

    run_dir: str
    recipe: dict[str, Any]
    session: str
    shard: str
    run: str
    share: tuple[int, int]
    moved: dict[str, str]
    after: str
    skip: tuple[str, ...]
    code: str


class RayWorker:
    """A worker as Ray holds it: an actor whose methods run in one event loop. Mistakes come back as values."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._worker = Worker()
        self._held = ExitStack()
        self._read: list[Path] = []
        self._reading: asyncio.Task[None] | None = None

    async def open(self) -> list[SynthError]:
        """Connect the models, begin a shard, and start to read those left behind here; or why that cannot be.

        In a list, as Ray's client raises what is returned where that is an error.
        """
        try:
            if self.spec.code != code_digest():
                raise UsageError(
                    f"{socket.gethostname()} has another synth ({synth.__version__}) than the driver",
                    "install the same version on every node of the cluster",
                )
            await self._open()
        except Exception as error:
            return [portable(error)]
        self._reading = asyncio.create_task(self._read_left_behind())
        return []

    async def node(self) -> str:
        """The node of the cluster that this is."""
        import ray

        return str(ray.get_runtime_context().get_node_id())

    async def _open(self) -> None:
        spec = self.spec
        recipe = build_recipe(spec.recipe)
        roles = connect_roles(recipe, spec.moved, share=spec.share)
        self._held.enter_context(rare_collections())
        self._held.enter_context(run_lock(self._folder))
        shard = Shard(self._folder, self._worker.tell)
        await shard.set_meta(RUN_ID, spec.run)
        prices, names = known_prices(recipe, list(roles.values()))
        is_capped = recipe.engine.max_cost is not None or recipe.engine.max_tokens_total is not None
        budget = DriverBudget(prices, names, self._worker) if is_capped else Budget(prices, names, None, None)
        self._worker.engine = WorkerEngine(self._worker, shard, roles, budget, engine_options(recipe))

    @property
    def _folder(self) -> Path:
        return Path(self.spec.run_dir) / FOLDER / self.spec.shard

    async def _read_left_behind(self) -> None:
        spec, worker = self.spec, self._worker
        try:
            async for folder, rows in left_behind(Path(spec.run_dir), spec.run, spec.session, spec.after, spec.skip):
                for entry in rows:
                    worker.tell("left", entry)
                worker.tell("read", folder.name)
                self._read.append(folder)
            worker.tell("ready")
        except Exception as error:
            worker.tell("unreadable", portable(error))

    async def give(self, messages: Sequence[Message]) -> None:
        """See `Worker.give`."""
        self._worker.give(messages)

    async def told(self) -> list[Message]:
        """See `Worker.told`."""
        return await self._worker.told()

    async def discard(self) -> None:
        """Close all, and remove this shard and those read."""
        for who in self._worker.engine.roles.values():
            await who.close()
        await self._worker.engine.ledger.aclose()
        self._held.close()
        for folder in (self._folder, *self._read):
            shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            self._folder.parent.rmdir()  # if it is empty


class RayLine:
    """The line to an actor (see `synth.engine.crew.Line`)."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor

    async def give(self, messages: Sequence[Message]) -> None:
        """See `Line.give`. Raises SynthError for work that cannot be sent."""
        try:
            sent = self.actor.give.remote(messages)
        except (TypeError, AttributeError, OverflowError) as error:
            raise SynthError(
                f"an item or its work cannot be sent to a worker: {error}", "run it without --on"
            ) from error
        await alive(sent)

    async def told(self) -> list[Message]:
        """See `Line.told`."""
        return await alive(self.actor.told.remote())

    async def discard(self) -> None:
        """See `Line.discard`."""
        await alive(self.actor.discard.remote())


async def alive(reply: Awaitable[Reply]) -> Reply:
    """The reply of an actor. Raises WorkerLost where its process or node is gone."""
    from ray.exceptions import ActorDiedError, ActorUnavailableError, RayActorError

    try:
        return await reply
    except (ActorDiedError, ActorUnavailableError, RayActorError) as error:
        raise WorkerLost(str(error).strip().splitlines()[0]) from None


class Hiring:
    """Starts the workers of one run, each new one on the node of the one it follows, where that one's shard is.

    Ray is reached for the first of them, in a thread: Ray starts in seconds, and takes over SIGTERM where it can.
    """

    def __init__(self, recipe: Recipe, spec: Spec) -> None:
        self._spec, self._recipe = spec, recipe
        self._held = ExitStack()
        self._reaching: asyncio.Future[None] | None = None
        self._nodes: dict[int, str] = {}
        self._count = 0
        self._actors: dict[int, Any] = {}

    async def hire(self, place: int, read: Collection[str], after: str) -> tuple[str, RayLine]:
        """See `synth.engine.crew.Hire`. Raises UsageError where the cluster cannot hold or equip the worker."""
        import ray

        await self._reach()
        if place in self._actors:
            ray.kill(self._actors[place])  # one that cannot be reached may still run
        name = f"{self._spec.session}-{self._count}"
        self._count += 1
        spec = replace(self._spec, shard=name, share=(place, self._spec.share[1]), after=after, skip=tuple(read))
        options = worker_options(self._recipe, self._nodes.get(place))
        actor = ray.remote(**options)(RayWorker).remote(spec)
        try:
            refusals = await asyncio.wait_for(alive(actor.open.remote()), START_S)
        except TimeoutError:
            wanted = f"1 CPU and {self._recipe.engine.worker_gpus:g} GPUs"
            raise UsageError(
                f"Ray has had no room for a worker of {wanted} for {START_S:.0f} s",
                "lower engine.workers or engine.worker_gpus, or add nodes",
            ) from None
        for refusal in refusals:
            raise UsageError(f"a worker cannot start: {refusal.message}", refusal.hint)
        self._nodes[place] = await alive(actor.node.remote())
        self._actors[place] = actor
        return name, RayLine(actor)

    async def _reach(self) -> None:
        if self._reaching is None:
            connecting = asyncio.to_thread(self._held.enter_context, connected(self._recipe))
            self._reaching = asyncio.ensure_future(connecting)
        await asyncio.shield(self._reaching)

    async def close(self) -> None:
        """Leave Ray."""
        if self._reaching is not None:
            await asyncio.wait([self._reaching])
        self._held.close()


def worker_options(recipe: Recipe, node: str | None) -> dict[str, Any]:
    """What an actor asks of the cluster: a CPU, the recipe's GPUs, and the `node` of the worker before it, if any."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    strategy: Any = "SPREAD" if node is None else NodeAffinitySchedulingStrategy(node, soft=True)
    return {"num_cpus": 1, "num_gpus": recipe.engine.worker_gpus, "scheduling_strategy": strategy, "max_restarts": 0}


@contextmanager
def connected(recipe: Recipe) -> Iterator[None]:
    """Ray as the recipe names it: the cluster of an address, one that this process uses already, or one of our own.

    Raises UsageError where Ray is not installed, or nothing that fits is at the address.
    """
    try:
        import ray
    except ImportError as error:
        raise UsageError("engine.on is ray, which is not installed", "pip install 'synth-instruct[ray]'") from error
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    logging.getLogger("ray").setLevel(logging.ERROR)
    wanted = connection(recipe)
    try:
        with warnings.catch_warnings(action="ignore"):
            ray.init(**wanted, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:
        said = (str(error).strip() or type(error).__name__).splitlines()
        raise UsageError(
            f"Ray at {recipe.engine.on} cannot be used: {' '.join(said)[:300]}",
            "a cluster must have this machine's Ray and Python, and may want RAY_AUTH_MODE=token and its token here",
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def connection(recipe: Recipe) -> dict[str, Any]:
    """The arguments of `ray.init`. Raises UsageError for an address that takes no connection."""
    address = recipe.engine.on.removeprefix("ray").removeprefix("://")
    if not address:
        own = {"num_cpus": recipe.engine.workers, "object_store_memory": OBJECT_STORE, "include_dashboard": False}
        return {"address": "local", **own}
    if address == "auto":
        return {"address": address}
    try:
        place = urlsplit(recipe.engine.on)
        host, port = place.hostname or "", place.port or 10001
        socket.create_connection((host, port), REACH_S).close()
    except (OSError, ValueError) as error:
        raise UsageError(
            f"there is no Ray at {recipe.engine.on}: {error}", "`ray start --head` starts one; its client port is 10001"
        ) from error
    return {"address": f"ray://{host}:{port}"}


@asynccontextmanager
async def crew_on_ray(recipe: Recipe, run_dir: Path, engine: Engine) -> AsyncIterator[Crew]:
    """Workers for a run. They start, and Ray with them, once something is to be done that is not stored."""
    hiring = Hiring(recipe, await spec_of(recipe, run_dir, engine))
    try:
        yield Crew(engine, hiring.hire, recipe.engine.workers)
    finally:
        await hiring.close()


async def spec_of(recipe: Recipe, run_dir: Path, engine: Engine) -> Spec:
    """What all workers of this process must know."""
    return Spec(
        str(run_dir.resolve()),
        recipe.model_dump(mode="json"),
        uuid.uuid4().hex[:8],
        "",
        await engine.ledger.run_id(),
        (0, shares(recipe)),
        moved_servers(engine.ledger),
        "",
        (),
        code_digest(),
    )


def shares(recipe: Recipe) -> int:
    """How many divide the slots: the workers, and the driver where a stage stays there that asks for much."""
    return recipe.engine.workers + any(one.stage.kind == "seeds" and one.stage.asks for one in recipe.plan())


@functools.cache
def code_digest() -> str:
    """16 hex digits over the code and the prompts of this installation."""
    root = Path(synth.__file__).parent
    files = sorted(path for end in ("*.py", "*.jinja") for path in root.rglob(end))
    whole = hashlib.sha256()
    for path in files:
        whole.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return whole.hexdigest()[:16]
