"""The overview of a grid: its trainings counted by benchmark and algorithm, and those that are slow."""

from __future__ import annotations

import datetime as dt
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rlhpc.results.node_load import NodeLoad
from rlhpc.status.nodes import NodePart, nodes
from rlhpc.status.state import Queue, State, TrainingStatus

SLOW_RATIO = 0.5  # of the median speed of its kind; packed neighbours and their phases alone make up for less than half
LEAST_OF_A_KIND = 3  # that run, for a median to say something


@dataclass(frozen=True)
class Group:
    """Some trainings, counted.

    Attributes
    ----------
    benchmark, algo : str
        Blank for those of a whole grid.
    counts : mapping of State to int
        Every state.
    steps_per_second : float or None
        Of all that run and tell, together.
    percent : float or None
        Mean progress of those that run and tell.
    ends_at : datetime or None
        When the last of those that run is expected to have learned; UTC.
    at_the_latest : bool
        Whether a rule may end that before.
    """

    benchmark: str
    algo: str
    counts: dict[State, int]
    steps_per_second: float | None
    percent: float | None
    ends_at: dt.datetime | None
    at_the_latest: bool

    @property
    def n(self) -> int:
        """Number of trainings."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class Overview:
    """Everything that is shown of a grid.

    Attributes
    ----------
    folder : Path
    at : datetime
        When it was looked at; UTC.
    trainings : tuple of TrainingStatus
        In the order of grid.json.
    groups : tuple of Group
        By benchmark and algorithm.
    total : Group
    nodes : tuple of NodePart
        On which something runs.
    queue : Queue
    grid_fault : str
        Why grid.json proves nothing; blank if it is sound.
    folder_fault : str
        Why the folder could not be read when it was looked at again, and all else is older; blank if it could.
    """

    folder: Path
    at: dt.datetime
    trainings: tuple[TrainingStatus, ...]
    groups: tuple[Group, ...]
    total: Group
    nodes: tuple[NodePart, ...]
    queue: Queue
    grid_fault: str
    folder_fault: str = ""

    def of(self, state: State) -> list[TrainingStatus]:
        """Return the trainings in one state."""
        return [each for each in self.trainings if each.state is state]


def overview(  # noqa: PLR0913, PLR0917  # all that was looked at
    folder: Path,
    at: dt.datetime,
    found: Iterable[TrainingStatus],
    queue: Queue,
    grid_fault: str,
    loads: Sequence[NodeLoad] = (),
) -> Overview:
    """Count the trainings of a grid, and name the slow ones."""
    trainings = tuple(_with_slow(list(found)))
    kinds: dict[tuple[str, str], list[TrainingStatus]] = defaultdict(list)
    for each in trainings:
        kinds[each.kind].append(each)
    groups = tuple(_group(*kind, members) for kind, members in sorted(kinds.items()))
    return Overview(folder, at, trainings, groups, _group("", "", trainings), nodes(trainings, loads), queue, grid_fault)


def _group(benchmark: str, algo: str, members: Sequence[TrainingStatus]) -> Group:
    """Count some trainings."""
    counts = Counter(each.state for each in members)
    running = [each for each in members if each.state is State.RUNNING]
    speeds = [each.steps_per_second for each in running if each.steps_per_second is not None]
    percents = [each.percent for each in running if each.percent is not None]
    ends = [(each.ends_at, bool(each.progress and each.progress.may_end_early)) for each in running if each.ends_at is not None]
    ends_at, at_the_latest = max(ends, default=(None, False))
    return Group(
        benchmark,
        algo,
        {state: counts[state] for state in State},
        sum(speeds) if speeds else None,
        statistics.fmean(percents) if percents else None,
        ends_at,
        at_the_latest,
    )


def _with_slow(found: Sequence[TrainingStatus]) -> Iterable[TrainingStatus]:
    """Name those that run at less than half the speed of their kind: other seeds, or, where those are few, other environments."""
    of_env: dict[object, list[float]] = defaultdict(list)
    of_kind: dict[object, list[float]] = defaultdict(list)
    for each in found:
        if each.steps_per_second is not None:
            of_env[each.kind, each.env_id].append(each.steps_per_second)
            of_kind[each.kind].append(each.steps_per_second)
    for each in found:
        groups = (of_env[each.kind, each.env_id], of_kind[each.kind])
        speeds = next((group for group in groups if len(group) >= LEAST_OF_A_KIND), [0.0])
        median = statistics.median(speeds)
        if each.slow or each.steps_per_second is None or each.steps_per_second >= SLOW_RATIO * median:
            yield each
        else:
            yield replace(each, slow=f"{each.steps_per_second:,.0f} steps/s, where the median of its kind is {median:,.0f}")
