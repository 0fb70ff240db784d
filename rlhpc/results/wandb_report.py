"""What there was to send to Weights & Biases, and what came of it: as data, and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlhpc.errors import RlhpcError
from rlhpc.results.wandb_links import LINKS, Links
from rlhpc.results.wandb_program import Ending, Outcome
from rlhpc.results.wandb_runs import OfflineRun, Part
from rlhpc.words import count

LINES_SHOWN = 20  # of each kind
MEGABYTE = 1e6


@dataclass
class SyncReport:
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
    without_link : tuple of OfflineRun
        Those that were sent while their link is not known.
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
    without_link: tuple[OfflineRun, ...] = ()

    @property
    def links(self) -> Path:
        """Where the links are kept."""
        return self.folder / LINKS

    def of(self, ending: Ending) -> list[Outcome]:
        """Return the outcomes of one kind."""
        return [outcome for outcome in self.outcomes if outcome.ending is ending]


def look(folder: Path, runs: tuple[OfflineRun, ...], links: Links, *, dry_run: bool) -> SyncReport:
    """Tell what is to be sent."""
    parts = [part for run in runs for part in run.parts]
    known = [
        Outcome(part, Ending.UNREADABLE, links.urls.get(part.run_id), reason)
        for part in parts
        if not part.mark.exists() and (reason := links.fault_of(part))
    ]
    to_send = tuple(part for run in runs for part in links.to_send(run))
    n_sent_before = len(parts) - len(known) - len(to_send)
    return SyncReport(folder, dry_run, runs, to_send, known, n_sent_before, without_link=links.without_link(runs))


def data_of(report: SyncReport) -> dict[str, Any]:
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
        "without_link": [{"training": run.training, "run_id": run.run_id} for run in report.without_link],
        "n_waiting": _n_waiting(report),
        "fault": str(report.fault or ""),
        "n_links": report.n_links,
        "links": str(report.links) if report.links.exists() else None,
    }


def _sent(outcome: Outcome) -> dict[str, Any]:
    part = outcome.part
    return {"training": part.training, "run_id": part.run_id, "path": str(part.folder), "url": outcome.url}


def _not_sent(outcome: Outcome) -> dict[str, Any]:
    return {**_sent(outcome), "reason": outcome.reason, "command": outcome.part.command}


def _n_waiting(report: SyncReport) -> int:
    return 0 if report.dry_run else len(report.to_send) - len(report.outcomes)


def describe(report: SyncReport) -> str:
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
    failed = report.of(Ending.FAILED)
    lines += _listed(
        f"{count(len(failed), 'part')} could not be sent, and will be tried at the next start:",
        [_reason_and_command(outcome, "or by hand") for outcome in failed],
    )
    lines += _listed(
        f"{count(len(report.unreadable), 'part')} cannot be read to the end; what could be read is sent, once:",
        [_reason_and_command(outcome, "by hand, which would send that once more") for outcome in report.unreadable],
    )
    if waiting := _n_waiting(report):
        lines.append(f"{count(waiting, 'part')} not tried. {report.fault or 'An older part of the run must come first.'}")
    lines += _listed(_heading_of_lost_links(report), [[f"{run.training}: run {run.run_id}"] for run in report.without_link])
    return "\n".join([*lines, *_links_text(report)])


def _heading_of_lost_links(report: SyncReport) -> str:
    heading = (
        f"{count(len(report.without_link), 'run')} sent without a known link: by hand, or a start was ended before it could keep "
        "what the server told"
    )
    mend = f". Replace null behind the run in {report.links} by the link that its page has, and start this again"
    return f"{heading}{'' if report.dry_run else mend}:"


def _links_text(report: SyncReport) -> list[str]:
    """Say where the links are."""
    if report.dry_run:
        return []
    if not report.has_scores:
        told = "collect_scores.py writes them into scores.csv"
    elif report.n_links is None:
        told = "scores.csv was changed by another program and is left as it is: collect_scores.py writes it anew, with the links"
    else:
        told = f"{report.n_links} written into scores.csv"
    where = [str(report.links)] if report.links.exists() else []
    return [f"links: {'; '.join([*where, told])}"]


def _reason_and_command(outcome: Outcome, by_hand: str) -> list[str]:
    return [f"{outcome.part.training}: {outcome.reason}", f"{by_hand}: {outcome.part.command}"]


def _listed(heading: str, entries: Sequence[Sequence[str]]) -> list[str]:
    """Return a heading and the lines of the first of many entries; nothing where there are none."""
    if not entries:
        return []
    shown = [
        f"  - {line}" if place == 0 else f"    {line}" for entry in entries[:LINES_SHOWN] for place, line in enumerate(entry)
    ]
    more = [f"  ... and {len(entries) - LINES_SHOWN} more; --json lists all"] if len(entries) > LINES_SHOWN else []
    return [heading, *shown, *more]
