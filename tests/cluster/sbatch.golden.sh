#!/bin/bash

# Parameters
#SBATCH --account=rl
#SBATCH --array=0-31%8
#SBATCH --cpus-per-task=24
#SBATCH --exclude=n7
#SBATCH --gpus-per-node=2
#SBATCH --job-name=mine-0123abcd
#SBATCH --mem=98304MB
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --open-mode=append
#SBATCH --output=/logs/mine/slurm/mine-0123abcd/%A_%a_0_log.out
#SBATCH --partition=gpu
#SBATCH --requeue
#SBATCH --signal=USR2@90
#SBATCH --time=1440

# setup
module load cuda

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output /logs/mine/slurm/mine-0123abcd/%A_%a_%t_log.out --wait=0 --cpus-per-task=24 sh -c 'later="env --block-signal=USR1 --block-signal=USR2"; $later true 2>/dev/null || later=; exec $later "$@"' sh PYTHON -u -m submitit.core._submit /logs/mine/slurm/mine-0123abcd
