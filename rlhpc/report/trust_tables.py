"""The rows of the page's tables on trust, from what trust.json holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from rlhpc.report.case_study import to_score
from rlhpc.report.tables import number, spread

Fields = dict[str, Any]

NULLS = {"shuffled_targets": "shuffled targets", "permuted_columns": "permuted columns"}
# How a table is changed before the search is redone on it, where that needs more words.
HOWS = {
    "without one": "without one algorithm",
    "without parts": "without a part of the algorithms",
    "without two": "without two algorithms",
}
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
    """Write the interval of the prediction of an algorithm, in benchmark scores, 0 or more; a dash where there is none."""
    ends = held_out.get("low_y"), held_out.get("high_y")
    return number(None) if None in ends else spread(*np.maximum(0.0, to_score(np.array(ends))).tolist())


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
        "interval": spread(low, high) if known else "",
        "error": f"± {number(error)}" if known and error is not None else "",
    }


def _known(value: float | None) -> float:
    return -math.inf if value is None else value
