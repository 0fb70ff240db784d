"""A prediction in words, and what to run next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import NormalDist

from rlhpc.report.prediction import Bounded, Prediction
from rlhpc.report.tables import number
from rlhpc.search.predict import n_rivals_needed
from rlhpc.search.predictor import Extensions, Predictor
from rlhpc.words import count

UNTOLD = "how far another would move this cannot be told; the interval holds as much of that as the known algorithms' scores do"
SUFFIXES = {1: "st", 2: "nd", 3: "rd"}


def describe(prediction: Prediction) -> str:
    """Spell out where an algorithm stands, how sure that is, and what to be careful about."""
    place, level = prediction.place, _percent(prediction.level)
    span = f" ({ordinal(place.best)} to {ordinal(place.worst)})" if place.best != place.worst else ""
    return "\n".join(
        [
            f"Benchmark score {_bounded(prediction.score, level)}; the random agent has 0, the reference 100",
            f"Place {ordinal(place.place)} of {place.n_places}{span}: where the prediction stands among the others' true scores",
            f"Predicted from {', '.join(prediction.subset)}",
            *_level(prediction),
            *_seeds(prediction),
            *_cautions(prediction),
        ]
    )


def ordinal(n: int) -> str:
    """Spell a place: 1st, 2nd, 3rd, 4th, ..., 11th, ..., 21st."""
    suffix = "th" if n % 100 in {11, 12, 13} else SUFFIXES.get(n % 10, "th")
    return f"{n}{suffix}"


def _percent(level: float) -> str:
    return f"{100 * level:.3g} %"


def _bounded(score: Bounded, level: str) -> str:
    return f"{number(score.value)}, {level} interval {number(score.lower)} to {number(score.upper)}"


def _level(prediction: Prediction) -> Iterator[str]:
    """Say what the interval rests on, and that it is not the one asked for, if so."""
    rests = f"The interval rests on {count(prediction.n_algos, 'algorithm')}, each predicted by a search without it"
    if prediction.level < prediction.asked_level:
        asked, needed = _percent(prediction.asked_level), n_rivals_needed(prediction.asked_level)
        yield f"{rests}; {_percent(prediction.level)} is the most that these allow, {asked} takes {needed}."
    else:
        yield f"{rests}; it holds for algorithms that are to them as they are to each other."
    if prediction.n_own < prediction.n_algos / 2:
        yield (
            f"{prediction.n_own} of these subsets have all their scores given; the others count by the published subset, so that "
            "the interval may be somewhat too narrow. Scores on more environments make it more exact."
        )


def _seeds(prediction: Prediction) -> Iterator[str]:
    """Say what the seeds are worth."""
    seeds = prediction.seeds
    if seeds.standard_error is None:
        yield f"One seed an environment: {UNTOLD}."
        return
    error, bound_error = (
        f" \N{PLUS-MINUS SIGN} {figure:.1g}" if figure else "" for figure in (seeds.standard_error_error, seeds.bound_error)
    )
    ends = f", which leave the ends of the interval uncertain by{bound_error}" if bound_error else ""
    yield f"Seeds: standard error {number(seeds.standard_error)}{error} in log10, by {seeds.n_draws:,} draws{ends}"
    alone = 2 * NormalDist().inv_cdf((1 + prediction.level) / 2) * seeds.standard_error
    if alone > 2 * (prediction.log_score.upper - prediction.log_score.lower):
        yield (
            "By these seeds alone the interval would be more than twice as wide: it counts on seeds that agree like those of the "
            "known algorithms, and is too narrow. Take more seeds."
        )
    if seeds.single:
        yield f"One seed on {', '.join(seeds.single)}: {UNTOLD}."


def _cautions(prediction: Prediction) -> Iterator[str]:
    """Say what makes a prediction worse than others."""
    if prediction.missing:
        yield (
            f"No score on {', '.join(prediction.missing)}: the best part of the subset predicts, and the interval counts what it "
            "was off by."
        )
    if prediction.clipped:
        yield f"Not above the random agent on {', '.join(prediction.clipped)}: counted as the random agent."
    if prediction.extrapolated:
        yield (
            f"Beyond all known algorithms on {', '.join(prediction.extrapolated)}: the prediction extrapolates, and the interval "
            "may be too narrow."
        )


def describe_next(predictor: Predictor, missing: Sequence[str]) -> str:
    """Say what to run next.

    Parameters
    ----------
    predictor : Predictor
    missing : sequence of str
        Environments of the subset without a score.
    """
    extensions = predictor.extensions
    lines = [f"Run next: {', '.join(missing)}, which the subset has and your scores lack."] if missing else []
    if not extensions.best:
        return "\n".join([*lines, "No environment can be added to this subset: there are too few algorithms or environments."])
    now, better = predictor.fits[0].cv_mse, [one for one in extensions.best if one.cv_mse < predictor.fits[0].cv_mse]
    if not better:
        return "\n".join([*lines, f"No further environment lowers the claimed CV MSE, {number(now)}. Rather add algorithms."])
    named = ", ".join(f"{one.env_id} ({number(one.cv_mse)})" for one in better)
    lines.append(f"Environments that would add most to the subset, by the CV MSE claimed with them (now {number(now)}): {named}")
    lines += _worth(extensions)
    return "\n".join(lines)


def _worth(extensions: Extensions) -> Iterator[str]:
    """Say what adding an environment was worth for algorithms that had no part in choosing it."""
    if extensions.mse is None or extensions.extended_mse is None:
        yield "What that is worth is not known: no algorithm could be predicted both ways when held out."
        return
    change = f"from {number(extensions.mse)} to {number(extensions.extended_mse)}"
    told = f"for {count(extensions.n_compared, 'algorithm')} that had no part in choosing"
    if extensions.extended_mse < extensions.mse:
        yield f"One more, {told}, lowered the MSE {change}. To use it, search anew with a subset larger by one."
    else:
        yield f"But one more, {told}, did not lower the MSE: {change}. Rather add algorithms to the table."


def describe_verdict(predictor: Predictor) -> Iterator[str]:
    """Say how far the subset is to be trusted, where that is known."""
    if predictor.origin.verdict:
        yield f"The report on this subset says: {predictor.origin.verdict}."


def describe_budgets(predictor: Predictor) -> Iterator[str]:
    """Say which budgets scores on the subset must be of, and where that is not known."""
    budgets = [
        f"{env.total_timesteps:,} on {env.env_id}" for env in predictor.envs[: len(predictor.subset)] if env.total_timesteps
    ]
    if budgets:
        yield f"The known scores are of trainings of so many agent steps: {', '.join(budgets)}. Others are not comparable."
    unknown = [env.env_id for env in predictor.envs[: len(predictor.subset)] if not env.total_timesteps]
    if unknown:
        yield (
            f"The known scores on {', '.join(unknown)} are not recorded to be all of one number of agent steps: whether yours "
            "are comparable could not be checked."
        )
