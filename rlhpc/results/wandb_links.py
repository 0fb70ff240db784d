"""What Weights & Biases told of the runs that were sent: their links, and parts that cannot be read to their end.

A result is never replaced, so that is kept in ``logs/NAME/wandb_links.json``:

    urls        {run id: link}; null from before the first of it is sent until its link is known
    unreadable  {part's folder, below logs/NAME: {bytes, reason}}; wandb does not mark these, and would send them twice
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlhpc.errors import DamagedResultError, RlhpcError
from rlhpc.files import write_json, write_text
from rlhpc.records import Result
from rlhpc.results.store import RESULT, Store, read_result
from rlhpc.results.wandb_runs import OfflineRun, Part

LINKS = "wandb_links.json"
LINK_COLUMN, FOLDER_COLUMN = "wandb_url", "folder"  # of scores.csv


@dataclass(frozen=True)
class Links:
    """What is known of the runs of one folder.

    Attributes
    ----------
    root : Path
        ``logs/NAME``.
    urls : dict of str to (str or None)
        Run id -> link; None where it is not known.
    unreadable : dict of str to dict
        Part's folder below `root` -> its bytes then, and why it could not be read to its end.
    """

    root: Path
    urls: dict[str, str | None] = field(default_factory=dict)
    unreadable: dict[str, dict[str, Any]] = field(default_factory=dict)

    def reserve(self, run_ids: Iterable[str]) -> None:
        """Give runs an entry, on the disk too; before anything is sent, so that a full disk is found out while nothing is lost.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        if new := dict.fromkeys(run_ids):
            self.urls.update({**new, **self.urls})
            self._write()

    def remember(self, part: Part, url: str | None, unreadable: str = "") -> None:
        """Keep what came of a part, on the disk too.

        Parameters
        ----------
        part : Part
        url : str or None
            The run's link, if the server told it.
        unreadable : str
            Why the part could not be read to its end; blank if it could.
        """
        if url:
            self.urls[part.run_id] = url
        if unreadable:
            self.unreadable[self._name(part)] = {"bytes": part.n_bytes, "reason": unreadable}
        else:
            self.unreadable.pop(self._name(part), None)
        self._write()

    def _write(self) -> None:
        write_json(self.root / LINKS, {"urls": self.urls, "unreadable": self.unreadable})

    def fault_of(self, part: Part) -> str:
        """Return why a part cannot be read to its end; blank if it can, is not known, or has grown since."""
        known = self.unreadable.get(self._name(part), {})
        return str(known["reason"]) if known.get("bytes") == part.n_bytes else ""

    def to_send(self, run: OfflineRun) -> tuple[Part, ...]:
        """Return the parts of a run that are neither sent nor known to be unreadable, oldest first."""
        return tuple(part for part in run.parts if not part.mark.exists() and not self.fault_of(part))

    def without_link(self, runs: Iterable[OfflineRun]) -> tuple[OfflineRun, ...]:
        """Return the runs of which something is marked as sent, while neither we nor their result know the link.

        They were sent by hand, or a start was ended between wandb's mark and its own record. A link is not put together from
        those of other runs: who owns a run and where its server shows it is not in its files, and may differ within a folder.
        """
        sent = (run for run in runs if not self.urls.get(run.run_id) and any(part.mark.exists() for part in run.parts))
        return tuple(run for run in sent if not _is_linked_by_its_result(run))

    def _name(self, part: Part) -> str:
        return part.folder.relative_to(self.root).as_posix()

    def of_results(self, store: Store) -> dict[str, str]:
        """Return the links of the stored results: training's folder below `root` -> link."""
        found = {}
        for result in store.iterate():
            if isinstance(result, Result) and (url := self.urls.get(result.wandb.get("run_id") or "")):
                found[store.folder(result.training).relative_to(store.root).as_posix()] = url
        return found


def _is_linked_by_its_result(run: OfflineRun) -> bool:
    """Tell whether the result knows the link, as where ``wandb.entity`` was given."""
    try:
        tracked = read_result(run.parts[0].folder.parents[1] / RESULT).wandb
    except DamagedResultError:  # or there is none
        return False
    return tracked.get("run_id") == run.run_id and bool(tracked.get("url"))


def read_links(root: Path) -> Links:
    """Read what is known; nothing where nothing was ever sent.

    Raises
    ------
    RlhpcError
        If the file is damaged.
    """
    path = root / LINKS
    if not path.exists():
        return Links(root)
    try:
        stored = json.loads(path.read_text())
        urls = {str(run_id): url and str(url) for run_id, url in stored["urls"].items()}
        unreadable = {
            str(name): {"bytes": int(it["bytes"]), "reason": str(it["reason"])} for name, it in stored["unreadable"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RlhpcError(
            f"'{path}' cannot be read: {type(error).__name__}: {error}. Mend it or move it away; without it, links of runs that "
            "were sent are unknown, and parts that cannot be read to their end are sent once more."
        ) from error
    return Links(root, urls, unreadable)


def fill_in(scores: Path, links: Mapping[str, str]) -> int | None:
    """Write links into the empty cells of an existing scores.csv; every other byte stays as it is.

    Parameters
    ----------
    scores : Path
    links : mapping of str to str
        Training's folder, as in `FOLDER_COLUMN` -> link.

    Returns
    -------
    int or None
        How many were written; None if the file is not as `write_scores` writes it, and was left alone.
    """
    stored = scores.read_bytes()
    try:
        rows = list(csv.reader(io.StringIO(stored.decode(), newline=""), strict=True))
    except (csv.Error, UnicodeDecodeError):
        return None
    columns = rows[0] if rows else []
    # what would not come back to the same bytes was edited by something else, and is not ours to spell anew
    if (
        not {LINK_COLUMN, FOLDER_COLUMN} <= set(columns)
        or {len(row) for row in rows} != {len(columns)}
        or _spelled(rows).encode() != stored
    ):
        return None
    link, folder = columns.index(LINK_COLUMN), columns.index(FOLDER_COLUMN)
    empty = [row for row in rows[1:] if not row[link] and row[folder] in links]
    for row in empty:
        row[link] = links[row[folder]]
    if empty:
        write_text(scores, _spelled(rows))
    return len(empty)


def _spelled(rows: list[list[str]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()
