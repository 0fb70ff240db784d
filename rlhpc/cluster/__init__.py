"""Slurm: what it is asked, what it is given, and what runs in its jobs. The only importer of submitit."""
