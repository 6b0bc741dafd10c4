#!/usr/bin/env bash
# tweedie-restore on fastMRI files: kspace.sh BIN DATA DEVICE
source "$(dirname "$0")/common.sh"

"$bin/end_to_end_prepare" crop "$data/images/astronaut.png" "$work/photo.png" 40 36
restore() { # restore FOLDER FILE OPTIONS...
  "$bin/tweedie-restore" --device "$device" --task mri --measurement "$work/$2" --quiet -o "$work/$1" "${@:3}" \
    >"$work/printed" 2>"$work/complaints" || fail "exit code $?: $(cat "$work/complaints")"
}
psnr() { # psnr FOLDER: of the result
  sed -n '/"after"/,/}/s/.*"psnr_db": \([0-9.]*\),*/\1/p' "$work/$1/report.json"
}
better() { # better FOLDER DECIBEL
  awk "BEGIN { exit !($(psnr "$1") > $2) }" || fail "$1: PSNR $(psnr "$1"), expected more than $2"
}
for coils in 1 3; do
  "$bin/end_to_end_prepare" kspace "$work/photo.png" "$work/full$coils.h5" $coils
  # All of k-space but little: the file's own image comes back.
  restore all$coils full$coils.h5 --slice 1 --acceleration 1 --method zero-filled --noise none
  better all$coils 50
  restore some$coils full$coils.h5 --slice 1 --acceleration 2 --method zero-filled
  restore dps$coils full$coils.h5 --slice 1 --acceleration 2 --method dps --steps 5
  # The mask and the sensitivities are written down with the measurement.
  restore again$coils "dps$coils/measurement.h5" --method dps --steps 5
  cmp -s "$work/again$coils/restored.png" "$work/dps$coils/restored.png" || fail "$coils coils: not the same again"
  # A file that has a mask has no truth.
  "$bin/end_to_end_prepare" kspace "$work/photo.png" "$work/masked$coils.h5" $coils masked
  restore masked$coils masked$coils.h5 --slice 1 --method wiener --sigma 0.01
  ! grep -q '"after"' "$work/masked$coils/report.json" || fail "$coils coils, masked: a truth was invented"
done
better some3 20

status=0
"$bin/tweedie-restore" --device "$device" --task mri --measurement "$work/full1.h5" -o "$work/empty" 2>"$work/complaints" ||
  status=$?
[ "$status" = 2 ] && grep -q "slice 0 is empty" "$work/complaints" || fail "an empty slice: $(cat "$work/complaints")"
status=0
"$bin/tweedie-restore" --device "$device" --task mri --measurement "$work/masked1.h5" --slice 1 --acceleration 8 -o "$work/empty" \
  2>"$work/complaints" || status=$?
[ "$status" = 2 ] && grep -q "a mask of its own" "$work/complaints" || fail "a mask of its own: $(cat "$work/complaints")"
