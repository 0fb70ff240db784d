"""Threads: how many to take where nobody says."""

from __future__ import annotations

import os


def usual_threads() -> int:
    """Return what OMP_NUM_THREADS says, else as many as there are CPUs that this process may run on."""
    usual = os.environ.get("OMP_NUM_THREADS", "")
    return (int(usual) if usual.isdecimal() else 0) or len(os.sched_getaffinity(0))
