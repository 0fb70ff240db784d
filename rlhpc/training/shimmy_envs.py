"""shimmy's environments, which importing this registers, and loads dm_control by: a quarter of all that a training imports."""

import contextlib
import sys

import gymnasium

with contextlib.redirect_stdout(sys.stderr):  # where it prints what it cannot register; standard output holds answers
    import shimmy

gymnasium.register_envs(shimmy)
