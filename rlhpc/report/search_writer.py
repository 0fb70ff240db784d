"""The files of a finished search, written; `rlhpc.report.search_folder` reads them back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rlhpc.files import digest, file_digest, write_json
from rlhpc.report.search_folder import CHECKSUM, SEPARATOR, SearchFolder
from rlhpc.report.search_record import SearchRecord
from rlhpc.results.table import write_csv
from rlhpc.search import Problem, Ranked, save
from rlhpc.search.trust import BEST, NESTED

CHOICES = (NESTED, BEST)


def write_search(record: SearchRecord, problem: Problem, folder: SearchFolder) -> tuple[Path, ...]:
    """Write every file of a finished search, and return their paths; the same search gives the same bytes.

    search.json comes last, with a hash of every other file and a checksum of itself.
    """
    paths = (
        _write_ranking(record.ranking, folder.ranking),
        _write_sizes(record.sizes, record.head["exhaustive_sizes"], folder.sizes),
        save(problem, folder.problem),
        *_write_front(record.head["front"], folder.front),
    )
    files = {path.name: file_digest(path) for path in paths}
    head = {**record.head, "n_ranked": len(record.ranking), **record.found, "files": files}
    return (*paths, write_json(folder.search, {**head, CHECKSUM: digest(head)}))


def remove_reports(folder: SearchFolder) -> tuple[Path, ...]:
    """Remove what reports on an earlier search in the folder, and return what was removed."""
    removed = tuple(path for path in (folder.trust, folder.page, folder.predictor) if path.is_file())
    for path in removed:
        path.unlink()
    return removed


def _write_ranking(ranking: Sequence[Ranked], path: Path) -> Path:
    """Write the ranking, the best first."""
    columns = ("place", "subset", "cv_mse", "r2", "relative_error", "subset_size", "coefficients", "intercept", "n_algos")
    rows = (
        (
            place,
            SEPARATOR.join(row.subset),
            row.cv_mse,
            row.r2,
            row.relative_error,
            len(row.subset),
            SEPARATOR.join(map(repr, row.coefficients)),
            row.intercept,
            row.n_algos,
        )
        for place, row in enumerate(ranking, start=1)
    )
    return write_csv(path, columns, rows)


def _write_front(front: Mapping[str, Any] | None, path: Path) -> Iterator[Path]:
    """Write the cost front, the cheapest first; without costs there is none, and that of an earlier search is removed."""
    if front is None:
        path.unlink(missing_ok=True)
        return
    rows = (
        (place, SEPARATOR.join(point["subset"]), point["cost"], point["share"], point["cv_mse"], len(point["subset"]))
        for place, point in enumerate(front["points"], start=1)
    )
    unit = front["unit"].replace(" ", "_")
    yield write_csv(path, ("point", "subset", unit if unit == "cost" else f"cost_{unit}", "share", "cv_mse", "subset_size"), rows)


def _write_sizes(sizes: Sequence[Mapping[str, Ranked]], exhaustive_sizes: Sequence[int], path: Path) -> Path:
    """Write the nested and the best subset of every size, the largest first; and whether all of this size were searched."""
    figures = ("subset", "cv_mse", "r2", "relative_error")
    rows = []
    for size in sizes:
        cells: list[object] = [len(size[BEST].subset)]
        for choice in CHOICES:
            row = size[choice]
            cells += [SEPARATOR.join(row.subset), row.cv_mse, row.r2, row.relative_error]
        rows.append([*cells, cells[0] in exhaustive_sizes])
    columns = ("subset_size", *(f"{choice}_{figure}" for choice in CHOICES for figure in figures), "exhaustive")
    return write_csv(path, columns, rows)
