"""Which algorithms were never tried on a benchmark."""

from dataclasses import replace

import numpy as np

from rlhpc.results.blocks import Block, blocks

NAN = float("nan")
BENCHMARKS = ("atari", "dmc", "atari", "procgen", "dmc")


def found(*rows):
    scores = np.where(np.array(rows, dtype=bool), 1.0, NAN)
    return blocks(scores, [f"algo{row}" for row in range(len(rows))], BENCHMARKS)


def test_algorithms_that_lack_the_same_benchmarks_are_one_block():
    in_blocks = found([1, 0, 1, 1, 0], [1, 1, 1, 1, 1], [0, 1, 0, 0, 1], [1, 0, 0, 1, 0], [0, 1, 0, 0, 0])
    assert [replace(block, share=0) for block in in_blocks] == [
        Block(("algo0", "algo3"), ("dmc",), ("atari", "procgen"), 0),
        Block(("algo2", "algo4"), ("atari", "procgen"), ("dmc",), 0),
    ]
    np.testing.assert_allclose([block.share for block in in_blocks], [2 / 3, 1 / 3])


def test_scores_that_are_missing_here_and_there_are_no_block():
    assert found([1, 0, 1, 1, 1], [0, 1, 1, 1, 0], [1, 1, 1, 1, 1]) == ()


def test_algorithms_without_any_score_are_no_block():
    assert found([0, 0, 0, 0, 0], [1, 1, 1, 1, 1]) == ()
    assert blocks(np.full((2, 3), NAN), ["a", "b"], ["one"] * 3) == ()
