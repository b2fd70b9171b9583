"""How training is started on several hosts: the arguments of torchrun, and a script to type on each of them."""

from __future__ import annotations

import json
import shlex

from synth.student.presets import TrainSettings

DATA, LAUNCH = "train.jsonl", "launch.sh"
RANK = "@RANK@"  # stands for the number of a host until the script is written


def torchrun_arguments(settings: TrainSettings, host_rank: str | None = None) -> list[str]:
    """What torchrun is told on this host (`host_rank`: on another), before the module to run."""
    processes = ["--nproc_per_node", str(settings.num_processes)]
    if settings.num_hosts == 1:
        return ["--standalone", *processes]
    hosts = ["--nnodes", str(settings.num_hosts), "--node_rank", host_rank or str(settings.host_rank)]
    place = ["--rdzv_backend", "static", "--rdzv_endpoint", str(settings.rendezvous), "--rdzv_id", "synth"]
    return [*hosts, *processes, *place]


def launch_script(kind: str, settings: TrainSettings) -> str:
    """The command to type on each host, with the number of the host where there are several."""
    rank, is_alone = '"$1"', settings.num_hosts == 1
    run = ["torchrun", *torchrun_arguments(settings, RANK)]
    ways = {
        "axolotl": [*run, "-m", "axolotl.cli.train", "axolotl.yaml"],
        "llamafactory": ["llamafactory-cli", "train", "llamafactory.yaml"],
        "trl": [*run, "-m", "trl.scripts.sft", "--config", "trl.yaml"],
        "synth": ["synth", "train", "--data", DATA, "--out", "out", "--host-rank", RANK, *_own_flags(settings)],
    }
    if kind == "trl" and settings.sharding == "fsdp":
        machine = [] if is_alone else ["--machine_rank", RANK]
        ways["trl"] = ["accelerate", "launch", "--config_file", "accelerate_fsdp.yaml", *machine, *ways["trl"][-4:]]
    told = f"# On each of {settings.num_hosts} hosts, in this folder, which all see: bash {LAUNCH} NUMBER (0, 1 ...)"
    lines = ["#!/usr/bin/env bash", "# In this folder." if is_alone else told, "set -euo pipefail"]
    if kind == "synth":
        lines.append(f"# starts: {shlex.join(run)} -m synth.student.launch".replace(RANK, "NUMBER"))
    if kind == "llamafactory":
        host, _, port = str(settings.rendezvous or "127.0.0.1:29500").partition(":")
        lines.append(f"export FORCE_TORCHRUN=1 NPROC_PER_NODE={settings.num_processes} NNODES={settings.num_hosts}")
        lines.append(f"export NODE_RANK={0 if is_alone else rank} MASTER_ADDR={host} MASTER_PORT={port}")
    command = shlex.join(ways[kind]).replace(RANK, "0" if is_alone else rank)
    return "\n".join([*lines, command]) + "\n"


def _own_flags(settings: TrainSettings) -> list[str]:
    """The settings that were given, as flags of `synth train`."""
    given = settings.model_dump(mode="json", exclude_unset=True, exclude={"preset", "model", "host_rank"})
    usual = TrainSettings(preset=settings.preset, model=settings.model).model_dump(mode="json")
    changed = {name: value for name, value in given.items() if value != usual[name]}
    flags = ["--preset", settings.preset, "--model", str(settings.model)]
    return flags + [part for name, value in changed.items() for part in ("--set", f"{name}={json.dumps(value)}")]
