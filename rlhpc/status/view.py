"""The view of a grid on a terminal, as large as that is: what needs a look first, then how far all is, and where it runs."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console, Group, OverflowMethod, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rlhpc.status import overview, text
from rlhpc.status.nodes import NodePart
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
# What draws each of them in a bar, and where there are no lines to draw with: by them a bar is read without colours.
_STROKES = {
    State.DONE: ("\u2501", "#"),  # a heavy line
    State.RUNNING: ("\u2550", "="),  # a double one
    State.SILENT: ("\u254c", "~"),  # a light one with gaps
    State.WAITING: ("\u2500", "."),  # a light one
    State.STOPPED: ("\u254c", "~"),
    State.FAILED: ("\u00d7", "x"),  # crosses
    State.DAMAGED: ("\u00d7", "x"),
}
_TO_LOOK_AT = (State.FAILED, State.DAMAGED, State.SILENT)
_NARROW = 100  # columns of a terminal that has no room for long bars and times
_GAP = 2  # blank columns between two
_SHORT = {State.RUNNING: "run", State.WAITING: "wait", State.STOPPED: "stop", State.FAILED: "fail"}  # on narrow terminals
# What a narrow terminal shows last of all: what is rare stands in a section of its own, and all is in the first lines.
_RANKS = {State.DAMAGED: 3, State.SILENT: 4, State.STOPPED: 5, State.WAITING: 8, State.RUNNING: 9, State.FAILED: 10}
_MOST_LINES = 4  # of one row whose last cell is long
_ALWAYS = 5  # columns of the places, whether there is anything in them or not


@dataclass(frozen=True)
class _Column:
    """A column of a section.

    Attributes
    ----------
    name : str
    short : str
        Its name where there is little room; blank: the same.
    is_number : bool
    least : int or None
        The width to which its cells may be cut; None: they are never cut.
    rank : int
        The columns of the lowest ranks are left out first where there is little room; 0: never.
    """

    name: str = ""
    short: str = ""
    is_number: bool = False
    least: int | None = None
    rank: int = 0

    def heading(self, *, is_short: bool) -> str:
        """Return its name."""
        return self.short if is_short and self.short else self.name


_NAME, _WORDS = 13, 28  # columns in which names, and sentences of more lines than one, can be read


@dataclass(frozen=True)
class _Section:
    """A heading, and rows of cells below it, of which the last ones may be left out.

    Attributes
    ----------
    heading : str
    rows : sequence of sequences of Text
    columns : sequence of _Column
        The last one's cells are sentences if it may be cut: they go on in the next line.
    weight : int
        How much of the room it gets where there is too little for all.
    """

    heading: str
    rows: Sequence[Sequence[Text]]
    columns: Sequence[_Column]
    weight: int = 1


@dataclass(frozen=True)
class _Laid:
    """A section as wide as a terminal.

    Attributes
    ----------
    section : _Section
    names : sequence of str
        Of the columns that are left; all blank: there is no line of names.
    is_number : sequence of bool
        Of each.
    lines : sequence of sequences of Text
        As many cells each as columns are left.
    row_of : sequence of int
        The row that each line belongs to.
    """

    section: _Section
    names: Sequence[str]
    is_number: Sequence[bool]
    lines: Sequence[Sequence[Text]]
    row_of: Sequence[int]

    @property
    def n_above(self) -> int:
        """Lines before its first row: a blank one, the heading, and the names of its columns."""
        return 2 + any(self.names)


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
    top = _top_lines(shown, console)
    sections = [_fitted(section, console) for section in _sections(shown, console) if section.rows]
    wanted = [each.n_above + len(each.lines) for each in sections]
    least = [each.n_above + min(2, len(each.lines)) for each in sections]
    given = share(wanted, least, [each.section.weight for each in sections], console.height - len(top) - 2)
    laid = [part for each, n_lines in zip(sections, given, strict=True) if n_lines for part in _laid(each, n_lines, overflow)]
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


def shortened(text: str, width: int, dots: str = "\u2026") -> str:
    """Cut a text in the middle: names that begin alike end otherwise.

    >>> shortened("recurrent_ppo", 9, "..")
    'recu..ppo'
    """
    if len(text) <= width:
        return text
    n_left = max(width - len(dots), 0)
    return (text[: (n_left + 1) // 2] + dots + text[len(text) - n_left // 2 :])[:width]


def _fitted(section: _Section, console: Console) -> _Laid:
    """Fit a section into a terminal's width: leave out columns, cut names in the middle, and have sentences go on below."""
    columns = section.columns
    for most, is_short in _steps(columns):
        kept = [place for place, column in enumerate(columns) if not 0 < column.rank <= most]
        names = [columns[place].heading(is_short=is_short) for place in kept]
        wanted = [max(len(name), *(len(row[place]) for row in section.rows)) for name, place in zip(names, kept, strict=True)]
        least = [
            width if (narrowest := columns[place].least) is None else min(width, narrowest)
            for width, place in zip(wanted, kept, strict=True)
        ]
        room = console.width - _GAP * (len(kept) - 1)
        if sum(least) <= room:
            break
    widths = _narrowed(wanted, least, room)
    dots = "..." if console.options.ascii_only else "\u2026"
    goes_on = columns[kept[-1]].least is not None
    lines: list[list[Text]] = []
    row_of: list[int] = []
    for number, row in enumerate(section.rows):
        *names_of_it, last = (row[place] for place in kept)
        cut = [_cut(cell, width, dots) for cell, width in zip(names_of_it, widths, strict=False)]
        below = _sentence(last, widths[-1], dots, console) if goes_on else [last]
        lines += [[*(cut if not n_above else [Text()] * len(cut)), part] for n_above, part in enumerate(below)]
        row_of += [number] * len(below)
    return _Laid(section, names, [columns[place].is_number for place in kept], lines, row_of)


def _steps(columns: Sequence[_Column]) -> Iterator[tuple[int, bool]]:
    """Yield what is done about too little room, step by step: the highest rank that is left out, and whether names are short."""
    ranks = sorted({column.rank for column in columns if column.rank})
    yield 0, False
    yield from ((rank, False) for rank in ranks[:1])
    yield from ((rank, True) for rank in ranks)


def _narrowed(wanted: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Take width from the widest columns that may be cut, until all fit or none can give more.

    >>> _narrowed([47, 120, 7], [13, 28, 7], 58)
    [23, 28, 7]
    """
    widths = list(wanted)
    while sum(widths) > room:
        wide = [place for place, width in enumerate(widths) if width > least[place]]
        if not wide:
            break
        widths[max(wide, key=lambda place: widths[place])] -= 1
    return widths


def _sentence(cell: Text, width: int, dots: str, console: Console) -> list[Text]:
    """Break a sentence into lines; one that is longer than most ends with dots."""
    *above, last = cell.wrap(console, max(width, 1))
    if len(above) < _MOST_LINES:
        return [*above, last]
    end = above[_MOST_LINES - 1].plain[: max(width - len(dots), 0)]
    return [*above[: _MOST_LINES - 1], Text(end.rstrip() + dots, style=cell.style)]


def _cut(cell: Text, width: int, dots: str) -> Text:
    """Cut a cell that is too wide in the middle; bars are none of these."""
    return Text(shortened(cell.plain, width, dots), style=cell.style) if len(cell) > width else cell


def _laid(laid: _Laid, n_lines: int, overflow: OverflowMethod) -> Iterator[RenderableType]:
    """Lay out a section, with as many rows as there is room for."""
    n_shown = n_lines - laid.n_above
    if n_shown < len(laid.lines):
        n_shown -= 1
        while n_shown > 1 and laid.row_of[n_shown - 1] == laid.row_of[n_shown]:  # no row is broken off, but the first
            n_shown -= 1
    left_out = len(set(laid.row_of) - set(laid.row_of[:n_shown]))
    table = Table.grid(padding=(0, _GAP, 0, 0))
    for is_number in laid.is_number:
        table.add_column(no_wrap=True, overflow=overflow, justify="right" if is_number else "left")
    if any(laid.names):
        table.add_row(*(Text(name, style="dim") for name in laid.names))
    for line in laid.lines[:n_shown]:
        table.add_row(*line)
    yield from (Text(), Text(laid.section.heading, style="bold"), table)
    if n_shown < len(laid.lines):  # of the only row the end, or rows
        yield Text(f"...{f' {left_out} more' if left_out else ''}; make the window higher", style="dim")


# --- the parts ------------------------------------------------------------------------------------------------------------


def _top_lines(shown: Overview, console: Console) -> list[Text]:
    """Return the first lines, those that are too long in several, unless that leaves too little room below."""
    lines = list(_top(shown, console))
    wrapped = [part for line in lines for part in _wrapped(line, console)]
    return wrapped if len(wrapped) <= console.height // 3 else lines


def _wrapped(line: Text, console: Console) -> Iterator[Text]:
    """Break a line that is too long between what stands two blanks apart, if it has such parts, else between words."""
    first, *others = line.split("  ")
    so_far = first
    for part in others:
        if len(so_far) + 2 + len(part) > console.width:
            yield from so_far.wrap(console, console.width)
            so_far = part
        else:
            so_far = Text("  ").join([so_far, part])
    yield from so_far.wrap(console, console.width)


def _top(shown: Overview, console: Console) -> Iterator[Text]:
    """Yield the folder, how many trainings are in each state, how fast they go, what Slurm says, and what comes next."""
    total = shown.total
    yield Text.assemble((str(shown.folder), "bold"), f"   {count(total.n, 'training')}")
    told = [(f"{n:,} {state}", COLOURS[state]) for state, n in total.counts.items() if n]
    between = [part for each in told for part in (("  ", ""), each)]
    yield Text.assemble(_bar(total, 20 if console.width < _NARROW else 40, console), f" {_done(total)}", *between)
    for line in text.pace(shown):
        yield Text(line)
    for line in text.slurm(shown.queue):
        yield Text(line, style="dim")
    for line in text.next_step(shown):
        yield Text(line, style="green")
    for fault in text.faults(shown):
        yield Text(fault, style="red")


def _sections(shown: Overview, console: Console) -> Iterator[_Section]:
    """Yield what needs a look, the groups, where they run, and why others do not."""
    odd = [(each, each.reason, COLOURS[each.state]) for state in _TO_LOOK_AT for each in shown.of(state)]
    odd += [(each, each.slow, "yellow") for each in shown.trainings if each.slow]
    by_words: dict[tuple[str, str], list[str]] = defaultdict(list)
    for each, reason, colour in odd:
        by_words[_why(each, reason), colour].append(each.name)
    rows = [[Text(_first_of(names), style=colour), Text(why)] for (why, colour), names in by_words.items()]
    yield _Section("To look at", rows, (_Column("training", least=_NAME), _Column("why", least=_WORDS)), weight=2)
    yield _groups(shown, console)
    yield _places(shown.nodes)
    idle = [*text.reasons(shown.of(State.WAITING)), *text.reasons(shown.of(State.STOPPED))]
    yield _Section("Not running, and why", [[Text(line)] for line in idle], (_Column(least=_WORDS),))


def _places(parts: Sequence[NodePart]) -> _Section:
    """Lay out one row for each GPU, or the cores of a node: what runs there, and how busy it is where that is known."""
    columns = [
        _Column("node", least=_NAME),
        _Column("GPU", least=3),
        _Column("job", least=_NAME, rank=1),
        _Column("trainings", "run", is_number=True),
        _Column("steps/s", is_number=True, rank=2),
        _Column("GPU busy", is_number=True, rank=5),
        _Column("memory", is_number=True, rank=3),
        _Column("cores busy", "cores", is_number=True, rank=4),
    ]
    cells = [
        (
            part.host,
            part.gpu or "-",
            part.job or "-",
            f"{part.n_running:,}",
            text.rate(part.steps_per_second),
            text.gpu_busy(part),
            text.gpu_memory(part),
            text.cores_busy(part),
        )
        for part in parts
    ]
    kept = [place for place in range(len(columns)) if place < _ALWAYS or any(row[place] for row in cells)]
    return _Section("Where they run", [[Text(row[place]) for place in kept] for row in cells], [columns[place] for place in kept])


def _first_of(names: Sequence[str]) -> str:
    """Name the first of some trainings of which the same is said, and count the others."""
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def _groups(shown: Overview, console: Console) -> _Section:
    """Lay out one row for each benchmark and algorithm: first those with something to look at, last those that are done."""
    slow = {each.kind for each in shown.trainings if each.slow}

    def order(group: overview.Group) -> tuple[bool, bool]:
        is_odd = any(group.counts[state] for state in _TO_LOOK_AT) or (group.benchmark, group.algo) in slow
        return not is_odd, group.counts[State.DONE] == group.n

    states = [state for state in State if state is not State.DONE and shown.total.counts[state]]
    is_running = bool(shown.total.counts[State.RUNNING])
    columns = [
        _Column("benchmark", least=_NAME),
        _Column("algorithm", least=_NAME),
        _Column(rank=1),
        _Column("done", is_number=True),
        *(_Column(state, _SHORT.get(state, ""), is_number=True, rank=_RANKS[state]) for state in states),
    ]
    if is_running:
        columns += [
            _Column("steps/s", is_number=True, rank=2),
            _Column("run%", is_number=True, rank=6),
            _Column("ends", rank=7),
        ]
    rows = [
        [*_group(group, states, console), *(map(Text, _speed(group, shown, console)) if is_running else [])]
        for group in sorted(shown.groups, key=order)
    ]
    return _Section("Trainings", rows, columns, weight=3)


def _group(group: overview.Group, states: Iterable[State], console: Console) -> Iterator[Text]:
    yield Text(group.benchmark)
    yield Text(group.algo)
    yield _bar(group, 12, console)
    yield Text(f"{group.counts[State.DONE]:,}/{group.n:,}")
    for state in states:
        yield Text(f"{group.counts[state]:,}", style=COLOURS[state]) if group.counts[state] else Text("-", style="dim")


def _speed(group: overview.Group, shown: Overview, console: Console) -> list[str]:
    """Return how fast, how far and until when the trainings of a group run, in few letters where there is little room."""
    speed, percent, ends = text.speed(group, shown.at)
    if console.width < _NARROW and group.at_the_latest:
        ends = f"by {ends.removesuffix(text.AT_THE_LATEST)}"
    return [speed, percent, ends]


def _bar(group: overview.Group, n_cells: int, console: Console) -> Text:
    """Draw how many trainings are in each state; a state in which there is any has a cell."""
    states = [state for state in State if group.counts[state]]
    widths = cells([group.counts[state] for state in states], n_cells)
    return Text.assemble(
        *(
            (width * _STROKES[state][console.options.ascii_only], COLOURS[state])
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
