"""What a folder of results lacks: seeds that others have, and trainings that left no result."""

from __future__ import annotations

import datetime as dt
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from rlhpc.files import is_set_aside, is_temporary
from rlhpc.results import progress
from rlhpc.results.holder import Holder, known_to_live, this_process
from rlhpc.results.lease import EXPIRY_SECONDS, read_lease
from rlhpc.results.progress import Progress
from rlhpc.results.scores import Score, by_cell
from rlhpc.results.store import CHECKPOINT, RESULT, Store, read_attempts
from rlhpc.words import count

NAMES_SHOWN = 10  # names listed in one sentence


class State(StrEnum):
    """What a training of a grid is, as its folder shows."""

    STORED = "stored"  # its result verifies and belongs to its folder
    DAMAGED = "damaged"  # there is a result, or something in its place, that does not
    FAILED = "failed"  # no result, and the last attempt failed
    RUNNING = "running"  # no result, and a supervisor holds it, or was killed a moment ago
    STOPPED = "stopped"  # no result, but a checkpoint that it continues from
    BEGUN = "begun"  # a folder and nothing to continue from
    NEVER_BEGUN = "never_begun"  # no folder


def gaps(scores: Sequence[Score], baselines: set[str]) -> Iterator[str]:
    """Yield the seeds that an algorithm lacks on some environments, and others have."""
    cells = by_cell(scores)
    seeds = sorted({score.seed for score in scores})
    envs = list(dict.fromkeys((score.benchmark, score.env_id) for score in scores))
    for algo in sorted({score.algo for score in scores}):
        lacking: dict[tuple[int, ...], list[str]] = defaultdict(list)
        for benchmark, env_id in envs:
            group = cells.get((benchmark, env_id, algo), [])
            if group or algo not in baselines:  # an environment without any baseline is no gap: a file may give it
                lacking[tuple(sorted(set(seeds) - {score.seed for score in group}))].append(env_id)
        lacking.pop((), None)
        for missing, env_ids in sorted(lacking.items()):
            what = "no result" if len(missing) == len(seeds) else f"no result of seed {' '.join(map(str, missing))}"
            yield f"'{algo}' has {what} on {count(len(env_ids), 'environment')}: {_list(env_ids)}."


def unfinished(store: Store) -> Iterator[str]:
    """Yield the trainings without a result: failed with the last reason, not ended, or launched and never begun."""
    begun = []
    known = set()
    for folder in sorted(store.trainings.glob("*/*/*/*")):
        name = name_of(folder)
        known.add(name)
        if (folder / RESULT).exists() or not folder.is_dir():
            continue
        state, reason = how_far(folder)
        if state is State.FAILED:
            yield f"failed: {name}: {reason}"
        else:
            begun.append(name)
    if begun:
        what = f"{count(len(begun), 'training')} began and left no result yet: {_list(begun)}"
        yield f"{what}. Collect again when they have ended, or launch the grid again if nothing is running."
    never = [name for name in store.read_grid() if name not in known]
    if never:
        yield f"{count(len(never), 'training')} of the grid never began: {_list(never)}. Launch the grid again to make them."


def name_of(folder: Path) -> str:
    """Return the name of the training that a folder belongs to; the way back from `Store.folder`."""
    benchmark, env, algo, seed = folder.parts[-4:]
    return "/".join((benchmark, env.replace("+", "/"), algo, seed))


def how_far(folder: Path) -> tuple[State, str]:
    """Tell how far a training without a result is: its state, and why it is no further."""
    inside = [path.name for path in folder.iterdir() if not is_temporary(path.name) and not is_set_aside(path.name)]
    attempts = read_attempts(folder)
    failures = [attempt for attempt in attempts if not attempt.get("forgiven")]
    last = [attempts[-1]["reason"]] if attempts else []
    holder = _holder(folder)
    if holder is not None:  # also after a failure: the next attempt
        return State.RUNNING, "; before: ".join([f"running, or left by a killed supervisor: {holder}", *last])
    if failures and failures[-1] is attempts[-1]:
        return State.FAILED, f"{last[0]} ({count(len(failures), 'attempt')})"
    if any(name.startswith(CHECKPOINT) for name in inside):
        return State.STOPPED, "; ".join([*last, "it will continue from its checkpoint"])
    return State.BEGUN, "; ".join([*last, "no checkpoint is there: it will begin anew"])


def _holder(folder: Path) -> Holder | None:
    """Return who holds the lease of a training; None if nobody does, or one that has ended or whose lease has expired."""
    lease = read_lease(folder)
    if lease is None:
        return None
    holder, renewed_at = lease
    lives = known_to_live(holder, this_process())
    if lives is None and renewed_at is not None:
        told = progress.read(folder)
        offset = clock_offset(*told) if told else None
        lives = time.time() + (offset or 0.0) - renewed_at < EXPIRY_SECONDS
    return None if lives is False else holder


def clock_offset(told: Progress, written_at: float) -> float | None:
    """Return the seconds by which the file system's clock is ahead of that of a training's machine; None if it was edited.

    Parameters
    ----------
    told : Progress
        Which holds the time by that machine's clock.
    written_at : float
        When it was written by the file system's; seconds since the epoch.
    """
    try:
        return written_at - dt.datetime.fromisoformat(told.at).timestamp()
    except ValueError:
        return None


def has_given_up(attempts: Sequence[Mapping[str, Any]], since: str = "") -> bool:
    """Tell whether a training failed for good: its last ending was its own fault, and was not to be tried again.

    Records of earlier versions do not say whether a try was left; there an own fault counts as the last one.

    Parameters
    ----------
    attempts : sequence of mapping
        From `read_attempts`.
    since : str
        ISO 8601; a failure before then does not count: the training was launched again.
    """
    if not attempts or attempts[-1].get("forgiven") or attempts[-1].get("will_retry", False):
        return False
    try:
        return not since or dt.datetime.fromisoformat(str(attempts[-1].get("at"))) >= dt.datetime.fromisoformat(since)
    except (ValueError, TypeError):  # not recorded, or edited
        return False


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMES_SHOWN]) + (", ..." if len(names) > NAMES_SHOWN else "")
