#!/usr/bin/env bash
# tweedie-sample with each prior: sample.sh BIN DATA DEVICE
source "$(dirname "$0")/common.sh"

convert unet_small
convert unet_classcond
# draw FOLDER OPTIONS...
draw() {
  "$bin/tweedie-sample" --device "$device" --count 2 --steps 2 --quiet -o "$work/$1" "${@:2}" >/dev/null
  for file in image_1.png image_2.png grid.png report.json; do
    [ -s "$work/$1/$file" ] || fail "$1/$file is missing or empty"
  done
  if cmp -s "$work/$1/image_1.png" "$work/$1/image_2.png"; then fail "$1: the images are the same"; fi
}
same() { cmp -s "$work/$1" "$work/$2" || fail "$1 and $2 differ, expected the same bytes"; }

draw spectrum --height 31 --width 45
draw network --weights "$work/unet_small.h5"
draw classes --weights "$work/unet_classcond.h5" --label 3 7
# The same seed, the same images, whatever is drawn before them; another label, another image.
draw again --weights "$work/unet_classcond.h5" --label 3
same classes/image_1.png again/image_1.png
if cmp -s "$work/classes/image_2.png" "$work/again/image_2.png"; then fail "labels 7 and 3 give the same image"; fi
