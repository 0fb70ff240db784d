"""A wrong folder: what to say where a folder of results is wanted, and another one was given."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from rlhpc.errors import InputError
from rlhpc.results.store import Store

_ADVICE = "the folder logs/NAME that launch_training.py wrote to"
_SHOWN = 3  # folders that may have been meant
_ALIKE = 0.6  # of difflib: from here on one may be a slip of the other
_LOGS = Path("logs")  # where launches write, unless they are told another place
_SEARCH = ("search.json", "ranking.csv")  # what the folder of a search holds


def refuse_without_trainings(store: Store) -> None:
    """Refuse a folder without any training.

    Raises
    ------
    InputError
    """
    if not store.folders():
        why = ": it is the folder of a search" if _is_search(store.root) else ""
        raise InputError(f"'{store.root}' holds no trainings{why}; give {_ADVICE}.{_meant(store.root)}")


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
        why = "it is that of a search" if _is_search(root) else "it holds neither trainings/ nor grid.json"
        raise InputError(f"'{root}' is no folder of results: {why}. Give {_ADVICE}.{_meant(root)}")


def _is_search(root: Path) -> bool:
    """Tell whether a folder without trainings holds a search; one that a grid was launched into may hold one, too."""
    return any(os.path.lexists(root / name) for name in _SEARCH) and not os.path.lexists(Store(root).grid)


def _meant(root: Path) -> str:
    """Ask whether another folder of results was meant; blank if there is none.

    One above; else the one of that very name in logs/, and those below, or beside a folder that is not there: then the ones with
    names like the given one, if there are any.
    """
    try:
        above = [each for each in root.parents if Store(each).grid.is_file()][:1]
        named = [each for each in [_LOGS / root.name] if Store(each).grid.is_file()]
        where = root if root.is_dir() else root.parent
        near = [path.parent for path in sorted(where.glob(f"*/{Store(root).grid.name}"))]
        found = above or [each for each in dict.fromkeys([*named, *near]) if each.resolve() != root.resolve()]
    except OSError:  # of folders that we may not look into
        return ""
    names = [] if root.is_dir() else [each.name for each in found]
    alike = difflib.get_close_matches(root.name, names, n=_SHOWN, cutoff=_ALIKE)
    shown = sorted((each for each in found if each.name in alike), key=lambda each: alike.index(each.name)) or found
    told = " or ".join(f"'{each}'" for each in shown[:_SHOWN])
    return f" Did you mean {told}?" if told else ""
