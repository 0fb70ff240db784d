"""The ledger: which trainings of a grid are stored, and which are not."""

from __future__ import annotations

import contextlib
import glob
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rlhpc.errors import DamagedResultError, InputError
from rlhpc.records import Result, Training
from rlhpc.results.store import LAUNCH_AGAIN, RESULT, Store, read_result
from rlhpc.words import count

CHANGES_SHOWN = 5


@dataclass(frozen=True)
class Ledger:
    """The trainings of a grid, sorted by what the store holds of them.

    Attributes
    ----------
    results : tuple of Result
        Of the stored ones.
    missing : tuple of Training
    changed : tuple of (Training, str)
        Stored with another budget or other hyperparameters than the grid has now; with the difference.
    damaged : tuple of (Training, str)
        Their stored result does not verify; with the reason, and without the advice to launch again.
    """

    results: tuple[Result, ...]
    missing: tuple[Training, ...]
    changed: tuple[tuple[Training, str], ...]
    damaged: tuple[tuple[Training, str], ...]

    @property
    def stored(self) -> tuple[Training, ...]:
        """The trainings that are stored as the grid has them."""
        return tuple(result.training for result in self.results)

    @property
    def to_train(self) -> tuple[Training, ...]:
        """What a launch trains: the missing ones, then the damaged ones anew."""
        return (*self.missing, *(training for training, _ in self.damaged))


def check(store: Store, trainings: Iterable[Training]) -> Ledger:
    """Look up every training of a grid in the store."""
    results, missing = [], []
    changed, damaged = [], []
    for training in trainings:
        try:
            result = store.read(training)
        except DamagedResultError as error:
            damaged.append((training, str(error).removesuffix(f" {LAUNCH_AGAIN}")))
            continue
        if result is None:
            missing.append(training)
        elif result.training != training:
            changed.append((training, difference(result.training, training)))
        else:
            results.append(result)
    return Ledger(tuple(results), tuple(missing), tuple(changed), tuple(damaged))


def read_alike(store: Store, found: Ledger) -> Iterator[Result]:
    """Yield the results of other launches into this folder that tell how long the trainings of a grid take.

    Of the same benchmark and algorithm with the same settings, such as other seeds; what cannot be read is left out.
    """
    trainings = (*found.stored, *found.to_train)
    own = {store.folder(training) for training in trainings}
    hashes: dict[tuple[str, str], set[str]] = defaultdict(set)
    for training in trainings:
        hashes[training.benchmark, training.algo].add(training.hyperparameters_hash)
    for (benchmark, algo), known in hashes.items():
        for path in sorted(store.trainings.glob(f"{glob.escape(benchmark)}/*/{glob.escape(algo)}/*/{RESULT}")):
            if path.parent in own:
                continue
            with contextlib.suppress(DamagedResultError):
                result = read_result(path)
                if result.training.hyperparameters_hash in known:
                    yield result


def refuse_changed(found: Ledger, store: Store) -> None:
    """Refuse to add to results that were made with other settings.

    Raises
    ------
    InputError
        If any are, with the first differences.
    """
    if found.changed:
        shown = [f"  {training.name}: {difference}" for training, difference in found.changed[:CHANGES_SHOWN]]
        raise InputError(
            f"{count(len(found.changed), 'training')} stored in '{store.root}' with other settings than this grid has now:",
            *shown,
            *(["  ..."] if len(found.changed) > len(shown) else []),
            "Scores of different settings are never mixed: give this grid another name=..., or go back to the stored settings"
            f" (in '{store.config}').",
        )


def difference(stored: Training, wanted: Training) -> str:
    """Name the values that differ between a stored training and the wanted one, in words."""
    before = _values(stored)
    now = _values(wanted)
    names = [name for name in dict.fromkeys([*before, *now]) if before.get(name) != now.get(name)]
    return ", ".join(f"{name} {before.get(name)} -> {now.get(name)}" for name in names)


def _values(training: Training) -> dict[str, object]:
    """Flatten what a training is made of."""
    return {
        "total_timesteps": training.total_timesteps,
        "action_space": training.action_space,
        **training.hyperparameters,
        **{f"evaluation.{name}": value for name, value in training.evaluation.items()},
    }
