#!/usr/bin/env bash
# Fetches Fashion-MNIST (60,000 and 10,000 gray images of 28 x 28, ten classes; MIT licence) from the package of
# Debian, without root, as IDX files that tweedie-train reads.
# Usage: tools/datasets/fashion.sh FOLDER
set -euo pipefail
. "$(cd "$(dirname "$0")" && pwd)/common.sh"

[ $# -eq 1 ] || stop "usage: $0 FOLDER"
needs apt-get apt
needs dpkg-deb dpkg
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version=$(unpack dataset-fashion-mnist "$work")
mkdir -p "$1"
found=0
while read -r file; do
  cp "$file" "$1/"
  found=$((found + 1))
done < <(find "$work/files" -name '*-idx[13]-ubyte.gz')
[ "$found" -eq 4 ] || stop "expected four IDX files in the package, found $found"
cp "$work/files/usr/share/doc/dataset-fashion-mnist/copyright" "$1/COPYRIGHT"
say "Fashion-MNIST of dataset-fashion-mnist $version (MIT) is in $1"
