"""The file of a predictor: JSON in full precision, with a checksum of itself."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rlhpc import __version__
from rlhpc.errors import InputError
from rlhpc.files import digest, write_json
from rlhpc.search.predictor import Env, Extension, Extensions, Origin, Predictor, Regression, Rival, SubsetFit

FILE_NAME = "subset.json"  # in the folder of a search
FORMAT = "rlhpc predictor"
FORMAT_VERSION = 1
CHECKSUM = "sha256"  # key of the file, of everything else in it


def write_predictor(predictor: Predictor, path: Path) -> Path:
    """Write a predictor atomically; the same one gives the same bytes."""
    head = {"format": FORMAT, "format_version": FORMAT_VERSION, "version": __version__, **asdict(predictor)}
    return write_json(path, {**head, CHECKSUM: digest(head)})


def read_predictor(path: Path) -> Predictor:
    """Read what `write_predictor` wrote, to the bit.

    Raises
    ------
    InputError
        If it cannot be read, is no predictor, was edited or cut, or is of a newer format.
    """
    head = _read_head(path)
    if head.get("format") != FORMAT:
        raise InputError(f"'{path}' is no predictor, but another JSON file. {_remedy(path)}")
    newest, version = head.get("format_version"), head.get("version", "unknown")
    if isinstance(newest, int) and newest > FORMAT_VERSION:
        raise InputError(
            f"'{path}' is of rlhpc {version}, whose format {newest} this rlhpc {__version__} does not know: it knows "
            f"{FORMAT_VERSION}. Install the newer rlhpc."
        )
    if head.pop(CHECKSUM, None) != digest(head):
        raise InputError(f"'{path}' is damaged: it was edited or cut, its checksum does not match. {_remedy(path)}")
    try:
        return _predictor(head)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"'{path}' is damaged ({type(error).__name__}: {error}). {_remedy(path)}") from error


def _remedy(path: Path, what: str = "Make it again") -> str:
    folder = path.parent if path.suffix == ".json" else path
    return f"{what}: python jobs/subset_report.py {shlex.quote(str(folder))}"


def _read_head(path: Path) -> dict[str, Any]:
    try:
        head = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise InputError(
            f"cannot read the predictor '{path}': {error.strerror or error}. It takes scores of four algorithms or more. "
            f"{_remedy(path, 'Make it')}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"'{path}' is no predictor, or was cut: it is not JSON ({error}). {_remedy(path)}") from error
    return head if isinstance(head, dict) else {}


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _predictor(head: Mapping[str, Any]) -> Predictor:
    further = head["extensions"]
    return Predictor(
        origin=Origin(**head["origin"]),
        subset=tuple(head["subset"]),
        envs=tuple(Env(**env) for env in head["envs"]),
        known=dict(head["known"]),
        n_seeds=head["n_seeds"],
        rivals=tuple(Rival(one["algo"], tuple(one["subset"]), _regression(one["regression"])) for one in head["rivals"]),
        fits=tuple(
            SubsetFit(
                subset=tuple(fit["subset"]),
                cv_mse=fit["cv_mse"],
                regression=_regression(fit["regression"]),
                without=tuple(map(_regression, fit["without"])),
                residuals=tuple(fit["residuals"]),
            )
            for fit in head["fits"]
        ),
        extensions=Extensions(**{**further, "best": tuple(Extension(**one) for one in further["best"])}),
    )


def _regression(stored: Mapping[str, Any]) -> Regression:
    return Regression(tuple(stored["coefficients"]), stored["intercept"])
