"""The rules of a search on a command line: flags, the settings they make, and the flags that settings come from."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace

from rlhpc.errors import InputError, nearest
from rlhpc.search import FOLD_RULES, FOLD_SEED, KEEP, MAX_BEAM, MAX_KEEP, N_FOLDS, RANK_BY, Problem, Settings

SUBSET_SIZE = 3  # the thesis'


def add_flags(built: argparse.ArgumentParser) -> None:
    """Add the flags that say what is searched, and by which rules."""
    built.add_argument("--subset-size", type=int, default=SUBSET_SIZE, metavar="K", help="environments in a subset")
    rules = built.add_argument_group("rules")
    rules.add_argument("--n-folds", type=int, default=N_FOLDS, metavar="N", help="folds; at most one an algorithm")
    rules.add_argument("--fold-seed", type=int, default=FOLD_SEED, metavar="SEED", help="seed that folds are drawn with")
    rules.add_argument(
        "--fold-rule",
        choices=FOLD_RULES,
        default=FOLD_RULES[0],
        help="where scores are missing: an algorithm's fold is fixed, or folds are drawn for each subset on the algorithms that "
        "have all of its scores (as Atari-5 did)",
    )
    rules.add_argument("--intercept", action="store_true", help="fit an intercept (the thesis did not)")
    rules.add_argument(
        "--ridge", type=float, default=0.0, metavar="ALPHA", help="penalty on squared coefficients (default: none)"
    )
    rules.add_argument(
        "--rank-by",
        choices=RANK_BY,
        default=RANK_BY[0],
        help="the ranking holds the best by CV MSE, or the best by in-sample error, in order of CV MSE (as Atari-5 did)",
    )
    rules.add_argument("--keep", type=int, default=KEEP, metavar="N", help=f"length of the ranking, at most {MAX_KEEP:,}")
    built.add_argument(
        "--beam",
        type=int,
        default=0,
        metavar="WIDTH",
        help=f"go on from the best WIDTH subsets of each size alone, at most {MAX_BEAM:,}",
    )
    chosen = built.add_argument_group("which environments a subset may have; what it predicts is the score on all of them")
    chosen.add_argument("--force", nargs="+", default=[], metavar="ENV", help="environments that every subset has")
    chosen.add_argument("--exclude", nargs="+", default=[], metavar="ENV", help="environments that no subset has")
    chosen.add_argument("--only-benchmarks", nargs="+", metavar="NAME", help="choose from the environments of these benchmarks")
    chosen.add_argument(
        "--only-action-spaces", nargs="+", metavar="NAME", help="choose from environments with these action spaces"
    )


def read_flags(args: argparse.Namespace) -> Settings:
    """Return the settings that flags make, but for ``--only-...``, which need the table: see `choose_only`.

    Raises
    ------
    InputError
        With every fault.
    """
    return Settings(
        subset_size=args.subset_size,
        n_folds=args.n_folds,
        fold_seed=args.fold_seed,
        fit_intercept=args.intercept,
        keep=args.keep,
        fold_rule=args.fold_rule,
        rank_by=args.rank_by,
        ridge=args.ridge,
        forced=tuple(args.force),
        excluded=tuple(args.exclude),
        beam=args.beam,
    )


def beam_faults(args: argparse.Namespace) -> Iterator[str]:
    """Yield the flags that a beam has no use for: it is one search, on one machine."""
    for flag, value in (
        ("--shard", args.shard),
        ("--merge", args.merge),
        ("--submit", args.submit),
        ("--n-shards", args.n_shards),
    ):
        if args.beam and value:
            yield f"{flag} goes with a search of all subsets, in shards, and --beam searches some: leave out one of the two."


def choose_only(settings: Settings, problem: Problem, args: argparse.Namespace) -> Settings:
    """Exclude all environments but those that ``--only-benchmarks`` and ``--only-action-spaces`` leave.

    Raises
    ------
    InputError
        If the table has no such benchmark or action space, or they leave out a forced environment; with every one.
    """
    filters = (
        ("--only-benchmarks", "benchmark", args.only_benchmarks, problem.benchmarks),
        ("--only-action-spaces", "action space", args.only_action_spaces, problem.action_spaces),
    )
    left_out = [
        (env_id, flag, what, value)
        for flag, what, wanted, values in filters
        for env_id, value in zip(problem.env_ids, values, strict=True)
        if wanted and value not in wanted
    ]
    faults = [fault for filtered in filters for fault in _unknown(*filtered)]
    faults += [
        f"'{env_id}' is forced, and {flag} leaves it out: its {what} is {value}."
        for env_id, flag, what, value in left_out
        if env_id in settings.forced
    ]
    if faults:
        raise InputError(*faults)
    return replace(settings, excluded=(*settings.excluded, *(env_id for env_id, *_ in left_out)))


def _unknown(flag: str, what: str, wanted: Sequence[str] | None, values: Sequence[str]) -> Iterator[str]:
    for name in wanted or ():
        if name not in values:
            yield f"{flag} {name}: no environment in the table has this {what}. {nearest(name, values)}"


# Field of `Settings` -> its flag.
FLAGS = {"n_folds": "--n-folds", "fold_seed": "--fold-seed", "keep": "--keep", "fold_rule": "--fold-rule"}
FLAGS |= {"rank_by": "--rank-by", "ridge": "--ridge", "forced": "--force", "excluded": "--exclude", "beam": "--beam"}
FLAGS |= {"subset_size": "--subset-size", "fit_intercept": "--intercept"}


def words(settings: Settings) -> list[str]:
    """Return the flags that make these settings; those that are as by default are left out, but the size."""
    found = [FLAGS["subset_size"], str(settings.subset_size)]
    for field in fields(Settings):
        value = getattr(settings, field.name)
        if field.name == "subset_size" or value == field.default:
            continue
        found.append(FLAGS[field.name])
        if isinstance(value, tuple):
            found += value
        elif not isinstance(value, bool):
            found.append(str(value))
    return found
