"""The errors of rlhpc; imports nothing of rlhpc.

RlhpcError                     anything rlhpc itself reports; the exit code of a job that ends with it
├── InputError              2  what the user gave is wrong; lists every fault at once
│   ├── ConfigError         2  a configuration file or a key=value
│   └── DatasetError        2  a table of scores
├── DamagedResultError      1  a stored result that does not verify
├── AlreadyStoredError      1  a second result for one training
├── DamagedCheckpointError  1  a checkpoint that does not verify
├── ForeignCheckpointError  1  a checkpoint of another training, version or device
├── StorageError            1  a disk that is full, read-only or broken
├── SlurmError              1  Slurm refuses, fails or does not answer; with its own words
└── IncompleteSearchError   1  shards that are missing, overlap or do not belong together
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

IDLE = 74  # exit code of a supervisor that was stopped before anything was saved or stored; else as the next
STOPPED = 75  # exit code of what was stopped and is to be continued, which is no error; EX_TEMPFAIL of sysexits.h


class RlhpcError(Exception):
    """Report a failure that rlhpc understands; a job prints it without a traceback."""

    exit_code = 1


class InputError(RlhpcError):
    """Report everything that is wrong with what the user gave.

    Parameters
    ----------
    *faults : str
        One sentence or paragraph each: what was given, what is allowed, what to do.
    """

    exit_code = 2

    def __init__(self, *faults: str) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


class ConfigError(InputError):
    """Report a wrong configuration file, key or value."""


class DatasetError(InputError):
    """Report a table of scores that cannot be used."""


class DamagedResultError(RlhpcError):
    """Report a stored result that is truncated, edited or in the wrong place."""


class AlreadyStoredError(RlhpcError):
    """Report a second result for a training that already has one."""


class DamagedCheckpointError(RlhpcError):
    """Report a checkpoint that is truncated or changed."""


class ForeignCheckpointError(RlhpcError):
    """Report a checkpoint that something else has made than what is to continue it."""


class StorageError(RlhpcError):
    """Report that results can no longer be written: the disk is full, read-only or broken."""


class SlurmError(RlhpcError):
    """Report that Slurm refuses, fails or does not answer, with its own words."""


class IncompleteSearchError(RlhpcError):
    """Report shards that are missing, overlap or belong to another search."""


_TELLING_LENGTH = 3  # of a name's beginning that tells which was meant


def nearest(name: str, valid: Iterable[str], usual: Iterable[str] = ()) -> str:
    """Name the valid choices, the nearest first.

    Parameters
    ----------
    name : str
        What was given.
    valid : iterable of str
        What is allowed.
    usual : iterable of str
        Of these, what is meant rather than others that are as near.

    Returns
    -------
    str
        A sentence to append to an error: ``Did you mean 'ppo'?`` or ``Allowed: a2c, ppo.``
    """
    choices = sorted(set(valid))
    for some in (usual, choices):
        lowered = {choice.lower(): choice for choice in some}
        begun = [choice for choice in lowered if len(name) >= _TELLING_LENGTH and choice.startswith(name.lower())]
        close = difflib.get_close_matches(name.lower(), begun or lowered, n=1, cutoff=0.0 if begun else 0.6)
        if close:
            return f"Did you mean '{lowered[close[0]]}'?"
    shown = ", ".join(choices[:20]) + (f", ... ({len(choices)} in all)" if len(choices) > 20 else "")
    return f"Allowed: {shown}."
