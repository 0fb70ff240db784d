"""The screen: one text after the other in the same place of a terminal."""

from __future__ import annotations

import shutil
from typing import TextIO

_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"  # ECMA-48: CUP, EL, ED


class Screen:
    """A terminal that shows the beginning of a text, as much as it has room for.

    Parameters
    ----------
    stream : text file
        Of the terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._stream.write(_HOME + _REST_OF_SCREEN)

    def show(self, text: str, footer: str) -> None:
        """Paint a text over the one before; nothing flickers, since nothing is cleared that is not painted anew.

        The footer is shown below as much of it as there is room for.
        """
        columns, rows = shutil.get_terminal_size()
        lines = [*_fitted(text.splitlines(), columns, rows - 2), footer[: columns - 1]]  # the last row is the cursor's
        self._stream.write(_HOME + "".join(f"{line}{_REST_OF_LINE}\n" for line in lines) + _REST_OF_SCREEN)
        self._stream.flush()


def _fitted(lines: list[str], columns: int, rows: int) -> list[str]:
    """Cut lines, and their number, to the size of a screen."""
    shown = (
        lines if len(lines) <= rows else [*lines[: rows - 1], f"... {len(lines) - rows + 1} more lines: make the window higher"]
    )
    return [line if len(line) <= columns else f"{line[: columns - 3]}..." for line in shown]
