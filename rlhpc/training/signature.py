"""What a class takes. SB3's are read from their source and not imported, for torch takes seconds, and more on a cluster."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import inspect
from importlib.abc import InspectLoader
from importlib.machinery import PathFinder
from typing import Any

_POLICIES = "policy_aliases"  # where SB3's algorithms name their policies
_READ = ("stable_baselines3", "sb3_contrib")  # plainly written; a class of a user's may be made in any way


@functools.cache
def arguments(path: str) -> tuple[str, ...]:
    """Name the arguments of a class's ``__init__``, ``self`` first.

    Parameters
    ----------
    path : str
        ``module:class``; the module may have the class from another one.

    Notes
    -----
    Only SB3's sources are read. A class of a user's is imported, and one whose source does not say.
    """
    return _written_arguments(path) or tuple(inspect.signature(load(path).__init__).parameters)


@functools.cache
def policies(path: str) -> tuple[str, ...]:
    """Name the policies of an algorithm's class, such as ``MlpPolicy``; the rest as of `arguments`."""
    return _written_policies(path) or tuple(load(path).policy_aliases)


def load(path: str) -> Any:
    """Import the class that ``module:class`` names."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def _written_arguments(path: str) -> tuple[str, ...]:
    """Return the arguments that a source names; none if it does not say."""
    for node in _body(path):
        match node:
            case ast.FunctionDef(name="__init__", decorator_list=[], args=args):
                every = (*args.posonlyargs, *args.args, args.vararg, *args.kwonlyargs, args.kwarg)
                return tuple(argument.arg for argument in every if argument)
    return ()


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
