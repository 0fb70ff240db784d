"""Status: what a grid is busy with, from its files and Slurm's queue; writes nothing."""
