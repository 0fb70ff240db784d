"""Updates: the gradient steps of SB3 and torch without what they do again at each one, to the same bits.

`round_otherwise` alone trades bits for speed, for trainings whose hyperparameters say ``fast: true``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from torch.distributions import Distribution
from torch.nn import Module, Parameter
from torch.optim import Optimizer

# Optimizers that step all parameters at once to the same bits as one after the other.
_EXACT_AT_ONCE = tuple(
    getattr(torch.optim, name) for name in ("Adam", "AdamW", "Adamax", "Adagrad", "Adadelta", "RMSprop", "Rprop", "SGD")
)
_WITH_FUSED_STEP = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)
# Of these the update itself asks whether what it has come to is finite: a line search that fails is taken back.
_CHECKED = ("TRPO",)

_parameters: WeakKeyDictionary[Module, list[Parameter]] = WeakKeyDictionary()


def trim(model: BaseAlgorithm) -> None:
    """Leave out what a model's updates do for nothing; of classes of optimizers and policies, for all of this process.

    PPO of small networks takes a sixth less time on a CPU by it. In an update nobody asks whether each distribution is one, of
    finite numbers: where a rollout or an evaluation acts next, the same is asked again, and raises as in SB3.
    """
    _parameters[model.policy] = list(Module.parameters(model.policy))
    BasePolicy.parameters = _parameters_listed_once  # type: ignore[method-assign, assignment]  # on purpose
    for optimizer in optimizers(model):
        _step_all_at_once(optimizer)
        if not optimizer.defaults.get("differentiable"):
            _work_without_hooks(type(optimizer))
    if type(model).__name__ not in _CHECKED:
        model.train = _unchecked(model.train)  # type: ignore[attr-defined]  # every algorithm of SB3 has one


def _unchecked(train: Callable[..., None]) -> Callable[..., None]:
    """Have an update make its distributions without looking whether they are."""

    @functools.wraps(train)
    def update(*args: Any, **kwargs: Any) -> None:
        Distribution.set_default_validate_args(False)
        try:
            train(*args, **kwargs)
        finally:
            Distribution.set_default_validate_args(True)

    return update


def round_otherwise(model: BaseAlgorithm) -> None:
    """Let a model's updates round otherwise than SB3's where that is faster; call it behind `trim`.

    On a CPU an optimizer steps in one kernel, and agents come to other bits, the same each time. On a GPU, convolutions take
    the kernels that are measured to be the fastest, and products the 19 bits of TF32: no two trainings need be alike there.
    It holds for all models of this process.
    """
    for optimizer in optimizers(model):
        if type(optimizer) in _WITH_FUSED_STEP:
            for group in optimizer.param_groups:
                group |= {"foreach": None, "fused": True}
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = False, True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True


def optimizers(model: BaseAlgorithm) -> list[Optimizer]:
    """Return all optimizers of a model: of its policy, of parts of that, and its own."""
    owners = [model, *model.policy.modules()]
    found = (value for owner in owners for value in vars(owner).values() if isinstance(value, Optimizer))
    return list({id(optimizer): optimizer for optimizer in found}.values())


def _step_all_at_once(optimizer: Optimizer) -> None:
    """Have an optimizer step its parameters in one loop of C++ on a CPU, too, as torch does by itself on a GPU.

    Only those that come to the same bits: NAdam, RAdam, ASGD and Adafactor do not.
    """
    if type(optimizer) not in _EXACT_AT_ONCE:
        return
    for group in optimizer.param_groups:
        if "foreach" in group and group["foreach"] is None and not group.get("fused"):
            group["foreach"] = True


def _work_without_hooks(kind: type[Optimizer]) -> None:
    """Have the optimizers of a class work without torch's profiler, hooks and compiler, which nobody here uses."""
    step = kind.step
    if getattr(step, "hooked", False):
        kind.step = torch.no_grad()(inspect.unwrap(step))  # type: ignore[method-assign]  # on purpose
        kind.step.hooked = True  # type: ignore[attr-defined]  # so that torch does not do it again
        kind.zero_grad = _zero_grad  # type: ignore[method-assign]  # on purpose


def _zero_grad(self: Optimizer, set_to_none: bool = True) -> None:
    """Forget the gradients."""
    if set_to_none:
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None
    else:
        Optimizer.zero_grad(self, set_to_none)


def _parameters_listed_once(self: BasePolicy, recurse: bool = True) -> Iterator[Parameter]:  # as in torch
    """Yield the parameters of a policy, which torch looks for in all of its modules each time, and SB3 wants at each update.

    Those of one that has been trimmed, and so is whole.
    """
    return iter(_parameters[self]) if recurse and self in _parameters else Module.parameters(self, recurse)
