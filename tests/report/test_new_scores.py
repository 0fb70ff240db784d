"""Scores of new algorithms, read from words and tables."""

import pytest

from rlhpc.errors import DatasetError, InputError
from rlhpc.report.new_scores import read_score_table, read_words
from rlhpc.search.predictor_fit import make_predictor
from rlhpc.search.trust import BEST, hold_out_each


@pytest.fixture
def predictor(found):
    held_outs = hold_out_each(found.problem, found.settings)[BEST, 2]
    return make_predictor(
        found.problem, found.settings, found.subset, held_outs, budgets=dict.fromkeys(found.problem.env_ids, 900)
    )


def test_words_hold_the_scores_of_all_seeds(predictor):
    first, second = predictor.subset
    assert read_words([f"{first}=1,-2.5,3e1", f"{second}=4"], predictor) == {first: (1.0, -2.5, 30.0), second: (4.0,)}


def test_every_fault_of_words_is_told_at_once(predictor):
    first, second = predictor.subset
    with pytest.raises(InputError) as refused:
        read_words([f"{first}=1,x", f"{first}=2", second, "Pnog=1_0", f"{second}="], predictor, total_timesteps=5)
    assert [fault for fault in refused.value.faults if "agent steps" not in fault] == [
        f"'x' in '{first}=1,x' is not a number.",
        f"'{first}' is given more than once: write all of its scores in one word, separated by commas.",
        f"'{second}' is no score: write ENV=SCORE, or ENV=SCORE,SCORE for several seeds.",
        "'1_0' in 'Pnog=1_0' is not a number.",
        f"'' in '{second}=' is not a number.",
        *(fault for fault in refused.value.faults if fault.startswith("the predictor does not know the environment 'Pnog'.")),
    ]
    assert len(refused.value.faults) == 8  # with the budget of both environments


@pytest.mark.parametrize("number", ["nan", "inf", "-1e301"])
def test_words_that_are_no_finite_numbers_are_refused(predictor, number):
    with pytest.raises(InputError, match=r"is not a number|give finite numbers"):
        read_words([f"{predictor.subset[0]}={number}"], predictor)


def test_words_that_predict_nothing_are_refused(predictor):
    other = next(name for name in predictor.env_ids if name not in predictor.subset)
    with pytest.raises(InputError, match="these scores predict nothing"):
        read_words([f"{other}=1"], predictor)


def write(path, rows, columns="env_id,algo,seed,score,total_timesteps"):
    quoted = [",".join('"' + str(cell).replace('"', '""') + '"' for cell in row) for row in rows]
    path.write_text("\n".join([columns, *quoted]))
    return path


def test_a_table_holds_the_scores_of_every_algorithm(predictor, tmp_path):
    first, second = predictor.subset
    rows = [
        (second, "new", 2, 7.5, 900),
        (first, "new", 1, 1.0, ""),
        (second, "new", 1, 6.5, 900),
        ("elsewhere", "new", 1, 1.0, 5),
        ("elsewhere", "absent", 1, 1.0, 5),
        (first, "another", 1, 3.0, 900),
        (second, "another", 1, "", 5),
        (first, "unscored", 1, "NA", 900),
        (first, "random", 1, 0.0, 0),
        (first, "ppo_converged", 1, 100.0, 54_321),
    ]
    new = read_score_table(write(tmp_path / "t.csv", rows), predictor, total_timesteps=900)
    assert new.algos == {"another": {first: (3.0,)}, "new": {first: (1.0,), second: (6.5, 7.5)}}
    assert list(new.algos) == ["another", "new"]
    assert (new.ignored, new.left_out) == (("elsewhere",), ("absent", "unscored", "random", "ppo_converged"))


def test_every_fault_of_a_table_is_told_at_once(predictor, tmp_path):
    first, second = predictor.subset
    rows = [
        (first, "new", 1, "high", 900),
        (first, "", 1, 1.0, 900),
        (second, "new", "one", 1.0, 900),
        (second, "new", 3, 1.0, 800),
        (second, "new", 4, 1.0, "many"),
        (second, "twice", 1, 1.0, 900),
        (second, "twice", 1, 1.0, 900),
        ("elsewhere", "new", "x", "y", "z"),
    ]
    with pytest.raises(DatasetError) as refused:
        read_score_table(write(tmp_path / "t.csv", rows), predictor)
    told = "\n".join(refused.value.faults)
    for expected in (
        "line 2, column 'score': 'high' is not a number",
        "line 3, column 'algo': '' is blank",
        "line 4, column 'seed': 'one' is not a whole number",
        f"'t.csv', line 5: '{second}': the scores are of trainings of 800 agent steps, and those of the known algorithms of 900",
        "line 6, column 'total_timesteps': 'many' is not a whole number",
        f"seed 1 of 'twice' on '{second}' has 2 rows; keep one.",
        f"the trainings of 'new' on '{second}' differ in total_timesteps",
    ):
        assert expected in told
    assert "elsewhere" not in told


def test_trainings_with_other_hyperparameters_are_not_averaged(predictor, tmp_path):
    first = predictor.subset[0]
    rows = [(first, "new", 1, 1.0, "abc"), (first, "new", 2, 1.0, "def")]
    table = write(tmp_path / "t.csv", rows, "env_id,algo,seed,score,hyperparameters_hash")
    with pytest.raises(DatasetError, match="differ in hyperparameters_hash abc"):
        read_score_table(table, predictor)


def test_rows_without_a_budget_have_the_one_that_is_told(predictor, tmp_path):
    table = write(tmp_path / "t.csv", [(predictor.subset[0], "new", 1, 1.0)], "env_id,algo,seed,score")
    assert read_score_table(table, predictor, 900).algos
    assert read_score_table(table, predictor).algos
    with pytest.raises(DatasetError, match="of trainings of 800 agent steps"):
        read_score_table(table, predictor, 800)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("env_id,algo,score\nx,y,1", "lacks the columns seed; it has env_id, algo, score"),
        ("env_id,algo,seed,score\nx,y,1,1", "these scores predict nothing"),
        ("env_id,algo,seed,score\n", "holds no scores"),
    ],
)
def test_tables_without_what_it_takes_are_refused(predictor, tmp_path, text, told):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DatasetError, match=told):
        read_score_table(tmp_path / "t.csv", predictor)


def test_scores_beyond_all_reason_are_told_with_the_algorithm(predictor, tmp_path):
    table = write(tmp_path / "t.csv", [(predictor.subset[0], "new", 1, 1e305)], "env_id,algo,seed,score")
    with pytest.raises(DatasetError, match=r"'t.csv', algorithm 'new': .* give finite numbers"):
        read_score_table(table, predictor)
