"""Memory: what a training frees is kept for what it needs next."""

from __future__ import annotations

import contextlib
import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
_N_BYTES = 1 << 30


def keep_what_is_freed() -> None:
    """Have the C library keep memory of up to a gigabyte instead of giving it back to the kernel.

    glibc maps arrays of some megabytes anew each time, and the kernel clears every page of them: with batches of frames that is
    a sixth of PPO's time on a CPU. Where there is another C library, nothing is done.
    """
    with contextlib.suppress(AttributeError):
        library = ctypes.CDLL(None)
        for option in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD):
            library.mallopt(option, _N_BYTES)
