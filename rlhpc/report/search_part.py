"""The part of a search that a command line asks for: the whole, one shard, the merge, or all of them as jobs."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence

N_SHARDS = 16  # of jobs; enough for some hours' search to be one of minutes, and few enough to wait for
MAX_SHARDS = 4_000_001  # the largest array that Slurm can be configured for
WHOLE = (0, 1)  # the only shard of a search that is not divided


def add_flags(built: argparse.ArgumentParser) -> None:
    """Add the flags that say which part is meant; all others of a search are the same for every part."""
    part = built.add_mutually_exclusive_group()
    part.add_argument("--shard", metavar="I/N", help="search only shard I of N; I counts from 0")
    part.add_argument("--merge", action="store_true", help="merge the shards in DIR/shards")
    part.add_argument("--dry-run", action="store_true", help="check, and say what would be searched; write nothing")
    built.add_argument("--submit", action="store_true", help="search in shards, and merge, as jobs on this Slurm cluster")
    built.add_argument(
        "--n-shards", type=int, metavar="N", help=f"shards there are to be, for --dry-run, --merge, --submit (there: {N_SHARDS})"
    )
    built.add_argument("--at-once", type=int, metavar="N", help="shards that run at a time, for --submit (default: all)")
    built.add_argument("--container", metavar="IMAGE", help="for --submit: the Apptainer image that jobs run in")
    built.add_argument("--like-job", metavar="ID", help="for --submit: partition, account, time, ... of this job hold for all")


def common_words(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return a command line without the flags of `add_flags`: what all parts of a search have in common."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add_flags(parser)
    return tuple(parser.parse_known_args(arguments)[1])


def shard_of(spelled: str | None) -> tuple[int, int]:
    """Return the index of a shard, and how many there are; `WHOLE` for None.

    Raises
    ------
    ValueError
        If it is not ``I/N`` with 0 <= I < N.
    """
    if spelled is None:
        return WHOLE
    match = re.fullmatch(r"(\d+)/(\d+)", spelled)
    if match is None or not int(match[1]) < int(match[2]):
        raise ValueError(spelled)
    return int(match[1]), int(match[2])


def part_faults(args: argparse.Namespace) -> Iterator[str]:
    """Yield what is wrong with the flags of `add_flags`."""
    try:
        shard_of(args.shard)
    except ValueError:
        yield f"--shard {args.shard} is not I/N with 0 <= I < N: shards count from 0, so 0/16 to 15/16 are 16 shards."
    for flag, value in (("--shard", args.shard), ("--merge", args.merge)):
        if args.submit and value:
            yield f"{flag} is what --submit gives its jobs itself: leave it out, and give --n-shards N (SHARDS to the script)."
    if args.n_shards is not None and not (args.merge or args.dry_run or args.submit):
        yield "--n-shards goes with --dry-run, --merge and --submit alone: one shard is searched with --shard I/N."
    if args.n_shards is not None and not 1 <= args.n_shards <= MAX_SHARDS:
        yield f"--n-shards {args.n_shards} is out of range: give 1 to {MAX_SHARDS}."
    if args.at_once is not None and args.at_once < 1:
        yield f"--at-once {args.at_once} is out of range: give 1 or more, or leave it out for all."
    if args.container == "":
        yield "--container is empty; is a variable not set? Give the path of an image, or leave it out."
    for flag, value in (("--at-once", args.at_once), ("--like-job", args.like_job), ("--container", args.container)):
        if value is not None and not args.submit:
            yield f"{flag} goes with --submit alone."
