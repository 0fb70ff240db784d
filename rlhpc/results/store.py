"""The store of results: one folder a training, one immutable and verified file in it.

``<root>/trainings/<benchmark>/<env>/<algo>/<seed>/``

    result.json           the result, written last; never replaced
    learning_curve.csv    training episodes: timesteps, episode_score, episode_length
    evaluations.csv       evaluations during the training, where asked for
    attempts.json         attempts that did not end with a result, and why
    checkpoint-*          where an unfinished training continues; gone when the result is stored
    lease.json            who is working on it; gone with its supervisor
    tensorboard/, wandb/  as those tools write them
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlhpc.errors import AlreadyStoredError, DamagedResultError
from rlhpc.files import digest, set_aside, write_json
from rlhpc.records import Result, Training

RESULT = "result.json"
ATTEMPTS = "attempts.json"
CHECKPOINT = "checkpoint-"  # followed by agent steps
LEARNING_CURVE = "learning_curve.csv"
EVALUATIONS = "evaluations.csv"
LAUNCH_AGAIN = "Launch the grid again: this file is kept under another name, and the training is made anew."  # a remedy
DEPTH = 4  # folders below trainings/ that lead to one training: benchmark, environment, algorithm, seed


@dataclass(frozen=True)
class Store:
    """The results below one folder, ``logs/<name>``.

    Attributes
    ----------
    root : Path
    """

    root: Path

    @property
    def trainings(self) -> Path:
        """The folder that holds one folder a training."""
        return self.root / "trainings"

    @property
    def config(self) -> Path:
        """The configuration that the trainings were launched with, as resolved."""
        return self.root / "config.yaml"

    @property
    def grid(self) -> Path:
        """The names of all trainings that were ever launched into this folder."""
        return self.root / "grid.json"

    @property
    def scores(self) -> Path:
        """The table of collected scores, one row a training."""
        return self.root / "scores.csv"

    def write_grid(self, trainings: Iterable[Training]) -> Path:
        """Add the trainings of a launch to those of earlier ones."""
        return write_json(self.grid, sorted({*self.read_grid(), *(training.name for training in trainings)}))

    def set_aside_grid(self) -> Path | None:
        """Rename a record of all trainings that cannot be read; return where it is kept, None if there is nothing wrong."""
        if self.read_grid() or not self.grid.exists():
            return None
        return set_aside(self.grid)

    def read_grid(self) -> list[str]:
        """Read the names of all trainings that were ever launched; empty where there is no sound record."""
        try:
            return [str(name) for name in json.loads(self.grid.read_text())]
        except (OSError, ValueError, TypeError):
            return []

    def folder(self, training: Training) -> Path:
        """Return the folder of one training.

        ``/`` of an environment's id becomes ``+``, which no id can hold, so that no two ids share a folder.
        """
        env = training.env_id.replace("/", "+")
        return self.root.joinpath("trainings", training.benchmark, env, training.algo, str(training.seed))

    @staticmethod
    def name_of(folder: Path) -> str:
        """Return the name of the training that a folder belongs to; the way back from `Store.folder`."""
        benchmark, env, algo, seed = folder.parts[-DEPTH:]
        return "/".join((benchmark, env.replace("+", "/"), algo, seed))

    def folders(self) -> list[Path]:
        """Return the folders that lie where those of trainings do, or links to some, in the order of paths."""
        return sorted(self.trainings.glob("*/" * DEPTH))  # with the last slash: no files, and without asking of each what it is

    def has(self, training: Training) -> bool:
        """Tell whether a training's result is stored and verifies."""
        try:
            return self.read(training) is not None
        except DamagedResultError:
            return False

    def write(self, result: Result) -> Path:
        """Store a result; the first one counts.

        Raises
        ------
        AlreadyStoredError
            If the training has one already, which is left as it is.
        """
        path = self.folder(result.training) / RESULT
        payload = dataclasses.asdict(result)
        try:
            return write_json(path, {"sha256": digest(payload), "result": payload}, exclusive=True)
        except FileExistsError as error:
            raise AlreadyStoredError(f"'{path}' exists; the first result of a training is the one that counts.") from error

    def read(self, training: Training) -> Result | None:
        """Read a training's result; None where there is none.

        Raises
        ------
        DamagedResultError
            If the file does not verify, or is that of another training; if it is a link that leads nowhere.
        """
        path = self.folder(training) / RESULT
        return self._read_own(path) if os.path.lexists(path) else None

    def iterate(self) -> Iterator[Result | DamagedResultError]:
        """Yield every stored result in the order of paths; a damaged one as the error that says why."""
        for path in (folder / RESULT for folder in self.folders()):
            if not os.path.lexists(path):
                continue
            try:
                yield self._read_own(path)
            except DamagedResultError as error:
                yield error

    def _read_own(self, path: Path) -> Result:
        """Read a result that must be that of its folder."""
        result = read_result(path)
        if self.folder(result.training) != path.parent:
            raise DamagedResultError(
                f"'{path}' holds the result of '{result.training.name}': it was moved. Put it back, or delete it."
            )
        return result

    def set_aside(self, training: Training) -> Path | None:
        """Rename a damaged result, so that the training can be stored anew.

        Returns
        -------
        Path or None
            Where it is kept; None if it verifies now or has gone, because another launch has mended it or set it aside, or a file
            system has recovered.

        Raises
        ------
        DamagedResultError
            If it still cannot be read at all, which may pass and is no reason to move it.
        """
        path = self.folder(training) / RESULT
        try:
            if self.read(training) is not None:
                return None
        except DamagedResultError as error:
            if isinstance(error.__cause__, OSError) and os.path.lexists(path) and not path.is_dir():
                raise
        return set_aside(path)

    def write_attempts(self, training: Training, attempts: Sequence[Mapping[str, Any]]) -> Path:
        """Record the attempts of a training that left no result, replacing the former record."""
        return write_json(self.folder(training) / ATTEMPTS, list(attempts))

    def read_attempts(self, training: Training) -> list[dict[str, Any]]:
        """Read the attempts of a training that left no result, oldest first."""
        return read_attempts(self.folder(training))

    def last_attempt(self, training: Training) -> int:
        """Return the number of the last attempt that is on record; 0 if there is none."""
        return max((attempt.get("attempt", 1) for attempt in self.read_attempts(training)), default=0)


def read_attempts(folder: Path) -> list[dict[str, Any]]:
    """Read the attempts in a training's folder that left no result, oldest first.

    A record that cannot be read, or was edited, counts as one attempt, which failed.
    """
    path = folder / ATTEMPTS
    if not path.exists():
        return []
    try:
        attempts = json.loads(path.read_text())
    except (OSError, ValueError):
        attempts = None
    if isinstance(attempts, list) and all(map(_is_attempt, attempts)):
        return attempts
    return [{"attempt": 1, "reason": f"the reason cannot be read from '{path}'"}]


def _is_attempt(entry: Any) -> bool:
    """Tell whether an entry of attempts.json has the number and the reason that its readers need."""
    return isinstance(entry, dict) and type(entry.get("attempt", 1)) is int and isinstance(entry.get("reason"), str)


def read_result(path: Path) -> Result:
    """Read and verify one result.json.

    Raises
    ------
    DamagedResultError
        If it is not JSON, its checksum differs, or its fields are not those of a result.
    """
    remedy = LAUNCH_AGAIN
    try:
        stored = json.loads(path.read_text())
        payload = stored["result"]
        if digest(payload) != stored["sha256"]:
            raise DamagedResultError(f"'{path}' was edited: its checksum does not match. {remedy}")
        training = Training(**payload["training"])
        lists = {"episode_scores": tuple(payload["episode_scores"]), "resumes": tuple(payload.get("resumes", ()))}
        return Result(**{**payload, **lists, "training": training})
    except (ValueError, KeyError, TypeError, OSError) as error:
        if isinstance(error, OSError) and not path.is_dir():
            remedy = "Make it readable (its permissions, the file that it links to), or move it away."
        raise DamagedResultError(f"'{path}' cannot be read: {type(error).__name__}: {error}. {remedy}") from error
