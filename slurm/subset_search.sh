#!/usr/bin/env bash
# Search a table of scores on a Slurm cluster: shards as one CPU array, then a job that merges them.
#
#   sbatch slurm/subset_search.sh DATASET [--subset-size K --out DIR ...]
#       a driver job of a few seconds submits both; slurm-JOBID.out tells which jobs they are
#   bash slurm/subset_search.sh DATASET [...]
#       the same from a login node without the driver, for clusters whose compute nodes may not submit
#   SHARDS=64 PARALLEL=8 sbatch --partition=cpu --time=2:00:00 --mem=4G slurm/subset_search.sh DATASET --subset-size 6
#
# DATASET and what follows it go to jobs/subset_search.py (its --help lists all). Wrong input is refused before anything is
# submitted, with exit code 2. Calling again with the same words searches only shards that are missing or damaged, and merges.
#
# Environment:
#   SHARDS    how many (default 16); at most the cluster's MaxArraySize
#   PARALLEL  how many run at a time (default all)
#   PYTHON    the interpreter (default .venv/bin/python of this repository, else python3)
#
# The driver's partition, account, QOS, reservation, time limit, memory (--mem or --mem-per-cpu), constraint, node list and
# excluded nodes hold for every shard and for the merge; so do SBATCH_ACCOUNT, _CLUSTERS, _COMMENT, _CONSTRAINT, _MEM_PER_CPU,
# _MEM_PER_NODE, _PARTITION, _QOS, _RESERVATION, _TIMELIMIT and _WCKEY. Nothing else does. Each job has one CPU and, where
# neither you nor the cluster says how much, 2 GB. No memory is asked for below: sbatch refuses a --mem-per-cpu beside it.
#
#SBATCH --job-name=subset_search
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --no-requeue

set -euo pipefail

fail() {
  printf 'error: %s\n' "$@" >&2
  exit 2
}

# What Slurm says of the job that we are: the word, or the rest of the line, behind a name.
told_word() {
  sed -nE "/^ (.* )?$1=/{s/^ (.* )?$1=([^ ]*).*/\2/p;q;}" <<<"$job"
}
told_line() {
  sed -n "s/^ *$1=//p" <<<"$job"
}

# Find this file, go where we were submitted, and gather the options that hold for all jobs.
find_home() {
  options=()
  self=$(readlink -f -- "$0")
  if [[ ! -f ${self%/*}/../jobs/subset_search.py ]]; then # what runs is a copy that Slurm made
    [[ -n ${SLURM_JOB_ID-} ]] || fail "'$self' is not slurm/subset_search.sh of rlhpc: submit that file itself."
    local job option field value
    job=$(scontrol show job "$SLURM_JOB_ID")
    cd -- "$SLURM_SUBMIT_DIR" # where a script is relative to, which sbatch may leave so beside --chdir
    self=$(told_line Command)
    self=${self%%/subset_search.sh*}/subset_search.sh # the arguments follow it
    self=$(readlink -f -- "$self") || fail "there is no '$self' in '$PWD'. Submit slurm/subset_search.sh of rlhpc itself."
    cd -- "$(told_line WorkDir)"
    while read -r option field; do
      value=$(told_word "$field")
      case $value in
        '' | '(null)' | 0 | Partition_Limit) ;;
        *) options+=("--$option=$value") ;;
      esac
    done <<'FIELDS'
partition Partition
account Account
qos QOS
reservation Reservation
time TimeLimit
mem MinMemoryNode
mem-per-cpu MinMemoryCPU
constraint Features
nodelist ReqNodeList
exclude ExcNodeList
FIELDS
  fi
  root=$(readlink -f -- "${self%/*}/..")
  [[ -f $root/jobs/subset_search.py ]] || fail "'$self' is not slurm/subset_search.sh of rlhpc: submit that file itself."
}

# Forget the job that we are, and what was meant for the driver alone.
clean_environment() {
  local name
  for name in $(compgen -e); do
    case $name in
      SLURM_CONF | SLURM_CONF_SERVER | SLURM_JWT) ;;
      SBATCH_ACCOUNT | SBATCH_CLUSTERS | SBATCH_COMMENT | SBATCH_CONSTRAINT | SBATCH_MEM_PER_CPU | SBATCH_MEM_PER_NODE) ;;
      SBATCH_PARTITION | SBATCH_QOS | SBATCH_RESERVATION | SBATCH_TIMELIMIT | SBATCH_WCKEY) ;;
      SLURM_* | SLURMD_* | SBATCH_* | SRUN_*) unset "$name" ;;
    esac
  done
}

# A field of the plan, which is JSON.
planned() {
  "$PYTHON" -c 'import json, sys; print(json.loads(sys.argv[1])[sys.argv[2]])' "$plan" "$1"
}

# Say why Slurm may have refused the array, below its own words.
explain_refusal() {
  local most
  most=$(scontrol show config | sed -n 's/^MaxArraySize *= *//p') || true
  rmdir -- "$logs" "$out" 2>/dev/null || true # leave no empty folders behind
  if [[ -n $most && $SHARDS -gt $most ]]; then
    fail "SHARDS=$SHARDS is too many for this cluster, whose MaxArraySize is $most. Give SHARDS=$most or fewer."
  fi
  echo "error: Slurm refused the array; its own words are above. Nothing was submitted. Where compute nodes may not submit" \
    "jobs, call this from a login node: bash $(printf '%q ' "$self" "$@")" >&2
  exit 1
}

submit_all() {
  SHARDS=${SHARDS:-16} PARALLEL=${PARALLEL:-}
  local counts=() after=() word reason elements pattern merge
  [[ $SHARDS =~ ^[1-9][0-9]*$ ]] || counts+=("SHARDS='$SHARDS' is no number of shards: give 1 or more, such as SHARDS=16.")
  [[ $PARALLEL =~ ^([1-9][0-9]*)?$ ]] || counts+=("PARALLEL='$PARALLEL' is no number: give 1 or more, or leave it out for all.")
  [[ ${#counts[@]} -eq 0 ]] || fail "${counts[@]}"

  find_home
  PYTHON=${PYTHON:-}
  if [[ -z $PYTHON ]]; then
    [[ -x $root/.venv/bin/python ]] && PYTHON=$root/.venv/bin/python || PYTHON=python3
  fi
  reason=$("$PYTHON" "$root/jobs/subset_search.py" --help 2>&1 >/dev/null) ||
    fail "'$PYTHON' cannot start a job of rlhpc: ${reason##*$'\n'}. Call 'make install' in '$root', or name another: PYTHON=..."
  for word in "$@"; do
    case $word in
      -h | --help | --dry-run) exec "$PYTHON" "$root/jobs/subset_search.py" "$@" --n-shards "$SHARDS" ;;
      --shard | --shard=* | --merge | --n-shards | --n-shards=*)
        fail "${word%%=*} is what this script gives itself: set SHARDS, and leave it out." ;;
    esac
  done
  command -v sbatch >/dev/null || fail "there is no sbatch here. To search on this machine: $PYTHON jobs/subset_search.py ..."

  plan=$("$PYTHON" "$root/jobs/subset_search.py" "$@" --dry-run --n-shards "$SHARDS" --json)
  out=$(planned out) logs=$(planned slurm) elements=$(planned missing)
  planned summary
  # Slurm makes no folder for a job's output: the job would end without a word.
  { mkdir -p -- "$logs" && [[ -w $out && -w $logs ]]; } || fail "cannot write to '$logs'. Give another --out."

  clean_environment
  if [[ "${options[*]-} ${SBATCH_MEM_PER_CPU+--mem} ${SBATCH_MEM_PER_NODE+--mem}" != *--mem* ]]; then
    options+=(--mem=2G)
  fi
  options+=(--parsable --export=ALL --requeue --open-mode=append)
  export SHARDS PYTHON RLHPC_SEARCH_PHASE RLHPC_SEARCH_SELF=$self RLHPC_SEARCH_FOLDER=$PWD RLHPC_SEARCH_LOGS=$logs
  pattern=${logs//%/%%} # a % in a path is not one of Slurm's
  if [[ -n $elements ]]; then
    RLHPC_SEARCH_PHASE=shard
    array=$(sbatch "${options[@]}" --job-name=subset_search --array="$elements${PARALLEL:+%$PARALLEL}" \
      --output="$pattern/shard-%A_%a.out" "$self" "$@") || explain_refusal "$@"
    array=${array%%;*} # behind it stands the cluster, where there are several
    # Shards without a merge are no search.
    trap 'echo "error: there is no merge, so the array $array is cancelled." >&2; scancel "$array"' EXIT
    after=(--dependency="afterany:$array")
  fi
  RLHPC_SEARCH_PHASE=merge
  merge=$(sbatch "${options[@]}" --job-name=subset_search_merge --output="$pattern/merge-%j.out" \
    ${after[@]+"${after[@]}"} "$self" "$@")
  trap - EXIT
  merge=${merge%%;*}
  [[ -z $elements ]] || echo "Array job $array searches shards $elements; they print to $logs/shard-${array}_*.out"
  echo "Merge job $merge does the rest; it prints to $logs/merge-$merge.out"
  echo "The result will be $(planned ranking)"
}

merge_shards() {
  local code=0
  "$PYTHON" "$root/jobs/subset_search.py" "$@" --merge --n-shards "$SHARDS" || code=$?
  [[ $code -ne 1 ]] || echo "What shards printed is in $RLHPC_SEARCH_LOGS. To search what is missing, and merge, call again:" \
    "SHARDS=$SHARDS sbatch $(printf '%q ' "$RLHPC_SEARCH_SELF" "$@")" >&2
  exit "$code"
}

if [[ -z ${RLHPC_SEARCH_PHASE-} ]]; then
  submit_all "$@"
  exit
fi
cd -- "$RLHPC_SEARCH_FOLDER"
root=$(readlink -f -- "${RLHPC_SEARCH_SELF%/*}/..")
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} # a job has one CPU; on a large node, a thread for each might not even start
case $RLHPC_SEARCH_PHASE in
  shard) exec "$PYTHON" "$root/jobs/subset_search.py" "$@" --shard "$SLURM_ARRAY_TASK_ID/$SHARDS" ;;
  merge) merge_shards "$@" ;;
esac
