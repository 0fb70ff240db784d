#!/usr/bin/env bash
# Install Apptainer on Debian 12, which has none: sid's package, with sid's C library in a folder of its own.
#
#   bash .ci/install_apptainer.sh    as root; does nothing where Apptainer is there
#
# Elsewhere take the package of your system, or that of https://apptainer.org.
set -euo pipefail

command -v apptainer >/dev/null || {
  # shellcheck source=/dev/null
  . /etc/os-release
  [ "$VERSION_CODENAME-$(dpkg --print-architecture)" = bookworm-amd64 ] || {
    echo "error: this is for Debian 12 on x86-64; here take the package of your system, or of https://apptainer.org" >&2
    exit 2
  }
  apt-get update -q >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
    dpkg-dev fakeroot patchelf squashfs-tools squashfuse uidmap >&2

  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work/lists/partial" "$work/parts"

  # Lists of sid beside the system's own, from the same mirror, checked by the same keys.
  # shellcheck disable=SC2016  # apt-get replaces it
  mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Codename: bookworm' | awk 'NR == 1')
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$work/sources.list"
  sid=(-o "Dir::Etc::SourceList=$work/sources.list" -o "Dir::Etc::SourceParts=$work/parts" -o "Dir::State::Lists=$work/lists")
  apt-get "${sid[@]}" update -q >&2
  (cd "$work" && apt-get "${sid[@]}" download -q apptainer libc6) >&2

  tree=$work/tree own=usr/lib/x86_64-linux-gnu/apptainer/libc
  dpkg-deb -R "$work"/apptainer_*.deb "$tree"
  dpkg-deb -x "$work"/libc6_*.deb "$work/libc"
  mkdir -p "$tree/$own"
  find "$work/libc" -path '*x86_64-linux-gnu*' -name '*.so*' -exec cp -a {} "$tree/$own/" \;
  loader=$(find "$tree/$own" -name 'ld-linux-x86-64.so.2')
  for program in usr/bin/apptainer usr/lib/x86_64-linux-gnu/apptainer/bin/starter; do
    patchelf --set-interpreter "${loader#"$tree"}" --force-rpath --set-rpath "/$own:/usr/lib/x86_64-linux-gnu" "$tree/$program"
  done
  sed -i 's/libc6 ([^)]*), //; s/, libc6 ([^)]*)//' "$tree/DEBIAN/control"
  dpkg-deb -Znone -b "$tree" "$work/apptainer.deb" >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$work/apptainer.deb" >&2
}

# What mounts images must be open to everybody; a device's mode does not outlive a boot.
[ ! -e /dev/fuse ] || chmod 666 /dev/fuse
apptainer --version
