"""The class behind a name in policy_kwargs, such as ``nn.ReLU``, ``torch.optim.Adam`` or ``RMSpropTFLike``."""

from __future__ import annotations

from typing import Any

import torch
from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike


def policy_class(name: str, path: str) -> Any:
    """Find a class.

    Raises
    ------
    ValueError
        If the path leads elsewhere than to torch.nn, to torch.optim or to that one class of SB3.
    AttributeError
        If there is none of its name.
    """
    inner = path.removeprefix("torch.").removeprefix("th.")
    if inner == RMSpropTFLike.__name__:
        return RMSpropTFLike
    if not inner.startswith(("nn.", "optim.")):
        raise ValueError(
            f"policy_kwargs: {name} = '{path}' must be a class of torch.nn or torch.optim, such as nn.ReLU, or RMSpropTFLike."
        )
    found: Any = torch
    for part in inner.split("."):
        found = getattr(found, part)
    return found
