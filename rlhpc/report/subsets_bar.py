"""How far a search is: a bar on a terminal, and now and then a line in a log."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

SECONDS_UNTIL_SHOWN = 3  # a search that ends sooner needs no bar
SECONDS_OF_A_LINE = 600  # between the lines in a log


@contextmanager
def subsets_bar(n_subsets: int) -> Iterator[Callable[[int], object]]:
    """Show how many of the subsets are done; hand out the function that takes how many more are.

    Parameters
    ----------
    n_subsets : int
        All there are to search.
    """
    with tqdm(total=n_subsets, unit=" subsets", unit_scale=True, leave=False, **_manner()) as bar:
        yield bar.update


def _manner() -> dict[str, Any]:
    if sys.stderr.isatty():
        return {"delay": SECONDS_UNTIL_SHOWN}
    seconds = {"delay": SECONDS_OF_A_LINE, "mininterval": SECONDS_OF_A_LINE, "maxinterval": math.inf}
    return {"file": _Lines(), "ncols": 0, "miniters": 1, **seconds}


class _Lines:
    """Stands for a terminal: what a bar draws over and over on one line becomes lines on standard error."""

    def write(self, drawn: str) -> None:
        if line := drawn.strip():
            print(line, file=sys.stderr, flush=True)

    def flush(self) -> None:
        """Nothing waits."""
