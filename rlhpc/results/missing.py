"""What a folder of results lacks: seeds that others have, and trainings that left no result."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence

from rlhpc.results.scores import BASELINES, Score, by_cell
from rlhpc.results.store import RESULT, Store
from rlhpc.results.unfinished import RecordState, how_far
from rlhpc.words import count

NAMES_SHOWN = 10  # names listed in one sentence


def gaps(scores: Sequence[Score]) -> Iterator[str]:
    """Yield the seeds that an algorithm lacks on some environments, and others have."""
    cells = by_cell(scores)
    seeds = sorted({score.seed for score in scores})
    envs = list(dict.fromkeys((score.benchmark, score.env_id) for score in scores))
    for algo in sorted({score.algo for score in scores}):
        lacking: dict[tuple[int, ...], list[str]] = defaultdict(list)
        for benchmark, env_id in envs:
            group = cells.get((benchmark, env_id, algo), [])
            if group or algo not in BASELINES:  # an environment without any baseline is no gap: a file may give it
                lacking[tuple(sorted(set(seeds) - {score.seed for score in group}))].append(env_id)
        lacking.pop((), None)
        for missing, env_ids in sorted(lacking.items()):
            which = f" of seed{'s' * (len(missing) != 1)} {', '.join(map(str, missing))}" if len(missing) < len(seeds) else ""
            yield f"'{algo}' has no result{which} on {count(len(env_ids), 'environment')}: {_list(env_ids)}."


def unfinished(store: Store) -> Iterator[str]:
    """Yield the trainings without a result: failed with the last reason, not ended, or launched and never begun."""
    begun = []
    known = set()
    for folder in store.folders():
        name = store.name_of(folder)
        known.add(name)
        if os.path.lexists(folder / RESULT):
            continue
        state, reason = how_far(folder)
        if state is RecordState.FAILED:
            yield f"failed: {name}: {reason}"
        else:
            begun.append(name)
    if begun:
        what = f"{count(len(begun), 'training')} began and left no result yet: {_list(begun)}"
        yield f"{what}. Collect again when they have ended, or launch the grid again if nothing is running."
    never = [name for name in store.read_grid() if name not in known]
    if never:
        yield f"{count(len(never), 'training')} of the grid never began: {_list(never)}. Launch the grid again to make them."


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMES_SHOWN]) + (", ..." if len(names) > NAMES_SHOWN else "")
