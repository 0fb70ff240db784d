"""A snapshot: everything that a training consists of, as bytes, and back, so that it goes on to the same bits.

The objects are pickled as they are, in one graph: model, optimizer, schedules, buffers, environments with all their wrappers,
callbacks, curves. What an attribute of any of them holds is saved, also of algorithms and wrappers that this file has never
heard of. It knows only what pickle cannot carry, or carries inexactly; each of these was seen to change the bits, or to fail:

arrays and tensors      keep their layout in memory: the sum over a transposed view rounds otherwise than that over a
                        contiguous copy. Those with gaps, overlapping or reversed are as pickle makes them.
EzPickle                environments that call themselves picklable, and come back reset: saved by their attributes instead
Atari games             the state of the emulator with its random generator; the game itself is loaded from its file. As that
                        state is not all of it, our own games are played again since their last reset: see atari.py.
DeepMind Control        MuJoCo's state, and what the tasks write into the model; all else is made from the environment's id
VecEnv wrappers         some leave attributes out of their own pickles
replay buffers          the part that is filled
rollout buffers         without content: a snapshot is taken where a rollout begins, and SB3 empties them there
callbacks               without the local variables of `learn`, which gives them new ones
models                  without their logger, and without attributes that `learn` is lent for one attempt

The global random generators (Python, NumPy, torch, CUDA) are part of a snapshot, and are set last when it is loaded.
"""

from __future__ import annotations

import inspect
import math
import pickle
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import cloudpickle
import numpy as np
import torch
from ale_py.env import AtariEnv
from gymnasium.utils import EzPickle
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer, RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from rlhpc.training.atari import Tape, reduce_atari, reduce_tape
from rlhpc.training.reduction import Reduction, bare

OF_ONE_ATTEMPT = ("_logger", "_custom_logger", "collect_rollouts", "train")  # attributes of a model that are not its state
_CLASS_TABLE = "class_attributes"
_LOCALS_OF_LEARN = ("locals", "globals")
_BYTES_AT_ONCE = 1 << 26  # of a replay buffer, which may fill half of the memory


class UnsavableError(Exception):
    """Report a state that pickle cannot carry."""


def dump(state: Any, stream: BinaryIO) -> None:
    """Write a state and the random generators to a stream.

    Parameters
    ----------
    state : object
        At the beginning of a rollout.
    stream : binary file

    Raises
    ------
    UnsavableError
        If something in it cannot be pickled.
    OSError
        If the stream cannot be written.
    """
    try:
        pickler = _Pickler(stream)
        pickler.dump((state, _random_states()))
        for rows in pickler.rows:
            for piece in rows.pieces():  # noqa: FURB122  # streams of Zstandard have no writelines
                stream.write(piece)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # an environment may raise anything
        raise UnsavableError(f"{type(error).__name__}: {error}") from error


def load(stream: BinaryIO) -> Any:
    """Read a state from a stream, and set the random generators; the stream must be one that we have written."""
    unpickler = _Unpickler(stream)
    state, generators = unpickler.load()
    for rows in unpickler.rows:
        for piece in rows.pieces():
            if stream.readinto(piece) != len(piece):  # type: ignore[attr-defined]  # of a buffered stream
                raise EOFError("the stream ends before the replay buffer does")
    _set_random_states(generators)
    return state


@dataclass(frozen=True)
class _Rows:
    """The first rows of a large array."""

    array: NDArray[Any]
    n_rows: int

    def pieces(self) -> Iterator[memoryview]:
        """Yield the bytes of the rows, some at a time."""
        step = max(_BYTES_AT_ONCE // max(self.array[:1].nbytes, 1), 1)
        for start in range(0, self.n_rows, step):
            yield self.array[start : min(start + step, self.n_rows)].reshape(-1).view(np.uint8).data


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
    """Pickle what pickle cannot, or not exactly."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream, protocol=5)
        self.rows: list[_Rows] = []  # that the stream is to hold behind the pickle
        self._physics: dict[int, Callable[[], Reduction]] = {}  # how each physics that an environment owns is saved, by its id

    def persistent_id(self, obj: Any) -> Any:
        """Take large arrays out of the pickle: who loads one holds all that it is made of twice, until the end."""
        if not isinstance(obj, _Rows):
            return None
        self.rows.append(obj)
        return obj.n_rows, obj.array.shape, obj.array.dtype

    def reducer_override(self, obj: Any) -> Any:
        """Return the reduction of the objects that need one of ours."""
        if isinstance(obj, EzPickle) and "dm_control" in sys.modules:
            from rlhpc.training import physics  # noqa: PLC0415  # it loads dm_control, for which most trainings have no use

            self._physics |= physics.reductions(obj)
        if id(obj) in self._physics:
            return self._physics[id(obj)]()
        for kind, reduce in _REDUCTIONS:
            if isinstance(obj, kind):
                return reduce(obj)
        return super().reducer_override(obj)


class _Unpickler(pickle.Unpickler):
    """Make room for the large arrays, which the stream holds behind the pickle."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        self.rows: list[_Rows] = []

    def persistent_load(self, pid: Any) -> NDArray[Any]:
        """Make an array of zeros whose first rows will be read."""
        n_rows, shape, dtype = pid
        self.rows.append(_Rows(np.zeros(shape, dtype), n_rows))
        return self.rows[-1].array


def _by_attributes(obj: Any, *, without: tuple[str, ...] = ()) -> Reduction:
    """Save an object by its attributes, whatever it says of itself."""
    state = {name: value for name, value in vars(obj).items() if name not in without}
    return bare, (type(obj),), state, None, None, _set_attributes


def _set_attributes(obj: Any, state: Mapping[str, Any]) -> None:
    vars(obj).update(state)


# --- arrays and tensors -----------------------------------------------------------------------------------------------


def _reduce_array(array: NDArray[Any]) -> Any:
    """Save an array as it lies in memory; NotImplemented leaves it to pickle."""
    in_memory_order = np.argsort([-stride for stride in array.strides], kind="stable")
    flat = array.transpose(in_memory_order)
    # pickle would do where the strides are those of a new array. NumPy's flags do not tell: they pass over axes of length 1,
    # and by these torch tells images of one channel in its two layouts apart
    is_plain = array.strides == _strides(array.shape, array.itemsize)
    if type(array) is not np.ndarray or is_plain or not flat.flags.c_contiguous or array.dtype.hasobject:
        return NotImplemented
    return _strided, (flat.reshape(-1), array.shape, array.strides)


def _strides(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return the strides of a new array."""
    return tuple(itemsize * math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def _strided(flat: NDArray[Any], shape: tuple[int, ...], strides: tuple[int, ...]) -> NDArray[Any]:
    return np.ndarray(shape, flat.dtype, flat, strides=strides)  # any array is a buffer


def _reduce_tensor(tensor: torch.Tensor) -> Any:
    """Save a tensor as an array and a device; gradients are of no use where a rollout begins."""
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter) or tensor.layout != torch.strided:
        return NotImplemented
    is_parameter = isinstance(tensor, torch.nn.Parameter)
    return _tensor, (tensor.detach().cpu().numpy(), str(tensor.device), is_parameter, tensor.is_leaf and tensor.requires_grad)


def _tensor(array: NDArray[Any], device: str, is_parameter: bool, requires_grad: bool) -> torch.Tensor:
    tensor = torch.from_numpy(array).to(device, copy=True)  # to where torch puts tensors: on an address that vectors like
    if is_parameter:
        return torch.nn.Parameter(tensor, requires_grad)
    return tensor.requires_grad_(requires_grad)


# --- what SB3 is made of ----------------------------------------------------------------------------------------------


def _reduce_vec_env(vec: VecEnv) -> Reduction:
    """Save a vector environment by its attributes, but for the table of its class that wrappers hold."""
    return (*_by_attributes(vec, without=(_CLASS_TABLE,))[:-1], _set_vec_env)


def _set_vec_env(vec: VecEnv, state: Mapping[str, Any]) -> None:
    vars(vec).update(state)
    if isinstance(vec, VecEnvWrapper):
        vec.class_attributes = dict(inspect.getmembers(type(vec)))


def _reduce_replay_buffer(buffer: ReplayBuffer) -> Reduction:
    """Save the filled part of a replay buffer."""
    # with optimize_memory_usage the row behind the last one holds its next observation
    n_rows = buffer.buffer_size if buffer.full else min(buffer.pos + 1, buffer.buffer_size)
    state = {name: _filled(value, buffer.buffer_size, n_rows) for name, value in vars(buffer).items()}
    return bare, (type(buffer),), state, None, None, _set_attributes


def _filled(value: Any, buffer_size: int, n_rows: int) -> Any:
    """Mark an array that has a row for each place of a buffer, or a mapping to such arrays."""
    if isinstance(value, np.ndarray) and value.shape[:1] == (buffer_size,):
        return _Rows(value, n_rows)
    if isinstance(value, dict):
        return {key: _filled(inner, buffer_size, n_rows) for key, inner in value.items()}
    return value


def _reduce_rollout_buffer(buffer: RolloutBuffer) -> Reduction:
    """Save a rollout buffer without what is in it."""
    content = [name for name, value in vars(buffer).items() if _is_content(value)]
    return (*_by_attributes(buffer, without=tuple(content))[:-1], _set_rollout_buffer)


def _is_content(value: Any) -> bool:
    """Tell whether an attribute is an array, or a mapping to arrays."""
    return isinstance(value, np.ndarray) or (isinstance(value, dict) and all(map(_is_content, value.values())))


def _set_rollout_buffer(buffer: RolloutBuffer, state: Mapping[str, Any]) -> None:
    vars(buffer).update(state)
    buffer.reset()


def _reduce_model(model: BaseAlgorithm) -> Reduction:
    return _by_attributes(model, without=OF_ONE_ATTEMPT)


def _reduce_callback(callback: BaseCallback) -> Reduction:
    return _by_attributes(callback, without=_LOCALS_OF_LEARN)


def _reduce_lstm(module: torch.nn.RNNBase) -> Reduction:
    """Save an LSTM as it wants to be saved, and lay its weights in one piece again, which a GPU wants."""
    return bare, (type(module),), module.__getstate__(), None, None, _set_lstm  # type: ignore[no-untyped-call]  # torch's


def _set_lstm(module: torch.nn.RNNBase, state: Mapping[str, Any]) -> None:
    module.__setstate__(dict(state))  # type: ignore[no-untyped-call]  # torch's
    module.flatten_parameters()


_REDUCTIONS: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (np.ndarray, _reduce_array),
    (torch.Tensor, _reduce_tensor),
    (torch.nn.RNNBase, _reduce_lstm),
    (Tape, reduce_tape),
    (AtariEnv, reduce_atari),
    (EzPickle, _by_attributes),
    (VecEnv, _reduce_vec_env),
    (ReplayBuffer, _reduce_replay_buffer),
    (RolloutBuffer, _reduce_rollout_buffer),
    (BaseAlgorithm, _reduce_model),
    (BaseCallback, _reduce_callback),
)


# --- random generators ------------------------------------------------------------------------------------------------


def _random_states() -> dict[str, Any]:
    """Return the state of every global random generator; CUDA's where it is in use, as asking takes memory of every GPU."""
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),  # noqa: NPY002  # SB3 draws from it
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],  # type: ignore[no-untyped-call]  # torch's
    }


def _set_random_states(states: Mapping[str, Any]) -> None:
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])  # noqa: NPY002  # as above
    torch.set_rng_state(states["torch"])
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])
        # SB3 sets these where it seeds an agent on a GPU; one that is loaded is not seeded: convolutions would round otherwise.
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
