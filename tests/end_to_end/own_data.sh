#!/usr/bin/env bash
# Measurements of other programs, one command each: own_data.sh BIN DATA DEVICE
source "$(dirname "$0")/common.sh"

"$bin/end_to_end_prepare" crop "$data/images/astronaut.png" "$work/gray.png" 24 24 gray
restore() { # restore FOLDER OPTIONS...
  "$bin/tweedie-restore" --device "$device" --quiet -o "$work/$1" "${@:2}" >"$work/printed" 2>"$work/complaints" ||
    fail "$*: exit code $?: $(cat "$work/complaints")"
}
same() { # same FOLDER FOLDER
  cmp -s "$work/$1/restored.png" "$work/$2/restored.png" || fail "$2: not the picture of $1"
}
psnr() { # psnr FOLDER: of the result
  sed -n '/"after"/,/}/s/.*"psnr_db": \([0-9.]*\),*/\1/p' "$work/$1/report.json"
}
refused() { # refused TEXT OPTIONS...
  local status=0
  "$bin/tweedie-restore" --device "$device" --quiet -o "$work/none" "${@:2}" >/dev/null 2>"$work/complaints" || status=$?
  [ "$status" = 2 ] && grep -qF "$1" "$work/complaints" || fail "'$1' expected: $(cat "$work/complaints")"
}

# Magnitudes of a Fourier transform as a .npy file: what our own file of them gives.
restore phase --task phase_retrieval --input "$work/gray.png" --method hio --iterations 20 --restarts 1 --noise none
"$bin/end_to_end_prepare" npy "$work/phase/measurement.h5" measurement "$work/magnitudes.npy"
restore phase_again --task phase_retrieval --measurement "$work/magnitudes.npy" --method hio --iterations 20 \
  --restarts 1 --noise none
same phase phase_again
refused "no image has magnitudes of 36 x 36" --task phase_retrieval --measurement "$work/magnitudes.npy" --oversample 3 --method hio

# A sinogram as a .npy file. The scale is a guess: white is what is nearly the brightest.
restore ct --task ct --input "$work/gray.png" --method fbp --angles 45 --noise none
"$bin/end_to_end_prepare" npy "$work/ct/measurement.h5" measurement "$work/sinogram.npy"
restore ct_again --task ct --measurement "$work/sinogram.npy" --method fbp
grep -q "white for" "$work/complaints" || fail "the scale is not said: $(cat "$work/complaints")"
refused "a sinogram of 45 angles; stated are 44" --task ct --measurement "$work/sinogram.npy" --angles 44 --method fbp

# Complex k-space as a .npy file: what the fastMRI file gives.
"$bin/end_to_end_prepare" kspace "$work/gray.png" "$work/full.h5" 2
"$bin/end_to_end_prepare" npy "$work/full.h5" kspace "$work/kspace.npy"
restore mri --task mri --measurement "$work/full.h5" --slice 1 --acceleration 2 --method zero-filled
restore mri_again --task mri --measurement "$work/kspace.npy" --slice 1 --acceleration 2 --method zero-filled
awk "BEGIN { exit !($(psnr mri_again) > 15) }" || fail "k-space: PSNR $(psnr mri_again)"

# Arrays on request, each sample's too; without the request an earlier run's are gone.
restore arrays --task denoising --input "$work/gray.png" --samples 2 --steps 5 --save-arrays
for file in restored sample_1 sample_2; do
  [ "$(wc -c <"$work/arrays/$file.npy")" = $((128 + 4 * 24 * 24)) ] || fail "$file.npy: not 24 x 24 numbers"
done
restore arrays --task denoising --input "$work/gray.png" --steps 5
[ ! -e "$work/arrays/restored.npy" ] || fail "restored.npy is of an earlier run"

# A picture that nothing is said of is explained within a guess of its noise, or that is said.
"$bin/end_to_end_prepare" mask "$work/holes.png" 24 24
for steps in 2 1000; do
  restore guess --task inpainting --mask "$work/holes.png" --measurement "$work/gray.png" --steps $steps
  said=$(grep -c "does not explain .* sigma 0.05, which is a guess" "$work/complaints") || true
  [ "$said" = $((steps == 2)) ] || fail "$steps steps: $(cat "$work/complaints")"
done

# The commands of the README, as they stand there.
readme=$(dirname "$0")/../../README.md
commands=$(sed -n '/^## Your own measurements/,/^## /p' "$readme" | sed -n '/^```sh/,/^```/p' | grep '^tweedie-restore')
[ "$(grep -c . <<<"$commands")" = 5 ] || fail "expected five commands in the README, found: $commands"
mkdir "$work/own"
cd "$work/own"
prepare=$bin/end_to_end_prepare
"$prepare" crop "$data/images/astronaut.png" photo.png 32 32
"$prepare" crop photo.png gray.png 32 32 gray
"$prepare" mask holes.png 32 32
cp photo.png damaged.png
"$prepare" kspace gray.png full.h5 2
"$prepare" kspace gray.png fastmri.h5 2 full 13
# A point spread function that is not its own mirror image; it blurs with edges reflected.
"$prepare" crop photo.png kernel.png 7 7 gray
restore blur --task kernel_blur --kernel kernel.png --input gray.png --noise none --steps 1
"$prepare" npy "$work/blur/measurement.h5" kernel psf.npy
restore blur --task kernel_blur --kernel psf.npy --kernel-is psf --input gray.png --noise none --steps 1
"$prepare" tiff "$work/blur/measurement.png" blurred.tif
"$prepare" sinogram gray.png sinogram.tif disc.png 90 1.5 40000
cp "$work/magnitudes.npy" .
declare -A truths=([inpainting]=photo.png [kernel_blur]=gray.png [mri]=gray.png [ct]=disc.png)
# Decibels below which something was misunderstood; k-space of every column is thinned out fourfold.
declare -A least=([inpainting]=20 [kernel_blur]=20 [mri]=17 [ct]=20)
while read -r command; do
  words=${command%%#*}
  task=$(sed 's/.*--task \([a-z_]*\).*/\1/' <<<"$words")
  PATH=$bin:$PATH bash -c "$words --quiet --device $device" >printed 2>complaints || fail "$words: $(cat complaints)"
  mv out "$task"
  [ -s "$task/restored.png" ] || fail "$words: no picture"
  [ -n "${truths[$task]:-}" ] || continue
  found=$("$bin/tweedie-metrics" "$task/restored.png" "${truths[$task]}" -m psnr --quiet | awk '/^psnr/ { print $(NF - 2) }')
  awk "BEGIN { exit !($found >= ${least[$task]}) }" || fail "$words: PSNR $found: $(cat complaints)"
done <<<"$commands"
# The magnitudes are those of another picture of this test, 24 x 24.
grep -q '"width": 24' phase_retrieval/report.json || fail "magnitudes: not of 24 x 24 pixels"
