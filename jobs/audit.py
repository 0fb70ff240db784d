# PYTHON_ARGCOMPLETE_OK
"""Prove that every training of a grid is recorded exactly once, or tell what is missing, failed or damaged, and why.

examples:
  python jobs/audit.py logs/thesis
  python jobs/audit.py logs/thesis --json

Reads grid.json (every training ever launched there) and trainings/, verifies every result, and writes nothing: it works on
a read-only folder, and while trainings are running.

states:
  stored       its result verifies and belongs to its folder
  damaged      its result was cut, edited or moved, or something else lies in its place
  failed       no result, and the last attempt failed and was not to be followed by another
  running      no result, and a supervisor holds it, or was killed a moment ago
  stopped      no result, but a checkpoint that it will continue from
  begun        a folder with neither: it will begin anew
  never_begun  no folder

--json prints one object:
  in_order    true if every training is stored and nothing else is told below
  verdict     the same in one sentence, with what to do
  folder      the folder given
  counts      {state: number of trainings}, every state
  trainings   [{name, state, reason, path}], one a training of grid.json; path is its folder, reason is blank if stored
  grid_fault  why grid.json proves nothing; blank if it is sound (else trainings are those that have a folder)
  strange     [{path, reason}], what lies below trainings/ and the grid does not account for
  repeated    [{name, paths}], trainings with more than one verified result
  temporary   number of files that killed writers left behind; no fault
  set_aside   number of damaged files that were kept under another name; no fault

exit codes: 0 in order, 1 not in order, 2 the folder is no folder of results
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rlhpc import command
from rlhpc.results.audit import Audit, audit
from rlhpc.results.store import Store
from rlhpc.results.unfinished import RecordState
from rlhpc.words import count

LINES_SHOWN = 20  # of each state


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = command.parser(__doc__ or "")
    built.add_argument("folder", type=command.path, metavar="logs/NAME", help="the folder that holds grid.json and trainings/")
    return built


def main(args: argparse.Namespace) -> int:
    """Audit and report."""
    found = audit(Store(args.folder))
    command.answer(args, _data(args.folder, found), _text(args.folder, found))
    return 0 if found.in_order else 1


def _data(folder: Path, found: Audit) -> dict[str, Any]:
    """Put an audit into words that JSON knows."""
    return {
        "in_order": found.in_order,
        "verdict": found.verdict,
        "folder": str(folder),
        "counts": found.counts,
        "trainings": [
            {"name": each.name, "state": each.state, "reason": each.reason, "path": str(each.path)} for each in found.records
        ],
        "grid_fault": found.grid_fault,
        "strange": [{"path": str(each.path), "reason": each.reason} for each in found.strange],
        "repeated": [{"name": name, "paths": [str(path) for path in paths]} for name, paths in found.repeated.items()],
        "temporary": found.n_temporary,
        "set_aside": found.n_set_aside,
    }


def _text(folder: Path, found: Audit) -> str:
    """Say the same to a reader: the counts, everything that is not stored, the verdict."""
    counts = [f"{n} {_words(state)}" for state, n in found.counts.items() if n]
    lines = [f"{folder}: {': '.join(filter(None, (count(len(found.records), 'training'), ', '.join(counts))))}"]
    lines += [found.grid_fault] if found.grid_fault else []
    for state in [state for state in RecordState if state is not RecordState.STORED]:
        lines += _listed(_words(state), [f"{each.name}: {each.reason}" for each in found.records if each.state is state])
    lines += _listed("not of the grid", [f"{each.path}: {each.reason}" for each in found.strange])
    repeated = [f"{name}: {', '.join(map(str, paths))}" for name, paths in found.repeated.items()]
    lines += _listed("recorded more than once", repeated)
    kept = ((found.n_temporary, "temporary file"), (found.n_set_aside, "damaged file"))
    left = [count(n, what) for n, what in kept if n]
    lines += [f"left behind, which is no fault: {' and '.join(left)}"] if left else []
    return "\n".join([*lines, found.verdict])


def _listed(heading: str, items: Sequence[str]) -> list[str]:
    """Return a heading and its items, the first of many."""
    more = [f"... and {len(items) - LINES_SHOWN} more; --json lists all"] if len(items) > LINES_SHOWN else []
    return [f"{heading}:", *(f"  - {item}" for item in [*items[:LINES_SHOWN], *more])] if items else []


def _words(state: RecordState) -> str:
    return state.replace("_", " ")


if __name__ == "__main__":
    command.main(parser(), main)
