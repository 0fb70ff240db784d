"""What axes show: their ends, their ticks, the names along them; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_NAMESPACE = re.compile(r"^[\w:.-]+/(?=[\w:.-]+-v\d+$)")  # as Gymnasium spells it: dm_control/walker-run-v0
NAME_LENGTH = 26  # characters of a name that a figure shows; tables show all
_FEW_TICKS = 4
# Of powers of ten, where an axis has ticks that is not so many decades wide.
_MULTIPLES: tuple[tuple[float, tuple[float, ...]], ...] = (
    (0.3, (1, 1.2, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8)),
    (0.5, (1, 1.5, 2, 3, 5, 7)),
    (2, (1, 2, 5)),
    (4, (1, 3)),
    (np.inf, (1,)),
)
BEYOND = 3.0  # an axis of errors ends at this many times the error of guessing; what lies beyond is written as a number


def shorten(name: str) -> str:
    """Shorten a name for a figure: an environment's without its namespace, one that is too long without its middle."""
    name = _NAMESPACE.sub("", name)
    if len(name) > NAME_LENGTH:
        name = f"{name[: NAME_LENGTH // 2 - 1]}…{name[-NAME_LENGTH // 2 :]}"
    return name


def error_limit(errors: Floats, guess: float) -> float:
    """Return where an axis of errors ends, so that one hopeless environment does not hide all others."""
    finite = errors[np.isfinite(errors)]
    largest = float(finite.max()) if len(finite) else 0.0
    return max(1.05 * min(largest, BEYOND * guess if guess > 0 else largest), guess * 1.2, 1e-12)


def error_floor(errors: Floats) -> float:
    """Return where a logarithmic axis draws exact predictions: left of all others, though not beyond a millionth."""
    positive = errors[np.isfinite(errors) & (errors > 0)]
    return float(max(positive.min() / 2, 1e-6)) if len(positive) else 1e-6


def score_window(true: Floats, predictions: Sequence[Floats]) -> tuple[float, float]:
    """Return what axes of log scores show: zero, all true scores, and predictions up to half their range away."""
    room = max(np.ptp(true), 0.2) / 2
    nearby = np.clip(np.concatenate([true, *predictions]), true.min() - room, true.max() + room)
    return float(min(np.nanmin(nearby), 0.0)), float(np.nanmax(nearby))


def score_ticks(low: float, high: float) -> Floats:
    """Return round benchmark scores between two log benchmark scores."""
    fine = (0.1, 0.2, 0.3, 0.5) if high < 0.4 else ()
    below: tuple[float, ...] = (-0.9, -0.5, 0, *fine)
    for multiples in ((1, 3), (1, 2, 3, 5, 7)):  # the more where there are few
        round_scores = np.array([*below, *(multiple * 10.0**decade for decade in range(5) for multiple in multiples)])
        logs = np.log10(1 + round_scores)
        ticks: Floats = round_scores[(logs >= low - 1e-9) & (logs <= high + 1e-9)]
        if len(ticks) >= _FEW_TICKS:
            break
    return ticks


def log_ticks(values: Floats) -> tuple[float, float, Floats]:
    """Return the ends of a logarithmic axis for positive values, and round ticks between them."""
    low, high = np.log10(values.min()) - 0.1, np.log10(values.max()) + 0.1
    width = high - low
    multiples = next(multiples for widest, multiples in _MULTIPLES if width < widest)
    decades = range(int(np.floor(low)), int(np.ceil(high)))
    ticks = np.array([multiple * 10.0**decade for decade in decades for multiple in multiples])
    inside = ticks[(np.log10(ticks) >= low) & (np.log10(ticks) <= high)]
    return float(10**low), float(10**high), inside if len(inside) else values[:1]


def spaced(values: Floats, share: float = 0.05) -> list[float]:
    """Return ascending values without those whose ticks would touch: closer to the one before than a share of the whole."""
    kept: list[float] = []
    room = share * float(np.ptp(values))
    for value in np.unique(values).tolist():
        if not kept or value - kept[-1] >= room:
            kept.append(value)
    return kept


def value_window(values: Floats, lows: Floats, highs: Floats) -> tuple[float, float]:
    """Return what an axis of values with intervals shows: all values, and intervals up to their range away."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    room = max(high - low, 0.1 * max(abs(low), abs(high)), 1e-9)
    ends = np.concatenate([finite, lows[np.isfinite(lows)], highs[np.isfinite(highs)]]).clip(low - room, high + room)
    margin = 0.03 * max(float(np.ptp(ends)), room)
    return float(ends.min()) - margin, float(ends.max()) + margin
