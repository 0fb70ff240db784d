# PYTHON_ARGCOMPLETE_OK
"""Tell what a grid is busy with: what is done, running, waiting and why, stopped, failed and why.

examples:
  python jobs/status.py logs/thesis
  python jobs/status.py logs/thesis --watch
      a view of the whole terminal, painted again every few seconds; Ctrl-C ends it and nothing else. Elsewhere than on a
      terminal: the text again whenever something has changed. While the folder cannot be read, it says so and goes on
  python jobs/status.py logs/thesis --json

Reads files and Slurm's queue, and changes nothing: it works on a read-only folder. Slurm is asked once in 30 seconds at most,
however often and by however many processes (watch -n1) this is called; its last answer is kept in the user's cache folder.

states:
  done      its result is stored, and verifies
  running   a supervisor that lives works on it
  silent    a supervisor took it, and has given no sign of life for 3 minutes or more: nobody can tell yet whether it lives
  waiting   for Slurm, for a place on its node, or to be submitted; the reason says which
  stopped   begun, and to be continued by the next launch
  failed    for good: tried again and again, or not worth a try; launch again when the cause is mended
  damaged   its result was cut, edited or moved, or its folder cannot be read

--json prints one object; times are ISO 8601, UTC; what is not known is null, or blank for a text:
  folder      the folder given
  at          when it was looked at
  counts      {state: number of trainings}, every state
  groups      one for each benchmark and algorithm: {benchmark, algo, counts, steps_per_second, percent, expected_end,
              at_the_latest}; of those that run: their speed together, their mean progress, the last expected end
  total       the same of all, without the names
  nodes       one for each GPU (or the cores of a node) on which something runs: {host, gpu, job, n_running, steps_per_second,
              n_cores, cores_busy_percent, gpu_load: {busy_percent, memory_gb, memory_total_gb}}; how busy: means of the
              last minutes, of all that runs there, be it ours or not; of a GPU, as nvidia-smi tells
  trainings   one for each of grid.json: {name, state, reason, path, timesteps, percent, steps_per_second, expected_end,
              at_the_latest, job, starts_at, slow, failure, progress}; at_the_latest: a rule may end it before;
              starts_at: when Slurm expects its job to start, in local time,
              if all that runs now takes up its time limit; slow: why it is worth a look;
              failure: {reason, remedy, n_attempts, traceback, log, at, host};
              progress: what its last attempt told of itself, the content of progress.json
  slurm       {age_seconds, fault}: of its last answer; age_seconds is null if it was not asked, or does not answer (fault)
  grid_fault  why grid.json proves nothing; blank if it is sound (else trainings are those that have a folder)
  folder_fault  with --watch: why the folder cannot be read just now, and all else is of an earlier look; blank if it can
With --watch, one such object a line, whenever the state of a training, the reason for it or folder_fault has changed.

exit codes: 0 shown, 2 the folder is no folder of results
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import json
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

from rlhpc import command
from rlhpc.cluster.recent import RecentQueue
from rlhpc.files import user_cache
from rlhpc.results.store import Store
from rlhpc.status.look import Looker
from rlhpc.status.overview import Group, Overview
from rlhpc.status.state import State, TrainingStatus
from rlhpc.status.text import describe
from rlhpc.status.view import on_terminal, terminal

WATCH_SECONDS = 3.0  # between two looks: trainings tell of themselves every 30 seconds, each at its own time


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = command.parser(__doc__ or "")
    built.add_argument("folder", type=command.path, metavar="logs/NAME", help="the folder that holds grid.json and trainings/")
    built.add_argument("--watch", action="store_true", help="go on looking; Ctrl-C ends it")
    return built


def main(args: argparse.Namespace) -> None:
    """Look and tell, once or again and again."""
    looker = Looker(Store(args.folder), RecentQueue(user_cache()))
    try:
        shown = looker.look()
        if not args.watch:
            command.answer(args, _data(shown), describe(shown))
            return
        console = None if args.json else terminal(sys.stdout)
        if console is None:
            _watch(looker, shown, _show_changes(args))
        with on_terminal(console) as show:
            _watch(looker, shown, show)
    except KeyboardInterrupt:
        if not args.watch:  # else it is the way to end it
            raise


def _watch(looker: Looker, shown: Overview, show: Callable[[Overview], None]) -> NoReturn:
    """Show an overview, and look again, until interrupted."""
    while True:
        show(shown)
        time.sleep(WATCH_SECONDS)
        shown = looker.look_again(shown)


def _show_changes(args: argparse.Namespace) -> Callable[[Overview], None]:
    """Print an overview if it differs from the one before in more than numbers."""
    before: list[object] = []

    def show(shown: Overview) -> None:
        # of a silent or slow one the reason holds the minutes
        told: list[object] = [shown.folder_fault]
        told += [(each.name, each.state, bool(each.slow), each.state is State.SILENT or each.reason) for each in shown.trainings]
        if told != before:
            before[:] = told
            print(
                json.dumps(_data(shown), allow_nan=False) if args.json else f"{shown.at.astimezone():%c}\n{describe(shown)}\n",
                file=args.answers,
                flush=True,
            )

    return show


def _data(shown: Overview) -> dict[str, Any]:
    """Put an overview into words that JSON knows."""
    return {
        "folder": str(shown.folder),
        "at": _time(shown.at),
        "counts": shown.total.counts,
        "groups": [{"benchmark": group.benchmark, "algo": group.algo, **_group(group)} for group in shown.groups],
        "total": _group(shown.total),
        "nodes": [dataclasses.asdict(part) for part in shown.nodes],
        "trainings": [_training(each) for each in shown.trainings],
        "slurm": {"age_seconds": shown.queue.age_seconds, "fault": shown.queue.fault},
        "grid_fault": shown.grid_fault,
        "folder_fault": shown.folder_fault,
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "counts": group.counts,
        "steps_per_second": group.steps_per_second,
        "percent": group.percent,
        "expected_end": _time(group.ends_at),
        "at_the_latest": group.at_the_latest,
    }


def _training(each: TrainingStatus) -> dict[str, Any]:
    return {
        "name": each.name,
        "state": each.state,
        "reason": each.reason,
        "path": str(each.folder),
        "timesteps": each.timesteps,
        "percent": each.percent,
        "steps_per_second": each.steps_per_second,
        "expected_end": _time(each.ends_at),
        "at_the_latest": bool(each.ends_at and each.progress and each.progress.may_end_early),
        "job": each.job,
        "starts_at": each.starts_at,
        "slow": each.slow,
        "failure": dataclasses.asdict(each.failure) if each.failure else None,
        "progress": dataclasses.asdict(each.progress) if each.progress else None,
    }


def _time(at: dt.datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None


if __name__ == "__main__":
    command.main(parser(), main)
