"""The file system's clock, as far as it can be known without writing: by it alone can the age of a lease be told."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from rlhpc.results.unfinished import clock_offset
from rlhpc.status.facts import Facts


def file_system_now(found: Iterable[Facts], now: float) -> float:
    """Estimate the time that a file would get if it were written now.

    Trainings write into progress.json what the clock of their machine says; the time that the file got shows how far the file
    system is from it, and so, as the clocks of a cluster's machines agree, from ours. Without such files it is our time.

    Parameters
    ----------
    found : iterable of Facts
    now : float
        By our clock; seconds since the epoch, as what is returned.
    """
    told = [
        clock_offset(facts.progress, facts.progress_at)
        for facts in found
        if facts.progress is not None and facts.progress_at is not None
    ]
    offsets = [offset for offset in told if offset is not None]
    return now + (statistics.median(offsets) if offsets else 0.0)
