"""What notebooks use, and what keeps its name: results of a grid, the search of a table, the prediction of a benchmark score."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from rlhpc.errors import DamagedResultError, InputError, nearest
from rlhpc.records import Result
from rlhpc.report.prediction import Prediction, Scores, predict_benchmark
from rlhpc.report.search_input import search_input
from rlhpc.results.dataset import read_table
from rlhpc.results.store import Store
from rlhpc.results.wrong_folder import refuse_other_folders
from rlhpc.search import Ranked, Settings, make_ranking, search
from rlhpc.search.predictor_file import FILE_NAME, read_predictor
from rlhpc.threads import usual_threads

_SETTINGS = [field.name for field in dataclasses.fields(Settings) if field.name != "subset_size"]

__all__ = ["Prediction", "Ranked", "Result", "predict", "read_results", "search_table"]


def read_results(folder: str | Path) -> list[Result]:
    """Read every stored result of a grid, verified.

    Parameters
    ----------
    folder : str or Path
        ``logs/NAME``.

    Raises
    ------
    InputError
        If it is no folder of results.
    DamagedResultError
        If one was cut or edited; `jobs/audit.py` names all of them.
    """
    refuse_other_folders(Path(folder))
    results = []
    for found in Store(Path(folder)).iterate():
        if isinstance(found, DamagedResultError):
            raise found
        results.append(found)
    return results


def search_table(table: str | Path, subset_size: int, *, n_threads: int | None = None, **settings: Any) -> list[Ranked]:
    """Search every subset of some environments of a table.

    Parameters
    ----------
    table : str or Path
        A CSV file, as `jobs/subset_search.py` takes it, that holds everything: no scores come from ``configs/benchmarks``.
    subset_size : int
    n_threads : int or None
        None: as OMP_NUM_THREADS says, else one for each CPU that this process may use.
    **settings
        The rest of `rlhpc.search.Settings`, such as ``fit_intercept`` and ``keep``.

    Returns
    -------
    list of Ranked
        The best subsets, the best first. Their errors are claimed ones: how far to believe them is told by
        `jobs/subset_report.py`.

    Raises
    ------
    DatasetError
        If the table cannot be searched, with every reason.
    InputError
        If there is no such setting, or they do not fit the table.
    """
    if n_threads is not None and n_threads < 1:
        raise InputError(f"n_threads = {n_threads} is too small: give at least 1, or None.")
    if unknown := [name for name in settings if name not in _SETTINGS]:
        raise InputError(*(f"'{name}' is no setting of a search. {nearest(name, _SETTINGS)}" for name in unknown))
    path = Path(table)
    problem = search_input(path, read_table(path)).problem
    chosen = Settings(subset_size, **settings)
    found = search(problem, chosen, n_threads=usual_threads() if n_threads is None else n_threads)
    return make_ranking(problem, chosen, found[0])


def predict(predictor: str | Path, scores: Scores) -> Prediction:
    """Predict the benchmark score of a new algorithm from its scores on a subset.

    Parameters
    ----------
    predictor : str or Path
        ``subset.json``, as `jobs/subset_report.py` writes it, or the folder that holds it.
    scores : mapping of str to float, or to sequence of float
        Environment -> raw score, or one a seed.

    Raises
    ------
    InputError
        If the file is none, or scores of the subset are missing.
    """
    path = Path(predictor)
    return predict_benchmark(read_predictor(path / FILE_NAME if path.is_dir() else path), scores)
