#!/usr/bin/env bash
# Search a table of scores on a Slurm cluster: shards as one CPU array, then a job that merges them.
#
#   sbatch slurm/subset_search.sh DATASET [--subset-size K --out DIR ...]
#       a driver job of a few seconds submits both; slurm-JOBID.out tells which jobs they are
#   bash slurm/subset_search.sh DATASET [...]
#       the same from a login node without the driver, for clusters whose compute nodes may not submit
#   SHARDS=64 PARALLEL=8 sbatch --partition=cpu --time=2:00:00 --mem=4G slurm/subset_search.sh DATASET --subset-size 6
#
# DATASET and what follows it go to jobs/subset_search.py --submit (its --help lists all). Wrong input is refused before anything
# is submitted, with exit code 2. Calling again with the same words searches only shards that are missing or damaged, and merges.
#
# Environment:
#   SHARDS    how many (default 16); at most the cluster's MaxArraySize
#   PARALLEL  how many run at a time (default all)
#   PYTHON    the interpreter (default .venv/bin/python of this repository, else python3)
#   CONTAINER the Apptainer image that shards and merge run in (default none); the driver itself runs on the host
#
# The driver's partition, account, QOS, reservation, time limit, memory (--mem or --mem-per-cpu), constraint, node list and
# excluded nodes hold for every shard and for the merge (rlhpc/cluster/driver.py); so do the variables of sbatch for account,
# partition, time, memory and their like (SETTINGS in rlhpc/cluster/programs.py). Nothing else does. Each job has one CPU and, where
# nobody says how much, 2 GB. No memory is asked for below: sbatch refuses a --mem-per-cpu beside it.
#
#SBATCH --job-name=subset_search
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --no-requeue

set -euo pipefail

fail() {
  echo "error: $*" >&2
  exit 2
}

if [[ -n ${RLHPC_SEARCH_PHASE-} ]]; then # a job of rlhpc/cluster/shards.py, which sets these variables
  export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} # a job has one CPU; on a large node, a thread for each might not even start
  cd -- "$RLHPC_SEARCH_FOLDER"
  mapfile -t start <<<"$RLHPC_SEARCH_START" # one word a line
  case $RLHPC_SEARCH_PHASE in
    shard) exec "${start[@]}" --shard "$SLURM_ARRAY_TASK_ID/$SHARDS" "$@" ;;
    merge) exec "${start[@]}" --merge --n-shards "$SHARDS" "$@" ;;
  esac
fi

driver=
self=$(readlink -f -- "$0")
if [[ ! -f ${self%/*}/../jobs/subset_search.py && -n ${SLURM_JOB_ID-} ]]; then # the driver, which runs a copy that Slurm made
  driver=$SLURM_JOB_ID
  self=$(scontrol show job "$driver" | sed -n 's/^ *Command=//p')
  self=${self%%/subset_search.sh*}/subset_search.sh # the arguments follow it
  # A relative path is relative to where it was submitted, which --chdir may make another folder than ours.
  self=$(cd -- "$SLURM_SUBMIT_DIR" && readlink -f -- "$self") || fail "there is no '$self' in '$SLURM_SUBMIT_DIR'."
fi
job=${self%/*/*}/jobs/subset_search.py
[[ -f $job ]] || fail "'$self' is not slurm/subset_search.sh of rlhpc: submit that file itself."

python=${self%/*/*}/.venv/bin/python
[[ -x $python ]] || python=python3
export RLHPC_SEARCH_PYTHON=${PYTHON:-$python}
reason=$("$RLHPC_SEARCH_PYTHON" "$job" --help 2>&1 >/dev/null) || fail "'$RLHPC_SEARCH_PYTHON' cannot start a job of rlhpc:" \
  "${reason##*$'\n'}. Call 'make install' in '${self%/*/*}', or name another: PYTHON=..."
[[ ${SHARDS-}${PARALLEL-} =~ ^[0-9]*$ ]] || fail "SHARDS='${SHARDS-}' or PARALLEL='${PARALLEL-}' is no number: give 1 or more."
exec "$RLHPC_SEARCH_PYTHON" "$job" --submit ${driver:+--like-job "$driver"} ${SHARDS:+--n-shards "$SHARDS"} \
  ${PARALLEL:+--at-once "$PARALLEL"} ${CONTAINER:+--container "$CONTAINER"} "$@"
