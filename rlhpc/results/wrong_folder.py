"""A wrong folder: what to say where a folder of results is wanted, and another one was given."""

from __future__ import annotations

from pathlib import Path

from rlhpc.errors import InputError
from rlhpc.results.store import Store

_ADVICE = "the folder logs/NAME that launch_training.py wrote to"
_SHOWN = 3  # folders that may have been meant


def refuse_without_trainings(store: Store) -> None:
    """Refuse a folder without any training.

    Raises
    ------
    InputError
    """
    if not any(store.trainings.glob("*/*/*/*")):
        raise InputError(f"'{store.root}' holds no trainings; give {_ADVICE}.{_meant(store.root)}")


def refuse_other_folders(root: Path) -> None:
    """Refuse a folder that no grid was launched into.

    Raises
    ------
    InputError
    """
    try:
        inside = {path.name for path in root.iterdir()}
    except OSError as error:
        what = f"cannot read the folder '{root}': {error.strerror or error}"
        raise InputError(f"{what}. Give {_ADVICE}.{_meant(root)}") from error
    if not inside & {Store(root).trainings.name, Store(root).grid.name}:
        what = f"'{root}' is no folder of results: it holds neither trainings/ nor grid.json"
        raise InputError(f"{what}. Give {_ADVICE}.{_meant(root)}")


def _meant(root: Path) -> str:
    """Ask whether a folder of results above or below was meant, or beside one that is not there; blank if there is none."""
    try:
        above = [each for each in root.parents if Store(each).grid.is_file()][:1]
        where = root if root.is_dir() else root.parent
        found = above or [path.parent for path in sorted(where.glob(f"*/{Store(root).grid.name}"))]
    except OSError:  # of folders that we may not look into
        return ""
    names = [f"'{each}'" for each in found[:_SHOWN]]
    return f" Did you mean {' or '.join(names)}?" if names else ""
