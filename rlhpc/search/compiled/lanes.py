"""Lanes: `LANES` numbers at once, one of each of as many folds, as vector instructions add and multiply them.

A loop over folds that the compiler may or may not vectorise would be up to six times as slow, and would sum in an order that
depends on the processor. So a type of numba's is made here that is a vector of LLVM's: ``+ - *`` and the functions below are an
instruction or two each, whatever the width of the processor's own registers, and the same numbers come out on all of them.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, overload, register_model
from numpy.typing import NDArray

LANES = 8  # two or four registers on common processors, one with AVX-512; 4 and 16 are slower on all that were tried
LINE = 8  # numbers in a line of the cache

_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
_Built = tuple[Any, Callable[..., Any]]  # a signature, and what writes the instructions


class _Lanes(types.Type):  # type: ignore[misc]  # numba has no types
    def __init__(self) -> None:
        super().__init__(name=f"Lanes({LANES})")


_LANES = _Lanes()


def aligned(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Make an array that begins where a line of the cache does: lanes in two lines cost up to twice as much.

    Parameters
    ----------
    shape : tuple of int
        The last is a multiple of `LANES`.
    """
    n = math.prod(shape)
    room = np.empty(n + LINE)
    start = -room.ctypes.data // room.itemsize % LINE
    return room[start : start + n].reshape(shape)


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]  # numba has no types
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _VECTOR)


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, start: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [start]), _VECTOR.as_pointer())


@intrinsic
def load(_: Any, array: Any, start: Any) -> _Built:
    """``array[start : start + LANES]`` of a contiguous array of one dimension."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_pointer(context, builder, signature.args[0], *args), align=8)

    return _LANES(array, types.intp), build


@intrinsic
def store(_: Any, array: Any, start: Any, lanes: Any) -> _Built:
    """``array[start : start + LANES] = lanes``."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(context, builder, signature.args[0], *args[:2]), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, _LANES), build


@intrinsic
def spread(_: Any, number: Any) -> _Built:
    """One number in every lane."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = ir.Constant(_VECTOR, ir.Undefined)
        for lane in range(LANES):
            vector = builder.insert_element(vector, args[0], ir.Constant(ir.IntType(32), lane))
        return vector

    return _LANES(types.float64), build


@intrinsic
def total(_: Any, lanes: Any) -> _Built:
    """The sum of all lanes: of neighbours first, then of these sums."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        parts = [builder.extract_element(args[0], ir.Constant(ir.IntType(32), lane)) for lane in range(LANES)]
        while len(parts) > 1:
            parts = [builder.fadd(*parts[place : place + 2]) for place in range(0, len(parts), 2)]
        return parts[0]

    return types.float64(_LANES), build


@intrinsic
def inverse(_: Any, lanes: Any) -> _Built:
    """``1 / lanes``, and 0 where a lane is 0: the pseudo-inverse of a number."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        zero, one = (ir.Constant(_VECTOR, [number] * LANES) for number in (0.0, 1.0))
        return builder.select(builder.fcmp_ordered("==", args[0], zero), zero, builder.fdiv(one, args[0]))

    return _LANES(_LANES), build


@intrinsic
def share(_: Any, part: Any, whole: Any) -> _Built:
    """``part / whole``, and 1 where the whole is 0."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        zero, one = (ir.Constant(_VECTOR, [number] * LANES) for number in (0.0, 1.0))
        return builder.select(builder.fcmp_ordered("==", args[1], zero), one, builder.fdiv(*args))

    return _LANES(_LANES, _LANES), build


@intrinsic
def smaller(_: Any, a: Any, b: Any) -> _Built:
    """The smaller one of each lane."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", *args), *args)

    return _LANES(_LANES, _LANES), build


@intrinsic
def any_below(_: Any, lanes: Any, bound: Any) -> _Built:
    """Whether any lane is less than its bound."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        mask = builder.bitcast(builder.fcmp_ordered("<", *args), ir.IntType(LANES))
        return builder.icmp_unsigned("!=", mask, ir.Constant(ir.IntType(LANES), 0))

    return types.boolean(_LANES, _LANES), build


@intrinsic
def bits(_: Any, number: Any) -> _Built:
    """The bits of a number, as an integer: of numbers above zero, in the same order as they."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), build


@intrinsic
def from_bits(_: Any, integer: Any) -> _Built:
    """The number that has these bits."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), build


def _define(operation: Any, instruction: str) -> None:
    @intrinsic
    def apply(_: Any, a: Any, b: Any) -> _Built:
        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, instruction)(*args)

        return _LANES(_LANES, _LANES), build

    @overload(operation)
    def choose(a, b):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202  # numba compares it with the lambda
        if isinstance(a, _Lanes) and isinstance(b, _Lanes):
            return lambda a, b: apply(a, b)  # noqa: PLW0108  # numba wants a function of Python's
        return None


for _operation, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _define(_operation, _instruction)
