#!/usr/bin/env bash
# Fetches a head as magnetic resonance shows it (ch2: the mean of 27 scans of one person, T1 weighted, 181 x 217 x 181
# at 1 mm, Montreal Neurological Institute) from the package of Debian, without root, as a NIfTI file.
# Usage: tools/datasets/brain.sh FOLDER
set -euo pipefail
. "$(cd "$(dirname "$0")" && pwd)/common.sh"

[ $# -eq 1 ] || stop "usage: $0 FOLDER"
needs apt-get apt
needs dpkg-deb dpkg
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version=$(unpack mricron-data "$work")
mkdir -p "$1"
cp "$work/files/usr/share/mricron/templates/ch2.nii.gz" "$1/"
cp "$work/files/usr/share/doc/mricron-data/copyright" "$1/COPYRIGHT"
say "ch2.nii.gz of mricron-data $version is in $1; its terms are in $1/COPYRIGHT"
