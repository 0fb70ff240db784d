"""The offline runs of Weights & Biases below a folder of results, and what of each is not sent yet; nothing is changed."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rlhpc.results.store import RESULT, Store
from rlhpc.results.unfinished import RecordState, how_far

PART = re.compile(r"offline-run-\d{8}_\d{6}-(?P<run_id>.+)")  # as wandb names its folders, by the time of their start
SENT = ".synced"  # behind the name of a part's file, where wandb has sent it


@dataclass(frozen=True)
class Part:
    """What one start of a training left of its run.

    Attributes
    ----------
    training : str
        Its name.
    folder : Path
    """

    training: str
    folder: Path

    @property
    def run_id(self) -> str:
        """The id of the run that it is a part of."""
        match = PART.fullmatch(self.folder.name)
        assert match is not None  # noqa: S101  # `offline_runs` takes no other
        return match["run_id"]

    @property
    def file(self) -> Path:
        """What wandb sends."""
        return self.folder / f"run-{self.run_id}.wandb"

    @property
    def n_bytes(self) -> int:
        """How much that is; 0 where the file is missing."""
        return self.file.stat().st_size if self.file.exists() else 0

    @property
    def mark(self) -> Path:
        """The empty file by which wandb marks what it has sent."""
        return self.file.with_name(self.file.name + SENT)

    @property
    def command(self) -> str:
        """What sends it, on a command line."""
        return shlex.join(["wandb", "sync", str(self.folder.resolve())])


@dataclass(frozen=True)
class OfflineRun:
    """One run.

    Attributes
    ----------
    training : str
        The name of its training.
    run_id : str
    parts : tuple of Part
        Those that have ended, oldest first, which is the order to send them in.
    n_unfinished : int
        1 if its training is running, and so its newest part is left out; else 0.
    """

    training: str
    run_id: str
    parts: tuple[Part, ...]
    n_unfinished: int = 0


def offline_runs(store: Store) -> tuple[OfflineRun, ...]:
    """Find every offline run of a store, in the order of their folders."""
    return tuple(run for folder in store.folders() if (folder / "wandb").is_dir() for run in _runs_of(folder))


def _runs_of(folder: Path) -> Iterator[OfflineRun]:
    """Yield the runs of one training: more than one if it was launched again with other hyperparameters."""
    training = Store.name_of(folder)
    found = sorted(path for path in (folder / "wandb").iterdir() if PART.fullmatch(path.name) and path.is_dir())
    # the result is written when the run has ended
    is_running = not (folder / RESULT).exists() and how_far(folder)[0] is RecordState.RUNNING
    unfinished = found[-1:] if is_running else []
    parts: dict[str, list[Part]] = defaultdict(list)
    for part in (Part(training, path) for path in found):
        parts[part.run_id].append(part)
    for run_id, all_parts in parts.items():
        ended = tuple(part for part in all_parts if part.folder not in unfinished)
        yield OfflineRun(training, run_id, ended, len(all_parts) - len(ended))
