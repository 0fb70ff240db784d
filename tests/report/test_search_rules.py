"""Flags make settings, and settings name their flags."""

import argparse

import pytest

from rlhpc.errors import InputError
from rlhpc.report import search_rules
from rlhpc.search import Settings

EVERY = Settings(
    4,
    n_folds=5,
    fold_seed=7,
    fit_intercept=True,
    keep=9,
    fold_rule="drawn",
    rank_by="in_sample",
    ridge=0.5,
    forced=("A b", "C"),
    excluded=("D",),
)


def parsed(*words):
    built = argparse.ArgumentParser()
    search_rules.add_flags(built)
    return built.parse_args(words)


@pytest.mark.parametrize("settings", [Settings(3), EVERY, Settings(8, beam=50)])
def test_the_flags_of_settings_make_them_again(settings):
    assert search_rules.read_flags(parsed(*search_rules.words(settings))) == settings


def test_flags_as_by_default_are_left_out_but_for_the_size():
    assert search_rules.words(Settings(3)) == ["--subset-size", "3"]


def test_every_setting_has_a_flag():
    assert search_rules.FLAGS.keys() == Settings.__dataclass_fields__.keys()


def test_filters_exclude_what_they_do_not_name(found):
    benchmarks = found.problem.benchmarks
    kept = search_rules.choose_only(Settings(1), found.problem, parsed("--only-benchmarks", "b"))
    assert kept.excluded == tuple(env for env, name in zip(found.problem.env_ids, benchmarks, strict=True) if name != "b")
    assert search_rules.choose_only(Settings(1), found.problem, parsed("--only-action-spaces", "Discrete")).excluded == ()


def test_unknown_filters_are_named_at_once(found):
    with pytest.raises(InputError) as caught:
        search_rules.choose_only(Settings(1), found.problem, parsed("--only-benchmarks", "c", "--only-action-spaces", "discrete"))
    assert caught.value.faults == (
        "--only-benchmarks c: no environment in the table has this benchmark. Allowed: a, b.",
        "--only-action-spaces discrete: no environment in the table has this action space. Did you mean 'Discrete'?",
    )


def test_a_forced_environment_that_a_filter_excludes_is_named(found):
    settings = Settings(2, forced=(found.problem.env_ids[0],))
    with pytest.raises(InputError, match="is forced, and --only-benchmarks leaves it out: its benchmark is a"):
        search_rules.choose_only(settings, found.problem, parsed("--only-benchmarks", "b"))
