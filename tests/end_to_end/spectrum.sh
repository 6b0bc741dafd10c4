#!/usr/bin/env bash
# tweedie-restore without a network: gray and colour, odd sides. spectrum.sh BIN DATA DEVICE
source "$(dirname "$0")/common.sh"

"$bin/end_to_end_prepare" crop "$data/images/astronaut.png" "$work/colour.png" 51 67
"$bin/end_to_end_prepare" crop "$data/images/camera_gray.png" "$work/gray.png" 51 67 gray
for picture in colour gray; do
  "$bin/tweedie-restore" --device "$device" --task gaussian_blur --kernel-size 15 --input "$work/$picture.png" \
    --prior spectrum --steps 5 --quiet -o "$work/$picture" >/dev/null
  for file in measurement.png restored.png comparison.png original.png report.json; do
    [ -s "$work/$picture/$file" ] || fail "$picture/$file is missing or empty"
  done
  # A file read and written is the same picture, and a second time the same bytes.
  "$bin/end_to_end_prepare" crop "$work/$picture/original.png" "$work/again.png" 51 67
  cmp -s "$work/again.png" "$work/$picture/original.png" || fail "$picture: the original changed on its way"
  "$bin/end_to_end_prepare" has "$work/$picture/report.json" /prior /after/psnr_db || fail "$picture/report.json"
done
