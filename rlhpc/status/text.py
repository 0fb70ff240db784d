"""An overview in words, for a terminal."""

from __future__ import annotations

import datetime as dt
import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from rlhpc.status.nodes import NodePart
from rlhpc.status.overview import Group, Overview
from rlhpc.status.state import Queue, State, TrainingStatus
from rlhpc.words import count

LINES_SHOWN = 10  # trainings, or reasons, of each kind
_JOBS_SHOWN = 3
_NAMES_SHOWN = 3
_OLD_SECONDS = 10.0  # of Slurm's answer; then somebody who has just cancelled or submitted something may wonder
AT_THE_LATEST = " at the latest"  # behind an end that a rule may bring about before
_TRACEBACK_LINES = 3  # its last ones, which say what was raised and where


def describe(shown: Overview) -> str:
    """Say everything that a user should see at once; the rest is in the data."""
    lines = [
        str(shown.folder),
        f"{count(shown.total.n, 'training')}: {_counts(shown.total)}",
        *pace(shown),
        *slurm(shown.queue),
        *next_step(shown),
        *faults(shown),
        "",
        *_table([*shown.groups, *([shown.total] if len(shown.groups) > 1 else [])], shown.at),
        *_legend(shown),
        *_named("running", [[_where(part)] for part in shown.nodes]),
        *_named("waiting", [[line] for line in reasons(shown.of(State.WAITING))]),
        *_named("stopped, to be continued", [[line] for line in reasons(shown.of(State.STOPPED))]),
        *_named("failed", list(_failures(shown.of(State.FAILED)))),
        *_named("damaged", [[f"{each.name}: {each.reason}"] for each in shown.of(State.DAMAGED)]),
        *_named("silent", [[line] for line in reasons(shown.of(State.SILENT))]),
        *_named("worth a look", [[_slow(each, shown.at)] for each in shown.trainings if each.slow]),
    ]
    return "\n".join(lines)


def _counts(group: Group) -> str:
    return ", ".join(f"{n:,} {state}" for state, n in group.counts.items() if n) or "none"


def pace(shown: Overview) -> Iterator[str]:
    """Say how fast the grid goes, and when what runs is expected to have learned."""
    total = shown.total
    if total.steps_per_second is not None:
        by_then = AT_THE_LATEST if total.at_the_latest else ""
        ends = f"; the last of them is expected to end at {_when(total.ends_at, shown.at)}{by_then}" if total.ends_at else ""
        yield f"{total.counts[State.RUNNING]:,} running: {total.steps_per_second:,.0f} steps/s together{ends}"


def slurm(queue: Queue) -> Iterator[str]:
    """Say what Slurm was asked; nothing of a grid that was never submitted to it."""
    if queue.fault:
        fault = " ".join(queue.fault.split())  # Slurm's own words may have several lines
        yield f"Slurm's queue is not known ({fault}); all else is as the files tell"
    elif queue.age_seconds is not None:
        since = "; what was cancelled or submitted since is not seen yet" if queue.age_seconds > _OLD_SECONDS else ""
        yield f"Slurm's queue as of {count(round(queue.age_seconds), 'second')} ago{since}"


def next_step(shown: Overview) -> Iterator[str]:
    """Say what comes next once every training is stored; nothing of a grid whose record proves nothing."""
    total = shown.total
    if total.n and total.counts[State.DONE] == total.n and not shown.grid_fault:
        what, whose = ("the only training is", "its") if total.n == 1 else (f"all {total.n:,} trainings are", "their")
        command = shlex.join(["python", "jobs/collect_scores.py", str(shown.folder)])
        yield f"{what} stored; next, to collect {whose} scores: {command}"


def faults(shown: Overview) -> list[str]:
    """Return what was wrong with the folder or with grid.json, if anything was."""
    return [fault for fault in (shown.folder_fault, shown.grid_fault) if fault]


def _table(groups: Sequence[Group], now: dt.datetime) -> list[str]:
    """Return a line for each group, with the columns in which there is something."""
    states = [state for state in State if state is State.DONE or any(group.counts[state] for group in groups)]
    header = ["benchmark", "algorithm", *states]
    rows = [_row(group, states) for group in groups]
    is_running = any(group.counts[State.RUNNING] for group in groups)
    if is_running:
        header += ["steps/s", "run%", "ends"]
        rows = [[*row, *speed(group, now)] for row, group in zip(rows, groups, strict=True)]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    numbers = range(2, len(header) - is_running)
    return ["  ".join(_aligned(row, widths, numbers)).rstrip() for row in [header, *rows]]


def _legend(shown: Overview) -> Iterator[str]:
    """Explain what is below, and in, the table, if it is there."""
    running = [group for group in (*shown.groups, shown.total) if group.counts[State.RUNNING]]
    if any(None in (group.steps_per_second, group.percent) for group in running):
        yield "?: not known in the first minute or so; evaluations have no speed"
    if shown.total.ends_at or any(each.starts_at for each in shown.trainings):
        yield f"times are of the time zone {shown.at.astimezone():%Z}"


def _row(group: Group, states: Sequence[State]) -> list[str]:
    cells = [f"{group.counts[state]:,}" if group.counts[state] else "-" for state in states]
    cells[0] = f"{group.counts[State.DONE]:,}/{group.n:,}"
    return [group.benchmark or "all", group.algo, *cells]


def speed(group: Group, now: dt.datetime) -> list[str]:
    """Return how fast, how far and until when the trainings of a group run."""
    if not group.counts[State.RUNNING]:
        return ["", "", ""]
    return [
        rate(group.steps_per_second),
        "?" if group.percent is None else f"{group.percent:.0f}",
        "" if group.ends_at is None else _when(group.ends_at, now) + (AT_THE_LATEST if group.at_the_latest else ""),
    ]


def rate(steps_per_second: float | None) -> str:
    """Spell a speed; a question mark where it is not known yet."""
    return "?" if steps_per_second is None else f"{steps_per_second:,.0f}"


def _aligned(row: Sequence[str], widths: Sequence[int], numbers: range) -> Iterator[str]:
    """Align columns of numbers to the right, of names and times to the left."""
    for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.rjust(width) if place in numbers else cell.ljust(width)


def _when(ends_at: dt.datetime | None, now: dt.datetime) -> str:
    """Spell a time as the clock on the wall shows it, with the day where that is another."""
    if ends_at is None:
        return ""
    there, here = ends_at.astimezone(), now.astimezone()
    return f"{there:%H:%M}" if there.date() == here.date() else f"{there:%a %d %b %H:%M}"


def reasons(members: Iterable[TrainingStatus]) -> list[str]:
    """Say how many trainings wait, or have stopped, for each reason; the most frequent reason first."""
    by_reason: dict[str, list[TrainingStatus]] = defaultdict(list)
    for each in members:
        by_reason[each.reason].append(each)
    ordered = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    return [_reason(reason, of_it) for reason, of_it in ordered]


def _reason(reason: str, members: Sequence[TrainingStatus]) -> str:
    """Say why some trainings wait, in which jobs, and from when on they may run."""
    who = members[0].name if len(members) == 1 else f"{len(members):,} trainings"
    jobs = sorted({each.job for each in members if each.job}, key=_numbers)
    more = f" and {len(jobs) - _JOBS_SHOWN} more" if len(jobs) > _JOBS_SHOWN else ""
    starts = sorted(each.starts_at for each in members if each.starts_at)
    beside = [f"job {', '.join(jobs[:_JOBS_SHOWN])}{more}"] if jobs else []
    # Slurm's guess, which takes all jobs that run for as long as their time limits
    beside += (
        [f"expected start {starts[0].replace('T', ' ')}, earlier if other jobs end before their time limits"] if starts else []
    )
    return f"{who}: {reason}" + (f" ({'; '.join(beside)})" if beside else "")


def _where(part: NodePart) -> str:
    """Say what runs on a GPU, or on the cores of a node, and how busy these are."""
    where = f"on {part.host}, " + (f"GPU {part.gpu}" if part.gpu else "cores")
    job = f" (job {part.job})" if part.job else ""
    told = f"{where}{job}: {count(part.n_running, 'training')}, {rate(part.steps_per_second)} steps/s"
    if part.gpu_load:
        told += f"; GPU {gpu_busy(part)} busy, {gpu_memory(part)}"
    return told + (f"; {count(part.n_cores or 0, 'core')} {cores_busy(part)} busy" if part.n_cores else "")


def gpu_busy(part: NodePart) -> str:
    """Spell how busy a GPU is; blank where that is not known."""
    return f"{part.gpu_load.busy_percent:.0f} %" if part.gpu_load else ""


def gpu_memory(part: NodePart) -> str:
    """Spell how much of a GPU's memory is used; blank where that is not known."""
    return f"{part.gpu_load.memory_gb:.1f} of {part.gpu_load.memory_total_gb:.0f} GB" if part.gpu_load else ""


def cores_busy(part: NodePart) -> str:
    """Spell how busy the cores of a job are; blank where that is not known."""
    return "" if part.cores_busy_percent is None else f"{part.cores_busy_percent:.0f} %"


def _numbers(job: str) -> list[int]:
    """Return the numbers of a job's id, ``12_3``, by which jobs are in order."""
    return [int(digits) for digits in re.findall(r"\d+", job)]


def _failures(failed: Iterable[TrainingStatus]) -> Iterator[list[str]]:
    """Say why trainings failed: the reason, the end of the traceback, a log, what to do; those of the same words together."""
    by_words: dict[tuple[str, ...], list[TrainingStatus]] = defaultdict(list)
    for each in failed:
        trace = each.failure.traceback.rstrip().splitlines()[-_TRACEBACK_LINES:] if each.failure else []
        by_words[each.reason, each.failure.remedy if each.failure else "", *trace].append(each)
    for (reason, remedy, *trace), members in by_words.items():
        names = [each.name for each in members]
        yield [
            f"{names[0] if len(names) == 1 else count(len(names), 'training')}: {reason}",
            *(f"  | {line}" for line in trace),
            *([f"  these: {', '.join(names[:_NAMES_SHOWN])}{', ...' * (len(names) > _NAMES_SHOWN)}"] if len(names) > 1 else []),
            *(f"  log: {each.failure.log}" for each in members[:1] if each.failure and each.failure.log),
            *([f"  to do: {remedy}"] if remedy else []),
        ]


def _slow(each: TrainingStatus, now: dt.datetime) -> str:
    """Say what is odd about a training that runs, and where it does."""
    told = each.progress
    where = f"; on {told.host}" + (f", GPU {told.gpu}" if told.gpu else "") if told else ""
    job = f", job {each.job}" if each.job else ""
    until = f"; {each.percent:.0f} %" if each.percent is not None else ""
    until += f", expected end {_when(each.ends_at, now)}" if each.ends_at else ""
    return f"{each.name}: {each.slow}{where}{job}{until}"


def _named(heading: str, items: Sequence[Sequence[str]]) -> list[str]:
    """Return a heading and what is below it, the first of many; an item may have several lines."""
    lines = [f"{'    ' if number else '  - '}{line}" for item in items[:LINES_SHOWN] for number, line in enumerate(item)]
    more = [f"  - ... and {len(items) - LINES_SHOWN} more; --json lists all"] if len(items) > LINES_SHOWN else []
    return ["", f"{heading}:", *lines, *more] if items else []
