"""CSV tables of text and numbers: read with every fault gathered, written in full precision."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlhpc.errors import DatasetError
from rlhpc.files import write_text

_MEANT = ("dataset.csv", "scores.csv")  # where the folder of a grid was given in the place of its table
MISSING = frozenset({"", "na", "n/a", "nan", "none", "null"})  # spellings of a missing number, in lower case


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes
    ----------
    line : int
        Where it ends in the file; the header is line 1.
    cells : mapping of str to str
        Column -> text without surrounding spaces.
    """

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """A CSV file as text, and what was found wrong with it so far.

    Attributes
    ----------
    name : str
        The file's name, for messages.
    columns : tuple of str
    rows : tuple of Row
    faults : list of str
        Grows as cells are read; whoever reads the last one raises.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    faults: list[str] = field(default_factory=list)

    def require(self, columns: Sequence[str], remedy: str) -> None:
        """Refuse a table that lacks columns.

        Raises
        ------
        DatasetError
            With those that it lacks, those that it has, and the remedy.
        """
        if lacking := [column for column in columns if column not in self.columns]:
            has = f"it has {', '.join(self.columns)}"
            raise DatasetError(f"'{self.name}' lacks the columns {', '.join(lacking)}; {has}. {remedy}")

    def text(self, row: Row, column: str) -> str:
        """Return a name; a blank one is a fault."""
        if not row.cells[column]:
            self.fault(row, column, "is blank; a name is needed")
        return row.cells[column]

    def number(self, row: Row, column: str) -> float:
        """Return a number, NaN where missing; text and infinity are faults (and read as infinity: not missing)."""
        text = row.cells.get(column, "")
        if text.lower() in MISSING:
            return math.nan
        try:
            value = float(text.replace("_", "?"))  # float() takes 1_0 for 10
        except ValueError:
            self.fault(row, column, "is not a number; write it with a decimal point, or leave it empty if it is missing")
            return math.inf
        if math.isinf(value):
            self.fault(row, column, "is infinite; leave it empty if it is missing")
        return value

    def integer(self, row: Row, column: str) -> int:
        """Return a whole number; anything else is a fault."""
        try:
            return int(row.cells[column].replace("_", "?"))
        except ValueError:
            self.fault(row, column, "is not a whole number")
            return 0

    def fault(self, row: Row, column: str, reason: str) -> None:
        """Note what is wrong with one cell: file, line, column, value."""
        self.faults.append(f"'{self.name}', line {row.line}, column '{column}': '{row.cells[column]}' {reason}.")

    def check(self) -> None:
        """Raise everything noted so far.

        Raises
        ------
        DatasetError
            If there is any fault.
        """
        if self.faults:
            raise DatasetError(*self.faults)


def read_csv(path: Path) -> Table:
    """Read a CSV file with a header; a byte order mark, stray spaces and blank lines are fine.

    Raises
    ------
    DatasetError
        If it cannot be read, is not CSV, has no rows, repeats or leaves out a column's name, or has lines of other lengths.
    """
    lines = _lines(path)
    if len(lines) < 2:
        raise DatasetError(f"'{path}' holds no scores: it needs a header and at least one row.")
    (_, columns), *body = lines
    faults = [f"'{path.name}': column {place} has no name." for place, name in enumerate(columns, start=1) if not name]
    faults += [f"'{path.name}': {n} columns are named '{name}'." for name, n in Counter(columns).items() if name and n > 1]
    faults += [
        f"'{path.name}', line {line}: {len(cells)} cells where the header has {len(columns)}."
        for line, cells in body
        if len(cells) != len(columns)
    ]
    if faults:
        raise DatasetError(*faults)
    rows = tuple(Row(line, dict(zip(columns, cells, strict=True))) for line, cells in body)
    return Table(path.name, tuple(columns), rows)


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Return line number and stripped cells of every line that is not blank."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            found = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except IsADirectoryError as error:
        inside = [each for each in (path / name for name in _MEANT) if each.is_file()] or sorted(path.glob("*.csv"))[:1]
        meant = f" Did you mean {' or '.join(map(repr, map(str, inside)))}?" if inside else " It holds no CSV file."
        raise DatasetError(f"'{path}' is a folder, and a table is wanted.{meant}") from error
    except OSError as error:
        raise DatasetError(f"cannot read the table '{path}': {error.strerror or error}.") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DatasetError(f"'{path}' is not a CSV file in UTF-8: {error}.") from error
    return [(line, cells) for line, cells in found if any(cells)]


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    """Write a CSV file atomically; floats in full precision, None and NaN as empty cells."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_spell(value) for value in row] for row in rows)
    return write_text(path, stream.getvalue())


def _spell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)
