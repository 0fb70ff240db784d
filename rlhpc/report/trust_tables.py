"""The rows of the page's tables on trust, from what trust.json holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from rlhpc.report.case_study import to_score
from rlhpc.report.tables import number, plus_minus, spread

Fields = dict[str, Any]

NULLS = {"shuffled_targets": "shuffled targets", "permuted_columns": "permuted columns"}
# How a table is changed before the search is redone on it, where that needs more words.
HOWS = {
    "without one": "without one algorithm",
    "without parts": "without a part of the algorithms",
    "without two": "without two algorithms",
}
PARTS_OF_HOURS = (("hours", 1), ("minutes", 60), ("seconds", 3600))
FEWEST = 0.1  # of a unit, of fewer than which a smaller one is easier to read
SUMMARIES = {"iqm": "IQM", "median": "median", "mean": "mean", "optimality_gap": "optimality gap"}


def null_rows(trust: Mapping[str, Any]) -> list[Fields]:
    """Describe what the search found on each kind of table without anything to find."""
    nulls = trust.get("null") or {}
    return [{"name": name, **nulls[key]} for key, name in NULLS.items() if nulls.get(key)]


def stability_rows(trust: Mapping[str, Any]) -> list[Fields]:
    """Describe what redoing the search chose, a row for each way of changing the table; the largest error is that of one half."""
    return [
        {**one, "name": HOWS.get(one["how"], one["how"]), "standard_error": 0.5 / math.sqrt(one["n_searches"])}
        for one in trust.get("stability") or ()
    ]


def env_rows(trust: Mapping[str, Any]) -> list[Fields]:
    """Describe how often each environment was chosen in each of these ways; the most often chosen first."""
    ways = [{one["env_id"]: one["share"] for one in way["envs"]} for way in trust.get("stability") or ()]
    names = list(dict.fromkeys(name for way in ways for name in way))
    rows = [{"env_id": name, "chosen": name in trust["subset"], "shares": [way.get(name, 0.0) for way in ways]} for name in names]
    return sorted(rows, key=lambda row: -sum(row["shares"]))  # stable: ties by first appearance


def interval_of(held_out: Mapping[str, Any]) -> str:
    """Write the interval of the prediction of an algorithm, in benchmark scores; a dash where there is none.

    It goes below 0 as the predictions do: cut off there, it would not hold them.
    """
    ends = held_out.get("low_y"), held_out.get("high_y")
    return number(None) if None in ends else spread(*to_score(np.array(ends)).tolist())


def any_below_zero(trust: Mapping[str, Any]) -> bool:
    """Say whether a prediction of an algorithm, or its interval, goes below 0."""
    return any((one.get(key) or 0.0) < 0 for one in trust["held_out"] for key in ("predicted_y", "low_y"))


def readable_front(trust: Mapping[str, Any]) -> Fields | None:
    """Return the cost front, hours as minutes or seconds where the cheapest subset takes too few; None if there is none."""
    front = trust.get("front")
    if not front or front["unit"] != "hours" or not front["points"]:
        return front
    cheapest = min(point["cost"] for point in front["points"])
    unit, times = next((one for one in PARTS_OF_HOURS if cheapest * one[1] >= FEWEST), PARTS_OF_HOURS[-1])
    points = [{**point, "cost": times * point["cost"]} for point in front["points"]]
    return {**front, "unit": unit, "total": times * front["total"], "points": points}


def algo_rows(trust: Mapping[str, Any]) -> list[Fields]:
    """Describe every algorithm's summaries over all environments, the highest interquartile mean first."""
    algos = (trust.get("statistics") or {}).get("algos") or ()
    rows = [{**one, "summaries": [_summary(one[key]) for key in SUMMARIES]} for one in algos]
    return sorted(rows, key=lambda row: -_known(row["iqm"]["value"]))


def improvement_rows(trust: Mapping[str, Any]) -> list[Fields]:
    """Describe how likely one algorithm beats another, in the order of `algo_rows`."""
    pairs = (trust.get("statistics") or {}).get("improvement") or ()
    place = {row["algo"]: place for place, row in enumerate(algo_rows(trust))}
    return sorted(
        ({**pair, "summary": _summary(pair, "probability", 100.0)} for pair in pairs), key=lambda pair: place[pair["algo"]]
    )


def _summary(one: Mapping[str, Any], key: str = "value", scale: float = 1.0) -> Fields:
    """Write a value, its interval, and how far the interval's ends hang on the draws; blank where there is none."""
    value, low, high, error = (
        None if one.get(name) is None else scale * one[name] for name in (key, "low", "high", "bounds_standard_error")
    )
    known = low is not None and high is not None
    return {
        "value": number(value),
        "interval": spread(low, high) if known and low != high else "",  # seeds that all score the same
        "error": plus_minus(error).strip() if known else "",
    }


def _known(value: float | None) -> float:
    return -math.inf if value is None else value
