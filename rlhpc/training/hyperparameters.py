"""Hyperparameters: which there are, and what is wrong with given ones; told without importing torch, as far as that can be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rlhpc.errors import ConfigError, nearest
from rlhpc.files import canonical_json
from rlhpc.records import Training
from rlhpc.training.algos import CLASSES, RANDOM
from rlhpc.training.signature import arguments, policies

# Hyperparameters of RL Zoo's format that are not arguments of the class.
OURS = ("class", "n_envs", "policy", "frame_stack", "normalize", "convergence", "fast")
OF_NOISE = ("noise_type", "noise_std")  # stand for the argument action_noise
OF_RANDOM = ("class", "n_envs", "n_trials", "n_episodes")
NOISES = ("normal", "ornstein-uhlenbeck")
_SB3_CLASS = "RMSpropTFLike"  # the one class of policy_kwargs that is not of torch, and so is known without it
# Arguments of the class that we set ourselves.
_RESERVED = ("self", "policy", "env", "seed", "device", "verbose", "tensorboard_log", "action_noise", "_init_setup_model")
_GIVEN = ("policy", "env", "seed", "device")  # those that every training gives
_COUNTS = ("n_envs", "n_trials", "n_episodes")
# Of SB3's classes; what they are in a user's, the user knows.
_COUNTS_OF_SB3 = ("n_steps", "n_epochs", "batch_size", "buffer_size")
_SHARES_OF_SB3 = ("gamma", "gae_lambda", "tau")
_COMPARED = ("learning_starts", "target_update_interval", "policy_delay", "sde_sample_freq")  # int, and SB3 takes any number
_CONVERGENCE = ("evaluate_every", "n_episodes", "max_no_improvement", "min_evaluations")
_NORMALIZER = "stable_baselines3.common.vec_env:VecNormalize"
_SCHEDULE = "lin_"  # before the first value of a linear schedule
_PERIODS = ("step", "episode")  # of train_freq


def faults(hyperparameters: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a training's hyperparameters, as far as can be told without making the environment."""
    class_name = str(hyperparameters["class"])
    try:
        known = OF_RANDOM if class_name == RANDOM else _known(class_name)
    except ConfigError as error:
        return list(error.faults)
    found = [
        f"unknown hyperparameter '{name}' of {class_name}. {nearest(name, known)}"
        for name in hyperparameters
        if name not in known
    ]
    for name, value in hyperparameters.items():
        reason = _fault(name, value, class_name) if name in known else ""
        if reason:
            found.append(f"hyperparameter {name} = {value!r} of {class_name} {reason}")
    return found


def refuse_faults(trainings: Iterable[Training]) -> None:
    """Refuse hyperparameters that no training can use.

    Raises
    ------
    ConfigError
        With every fault, once for each algorithm.
    """
    pairs = {training.key[:-1]: training for training in trainings}  # the seeds of an algorithm in an environment have the same
    told = {f"algorithm '{training.algo}': {fault}" for training in pairs.values() for fault in faults(training.hyperparameters)}
    if told:
        raise ConfigError(*sorted(told))


def _known(class_name: str) -> tuple[str, ...]:
    """Name the hyperparameters of a class.

    Raises
    ------
    ConfigError
        If it cannot be imported, or cannot be built as SB3's classes are.
    """
    of_class = arguments(CLASSES[class_name])
    if lacking := [name for name in _GIVEN if name not in of_class]:
        raise ConfigError(
            f"the class '{CLASSES[class_name]}' does not take {', '.join(lacking)}; one of an algorithm takes"
            f" {', '.join(_GIVEN)}, as SB3's do."
        )
    noise = OF_NOISE if "action_noise" in of_class else ()
    return (*OURS, *noise, *(name for name in of_class if name not in _RESERVED))


def _fault(name: str, value: Any, class_name: str) -> str:
    """Return what is wrong with a hyperparameter's value; empty if nothing is."""
    try:
        is_plain = json.loads(canonical_json(value)) == value  # as it will be stored and read again
    except (TypeError, ValueError):
        is_plain = False
    if not is_plain:
        return "must be made of texts, finite numbers, lists and mappings with texts as keys."
    is_count = type(value) is int and value >= 1
    annotation = "" if class_name == RANDOM else arguments(CLASSES[class_name]).get(name, "")
    if value is None and "None" in annotation.split(" | "):
        return ""
    of_sb3 = {
        **dict.fromkeys(_COUNTS_OF_SB3, (is_count, "must be a whole number, at least 1.")),
        **dict.fromkeys(_SHARES_OF_SB3, (_is_number(value) and 0 <= value <= 1, "must be a number from 0 to 1.")),
    }
    rules = {
        **(of_sb3 if annotation else {}),
        **dict.fromkeys(_COUNTS, (is_count, "must be a whole number, at least 1.")),
        "frame_stack": (value is None or is_count, "must be a whole number, at least 1."),
        "policy_kwargs": (isinstance(value, Mapping), "must be a mapping, such as {net_arch: [64, 64]}."),
        "normalize": (_is_normalize(value), "must be true, false or a mapping of VecNormalize's arguments."),
        "noise_type": (str(value) in NOISES, f"is none. {nearest(str(value), NOISES)}"),
        "noise_std": (_is_number(value) and value >= 0, "must be a number, at least 0."),
        "fast": (isinstance(value, bool), "must be true or false."),
        "convergence": (_is_convergence(value), f"must be a mapping of all of {', '.join(_CONVERGENCE)} to whole numbers."),
    }
    holds, demand = rules.get(name, (True, ""))
    if not holds:
        return demand
    if name == "policy" and value is not None and value not in policies(CLASSES[class_name]):
        return f"is none. {nearest(str(value), policies(CLASSES[class_name]))}"
    try:
        if name == "policy_kwargs":
            _find_classes(value)
    except (ValueError, AttributeError) as error:
        return f"cannot be used: {str(error).rstrip('.')}."
    return _type_fault(value, "float" if name in _COMPARED and annotation == "int" else annotation)


def _type_fault(value: Any, annotation: str) -> str:
    """Return why a value is not of a type; empty if it is, or the type is not known."""
    kinds = [_CLASS if kind.startswith(_CLASS) else kind for kind in annotation.split(" | ")]
    if not all(kind in _TYPES for kind in kinds) or any(_TYPES[kind][0](value) for kind in kinds):
        return ""
    return f"must be {' or '.join(dict.fromkeys(_TYPES[kind][1] for kind in kinds))}."


def schedule_start(value: Any) -> float | None:
    """Return where a linear schedule starts, 0.001 for ``lin_0.001``; None for a value that is no schedule.

    Raises
    ------
    ValueError
        If it starts with no number.
    """
    if isinstance(value, str) and value.startswith(_SCHEDULE):
        return float(value.removeprefix(_SCHEDULE))
    return None


def _is_schedule(value: Any) -> bool:
    try:
        return schedule_start(value) is not None
    except ValueError:
        return False


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return type(value) is int


def _is_frequency(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and _is_whole(value[0]) and value[1] in _PERIODS


# Type as SB3's source spells it -> whether a value of YAML is one, and how it is called.
_CLASS = "type["
_A_SCHEDULE = (_is_schedule, f"a linear schedule such as {_SCHEDULE}0.001")
_TYPES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "int": (_is_whole, "a whole number"),
    "float": (_is_number, "a number"),
    "str": (lambda value: isinstance(value, str), "a text"),
    "bool": (lambda value: isinstance(value, bool), "true or false"),
    "None": (lambda value: value is None, "null"),
    "Schedule": _A_SCHEDULE,
    "Callable": _A_SCHEDULE,
    "dict[str, Any]": (lambda value: isinstance(value, Mapping), "a mapping"),
    _CLASS: (lambda _: False, "a class, which YAML cannot hold,"),
    "tuple[int, str]": (_is_frequency, f"a list such as [1, {_PERIODS[1]}]"),
}


def _find_classes(policy_kwargs: Mapping[str, Any]) -> None:
    """Look the classes up that are named, as `policy_class` does; its errors are the answer."""
    named = {name: path for name, path in policy_kwargs.items() if is_class(name, path) and path != _SB3_CLASS}
    if named:
        from rlhpc.training.policy_class import policy_class  # noqa: PLC0415  # torch takes seconds

        for name, path in named.items():
            policy_class(name, path)


def is_class(name: str, value: Any) -> bool:
    """Tell whether a value of policy_kwargs names a class."""
    return isinstance(value, str) and name.endswith(("_class", "_fn"))


def _is_normalize(value: Any) -> bool:
    if isinstance(value, Mapping):
        return value.keys() <= {*arguments(_NORMALIZER)} - {"self", "venv"}
    return isinstance(value, bool | None)


def _is_convergence(value: Any) -> bool:
    """Tell whether a value is a rule of convergence, or None for no rule."""
    if not isinstance(value, Mapping):
        return value is None
    return value.keys() == set(_CONVERGENCE) and all(type(value[key]) is int and value[key] >= 1 for key in _CONVERGENCE)
