"""The folder of a launch: whose trainings it holds already, and the configurations that they were launched with.

``config.yaml`` is the configuration of the last launch. Before a different one takes its place, the former is kept beside it, as
``config-1.yaml``, ``config-2.yaml``, ...
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterable
from pathlib import Path

from rlhpc.config import load, to_yaml
from rlhpc.errors import InputError
from rlhpc.files import atomic_write, write_text
from rlhpc.launch.config import DEFAULTS, LaunchConfig
from rlhpc.launch.text import first_ones
from rlhpc.records import Training
from rlhpc.results.store import Store
from rlhpc.words import count


def refuse_another_grid(config: LaunchConfig, trainings: Iterable[Training]) -> None:
    """Refuse the default environments where nothing was ever launched in them, and in others was: those were forgotten.

    Environments that somebody names, more algorithms and more seeds are the growth of a grid, and welcome; the default benchmarks
    typed out count as the default.

    Raises
    ------
    InputError
    """
    if config.envs or config.benchmarks != load(LaunchConfig, [DEFAULTS]).benchmarks:
        return
    store = config.store
    there, wanted = store.read_grid(), [training.name for training in trainings]
    former, own = _environments(there), _environments(wanted)
    if not former or not former.keys().isdisjoint(own):
        return
    raise InputError(
        f"'{store.root}' holds {count(len(there), 'training')} of another grid, in {first_ones(list(former.values()))}; this grid"
        f" is {count(len(wanted), 'training')} in {first_ones(list(own.values()))}.",
        f"To go on with the former, give its configuration, too: --config {shlex.quote(str(store.config))}",
        "For a grid of its own, give another name=...; to have both in one folder, --add.",
    )


def _environments(names: Iterable[str]) -> dict[str, str]:
    """Return the ids of the environments of some trainings, by benchmark and id; behind an id no slash is part of a name."""
    return {each: each.partition("/")[2] for each in (name.rsplit("/", 2)[0] for name in names)}


def write_config(config: LaunchConfig) -> Path | None:
    """Write down the configuration of a launch; return where a different one is kept that stood there, None if none did."""
    path, spelled = config.store.config, to_yaml(config)
    former = path.read_bytes() if path.exists() else spelled.encode()
    kept = None if former == spelled.encode() else _keep(config.store, former)
    write_text(path, spelled)
    return kept


def keep_config(config: LaunchConfig) -> None:
    """Keep the configuration of a launch where another, that began at the same moment, has put its own in its place."""
    content = to_yaml(config).encode()
    with contextlib.suppress(FileNotFoundError):
        if config.store.config.read_bytes() != content:
            _keep(config.store, content)


def _keep(store: Store, content: bytes) -> Path:
    """Keep a configuration, unless it is kept already; return where."""
    while True:
        path = _place(store, content)
        if _holds(path, content):
            return path
        with contextlib.suppress(FileExistsError), atomic_write(path, exclusive=True) as stream:  # another launch was faster
            stream.write(content)


def _place(store: Store, content: bytes) -> Path:
    """Return the file that keeps a configuration; if none does, the name that is free for it."""
    kept = _kept(store)
    alike = (path for path in kept if _holds(path, content))
    return next(alike, store.config.with_stem(f"{store.config.stem}-{_number(kept[0]) + 1 if kept else 1}"))


def _holds(path: Path, content: bytes) -> bool:
    """Tell whether a file can be read, and holds that."""
    try:
        return path.read_bytes() == content
    except OSError:
        return False


def _kept(store: Store) -> list[Path]:
    """List what has the name of a configuration that is kept, the newest first; whatever it is, its number is taken."""
    found = store.root.glob(f"{store.config.stem}-*{store.config.suffix}")
    return sorted(filter(_number, found), key=_number, reverse=True)


def _number(path: Path) -> int:
    """Return the number in the name of a configuration that is kept; 0 of another file."""
    number = path.stem.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0
