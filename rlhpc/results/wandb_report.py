"""What there was to send to Weights & Biases, and what came of it: as data, and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlhpc.errors import RlhpcError
from rlhpc.results.missing import count
from rlhpc.results.wandb_links import LINKS, Links
from rlhpc.results.wandb_program import Ending, Outcome
from rlhpc.results.wandb_runs import OfflineRun, Part

LINES_SHOWN = 20  # of each kind
MEGABYTE = 1e6


@dataclass
class Report:
    """What there was to send, and what came of it.

    Attributes
    ----------
    folder : Path
    dry_run : bool
        Nothing is tried.
    runs : tuple of OfflineRun
        All of the folder.
    to_send : tuple of Part
        Those of them that are neither sent nor known to be unreadable.
    unreadable : list of Outcome
        Parts that cannot be read to their end, from earlier starts and this one.
    n_sent_before : int
        Number of parts.
    outcomes : list of Outcome
        Of the parts that were tried.
    fault : RlhpcError or None
        Why the rest was not tried.
    n_links : int or None
        Links written into scores.csv; None if it is not there, or was left as it is.
    has_scores : bool
        Whether there is a scores.csv.
    """

    folder: Path
    dry_run: bool
    runs: tuple[OfflineRun, ...]
    to_send: tuple[Part, ...]
    unreadable: list[Outcome]
    n_sent_before: int
    outcomes: list[Outcome] = field(default_factory=list)
    fault: RlhpcError | None = None
    n_links: int | None = None
    has_scores: bool = False

    def of(self, ending: Ending) -> list[Outcome]:
        """Return the outcomes of one kind."""
        return [outcome for outcome in self.outcomes if outcome.ending is ending]


def look(folder: Path, runs: tuple[OfflineRun, ...], links: Links, *, dry_run: bool) -> Report:
    """Tell what is to be sent."""
    parts = [part for run in runs for part in run.parts]
    known = [
        Outcome(part, Ending.UNREADABLE, links.urls.get(part.run_id), reason)
        for part in parts
        if not part.mark.exists() and (reason := links.fault_of(part))
    ]
    to_send = tuple(part for run in runs for part in links.to_send(run))
    return Report(folder, dry_run, runs, to_send, known, len(parts) - len(known) - len(to_send))


def data_of(report: Report) -> dict[str, Any]:
    """Put a report into words that JSON knows."""
    return {
        "folder": str(report.folder),
        "dry_run": report.dry_run,
        "to_send": {
            "runs": len({part.run_id for part in report.to_send}),
            "parts": len(report.to_send),
            "megabytes": sum(part.n_bytes for part in report.to_send) / MEGABYTE,
        },
        "n_sent_before": report.n_sent_before,
        "n_unfinished": sum(run.n_unfinished for run in report.runs),
        "sent": [_sent(outcome) for outcome in report.of(Ending.SENT)],
        "failed": [_not_sent(outcome) for outcome in report.of(Ending.FAILED)],
        "unreadable": [_not_sent(outcome) for outcome in report.unreadable],
        "n_waiting": _n_waiting(report),
        "fault": str(report.fault or ""),
        "n_links": report.n_links,
        "links": str(report.folder / LINKS),
    }


def _sent(outcome: Outcome) -> dict[str, Any]:
    part = outcome.part
    return {"training": part.training, "run_id": part.run_id, "path": str(part.folder), "url": outcome.url}


def _not_sent(outcome: Outcome) -> dict[str, Any]:
    return {**_sent(outcome), "reason": outcome.reason, "command": outcome.part.command}


def _n_waiting(report: Report) -> int:
    return 0 if report.dry_run else len(report.to_send) - len(report.outcomes)


def describe(report: Report) -> str:
    """Say the same to a reader."""
    if not report.runs:
        return f"{report.folder}: no offline run of Weights & Biases is here; wandb.mode=offline makes them."
    data = data_of(report)
    n, unfinished = data["to_send"], data["n_unfinished"]
    parts = "" if n["runs"] == n["parts"] else f" in {count(n['parts'], 'part')}"
    lines = [f"{report.folder}: {count(n['runs'], 'run')}{parts}, {n['megabytes']:.1f} MB to send"]
    lines += [f"{count(report.n_sent_before, 'part')} sent before"] if report.n_sent_before else []
    lines += (
        [f"{count(unfinished, 'part')} left out: the training is running; start this again when it has ended"]
        if unfinished
        else []
    )
    lines += [f"{count(len(report.of(Ending.SENT)), 'part')} sent"] if report.outcomes else []
    lines += _listed("could not be sent, and will be tried at the next start", "or by hand", [*report.of(Ending.FAILED)])
    lines += _listed(
        "cannot be read to the end; what could be read is sent, once",
        "by hand, which would send that once more",
        report.unreadable,
    )
    if waiting := _n_waiting(report):
        lines.append(f"{count(waiting, 'part')} not tried. {report.fault or 'An older part of the run must come first.'}")
    return "\n".join([*lines, *_links_text(report)])


def _links_text(report: Report) -> list[str]:
    """Say where the links are."""
    if report.dry_run:
        return []
    if not report.has_scores:
        told = "collect_scores.py writes them into scores.csv"
    elif report.n_links is None:
        told = "scores.csv was changed by another program and is left as it is: collect_scores.py writes it anew, with the links"
    else:
        told = f"{report.n_links} written into scores.csv"
    return [f"links: {report.folder / LINKS}; {told}"]


def _listed(heading: str, by_hand: str, outcomes: Sequence[Outcome]) -> list[str]:
    """Return a heading and its parts with reason and command, the first of many."""
    if not outcomes:
        return []
    shown = [
        line
        for outcome in outcomes[:LINES_SHOWN]
        for line in (f"  - {outcome.part.training}: {outcome.reason}", f"    {by_hand}: {outcome.part.command}")
    ]
    more = [f"  ... and {len(outcomes) - LINES_SHOWN} more; --json lists all"] if len(outcomes) > LINES_SHOWN else []
    return [f"{count(len(outcomes), 'part')} {heading}:", *shown, *more]
