"""What every job's command line has in common: help, ``--json``, exit codes, errors of one paragraph.

Exit codes: 0 done, 1 the work failed, 2 the command line or its input is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import errno
import io
import itertools
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, TextIO

from rlhpc import container
from rlhpc.errors import RlhpcError
from rlhpc.threads import usual_threads

MOST_FAULTS = 20  # that are printed
_ALIKE = 0.75  # of difflib: from here on a flag may have been meant
INTERRUPTED = 130  # what a shell reports for a command ended by Ctrl-C


def parser(doc: str) -> argparse.ArgumentParser:
    """Build a job's parser from its module docstring.

    Parameters
    ----------
    doc : str
        First line: what the job does. The rest is shown below the flags: examples, files written.
    """
    summary, _, rest = doc.strip().partition("\n")
    built = _Parser(
        description=summary,
        epilog=rest.strip(),
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    built.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    built.add_argument("--debug", action="store_true", help="show the traceback of an error")
    built.set_defaults(answers=None)  # where `answer` prints; None: standard output
    return built


class _Parser(argparse.ArgumentParser):
    """A parser that says what was perhaps meant by a flag that there is not."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong with a command line, and end."""
        _, is_unknown, words = message.partition("unrecognized arguments: --")
        if is_unknown:
            name = words.replace("=", " ").split()[0]
            flags = self._option_string_actions
            if close := difflib.get_close_matches(f"--{name}", flags, n=1, cutoff=_ALIKE):
                message += f". Did you mean '{close[0]}'?"
            elif "--config" in flags:
                message += f". Keys of the configuration have no dashes: {name.replace('-', '_')}=..."
        super().error(message)


def path(text: str) -> Path:
    """Return a path that a flag names; an empty one, as of a variable that is not set, would be the folder that we are in."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty; is a variable not set? Give a path, or '.' for this folder")
    return Path(text)


def add_threads(built: argparse.ArgumentParser) -> None:
    """Add ``--threads N`` to a parser."""
    built.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="threads (default: OMP_NUM_THREADS, else one for each CPU that this process may use)",
    )


def n_threads(args: argparse.Namespace) -> int:
    """Return the threads that were asked for, else the usual number."""
    return int(args.threads or usual_threads())


def thread_faults(args: argparse.Namespace) -> Iterator[str]:
    """Yield what is wrong with ``--threads``."""
    if args.threads is not None and args.threads < 1:
        yield f"--threads {args.threads} is too small: give at least 1, or leave it out."


def add_config(built: argparse.ArgumentParser, default: Path, choices: Callable[[], Mapping[str, Sequence[str]]] = dict) -> None:
    """Add ``--config FILE ...`` and ``key=value ...`` to a parser.

    Parameters
    ----------
    built : argparse.ArgumentParser
    default : Path
        The job's complete configuration; the files given are laid over it, left to right.
    choices : callable
        Returns the words that may stand behind ``key=``, of the keys that allow nothing else; called when Tab is pressed.
    """
    built.add_argument(
        "--config",
        action="append",
        type=path,
        metavar="FILE",
        default=[],
        help=f"YAML files laid over {default.name}, left to right",
    )
    overrides = built.add_argument(
        "overrides", nargs="*", metavar="key=value", help="single values of the configuration, laid over the files"
    )
    complete(overrides, lambda prefix: _completions(default, choices, prefix))


def complete(argument: argparse.Action, words: Callable[[str], Iterable[str]]) -> None:
    """Have Tab offer words for an argument; they are asked for what its user has typed of one."""
    argument.completer = lambda prefix, **_: words(prefix)  # type: ignore[attr-defined]  # argcomplete's way


def names_or_files(names: Iterable[str], prefix: str) -> Iterable[str]:
    """Return names to complete; the files that go on as was typed, where no name does."""
    if any(name.startswith(prefix) for name in names):
        return names
    from argcomplete.completers import FilesCompleter  # noqa: PLC0415  # by no other start

    return FilesCompleter((".yaml", ".yml"))(prefix)


def _completions(default: Path, choices: Callable[[], Mapping[str, Sequence[str]]], prefix: str) -> list[str]:
    """Return the beginning of every ``key=value`` of a configuration; behind a key, the words that it allows."""
    key, equals, _ = prefix.partition("=")
    if equals:
        return [f"{key}={word}" for word in choices().get(key, ())]
    import yaml  # noqa: PLC0415  # as argcomplete

    return [f"{key}=" for key in _keys(yaml.safe_load(default.read_text()))]


def _keys(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys of a configuration, those of its parts with dots."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from (f"{key}.{inner}" for inner in _keys(value))
        else:
            yield str(key)


class _Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keep the docstring's lines, and show defaults where they say something."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False, [], argparse.SUPPRESS):
            return action.help
        return super()._get_help_string(action)


def main(built: argparse.ArgumentParser, work: Callable[[argparse.Namespace], int | None]) -> NoReturn:
    """Parse the command line, do the work, and leave with its exit code.

    Parameters
    ----------
    built : argparse.ArgumentParser
        From `parser`.
    work : callable
        Takes the parsed arguments; returns an exit code, None for 0.
    """
    if "_ARGCOMPLETE" in os.environ:  # a shell asks what could stand where its user has pressed Tab
        import argcomplete  # noqa: PLC0415  # by no other start

        argcomplete.autocomplete(built)
    args = built.parse_intermixed_args(_one_file_each(sys.argv[1:]))
    output, errors = _PatientOutput(sys.stdout), _PatientOutput(sys.stderr)
    args.answers = output
    # With --json the answer is alone there: modules that users name print greetings when they are imported.
    with contextlib.redirect_stdout(errors if args.json else output), contextlib.redirect_stderr(errors):
        sys.exit(_end(args, work))


def _end(args: argparse.Namespace, work: Callable[[argparse.Namespace], int | None]) -> int:
    """Do the work and return its exit code."""
    try:
        code = work(args) or 0
        args.answers.flush()
    except KeyboardInterrupt as interrupt:
        print("interrupted", *getattr(interrupt, "__notes__", ()), sep="\n", file=sys.stderr)
        return INTERRUPTED
    except (RlhpcError, OSError) as error:  # of a full disk, say, the system's own words are clear
        if args.debug:
            raise
        print(f"error: {_shortened(error)}", file=sys.stderr)
        if limits := container.limits():
            print(limits, file=sys.stderr)
        return getattr(error, "exit_code", 1)
    return code


def _interrupted(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Say of a Ctrl-C that comes before the work what is said of later ones."""
    if issubclass(kind, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)


sys.excepthook = _interrupted  # jobs import this first, and what takes a second behind it


def end_as_on_interrupt() -> None:
    """Take SIGTERM for Ctrl-C, and so a terminal that is closed, unless that is ignored: what is under way is tidied up."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def _shortened(error: Exception) -> str:
    """Spell an error; of very many faults, such as one a row of a wrong table, the first."""
    faults = getattr(error, "faults", ())
    if len(faults) <= MOST_FAULTS:
        return str(error)
    return "\n".join([*faults[:MOST_FAULTS], f"... and {len(faults) - MOST_FAULTS} more."])


class _PatientOutput(io.TextIOBase):
    """Output that goes on in silence when its reader, such as `head`, has seen enough, or its terminal is closed.

    The work does not end then, nor does it fail.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with self._without_reader():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._without_reader():
            self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a bar of progress asks for it
        return self._stream.encoding

    def fileno(self) -> int:
        return self._stream.fileno()

    @contextlib.contextmanager
    def _without_reader(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in {errno.EPIPE, errno.EIO}:
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


def _one_file_each(arguments: Sequence[str]) -> list[str]:
    """Spell ``--config a.yaml b.yaml name=x``, also with ``--config=``, as ``--config a.yaml --config b.yaml name=x``.

    argparse would take every word behind ``--config`` for a file, and lose the order of values that stand on both sides.
    """
    spelled: list[str] = []
    behind_config = False
    for word in itertools.chain.from_iterable(map(_apart, arguments)):
        is_value = "=" in word and not os.path.exists(word)  # noqa: PTH110  # Path.exists raises where a text is no path
        behind_config = behind_config and not word.startswith("-") and not is_value
        if behind_config and spelled[-1] != "--config":
            spelled.append("--config")
        spelled.append(word)
        behind_config = behind_config or word == "--config"
    return spelled


def _apart(word: str) -> Sequence[str]:
    """Take ``--config=a.yaml`` apart."""
    return ("--config", word.removeprefix("--config=")) if word.startswith("--config=") else (word,)


def answer(args: argparse.Namespace, data: Mapping[str, Any], text: str) -> None:
    """Print a job's answer: `data` as one JSON object with ``--json``, else `text`.

    With ``--json``, standard output holds it alone: all else that Python code prints goes to standard error.
    """
    print(json.dumps(data, indent=2, allow_nan=False) if args.json else text, file=args.answers)
