#!/usr/bin/env bash
# The prior of photographs that ships deblurs better than what knows no photograph. photo.sh BIN DATA DEVICE
source "$(dirname "$0")/common.sh"

cd "$work"
"$bin/end_to_end_prepare" crop "$data/images/astronaut.png" photo.png 128 128
# psnr TASK OPTIONS...: in dB, of photo.png
psnr() {
  "$bin/tweedie-restore" --device "$device" --input photo.png --sigma 0.05 --seed 1 --quiet -o out --task "$@" >printed 2>said ||
    fail "$*: $(cat said)"
  "$bin/end_to_end_prepare" number out/report.json /after/psnr_db
}
photo=$(psnr gaussian_blur --prior photo --method pigdm --steps 30)
wiener=$(psnr gaussian_blur --method wiener)
tv=$(psnr gaussian_blur --method admm-tv)
echo "Gaussian blur: photo $photo dB, wiener $wiener dB, admm-tv $tv dB"
# Measured: 23.16, 22.78 and 22.40 dB.
awk -v photo="$photo" -v wiener="$wiener" -v tv="$tv" 'BEGIN { exit !(photo > wiener + 0.2 && photo > tv + 0.2) }' ||
  fail "photo is not 0.2 dB better than what knows no photograph"

# Blind: the kernel of a shaken camera, from the photograph alone.
found=$("$bin/tweedie-restore" --device "$device" --input photo.png --task blind_blur --true-kernel motion --kernel-size 17 --sigma 0.02 \
  --seed 2 --steps 30 --quiet -o blind 2>said) || fail "blind: $(cat said)"
grep -q 'photo.h5' blind/report.json || fail "blind: the prior of a picture in colour is not photo"
read -r before after mnc <<<"$(for value in /before/psnr_db /after/psnr_db /samples/0/unknowns/kernel/mnc; do
  "$bin/end_to_end_prepare" number blind/report.json "$value"
done | tr '\n' ' ')"
echo "blind motion blur: $before dB before, $after dB after, kernel MNC $mnc"
awk -v before="$before" -v after="$after" -v mnc="$mnc" 'BEGIN { exit !(after > before + 2 && mnc > 0.8) }' ||
  fail "the kernel was not found: MNC above 0.8 and 2 dB more than the blurred picture"

# Nothing but a task and a picture in colour: this prior, by a method without a step size.
"$bin/tweedie-restore" --device "$device" --input photo.png --task inpainting_random --drop 0.7 --seed 1 --steps 20 --quiet -o plain >printed 2>said ||
  fail "plain: $(cat said)"
grep -q 'photo.h5' plain/report.json && grep -q '"name": "mmps"' plain/report.json || fail "plain: not photo by mmps"
[ ! -s said ] || fail "plain: said $(cat said)"

# What is not like that gets the analytic prior: a gray picture, and a method whose step size is tuned to it.
"$bin/end_to_end_prepare" crop "$data/images/camera_gray.png" gray.png 64 64
# takes PRIOR METHOD OPTIONS...
takes() {
  "$bin/tweedie-restore" --device "$device" --task inpainting_random --seed 1 --quiet -o chosen "${@:3}" >printed 2>said ||
    fail "${*:3}: $(cat said)"
  grep -q "\"name\": \"$2\"" chosen/report.json || fail "${*:3}: not by $2"
  if grep -q 'photo.h5' chosen/report.json; then found=photo; else found=spectrum; fi
  [ "$found" = "$1" ] || fail "${*:3}: $found, expected $1"
}
takes spectrum mmps --input gray.png --steps 4
takes spectrum dps --input gray.png --steps 101
takes spectrum dps --input gray.png
takes spectrum dps --input photo.png --method dps --steps 4
takes photo ddnm+ --input photo.png --method ddnm+ --steps 4
