"""How functions are compiled, and where the result is stored: once for a machine and a version of these files.

Compiled code is kept between processes in a folder of its own for these sources and this kind of processor. Numba itself would
mix up both: its cache of a function does not notice a change in another file that the function calls, and two kinds of
processors that share a home folder may overwrite each other's code. Processes of one kind may share the folder freely, since each
file is written aside and renamed. The files are pickles, so that the folder must be one that nobody else can write to.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

# LLVM's highest level unrolls the loops over folds until they no longer fit the cache of instructions: half as fast.
os.environ.setdefault("NUMBA_OPT", "1")

import llvmlite.binding as llvm
import numba
from numba.core import config, event
from numba.core.caching import FunctionCache
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.registry import CPUDispatcher
from numba.core.types.misc import unliteral

from rlhpc.files import user_cache

Function = TypeVar("Function", bound=Callable[..., Any])

SECONDS = 15  # that compilation takes, about
# No fast-math: sums keep their order, so that every machine finds the same bits. Arrays are not reference-counted (`_nrt`), which
# otherwise costs more than a leaf of the search: 100 ns for each call that takes a dozen of them. Nothing is called from C.
OPTIONS = {"nopython": True, "error_model": "numpy", "nogil": True, "_nrt": False, "no_cfunc_wrapper": True}


def _key() -> str:
    """Name these sources on this kind of processor."""
    here = Path(__file__).parent
    sources = [path.read_bytes() for path in (*sorted(here.glob("*.py")), here.parent / "kernel.py")]
    features = ",".join(sorted(name for name, there in llvm.get_host_cpu_features().items() if there))
    versions = f"{numba.__version__} {sys.version_info[:2]} {os.environ['NUMBA_OPT']}"
    parts = [*sources, llvm.get_host_cpu_name().encode(), features.encode(), versions.encode()]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]


def _is_private(folder: Path) -> bool:
    """Create a folder, and tell whether we, and nobody else, can write to it; a link to one must be ours, too."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        owners, mode = {folder.lstat().st_uid, folder.stat().st_uid}, folder.stat().st_mode
        with tempfile.TemporaryFile(dir=folder):
            return owners == {os.getuid()} and not mode & (stat.S_IWGRP | stat.S_IWOTH)
    except OSError:
        return False


def cache_folder() -> Path | None:
    """Return the folder for compiled code: in the user's cache, else in a private one for temporary files; None if neither works.

    ``NUMBA_CACHE_DIR`` and ``XDG_CACHE_HOME`` choose another.
    """
    given = os.environ.get("NUMBA_CACHE_DIR")
    chosen = [Path(given) if given else None, user_cache(), Path(tempfile.gettempdir(), f"rlhpc-{os.getuid()}")]
    roots = [root for root in chosen if root is not None]
    return next((folder for root in roots if _is_private(root) and _is_private(folder := root / _key())), None)


class _Told(event.Listener):  # type: ignore[misc]  # numba has no types that help
    """Tells the user, once, that compilation takes a while; only where something is compiled."""

    def __init__(self) -> None:
        self.said = False

    def on_start(self, event: Any) -> None:
        if not event.data["dispatcher"].py_func.__module__.startswith("rlhpc."):  # numba tells of everybody's
            return
        if not self.said:
            kept = "once for this kind of processor" if FOLDER else "each time, since no folder of yours can hold the result"
            print(f"Compiling the search: about {SECONDS} s, {kept}.", file=sys.stderr, flush=True)
        self.said = True

    def on_end(self, event: Any) -> None:
        pass


class _Cache(FunctionCache):  # type: ignore[misc]  # numba has no types
    """Numba's cache, of which neither damage nor a full disk ends a search: what cannot be kept is compiled again."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # noqa: BLE001  # a damaged pickle raises anything
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)


FOLDER = cache_folder()
if FOLDER:
    config.CACHE_DIR = str(FOLDER)
event.register("numba:compile", _Told())


class _Function(CPUDispatcher):  # type: ignore[misc]  # numba has no types
    """A function that Python and compiled functions call."""

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Compile for any number where one is called with a constant, instead of once more for each constant."""
        named = {name: unliteral(arg) for name, arg in kws.items()}
        return super().get_call_template([unliteral(arg) for arg in args], named)

    def add_overload(self, made: Any) -> None:
        """Note what was compiled for some types of arguments; inner functions that print or raise find what they name."""
        super().add_overload(made)
        for environment in made._find_referenced_environments():  # noqa: SLF001  # as for what was kept
            made.library.codegen.set_env(environment.env_name, environment)


class _Linked(JITCodeLibrary):  # type: ignore[misc]  # numba has no types
    """Optimised code to be linked with, of which no machine code is made."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True


class _InnerCompiler(Compiler):  # type: ignore[misc]  # numba has no types
    """Compiles a function no further than those that call it have to know."""

    def compile_extra(self, function: Any) -> Any:
        flags, context = self.state.flags, self.state.targetctx
        flags.no_compile = flags.no_cpython_wrapper = True
        self.state.library = _Linked(context.codegen(), function.__qualname__)
        return super().compile_extra(function)


class _Inner(_Function):
    """A function that only compiled ones call: there is nothing of it that Python could start."""

    def add_overload(self, made: Any) -> None:
        """Note what was compiled for some types of arguments, for those that link with it."""
        told_apart_by = made.library  # where others have what Python calls: numba finds functions by it
        self.targetctx.insert_user_function(told_apart_by, made.fndesc, [made.library])
        self.overloads[tuple(made.signature.args)] = made._replace(entry_point=told_apart_by)


def compiled(function: Function) -> Function:
    """Compile a function that neither makes arrays nor keeps any; it runs without Python's lock, in IEEE arithmetic."""
    made = _Function(function, targetoptions=OPTIONS)
    if FOLDER:
        made._cache = _Cache(function)  # noqa: SLF001  # as its `enable_caching` does
    return cast("Function", made)


def inner(function: Function) -> Function:
    """Compile such a function for the compiled ones that call it, in half of the time; Python cannot call it."""
    return cast("Function", _Inner(function, targetoptions=OPTIONS, pipeline_class=_InnerCompiler))
