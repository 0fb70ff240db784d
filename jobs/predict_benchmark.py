# PYTHON_ARGCOMPLETE_OK
"""Predict where a new algorithm stands on the full benchmark, from its scores on the subset.

examples:
  python jobs/predict_benchmark.py logs/demo Pong=18.5,20.0 "Ms Pacman=2310" dm_control/reacher-hard-v0=612,598
      benchmark score, interval and place; the scores of several seeds are separated by commas
  python jobs/predict_benchmark.py logs/demo --scores logs/new/scores.csv --level 0.8
      the same for every algorithm of a table of one row a training (env_id, algo, seed, score)
  python jobs/predict_benchmark.py mine/subset.json Pong=18.5 --total-timesteps 100000 --json
      refuse scores of another budget than the known algorithms'; print one object

DIR is the folder of a search on which jobs/subset_report.py has reported; DIR/subset.json is all that is read, and may be
passed on. Scores are raw ones, means over evaluation episodes. Nothing is written.

The interval comes from the known algorithms, each predicted by a search that was redone without it (jackknife+), and from the
spread of the seeds that you give. It needs the scores on the subset; those on environments that only the searches without an
algorithm chose make it more exact. Where scores on the subset are missing, the best part of it that you have predicts.
Last comes what to run next to narrow the interval.

the same in Python, without torch or Gymnasium:
  from rlhpc.notebook import predict
  print(predict("logs/demo/subset.json", {"Pong": [18.5, 20.0], "Ms Pacman": 2310}))

Exit codes: 0 done, 2 the command line, the scores or the file are wrong.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rlhpc import command
from rlhpc.errors import InputError
from rlhpc.report import prediction_text
from rlhpc.report.new_scores import NewScores, read_score_table, read_words
from rlhpc.report.prediction import LEVEL, SEED, Prediction, predict_benchmark, record
from rlhpc.report.prediction_faults import option_faults
from rlhpc.report.seed_noise import N_DRAWS
from rlhpc.search.predictor import Predictor
from rlhpc.search.predictor_file import FILE_NAME, read_predictor

NAMELESS = ""  # the algorithm whose scores stand on the command line


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = command.parser(__doc__ or "")
    built.add_argument("predictor", type=command.path, metavar="DIR_OR_FILE", help=f"folder with a {FILE_NAME}, or such a file")
    built.add_argument("words", nargs="*", metavar="ENV=SCORE[,SCORE...]", help="raw scores, one a seed")
    built.add_argument("--scores", type=command.path, metavar="TABLE.csv", help="table of one row a training, instead")
    built.add_argument("--level", type=float, default=LEVEL, metavar="SHARE", help="share that the interval is to hold")
    built.add_argument("--draws", type=int, default=N_DRAWS, metavar="N", help="how often seeds are drawn")
    built.add_argument("--seed", type=int, default=SEED, metavar="SEED", help="seed that they are drawn with")
    built.add_argument(
        "--total-timesteps",
        type=int,
        metavar="N",
        help="budget of the scores in agent steps over all parallel environments; of the rows of a table that name none",
    )
    return built


def main(args: argparse.Namespace) -> None:
    """Predict and print."""
    predictor, new = _read(args)
    predictions = {
        algo: predict_benchmark(predictor, seeds, level=args.level, seed=args.seed, n_draws=args.draws, algo=algo)
        for algo, seeds in new.algos.items()
    }
    command.answer(args, _data(args, predictor, new, predictions), _text(predictor, new, predictions))


def _read(args: argparse.Namespace) -> tuple[Predictor, NewScores]:
    """Read the predictor and the scores.

    Raises
    ------
    InputError
        With everything that is wrong with these and the flags.
    """
    faults = [*option_faults(args.level, args.seed, args.draws)]
    if bool(args.words) == bool(args.scores):
        faults.append(
            "give the scores of one algorithm as ENV=SCORE, or a table of them with --scores TABLE.csv: one of the two."
        )
    if args.total_timesteps is not None and args.total_timesteps < 1:
        faults.append(f"--total-timesteps {args.total_timesteps} is no budget: give at least 1, or leave it out.")
    try:
        predictor = read_predictor(args.predictor / FILE_NAME if args.predictor.is_dir() else args.predictor)
        if args.scores:
            new = read_score_table(args.scores, predictor, args.total_timesteps)
        else:
            new = NewScores({NAMELESS: read_words(args.words, predictor, args.total_timesteps)}, (), ())
    except InputError as error:
        faults.extend(error.faults)
    if faults:
        raise InputError(*faults)
    return predictor, new


def _data(
    args: argparse.Namespace, predictor: Predictor, new: NewScores, predictions: Mapping[str, Prediction]
) -> dict[str, Any]:
    """Return the answer as JSON knows it."""
    return {
        "predictor": str(args.predictor),
        "origin": asdict(predictor.origin),
        "subset": predictor.subset,
        "predictions": [
            {"algo": algo or None, "known_log_score": predictor.known.get(algo), **record(prediction)}
            for algo, prediction in predictions.items()
        ],
        "next": asdict(predictor.extensions),
        "ignored": new.ignored,
        "left_out": new.left_out,
    }


def _text(predictor: Predictor, new: NewScores, predictions: Mapping[str, Prediction]) -> str:
    """Return the answer for people."""
    blocks = [*prediction_text.describe_verdict(predictor)]
    for algo, prediction in predictions.items():
        known = " (by its name one of the algorithms that the subset was chosen with)" if algo in predictor.known else ""
        blocks.append("\n".join([*([f"{algo}{known}"] if algo else []), prediction_text.describe(prediction)]))
    missing = dict.fromkeys(env_id for prediction in predictions.values() for env_id in prediction.missing)
    notes = [prediction_text.describe_next(predictor, [*missing]), *prediction_text.describe_budgets(predictor)]
    if new.left_out:
        notes.append(f"Left out, as what scores are normalised by or without a score that would do: {', '.join(new.left_out)}")
    if new.ignored:
        notes.append(f"Environments of the table that this predictor does not use: {', '.join(new.ignored)}")
    return "\n\n".join([*blocks, "\n".join(notes)])


if __name__ == "__main__":
    command.main(parser(), main)
