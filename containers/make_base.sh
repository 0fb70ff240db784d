#!/usr/bin/env bash
# Make a base image from Debian packages alone, for builds that cannot reach Docker Hub: what debian:bookworm-slim holds, and
# the package sources of the mirror that it came from.
#
#   bash containers/make_base.sh base.tar
#   MIRROR=URL bash containers/make_base.sh base.tar
#   bash containers/build.sh --base base.tar       # what it is for
#
# Needs mmdebstrap (apt-get install mmdebstrap) and about 0.5 GB in TMPDIR, else /tmp; takes about a minute. Works as root, and as
# an ordinary user with subordinate ids (a line in /etc/subuid and in /etc/subgid). base.tar is a docker-archive, as `docker save`
# writes it: `docker load` and `podman load` read it, too. It appears when it is complete.
#
# Environment:
#   MIRROR   where packages come from (default: where mmdebstrap takes them, with security updates)
#
# Exit codes: 0 done, 1 mmdebstrap failed, 2 the command line is wrong or something is missing; nothing was written.
set -euo pipefail

suite=bookworm

fail() {
  echo "error: $*" >&2
  exit 2
}

[[ $# -eq 1 && $1 != -* ]] || fail "give the file to write: bash containers/make_base.sh base.tar"
target=$1
[[ $target == *.tar ]] || fail "'$target' does not end in .tar, by which build.sh tells such a base: call it '$target.tar'."
[[ ! -d $target ]] || fail "'$target' is a folder: name a file."
[[ -w $(dirname -- "$target") ]] || fail "cannot write to '$(dirname -- "$target")': make that folder, or name another."
command -v mmdebstrap >/dev/null || fail "there is no mmdebstrap: apt-get install mmdebstrap."

work=$(mktemp -d)
part=
trap 'rm -rf -- "$work" ${part:+"$part"}' EXIT
trap 'exit 143' TERM
part=$(mktemp -- "$target.part-XXXXXX")

# As in debian:bookworm-slim, no manuals and no translations; copyrights stay.
slim=(--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*'
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright')
mmdebstrap --quiet --variant=minbase --include=ca-certificates "${slim[@]}" "$suite" "$work/layer.tar" ${MIRROR:+"$MIRROR"} >&2 ||
  { echo "error: mmdebstrap failed, as it says above." >&2; exit 1; }

# A docker-archive is the layer, and two files that describe it.
layer=$(sha256sum "$work/layer.tar")
cat >"$work/config.json" <<EOF
{
  "architecture": "$(dpkg --print-architecture)",
  "os": "linux",
  "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["bash"]},
  "rootfs": {"type": "layers", "diff_ids": ["sha256:${layer%% *}"]}
}
EOF
cat >"$work/manifest.json" <<EOF
[{"Config": "config.json", "RepoTags": ["rlhpc-base:$suite"], "Layers": ["layer.tar"]}]
EOF
tar -C "$work" -cf "$part" manifest.json config.json layer.tar
chmod "$(printf '%o' $((0666 & ~$(umask))))" "$part" # mktemp's files are their owner's alone
mv -f -- "$part" "$target"
echo "$target: $(du -m --apparent-size -- "$target" | cut -f 1) MB, Debian $suite, made in $SECONDS s"
