# PYTHON_ARGCOMPLETE_OK
"""Measure on this machine how many trainings at once are best for a grid, and write it into a cluster configuration.

examples:
  python jobs/tune_packing.py
      the default grid's mix: 1, 2, 4, 8, 12 and 16 trainings on each GPU (without one, on all cores); about 10 minutes, and as
      much again with MPS
  python jobs/tune_packing.py --config configs/demo.yaml --counts 1 2 4 --seconds 20
      takes every key and file that jobs/launch_training.py takes
  srun --partition=gpu --gpus-per-node=1 --cpus-per-task=12 python jobs/tune_packing.py --write configs/clusters/mine.yaml
      on a node of a cluster; then: python jobs/launch_training.py --config configs/clusters/mine.yaml

Trainings are the grid's own, with rollouts of at most 128 steps and without evaluations; nothing of them is kept. Eight stand for
the grid, of each kind as many as it takes of the grid's time, and each number carries out all eight: one group after the other
where it is smaller (each for 10 seconds at least, so small numbers take longer), some several times where it is larger. Steps of
the kinds are added up in the same proportions for every number, so that the lines of the table can be compared. With GPUs each
number is measured with and without CUDA MPS, where that can be had. A number that would not fit into the free memory of this
machine (of which a job may have a part only) or of a GPU, by what the one before it took, is not tried; nor is any larger one in
that mode. Best is the smallest number that gives 95 % of the most steps per second. What is interrupted leaves nothing behind.

--write FILE writes packing.trainings_per_gpu, packing.affinity if it is not any, slurm.memory_gb_per_training (a quarter more
than was measured), and packing.mps, or, measured without a GPU, packing.gpus_per_node: 0. A file that is there is not replaced; a
folder that is not is made. Memory counts replay buffers as full.

--json prints one object:
  mix       [{benchmark, env_id, algo, n}]: what stands for the grid; n of eight
  measured  [{trainings_per_gpu, mps, steps_per_second, memory_gb, gpu_memory_gb}]; of all trainings together, the last of one GPU
  best      the same, of the one to take
  gpus      names of the GPUs that were used
  written   path of the configuration; null without --write

exit codes: 0 measured, 1 trainings failed, 2 the command line or configuration is wrong
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import platform
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from rlhpc import command
from rlhpc.errors import InputError, RlhpcError
from rlhpc.files import writable_folder, write_text
from rlhpc.launch.config import LaunchConfig, add_flags, read
from rlhpc.launch.expansion import expand
from rlhpc.results import ledger
from rlhpc.training import cores, gpu_sharing, local, tuning
from rlhpc.training.estimate import measured_hours
from rlhpc.training.tuning import N_CHOSEN, Kind, Measured, Room, Tuner
from rlhpc.words import count

COUNTS = (1, 2, 4, 8, 12, 16)
MEMORY_RESERVE = 1.25  # of what was measured, for what comes later: evaluations, rollouts of full length


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = command.parser(__doc__ or "")
    add_flags(built)
    built.add_argument("--counts", nargs="+", type=int, default=list(COUNTS), metavar="N", help="trainings on each GPU")
    built.add_argument("--seconds", type=float, default=60.0, metavar="N", help="of each measurement")
    built.add_argument("--write", type=command.path, metavar="FILE", help="new cluster configuration to write")
    return built


def main(args: argparse.Namespace) -> None:
    """Measure, print the table, and write the best down."""
    config = read(args)
    counts = sorted(set(args.counts))
    if faults := list(_faults(args, counts)):
        raise InputError(*faults)
    trainings = expand(config).trainings
    gpus = local.usable_gpus(config.device)
    local.refuse_missing_gpu(config.device, gpus)
    gpu_sharing.refuse(config.packing.mps, gpus)
    cores.refuse(config.packing.affinity)
    hours = measured_hours(config.store, ledger.check(config.store, trainings), "cuda" if gpus else "cpu")
    tuner = Tuner(trainings, gpus, config.settings(local.device(config.device, gpus)), args.seconds, hours)
    modes = _modes(config, gpus)
    if args.write:
        writable_folder(args.write.parent)
    command.end_as_on_interrupt()
    mix = tuner.mix()
    print(_plan(mix, len(modes) * sum(map(tuner.seconds, counts))))
    found = []
    print(_heading(len(gpus)), flush=True)
    try:
        for each in tuning.sweep(counts, modes, tuner.measure, Room.here(gpus, tuner.buffers_gb)):
            found.append(each)
            print(_row(each, len(gpus)), flush=True)
    except RlhpcError as error:
        if not found:
            raise
        print(f"warning: ended early: {error}", file=sys.stderr)
    best = tuning.knee(found)
    if args.write:
        write_text(args.write, _configuration(best, len(gpus), config.packing.affinity), exclusive=True)
    answer = {
        "mix": [dict(zip(("benchmark", "env_id", "algo"), kind, strict=True)) | {"n": n} for kind, n in mix.items()],
        "measured": [dataclasses.asdict(each) for each in found],
        "best": dataclasses.asdict(best),
        "gpus": list(gpus),
        "written": str(args.write) if args.write else None,
    }
    where = "on each GPU" if gpus else "on these cores"
    what = f"{best.trainings_per_gpu} at once {where}{', with MPS' if best.mps else ''} (packing.trainings_per_gpu)"
    text = [f"Best: {what}." if len(found) > 1 else f"Measured: {what}; nothing to compare it with."]
    command.answer(args, answer, "\n".join([*text, *([f"Written: {args.write}"] if args.write else [])]))


def _faults(args: argparse.Namespace, counts: Sequence[int]) -> Iterator[str]:
    """Yield what is wrong with the flags."""
    yield from (f"--counts {count} must be at least 1." for count in counts if count < 1)
    if not 1 <= args.seconds < float("inf"):
        yield f"--seconds {args.seconds:g} must be a number, at least 1."
    if args.write and args.write.exists():
        yield f"--write '{args.write}' is there, and would be replaced: move it, or give another name."


def _modes(config: LaunchConfig, gpus: Sequence[str]) -> Sequence[str]:
    """Say how GPUs are shared: in both ways, unless one is asked for or the other cannot be had."""
    if not gpus or config.packing.mps != "auto":
        return [config.packing.mps if gpus else "off"]
    try:
        gpu_sharing.refuse("on", gpus)
    except InputError:
        return ["off"]
    return ["off", "on"]


def _configuration(best: Measured, n_gpus: int, affinity: str) -> str:
    """Spell what was found as a configuration."""
    memory = best.memory_gb * MEMORY_RESERVE / (best.trainings_per_gpu * max(n_gpus, 1))
    shared = {"mps": "on" if best.mps else "off"} if n_gpus else {"gpus_per_node": 0}  # what was measured on cores is for cores
    found: dict[str, dict[str, Any]] = {
        "packing": {"trainings_per_gpu": best.trainings_per_gpu, **shared},
        "slurm": {"memory_gb_per_training": round(memory + 0.05, 1)},
    }
    if affinity != cores.ANY:
        found["packing"]["affinity"] = affinity
    return (
        f"# By jobs/tune_packing.py, on {f'{n_gpus} GPUs' if n_gpus else 'cores'} of {platform.node()}, {time.strftime('%F')}:"
        f" {best.steps_per_second:,.0f} agent steps per second in all, {best.memory_gb:.1f} GB.\n"
        f"{yaml.safe_dump(found, sort_keys=False)}"
    )


def _plan(mix: Mapping[Kind, int], seconds: float) -> str:
    """Say what is measured, and how long that takes."""
    length = count(math.ceil(seconds / 60), "minute")
    lines = [f"Measured on {N_CHOSEN} trainings, by their share of the grid's time; up to about {length}:"]
    return "\n".join([*lines, *(f"  {n}  {benchmark} {algo} {env_id}" for (benchmark, env_id, algo), n in mix.items())])


def _heading(n_gpus: int) -> str:
    """Spell the first line of the table; without a GPU there is none of its columns."""
    return f"{'at once':>8s} {'steps/s':>9s} {'each':>8s} {'GB':>6s}{'  MPS  GPU GB' if n_gpus else ''}"


def _row(each: Measured, n_gpus: int) -> str:
    """Spell a line of the table."""
    n, rate = each.trainings_per_gpu, each.steps_per_second
    of_gpus = f"  {'on' if each.mps else 'off':>3s} {each.gpu_memory_gb:7.1f}" if n_gpus else ""
    return f"{n:8d} {rate:9,.0f} {rate / (n * max(n_gpus, 1)):8,.0f} {each.memory_gb:6.1f}{of_gpus}"


if __name__ == "__main__":
    command.main(parser(), main)
