"""The view of a grid on a terminal, as large as that is: what needs a look first, then how far all is, and where it runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console, Group, OverflowMethod, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rlhpc.status import overview, text
from rlhpc.status.overview import Overview
from rlhpc.status.state import State, TrainingStatus
from rlhpc.words import count

# Of the 16 colours that every terminal has, in its user's own shades; each state is also told in words.
COLOURS = {
    State.DONE: "green",
    State.RUNNING: "cyan",
    State.SILENT: "magenta",
    State.WAITING: "bright_black",
    State.STOPPED: "yellow",
    State.FAILED: "red",
    State.DAMAGED: "red",
}
_TO_LOOK_AT = (State.FAILED, State.DAMAGED, State.SILENT)
_NARROW = 100  # columns of a terminal that has no room for bars in tables


@dataclass(frozen=True)
class _Section:
    """A heading, and rows of cells below it, of which the last ones may be left out.

    Attributes
    ----------
    heading : str
    rows : sequence of sequences of Text
    columns : sequence of str
        Names, ``>`` before those of numbers; none: rows are of one cell, without names.
    weight : int
        How much of the room it gets where there is too little for all.
    """

    heading: str
    rows: Sequence[Sequence[Text]]
    columns: Sequence[str] = ()
    weight: int = 1

    @property
    def n_above(self) -> int:
        """Lines before its first row: a blank one, the heading, and the names of its columns."""
        return 2 + bool(self.columns)


def terminal(stream: TextIO) -> Console | None:
    """Return what paints on the terminal that a stream leads to; None if it leads to none that can be painted on."""
    console = Console(file=stream)
    return console if console.is_terminal and not console.is_dumb_terminal else None


@contextlib.contextmanager
def on_terminal(console: Console) -> Iterator[Callable[[Overview], None]]:
    """Take a terminal for a view, and give it back as it was; what is handed on paints an overview."""
    with Live(console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as live:
        yield lambda shown: live.update(view(shown, console), refresh=True)


def view(shown: Overview, console: Console) -> Group:
    """Lay an overview out on a console; rows that there is no room for are counted."""
    overflow: OverflowMethod = "crop" if console.options.ascii_only else "ellipsis"
    top = [*_top(shown, console)]
    sections = [section for section in _sections(shown, console) if section.rows]
    wanted = [section.n_above + len(section.rows) for section in sections]
    least = [section.n_above + min(2, len(section.rows)) for section in sections]
    given = share(wanted, least, [section.weight for section in sections], console.height - len(top) - 2)
    laid = [
        part for section, n_lines in zip(sections, given, strict=True) if n_lines for part in _laid(section, n_lines, overflow)
    ]
    bottom = Text(f"{shown.at.astimezone():%H:%M:%S}   Ctrl-C ends this view, and nothing else", style="dim")
    for line in (*top, bottom):
        line.no_wrap, line.overflow = True, overflow
    return Group(*top, *laid, Text(), bottom)


def share(wanted: Sequence[int], least: Sequence[int], weights: Sequence[int], room: int) -> list[int]:
    """Share lines among sections: at least so many or none, at most what each wants, and between these by weight.

    >>> share([6, 20, 30], [4, 4, 4], [2, 1, 1], 24)
    [6, 9, 9]
    """
    given = [0] * len(wanted)
    for place in sorted(range(len(wanted)), key=lambda place: -weights[place]):
        if sum(given) + least[place] <= room:
            given[place] = least[place]
    while sum(given) < room:
        hungry = [place for place, n_lines in enumerate(given) if 0 < n_lines < wanted[place]]
        if not hungry:
            break
        given[min(hungry, key=lambda place: given[place] / weights[place])] += 1
    return given


def _laid(section: _Section, n_lines: int, overflow: OverflowMethod) -> Iterator[RenderableType]:
    """Lay out a section, with as many rows as there is room for."""
    n_rows = n_lines - section.n_above
    left_out = len(section.rows) - n_rows
    table = Table.grid(padding=(0, 2, 0, 0))
    for name in section.columns or ("",):
        table.add_column(no_wrap=True, overflow=overflow, justify="right" if name.startswith(">") else "left")
    if section.columns:
        table.add_row(*(Text(name.removeprefix(">"), style="dim") for name in section.columns))
    for row in section.rows if left_out <= 0 else section.rows[: n_rows - 1]:
        table.add_row(*row)
    yield from (Text(), Text(section.heading, style="bold"), table)
    if left_out > 0:
        yield Text(f"... {left_out + 1} more; make the window higher", style="dim")


# --- the parts ------------------------------------------------------------------------------------------------------------


def _top(shown: Overview, console: Console) -> Iterator[Text]:
    """Yield the folder, how many trainings are in each state, how fast they go, and what Slurm says."""
    total = shown.total
    yield Text.assemble((str(shown.folder), "bold"), f"   {count(total.n, 'training')}")
    told = [(f"{n:,} {state}", COLOURS[state]) for state, n in total.counts.items() if n]
    between = [part for each in told for part in (("  ", ""), each)]
    yield Text.assemble(_bar(total, 20 if console.width < _NARROW else 40, console), f" {_done(total)}", *between)
    for line in text.pace(shown):
        yield Text(line)
    yield Text(text.slurm(shown.queue), style="dim")
    for fault in text.faults(shown):
        yield Text(fault, style="red")


def _sections(shown: Overview, console: Console) -> Iterator[_Section]:
    """Yield what needs a look, the groups, where they run, and why others do not."""
    odd = [(each, each.reason, COLOURS[each.state]) for state in _TO_LOOK_AT for each in shown.of(state)]
    odd += [(each, each.slow, "yellow") for each in shown.trainings if each.slow]
    rows = [[Text(each.name, style=colour), Text(_why(each, reason))] for each, reason, colour in odd]
    yield _Section("To look at", rows, ("training", "why"), weight=2)
    yield _groups(shown, console)
    parts = [
        [
            *map(
                Text,
                (part.host, part.gpu or "-", ", ".join(part.jobs) or "-", str(part.n_running), text.rate(part.steps_per_second)),
            )
        ]
        for part in shown.nodes
    ]
    yield _Section("Where they run", parts, ("node", "GPU", "job", ">trainings", ">steps/s"))
    idle = [*text.reasons(shown.of(State.WAITING)), *text.reasons(shown.of(State.STOPPED))]
    yield _Section("Not running, and why", [[Text(line)] for line in idle])


def _groups(shown: Overview, console: Console) -> _Section:
    """Lay out one row for each benchmark and algorithm: first those with something to look at, last those that are done."""
    slow = {each.kind for each in shown.trainings if each.slow}

    def order(group: overview.Group) -> tuple[bool, bool]:
        is_odd = any(group.counts[state] for state in _TO_LOOK_AT) or (group.benchmark, group.algo) in slow
        return not is_odd, group.counts[State.DONE] == group.n

    states = [state for state in State if state is not State.DONE and shown.total.counts[state]]
    is_running = bool(shown.total.counts[State.RUNNING])
    columns = ["benchmark", "algorithm", *([""] if console.width >= _NARROW else []), ">done", *(f">{state}" for state in states)]
    columns += [">steps/s", ">%", "ends"] if is_running else []
    rows = [
        [*_group(group, states, console), *(map(Text, text.speed(group, shown.at)) if is_running else [])]
        for group in sorted(shown.groups, key=order)
    ]
    return _Section("Trainings", rows, columns, weight=3)


def _group(group: overview.Group, states: Iterable[State], console: Console) -> Iterator[Text]:
    yield Text(group.benchmark)
    yield Text(group.algo)
    if console.width >= _NARROW:
        yield _bar(group, 12, console)
    yield Text(f"{group.counts[State.DONE]:,}/{group.n:,}")
    for state in states:
        yield Text(f"{group.counts[state]:,}", style=COLOURS[state]) if group.counts[state] else Text("-", style="dim")


def _bar(group: overview.Group, n_cells: int, console: Console) -> Text:
    """Draw how many trainings are in each state; a state in which there is any has a cell."""
    full, empty = ("#", ".") if console.options.ascii_only else ("\u2501", "\u2500")  # heavy and light lines
    states = [state for state in State if group.counts[state]]
    widths = cells([group.counts[state] for state in states], n_cells)
    return Text.assemble(
        *(
            (width * (empty if state is State.WAITING else full), COLOURS[state])
            for state, width in zip(states, widths, strict=True)
        )
    )


def cells(counts: Sequence[int], n_cells: int) -> list[int]:
    """Share cells in proportion to counts, all at least one each.

    >>> cells([1000, 1, 500], 9)
    [5, 1, 3]
    """
    exact = [n * n_cells / sum(counts) for n in counts]
    shared = [max(1, int(cell)) for cell in exact]
    while sum(shared) < n_cells and shared:
        shared[max(range(len(shared)), key=lambda place: exact[place] - shared[place])] += 1
    while sum(shared) > max(n_cells, len(shared)):
        shared[shared.index(max(shared))] -= 1
    return shared


def _done(total: overview.Group) -> str:
    return f"{100 * total.counts[State.DONE] // total.n} % done" if total.n else ""


def _why(each: TrainingStatus, reason: str) -> str:
    """Say why a training needs a look, and what to do."""
    return f"{reason}; to do: {each.failure.remedy}" if each.failure and each.failure.remedy else reason
