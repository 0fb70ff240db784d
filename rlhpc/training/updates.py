"""Updates: the gradient steps of SB3 and torch without what they do again at each one, to the same bits.

`round_otherwise` alone trades bits for speed, for trainings whose hyperparameters say ``fast: true``.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from weakref import WeakKeyDictionary

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import BasePolicy
from torch.distributions import Distribution
from torch.nn import Module, Parameter
from torch.optim import Optimizer

# Optimizers that step all parameters at once to the same bits as one after the other.
_EXACT_AT_ONCE = tuple(
    getattr(torch.optim, name) for name in ("Adam", "AdamW", "Adamax", "Adagrad", "Adadelta", "RMSprop", "Rprop", "SGD")
)
_WITH_FUSED_STEP = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)
_STEPS_BETWEEN_CHECKS = 1_000

_parameters: WeakKeyDictionary[Module, list[Parameter]] = WeakKeyDictionary()
_without_hooks: set[type[Optimizer]] = set()


def trim(model: BaseAlgorithm) -> None:
    """Leave out what a model's updates do for nothing; some of it for all models of this process.

    PPO of small networks takes a seventh less time on a CPU. `DivergenceGuard` finds the weights that the checks of
    `torch.distributions`, which are left out, would have found.
    """
    Distribution.set_default_validate_args(False)
    _parameters[model.policy] = list(Module.parameters(model.policy))
    BasePolicy.parameters = _parameters_listed_once  # type: ignore[method-assign, assignment]
    for optimizer in optimizers(model):
        _step_all_at_once(optimizer)
        if not optimizer.defaults.get("differentiable"):
            _work_without_hooks(type(optimizer))


def round_otherwise(model: BaseAlgorithm) -> None:
    """Let a model's updates round otherwise than SB3's where that is faster; call it behind `trim`.

    On a CPU an optimizer steps in one kernel, and agents come to other bits, the same each time. On a GPU, convolutions take
    the kernels that are measured to be the fastest, and products the 19 bits of TF32: no two trainings need be alike there.
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
    if kind not in _without_hooks and getattr(step, "hooked", False):
        kind.step = torch.no_grad()(inspect.unwrap(step))  # type: ignore[method-assign]
        kind.step.hooked = True  # type: ignore[attr-defined]  # so that torch does not do it again
        kind.zero_grad = _zero_grad  # type: ignore[method-assign]
    _without_hooks.add(kind)


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


class DivergenceGuard(BaseCallback):
    """Raise FloatingPointError when the weights are no longer finite: looked at now and then, and at the end."""

    def __init__(self) -> None:
        super().__init__()
        self._looked_at = 0  # agent steps

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        if self.num_timesteps - self._looked_at >= _STEPS_BETWEEN_CHECKS:
            self._look()

    def _on_training_end(self) -> None:
        self._look()

    def _look(self) -> None:
        self._looked_at = self.num_timesteps
        largest = torch._foreach_norm(list(self.model.policy.parameters()), torch.inf)  # noqa: SLF001  # no public name
        if not torch.stack([value.float() for value in largest]).isfinite().all():
            raise FloatingPointError(
                f"the weights are no longer finite numbers after {self.num_timesteps:,} agent steps; a lower learning_rate may"
                " help, or normalize: true"
            )
