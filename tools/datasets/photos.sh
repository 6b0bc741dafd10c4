#!/usr/bin/env bash
# Builds a folder of photographs to train on from packages of Debian, without root.
# Usage: tools/datasets/photos.sh FOLDER [SIDE]     SIDE: of larger photographs, the longer side becomes this (1280)
# Only photographs in the public domain, under CC0 or under CC-BY are taken. MANIFEST.tsv in the folder, which is
# printed too, says for each where it comes from, its licence and its author. None resembles a photograph of
# tests/data/images, with which restorations are judged.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"

[ $# -ge 1 ] && [ $# -le 2 ] || stop "usage: $0 FOLDER [SIDE]"
folder=$1
side=${2:-1280}
needs apt-get apt
needs dpkg-deb dpkg
needs python3 python3
needs convert imagemagick
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for package in krank lomiri-wallpapers-16.04 gcompris-qt-data palapeli-data; do
  say "fetching $package"
  unpack "$package" "$work/$package" >"$work/$package.version"
done
for resources in "$work"/gcompris-qt-data/files/usr/share/gcompris-qt/rcc/{categorization,explore_world_animals}.rcc; do
  python3 "$here/debian_files.py" unpack "$resources" "$work/gcompris-qt-data/unpacked"
done
mkdir -p "$folder"
python3 "$here/select_photos.py" "$work" "$folder" "$side" "$here/../../tests/data/images"
