"""Algorithms: names, classes and hyperparameters, read from configs/algos without importing any of the classes.

An algorithm is a YAML file in RL Zoo's format: blocks of hyperparameters named ``default``, ``atari`` or after an
environment. Of these exactly one is used: the environment's own, else ``atari`` for an Atari game, else ``default``.
Keys of ours beside the blocks:

``class``   name in `CLASSES`
``base``    instead of ``class``: another algorithm, whose blocks this file's blocks are laid over
``all``     a block that is laid over ``atari`` and ``default``, whichever is used, and below that of the environment itself
``title``   how tables call it
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from rlhpc.config import CONFIGS, read_yaml
from rlhpc.errors import ConfigError, nearest

ALGO_FILES = CONFIGS / "algos"
KINDS = ("atari", "default")  # blocks by the kind of environment, the narrow one first
EVERY_BLOCK = "all"
_VERSION = re.compile(r"-v\d+$")  # ends the id of an environment
RANDOM = "Random"  # the class of the random agent, which is not trained

# Classes by name, as "module:attribute", so that naming one imports nothing.
CLASSES = {
    "A2C": "stable_baselines3:A2C",
    "DQN": "stable_baselines3:DQN",
    "PPO": "stable_baselines3:PPO",
    "QRDQN": "sb3_contrib:QRDQN",
    "RecurrentPPO": "sb3_contrib:RecurrentPPO",
    "SAC": "stable_baselines3:SAC",
    "TD3": "stable_baselines3:TD3",
    "TQC": "sb3_contrib:TQC",
    "TRPO": "sb3_contrib:TRPO",
    RANDOM: "",
}
# Action spaces that a class can act in, as BenchmarkEnv names them; a class that is missing here acts in every one.
ACTION_SPACES = {
    "DQN": ("Discrete",),
    "QRDQN": ("Discrete",),
    "SAC": ("Continuous",),
    "TD3": ("Continuous",),
    "TQC": ("Continuous",),
}
_EVERY_ACTION_SPACE = ("Discrete", "Continuous", "MultiDiscrete", "MultiBinary")


Blocks = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Algo:
    """One algorithm of a grid.

    Attributes
    ----------
    name : str
        Stem of its file.
    title : str
        How tables call it.
    class_name : str
        A key of `CLASSES`.
    blocks : mapping of str to mapping
        Hyperparameters by block, of the file that names the class.
    layers : tuple of such mappings
        Blocks that are laid over these: those of the files that are based on it, and last the changes.
    """

    name: str
    title: str
    class_name: str
    blocks: Blocks
    layers: tuple[Blocks, ...] = ()

    def hyperparameters(self, env_id: str, *, is_atari: bool) -> dict[str, Any]:
        """Resolve the hyperparameters for one environment, the name of the class among them.

        Raises
        ------
        ConfigError
            If there is no block for it.
        """
        kinds = KINDS if is_atari else KINDS[1:]
        sources = (self.blocks, *self.layers)
        used = next((block for source in sources for block in (env_id, *kinds) if block in source), None)
        if used is None:
            raise ConfigError(f"algorithm '{self.name}' has no block for '{env_id}'; add a 'default' block to its file.")
        # The general first. Of the first file one block is used; a layer may know a narrower kind, or the environment itself.
        order = [*reversed(kinds), EVERY_BLOCK, env_id]
        laid_over = [name for name in order if name not in kinds or order.index(name) >= order.index(used)]
        resolved: dict[str, Any] = {"class": self.class_name}
        for source in sources:
            for name in laid_over:
                if source is not self.blocks or name in (used, EVERY_BLOCK):
                    resolved |= source.get(name, {})
        if resolved.get("fast") is False:  # as if it had never been there: the same settings have one spelling, and one hash
            del resolved["fast"]
        return resolved

    def acts_in(self, action_space: str) -> bool:
        """Tell whether the algorithm can act in an action space."""
        return action_space in ACTION_SPACES.get(self.class_name, _EVERY_ACTION_SPACE)


def available() -> tuple[str, ...]:
    """Name the algorithms in configs/algos."""
    return tuple(sorted(path.stem for path in ALGO_FILES.glob("*.yaml")))


def load_algos(names: Iterable[str], changes: Mapping[str, Mapping[str, Any]] | None = None) -> tuple[Algo, ...]:
    """Read algorithms by name or by the path of a YAML file.

    Parameters
    ----------
    names : iterable of str
        ``ppo``, in any spelling of case, ``-`` and ``_``, or ``path/to/variant.yaml``.
    changes : mapping, optional
        Algorithm -> block -> hyperparameter -> value, laid over the files.

    Raises
    ------
    ConfigError
        With every unknown name and fault in a file.
    """
    faults: list[str] = []
    algos: list[Algo] = []
    changes = dict(changes or {})
    for name in names:
        try:
            path = _find(name)
            algos.append(_read(path, changes.pop(path.stem, {})))
        except ConfigError as error:
            faults.extend(error.faults)
    known = [algo.name for algo in algos]
    # changes of an algorithm that this grid leaves out are no mistake: one file may serve several grids
    strange = [name for name in changes if name not in available()]
    faults.extend(f"hyperparameters: there is no algorithm '{name}'. {nearest(name, [*known, *available()])}" for name in strange)
    faults.extend(
        f"algorithm '{name}' is named {known.count(name)} times." for name in sorted(set(known)) if known.count(name) > 1
    )
    if faults:
        raise ConfigError(*dict.fromkeys(faults))
    return tuple(algos)


def unknown_blocks(algos: Iterable[Algo], is_env: Callable[[str], bool], env_ids: Iterable[str] = ()) -> list[str]:
    """Return one sentence for each block that is the name of nothing, and so would change nothing.

    A block of a file may be that of an environment that is not installed here, unless one of the launch is spelled like it.

    Parameters
    ----------
    algos : iterable of Algo
        From `load_algos`.
    is_env : callable
        Tells whether a name is that of an environment.
    env_ids : iterable of str
        Of the launch.
    """
    faults = []
    meant = {env_id.lower(): env_id for env_id in env_ids}
    for algo in algos:
        *files, changed = (algo.blocks, *algo.layers)
        written = {*chain(*files)}
        usual = {*KINDS, EVERY_BLOCK}
        known = usual | written
        lost = sorted(
            block for block in written - usual if (not _VERSION.search(block) or block.lower() in meant) and not is_env(block)
        )
        strange = sorted(block for block in {*changed} - known if not is_env(block))
        faults += [
            f"algorithm '{algo.name}': '{block}' is no block and no environment. {nearest(block, usual, meant.values())}"
            for block in lost
        ]
        faults += [
            f"hyperparameters.{algo.name}: '{block}' is no block and no environment. {nearest(block, known)}" for block in strange
        ]
    return faults


def _find(name: str) -> Path:
    """Find the file of an algorithm."""
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    by_spelling = {_spelling(known): known for known in available()}
    if _spelling(name) not in by_spelling:
        raise ConfigError(f"unknown algorithm '{name}'. {nearest(name, by_spelling.values())}")
    return ALGO_FILES / f"{by_spelling[_spelling(name)]}.yaml"


def _spelling(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _read(path: Path, changes: Any, below: tuple[Path, ...] = ()) -> Algo:
    """Read one file and the files it is based on; none is its own basis: of that name is then the one in configs/algos."""
    here = path.resolve()
    if here in below:
        circle = " -> ".join(each.stem for each in (*below, here))
        raise ConfigError(f"algorithms are based on each other in a circle: {circle}.")
    content = read_yaml(path)
    title = str(content.pop("title", path.stem))
    class_name, base = content.pop("class", None), content.pop("base", None)
    if (class_name is None) == (base is None):
        raise ConfigError(f"'{path}' must name either a 'class' or a 'base'.")
    blocks, changed = _blocks(content, path), _blocks(changes, path)
    if base is not None:
        beside = path.parent / f"{base}.yaml"
        try:
            found = beside if beside.exists() and beside.resolve() != here else _find(str(base))
        except ConfigError as error:
            raise ConfigError(*(f"'{path}': base: {fault}" for fault in error.faults)) from error
        basis = _read(found, {}, (*below, here))
        return Algo(path.stem, title, basis.class_name, basis.blocks, (*basis.layers, blocks, changed))
    if str(class_name) not in CLASSES:
        raise ConfigError(
            f"'{path}': unknown class '{class_name}'. {nearest(str(class_name), CLASSES)} CONTRIBUTING.md adds one of your own."
        )
    return Algo(path.stem, title, str(class_name), blocks, (changed,))


def _blocks(given: Any, path: Path) -> dict[str, dict[str, Any]]:
    """Check that something is made of blocks, and make their values plain data."""
    example = "blocks of hyperparameters, such as 'default: {n_envs: 8}'"
    if not isinstance(given, Mapping):
        raise ConfigError(f"'{path.stem}': {given!r} must be {example}.")
    wrong = [str(name) for name, block in given.items() if not isinstance(block, Mapping)]
    if wrong:
        raise ConfigError(f"'{path.stem}': {', '.join(wrong)} must be {example}.")
    return {str(name): _plain_block(block) for name, block in given.items()}


def _plain_block(block: Mapping[str, Any]) -> dict[str, Any]:
    """Turn RL Zoo's values that are Python text, such as ``"dict(net_arch=[64, 64])"``, into plain data."""
    return {
        str(key): _parse_python(value) if isinstance(value, str) and value.startswith(("dict(", "{")) else value
        for key, value in block.items()
    }


def _parse_python(text: str) -> Any:
    """Read a dict that is spelled in Python without evaluating it: literals, ``dict(...)``, and dotted names as text."""
    try:
        return _parse_node(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"cannot read '{text}' ({error}); write it as a YAML mapping.") from error


def _parse_node(node: ast.expr) -> Any:
    match node:
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=keywords):
            items = [(keyword.arg, keyword.value) for keyword in keywords]
        case ast.Dict(keys=keys, values=values):
            items = [
                (None if key is None else str(ast.literal_eval(key)), value) for key, value in zip(keys, values, strict=True)
            ]
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return [_parse_node(element) for element in elements]
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=owner, attr=name) if isinstance(owner, ast.Name | ast.Attribute):
            return f"{_parse_node(owner)}.{name}"
        case _:
            return ast.literal_eval(node)
    if any(key is None for key, _ in items):
        raise ValueError("'**' stands for values that are not here")
    return {key: _parse_node(value) for key, value in items}
