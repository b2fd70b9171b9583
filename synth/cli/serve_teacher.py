"""`synth serve-teacher`: the embedded teacher as an OpenAI-compatible server on loopback; flags and one line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from synth.cli.command import command
from synth.cli.common import Json, log, show
from synth.errors import CredentialsError, UsageError

Option = typer.Option


@command()
def serve_teacher(
    port: Annotated[int, Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 8008,
    model: Annotated[str, Option(help="The name it answers to.")] = "embedded",
    faults: Annotated[str, Option(help="A profile (light, odd, transport, gpt3-2022) or name=rate,name=rate.")] = "",
    fault_seed: Annotated[int, Option(help="Another number, other faults.")] = 0,
    labels: Annotated[Path | None, Option(help="Write which reply got which fault to this JSON Lines file.")] = None,
    latency_ms: Annotated[float, Option(min=0, help="Time an answer takes.")] = 0.0,
    max_concurrency: Annotated[int | None, Option(min=1, help="Requests at once; past it a 429.")] = None,
    queue: Annotated[bool, Option("--queue", help="Let requests wait past --max-concurrency, with no 429.")] = False,
    api_key_env: Annotated[str | None, Option(help="Ask for the key that this environment variable holds.")] = None,
    hang_s: Annotated[float, Option(min=0, help="How long the fault `hang` hangs.")] = 3600.0,
    drip_s: Annotated[float, Option(min=0, help="Seconds a byte of the fault `slow_bytes`.")] = 1.0,
    batch_s: Annotated[float, Option(min=0, help="Seconds a batch takes.")] = 0.0,
    batch_faults: Annotated[str, Option(help="Faults of batches: shuffled,twice=0.1,missing=0.1,expired=1.")] = "",
    json: Json = False,
) -> None:
    """Serve the embedded teacher to any OpenAI client, for tests and trials. Stops on Ctrl-C."""
    from synth import embedded

    def ready(url: str) -> None:
        show(json, f"{model} at {url} (stop with Ctrl-C)", url=url, model=model, pid=os.getpid())
        if not json:
            log("It writes reference data with known truth, not instruction data.")

    try:
        key = _key(api_key_env)
        given: dict[str, Any] = {
            "faults": faults,
            "fault_seed": fault_seed,
            "label_path": labels,
            "hang_s": hang_s,
            "drip_s": drip_s,
        }
        given |= {"latency_ms": latency_ms, "capacity": max_concurrency, "queue": queue, "batch_s": batch_s}
        embedded.serve(model, ready, port=port, api_key=key, batch_faults=batch_faults, **given)
    except OSError as error:
        raise UsageError(f"port {port}: {error.strerror}", "choose another with --port, or 0 for a free one") from None


def _key(name: str | None) -> str | None:
    if name is None:
        return None
    key = os.environ.get(name, "").strip()
    if not key:
        raise CredentialsError(f"${name} is not set", f"export {name}=... before serving")
    return key
