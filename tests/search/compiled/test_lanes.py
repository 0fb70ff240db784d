"""Lanes, each operation in a tiny compiled function, held against NumPy to the bit."""

import numpy as np
import pytest

from rlhpc.search.compiled import lanes
from rlhpc.search.compiled.jit import compiled
from rlhpc.search.compiled.lanes import LANES, any_below, bits, from_bits, inverse, load, share, spread, store, total

ODD = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, 1.7e308, -1.0])


@pytest.fixture(params=range(4))
def two(request):
    """Two times as many numbers as there are lanes; ordinary and odd ones."""
    rng = np.random.default_rng(request.param)
    a, b = rng.normal(size=(2, LANES))
    far = 10.0 ** rng.integers(-20, 20, LANES)
    return {0: (a, b), 1: (a * far, b), 2: (a, ODD), 3: (ODD, rng.permutation(ODD))}[request.param]


def same(found, expected):
    """Compare to the bit, but that all that is no number is the same."""
    expected = np.asarray(expected)
    there = ~np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(found), ~there)
    np.testing.assert_array_equal(np.asarray(found)[there].view(np.int64), expected[there].view(np.int64))


@compiled
def copied(source, start, target, place):
    store(target, place, load(source, start))


@pytest.mark.parametrize(("start", "place"), [(0, 0), (3, 0), (0, 5), (LANES, 1), (LANES + 1, LANES + 1)])
def test_as_many_numbers_as_lanes_are_loaded_and_stored_from_any_place_on(start, place):
    source, target = np.random.default_rng(0).normal(size=2 * LANES + 1), np.full(2 * LANES + 1, 7.0)
    copied(source, start, target, place)
    expected = np.full(2 * LANES + 1, 7.0)
    expected[place : place + LANES] = source[start : start + LANES]
    same(target, expected)


@compiled
def row_copied(source, row, start, target):
    store(target, 0, load(source[row], start))


def test_a_row_of_an_array_is_loaded():
    source, target = np.random.default_rng(0).normal(size=(3, 2 * LANES)), np.empty(LANES)
    row_copied(source, 2, 5, target)
    same(target, source[2, 5 : 5 + LANES])


@compiled
def spread_out(number, target):
    store(target, 0, spread(number))


@pytest.mark.parametrize("number", [0.0, -0.0, 1.5, np.inf, np.nan])
def test_one_number_is_spread_to_every_lane(number):
    target = np.empty(LANES)
    spread_out(number, target)
    same(target, np.full(LANES, number))


@compiled
def reckoned(a, b, added, subtracted, multiplied):
    store(added, 0, load(a, 0) + load(b, 0))
    store(subtracted, 0, load(a, 0) - load(b, 0))
    store(multiplied, 0, load(a, 0) * load(b, 0))


def test_lanes_are_added_subtracted_and_multiplied_as_numpy_does(two):
    a, b = two
    found = np.empty((3, LANES))
    reckoned(a, b, *found)
    with np.errstate(all="ignore"):
        expected = [a + b, a - b, a * b]
    for one, other in zip(found, expected, strict=True):
        same(one, other)


@compiled
def multiplied_and_added(a, b, c, target):
    store(target, 0, load(a, 0) * load(b, 0) + load(c, 0))


def test_a_product_is_rounded_before_it_is_added():
    a = np.full(LANES, 1 + 2.0**-30)
    target = np.empty(LANES)
    multiplied_and_added(a, a, -(a * a), target)
    same(target, np.zeros(LANES))  # one rounding less, as of a fused instruction, would leave 2**-60


@compiled
def inverted(a, target):
    store(target, 0, inverse(load(a, 0)))


def test_an_inverse_is_one_by_each_lane_and_zero_of_zero(two):
    for a in two:
        target = np.empty(LANES)
        inverted(a, target)
        with np.errstate(all="ignore"):
            same(target, np.where(a == 0, 0.0, 1 / a))


@compiled
def shared(a, b, target):
    store(target, 0, share(load(a, 0), load(b, 0)))


def test_a_share_is_of_each_lane_and_one_of_zero(two):
    for a, b in (two, two[::-1]):
        target = np.empty(LANES)
        shared(a, b, target)
        with np.errstate(all="ignore"):
            same(target, np.where(b == 0, 1.0, a / b))


@compiled
def summed(a):
    return total(load(a, 0))


def test_a_total_adds_neighbours_first(two):
    for a in two:
        parts = a
        with np.errstate(all="ignore"):
            while len(parts) > 1:
                parts = parts[::2] + parts[1::2]
        same(np.array([summed(a)]), parts)


@compiled
def compared(a, b):
    return any_below(load(a, 0), load(b, 0))


def test_any_below_is_whether_any_lane_is_less(two):
    assert compared(*two) == np.any(two[0] < two[1])


@pytest.mark.parametrize("lane", range(LANES))
def test_any_below_looks_at_every_lane(lane):
    a, b = np.ones(LANES), np.ones(LANES)
    assert not compared(a, b)
    a[lane] = np.nextafter(1, 0)
    assert compared(a, b)
    assert not compared(b, a)


@compiled
def bits_of(number):
    return bits(number)


@compiled
def number_of(integer):
    return from_bits(integer)


@pytest.mark.parametrize("number", [*ODD.tolist(), 1.0, 0.1, 1e-24])
def test_bits_are_those_in_memory_and_back(number):
    expected = np.array([number]).view(np.int64)[0]
    assert bits_of(number) == expected
    same(np.array([number_of(expected)]), np.array([number]))


def test_bits_of_numbers_above_zero_are_in_their_order():
    numbers = np.sort(10.0 ** np.random.default_rng(0).uniform(-300, 300, 200))
    assert (np.diff([bits_of(number) for number in numbers]) > 0).all()


@pytest.mark.parametrize("shape", [(LANES,), (3, 5 * LANES), (2, 3, LANES), (0, LANES)])
def test_an_aligned_array_begins_with_a_line_and_is_its_own(shape):
    made = [lanes.aligned(shape) for _ in range(20)]
    for number, array in enumerate(made):
        assert (array.shape, array.flags.c_contiguous, array.ctypes.data % 64 * array.size) == (shape, True, 0)
        array[...] = number
    assert all((array == number).all() for number, array in enumerate(made))
