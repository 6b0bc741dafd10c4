#!/usr/bin/env bash
# What the classical methods reach, held to a number each: classical.sh BIN DATA DEVICE
source "$(dirname "$0")/common.sh"

# Enough for a statement; less in the PTX machine.
side=64
[ "$device" = cpu ] || side=16
"$bin/end_to_end_prepare" crop "$data/images/astronaut.png" "$work/photo.png" $side $side
"$bin/end_to_end_prepare" crop "$data/images/astronaut.png" "$work/gray.png" $side $side gray
# reaches DECIBEL OPTIONS...: the PSNR of the result, of phase retrieval of its best start and way round.
reaches() {
  local least=$1
  shift
  "$bin/tweedie-restore" --device "$device" --quiet -o "$work/out" "$@" >"$work/printed"
  local best
  best=$(grep -oE '"psnr(_half_turned)?_db": [-0-9.]+' "$work/out/report.json" | sed '/before/d; s/.*: //' | sort -g | tail -n 1)
  awk "BEGIN { exit !($best > $least) }" || fail "$*: PSNR $best, expected more than $least"
  echo "$*: $best dB"
}
if [ "$device" = cpu ]; then
  # A photograph from noiseless, oversampled magnitudes, in at least one of 4 starts. Error reduction stalls, as it is
  # known to, with all but the smoothest: leaves out of focus, which are 25.6 dB from their own mean.
  retrieve() { reaches 40 --task phase_retrieval --noise none --restarts 4 "$@"; }
  retrieve --method hio --oversample 4 --input "$work/photo.png"
  retrieve --method hio --oversample 3 --input "$work/gray.png"
  retrieve --method oss --oversample 4 --input "$work/gray.png"
  retrieve --method er --oversample 2.5 --input "$data/images/leaves_gray.png"
  # Each better than what it starts from: 18.0 dB by backprojection, 11.8 dB zero-filled.
  reaches 26 --task ct --method wiener --input "$work/photo.png"
  reaches 20 --task inpainting_random --method wiener --input "$work/photo.png"
  reaches 16 --task inpainting_random --method admm-tv --input "$work/photo.png"
fi
# Enough views of little noise: backprojection comes near.
reaches 20 --task ct --angles 90 --method fbp --noise none --input "$work/gray.png"
reaches 40 --task denoising --method wiener --sigma 0.001 --input "$work/photo.png"
reaches 5 --task phase_retrieval --method hio --iterations 20 --restarts 1 --noise none --input "$work/gray.png"
