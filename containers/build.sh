#!/usr/bin/env bash
# Build the image of rlhpc, and print what it is: size, seconds, versions, SHA-256.
#
#   bash containers/build.sh                                     rlhpc.sif, from debian:bookworm-slim of Docker Hub
#   bash containers/build.sh image.sif --base debian@sha256:DIGEST   on a base that cannot change
#   bash containers/build.sh image.sif --base base.tar --wheelhouse wheelhouse
#       with a base of containers/make_base.sh, and Python packages from a folder: where the build reaches no package index.
#       The folder is filled by `pip download` first, on this host, unless it holds all that constraints.txt and pyproject.toml name
#
# Needs Apptainer 1.2 or newer, and no rights but those of an ordinary user. On 2 cores it takes 2 to 3 minutes with CPU packages.
# torch brings CUDA where pip finds it so; `pip download` takes the pip settings of this host (PIP_FIND_LINKS, PIP_INDEX_URL, ...).
# The image is tested as it is built (%test), and appears when all is well: an older one of the same name stays until then.
#
# Environment:
#   PYTHON            the interpreter that fills a wheelhouse (default .venv/bin/python of this repository, else python3)
#   APPTAINER_TMPDIR  where it is built (default TMPDIR, else /tmp)
#
# Exit codes: 0 built, 1 the build or a download failed, 2 the command line is wrong or something is missing; nothing was begun.
set -euo pipefail

image_python=3.11 # of Debian 12, which containers/rlhpc.def asks for
build_gb=6        # measured with torch for CPUs, and rounded up
image_gb=2

root=$(dirname -- "$(dirname -- "$(readlink -f -- "$0")")")
usage="usage: bash containers/build.sh [IMAGE.sif] [--base BASE.tar|NAME@sha256:DIGEST] [--wheelhouse FOLDER]"
faults=()

# --- the command line --------------------------------------------------------------------------------------------------

image='' base='' wheelhouse=''
while (($#)); do
  case $1 in
    --base=?* | --wheelhouse=?*)
      set -- "${1%%=*}" "${1#*=}" "${@:2}"
      continue
      ;;
    -h | --help)
      sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0"
      exit 0
      ;;
    --base | --wheelhouse | --base= | --wheelhouse=)
      [[ -n ${2-} ]] || { echo "error: ${1%=} needs a value. $usage" >&2; exit 2; }
      if [[ $1 == --base ]]; then base=$2; else wheelhouse=$2; fi
      shift
      ;;
    -*) faults+=("there is no option '$1'. $usage") ;;
    *)
      [[ -z $image ]] || faults+=("one image at a time: '$image' or '$1'. $usage")
      image=$1
      ;;
  esac
  shift
done
image=$(realpath -m -- "${image:-rlhpc.sif}")
work=$(realpath -m -- "${APPTAINER_TMPDIR:-${TMPDIR:-/tmp}}")

# --- everything that would go wrong later ------------------------------------------------------------------------------

# need GIGABYTES FOLDER WHAT: a folder is there, may be written to and has room.
need() {
  local free
  if [[ ! -d $2 || ! -w $2 ]]; then
    faults+=("cannot write to '$2', $3: make that folder, or name another.")
  else
    free=$(df --output=avail --block-size=1M -- "$2" | tail -n 1)
    ((free >= $1 * 1024)) || faults+=("'$2', $3, has $((free / 1024)) GB free, and $1 are needed: make room, or name another.")
  fi
}

[[ $image == *.sif ]] || faults+=("'$image' does not end in .sif, as images do.")
[[ ! -d $image ]] || faults+=("'$image' is a folder: name a file.")
need "$image_gb" "$(dirname -- "$image")" "where the image goes"
need "$build_gb" "$work" "where it is built (APPTAINER_TMPDIR)"

command -v apptainer >/dev/null || faults+=("there is no apptainer: install the package of your system, or load its module.")

source=(--build-arg bootstrap=docker)
if [[ $base == *.tar ]]; then
  base=$(realpath -m -- "$base")
  [[ -f $base && -r $base ]] || faults+=("cannot read '$base': make it with: bash containers/make_base.sh '$base'")
  source=(--build-arg bootstrap=docker-archive)
elif [[ $base == */* && ( $base == .* || $base == /* ) ]]; then
  faults+=("'$base' is no base: give a BASE.tar, or a name on Docker Hub.")
fi
[[ -z $base ]] || source+=(--build-arg "base=$base")

packages=()
if [[ -n $wheelhouse ]]; then
  wheelhouse=$(realpath -m -- "$wheelhouse")
  python=${PYTHON:-$root/.venv/bin/python}
  [[ -n ${PYTHON-} || -x $python ]] || python=python3
  found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || found=
  if [[ -z $found ]]; then
    faults+=("cannot start '$python': name a Python $image_python: PYTHON=...")
  elif [[ $found != "$image_python" ]]; then
    faults+=("'$python' is Python $found, and takes packages that the image's $image_python cannot use: name another: PYTHON=...")
  elif ! "$python" -m pip --version >/dev/null 2>&1; then
    faults+=("'$python' has no pip: name another: PYTHON=...")
  fi
  [[ ! -e $wheelhouse || -d $wheelhouse ]] || faults+=("'$wheelhouse' is no folder.")
  [[ $wheelhouse != *[:,]* ]] || faults+=("'$wheelhouse' has a colon or a comma, which means something else to Apptainer.")
  # /mnt is a folder of every base, and empty. pip asks no index.
  packages=(--bind "$wheelhouse:/mnt:ro")
  export APPTAINERENV_PIP_NO_INDEX=1 APPTAINERENV_PIP_FIND_LINKS=/mnt
fi

if ((${#faults[@]})); then
  printf 'error: %s\n' "${faults[@]}" >&2
  exit 2
fi

# --- packages ----------------------------------------------------------------------------------------------------------

cd -- "$root" # the definition names its files from here

if [[ -n $wheelhouse ]]; then
  # A folder that was filled for these very requirements says so, and is taken as it is.
  wanted=$(cat pyproject.toml constraints.txt | sha256sum)
  if [[ $(cat "$wheelhouse/filled-for" 2>/dev/null) != "$wanted" ]]; then
    mkdir -p -- "$wheelhouse"
    # Not `pip download .`, which writes beside the sources: what pyproject.toml asks for.
    requirements=$("$python" -c 'if True:
      import tomllib
      project = tomllib.load(open("pyproject.toml", "rb"))
      print(*project["build-system"]["requires"], *project["project"]["dependencies"], sep="\n")')
    "$python" -m pip download --quiet --only-binary :all: --dest "$wheelhouse" --constraint constraints.txt \
      --requirement <(echo "$requirements") >&2 ||
      { echo "error: pip could not download all packages to '$wheelhouse'." >&2; exit 1; }
    echo "$wanted" >"$wheelhouse/filled-for"
  fi
  echo "packages in $wheelhouse: $(du -sm -- "$wheelhouse" | cut -f 1) MB, $SECONDS s" >&2
fi

# --- the image ---------------------------------------------------------------------------------------------------------

# Faster to make and to start than by gzip, and only 3 % larger.
fast=()
help=$(apptainer build --help)
if [[ $help == *--mksquashfs-args* ]]; then # Apptainer 1.4
  fast=(--mksquashfs-args "-comp zstd -Xcompression-level 3")
fi

# Which commit this is; files that differ from it are told by rlhpc.source_sha256. The sources may be somebody else's.
revision=$(git -c safe.directory="$root" rev-parse HEAD 2>/dev/null) || revision=unknown
[[ -z $(git -c safe.directory="$root" status --porcelain 2>/dev/null) ]] || revision+=-changed

part=$image.part-$$
building=
trap 'rm -f -- "$part"' EXIT
# A build that is told to stop cleans up behind itself.
trap '[[ -z $building ]] || { kill -TERM "$building"; wait "$building" || :; }; exit 143' TERM HUP
trap '[[ -z $building ]] || { kill -INT "$building"; wait "$building" || :; }; exit 130' INT
before=$SECONDS
apptainer build "${source[@]}" --build-arg "revision=$revision" "${packages[@]}" "${fast[@]}" "$part" containers/rlhpc.def >&2 &
building=$!
wait "$building" || {
  echo "error: the build failed, as Apptainer says above." >&2
  [[ $base == *.tar ]] || echo "Where Docker Hub cannot be reached: make a base with containers/make_base.sh, and give it: --base base.tar" >&2
  exit 1
}
building=
seconds=$((SECONDS - before))

told=$(apptainer --quiet exec --containall "$part" cat /opt/rlhpc/image.json)
sha256=$(sha256sum -- "$part")
mv -f -- "$part" "$image"
echo "$image: $(du -m --apparent-size -- "$image" | cut -f 1) MB, built in $seconds s, revision $revision"
echo "$told"
echo "SHA-256 ${sha256%% *}"
