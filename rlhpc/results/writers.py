"""Who else can write to a folder of results. It matters because checkpoints are unpickled, which runs whatever they say."""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
from pathlib import Path


def warning(trainings: Path) -> str:
    """Say who else can write checkpoints into a folder; blank if nobody but the superuser can.

    Parameters
    ----------
    trainings : Path
        A folder that exists, below which checkpoints are.

    Notes
    -----
    A group of the user's own name is the user's alone, as most systems set it up. Of the folders above the last two, only what
    lets everybody rename is looked at: those of a project belong to somebody else on most clusters.
    """
    folder = trainings.resolve()
    for place, each in enumerate((folder, *folder.parents)):
        if who := _others(each, with_owner_and_group=place < 2):
            told = (
                f"{each} can be written by {who}, who could put a checkpoint there that runs any program in your name when a"
                " training is continued (checkpoints are pickles). If you do not trust them,"
            )
            if each.stat().st_uid != os.geteuid():
                return f"{told} give another logs_dir."
            return f"{told} take the right away: chmod go-w {shlex.quote(str(each))}"
    return ""


def _others(folder: Path, *, with_owner_and_group: bool) -> str:
    """Name who, beside us and the superuser, can put a file into a folder, or another in its place."""
    found = folder.stat()
    if found.st_mode & stat.S_ISVTX and not with_owner_and_group:
        return ""  # as in /tmp: nobody can rename what is ours
    if found.st_mode & stat.S_IWOTH:
        return "everybody"
    if not with_owner_and_group:
        return ""
    if found.st_uid not in {os.geteuid(), 0}:
        return f"user {_name(found.st_uid)}"
    if found.st_mode & stat.S_IWGRP and (group := _group(found.st_gid)) not in {_name(os.geteuid()), "root"}:
        return f"group {group}"
    return ""


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
