"""What a class takes. SB3's are read from their source and not imported, for torch takes seconds, and more on a cluster."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import inspect
from collections.abc import Mapping
from importlib.abc import InspectLoader
from importlib.machinery import PathFinder
from typing import Any

from rlhpc.errors import ConfigError

_POLICIES = "policy_aliases"  # where SB3's algorithms name their policies
_READ = ("stable_baselines3", "sb3_contrib")  # plainly written; a class of a user's may be made in any way


@functools.cache
def arguments(path: str) -> Mapping[str, str]:
    """Name the arguments of a class, with their types.

    Parameters
    ----------
    path : str
        ``module:class``; the module may have the class from another one.

    Returns
    -------
    mapping of str to str
        Name -> type as SB3's source spells it; empty for what a user's class takes. ``self`` is the first.

    Raises
    ------
    ConfigError
        If the class cannot be imported.

    Notes
    -----
    Only SB3's sources are read. A class of a user's is imported, and one whose source does not say; what it takes as ``**kwargs``
    are the arguments of the class that it inherits.
    """
    return _written_arguments(path) or _arguments_of(_imported(path))


@functools.cache
def policies(path: str) -> tuple[str, ...]:
    """Name the policies of an algorithm's class, such as ``MlpPolicy``; the rest as of `arguments`."""
    return _written_policies(path) or tuple(getattr(_imported(path), _POLICIES, ()))


def load(path: str) -> Any:
    """Import the class that ``module:class`` names."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def _imported(path: str) -> type:
    try:
        found = load(path)
    except Exception as error:  # a module of the user's may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(f"the class '{path}' cannot be imported ({reason}). Is its folder in PYTHONPATH?") from error
    if not isinstance(found, type):
        raise ConfigError(f"'{path}' is no class of an algorithm, but a {type(found).__name__}.")
    return found


def _arguments_of(found: type) -> dict[str, str]:
    """Return the arguments of an imported class, and behind its ``**kwargs`` those of the classes that it inherits."""
    named: dict[str, str] = {}
    for owner in found.__mro__:
        if "__init__" not in vars(owner):
            continue
        if written := _written_arguments(f"{owner.__module__}:{owner.__qualname__}"):
            return written | named
        parameters = inspect.signature(owner.__init__).parameters.values()  # type: ignore[misc]  # the one that it defines itself
        named |= {each.name: "" for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)}
        if not any(each.kind is each.VAR_KEYWORD for each in parameters):
            break
    return named


def _written_arguments(path: str) -> dict[str, str]:
    """Return the arguments that a source names; none if it does not say."""
    for node in _body(path):
        match node:
            case ast.FunctionDef(name="__init__", decorator_list=[], args=ast.arguments(vararg=None, kwarg=None) as args):
                every = (*args.posonlyargs, *args.args, *args.kwonlyargs)
                return {each.arg: ast.unparse(each.annotation) if each.annotation else "" for each in every}
    return {}


def _written_policies(path: str) -> tuple[str, ...]:
    """Return the policies that a source names; none if it does not say."""
    for node in _body(path):
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Dict(keys=keys)) if name == _POLICIES:
                names = [str(key.value) for key in keys if isinstance(key, ast.Constant)]
                return tuple(names) if len(names) == len(keys) else ()
    return ()


def _body(path: str) -> list[ast.stmt]:
    """Return the statements of a class; none if they are not to be read, or cannot be found."""
    module, _, name = path.partition(":")
    if module.partition(".")[0] not in _READ:
        return []
    for node in ast.parse(_source(module)).body:
        match node:
            case ast.ClassDef(name=found, decorator_list=[], body=body) if found == name:
                return body
            case ast.ImportFrom(module=str(origin), names=aliases, level=0):
                for alias in aliases:
                    if (alias.asname or alias.name) == name:
                        return _body(f"{origin}:{alias.name}")
    return []


def _source(module: str) -> str:
    """Find the source of a module, and import none of the packages that it is in; empty if there is none."""
    package, *inner = module.split(".")
    spec = importlib.util.find_spec(package)
    for part in inner:
        if spec is None:
            return ""
        spec = PathFinder.find_spec(f"{spec.name}.{part}", spec.submodule_search_locations)
    if spec is None or not isinstance(spec.loader, InspectLoader):
        return ""
    return spec.loader.get_source(spec.name) or ""
