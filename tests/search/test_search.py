"""The package as others import it."""

import subprocess
import sys

import rlhpc.search


def test_importing_the_search_loads_no_heavy_package():
    heavy = "torch gymnasium matplotlib pandas sklearn scipy.linalg stable_baselines3"
    code = f"import sys, rlhpc.search; print(*[name for name in '{heavy}'.split() if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


def test_every_public_name_is_there():
    assert all(hasattr(rlhpc.search, name) for name in rlhpc.search.__all__)
    assert sorted(rlhpc.search.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name)) == rlhpc.search.__all__
