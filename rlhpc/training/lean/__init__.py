"""Lean vector environments: what SB3's stacks of wrappers come to, to the bit, in fewer steps of Python.

`rlhpc.training.envs` takes them wherever they fit, and SB3's own everywhere else; tests hold each against the other.
"""
