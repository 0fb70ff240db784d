"""What needs a real GPU: left out, by name, where torch finds none."""

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def gpu():
    """Return the name of the first GPU."""
    if not torch.cuda.is_available():
        pytest.skip("absent: a GPU that torch can use")
    return torch.cuda.get_device_name(0)
