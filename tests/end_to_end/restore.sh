#!/usr/bin/env bash
# tweedie-restore on one task, from a photograph to the report: restore.sh BIN DATA DEVICE TASK
source "$(dirname "$0")/common.sh"
task=$1

# Sides that are no multiples of the network's stride; those of the nonlinear blur's network are its own.
height=14
width=19
if [ "$task" = jpeg ] || [ "$task" = circular_reduction ]; then # their blocks
  height=16
  width=32
elif [ "$task" = nonlinear_blur ]; then
  height=128
  width=128
  convert kernel_wizard
fi
convert unet_small
"$bin/end_to_end_prepare" crop "$data/images/astronaut.png" "$work/photo.png" $height $width
"$bin/end_to_end_prepare" mask "$work/mask.png" $height $width

options=() # of the operator, which a measurement.h5 knows
others=()
case "$task" in
  inpainting_random) options=(--drop 0.6) ;;
  inpainting_box) options=(--box 11) ;;
  inpainting) options=(--mask "$work/mask.png") ;;
  super_resolution) options=(--factor 2) ;;
  inpainting_both) options=(--drop 0.3 --box 9) ;;
  gaussian_blur) options=(--kernel-size 9 --blur-sigma 1.5) ;;
  motion_blur) options=(--kernel-size 9 --intensity 0.3) ;;
  kernel_blur)
    "$bin/end_to_end_prepare" mask "$work/kernel.png" 5 3
    options=(--kernel "$work/kernel.png" --boundary circular) ;;
  circular_reduction)
    "$bin/end_to_end_prepare" mask "$work/kernel.png" 5 3
    options=(--kernel "$work/kernel.png" --factor 2) ;;
  jpeg) options=(--quality 20) ;;
  nonlinear_blur) others=(--operator-weights "$work/kernel_wizard.h5") ;;
  ct) options=(--angles 9 --span 120) ;;
  mri) options=(--pattern gaussian2d --acceleration 3) ;;
  phase_retrieval) others=(--restarts 2 --noise poisson --zeta 0.1) ;;
esac

network=unet_small
steps=3
[ "$task" != nonlinear_blur ] || steps=2 # it takes long
# restore FOLDER OPTIONS...
restore() {
  local folder=$1
  shift
  "$bin/tweedie-restore" --device "$device" --task "$task" --weights "$work/$network.h5" --method dps --steps "$steps" --quiet \
    "${options[@]}" "${others[@]}" -o "$work/$folder" "$@" >"$work/printed" 2>"$work/complaints" ||
    fail "exit code $?: $(cat "$work/complaints")"
  # So few steps seldom explain a measurement, and a run says so.
  sed -i '/the result does not explain the measurement/d' "$work/complaints"
  [ ! -s "$work/complaints" ] || fail "--quiet, but stderr says: $(cat "$work/complaints")"
}
# holds FOLDER FILES...: the folder has these files, none of them empty, and no others.
holds() {
  local folder=$1
  shift
  [ "$(ls -A "$work/$folder" | sort | tr '\n' ' ')" = "$(printf '%s\n' "$@" | sort | tr '\n' ' ')" ] ||
    fail "$task: $folder holds $(ls -A "$work/$folder" | tr '\n' ' '), expected $*"
  for file in "$@"; do [ -s "$work/$folder/$file" ] || fail "$task: $folder/$file is empty"; done
}
report_has() {
  "$bin/end_to_end_prepare" has "$work/$1/report.json" "${@:2}" || fail "$task: $1/report.json"
}
same() {
  cmp -s "$work/$1" "$work/$2" || fail "$task: $1 and $2 differ, expected the same bytes"
}
different() {
  if cmp -s "$work/$1" "$work/$2"; then fail "$task: $1 and $2 are the same, expected others"; fi
}

restore first --input "$work/photo.png" --seed 5
pictures=(measurement.png measurement.h5 restored.png comparison.png)
holds first "${pictures[@]}" original.png report.json
report_has first /program /version /command /date /device /seed /task/name /task/operator/name /task/noise/name /prior \
  /sampler/name /sampler/steps /sampler/eta /guidance/zeta /image/height /image/width /image/channels \
  /after/psnr_db /after/ssim /samples/0/misfit /samples/0/seconds_per_step \
  /samples/0/psnr_db /peak_device_bytes
case "$task" in
  phase_retrieval) report_has first /samples/0/runs/1/misfit ;;
  *) report_has first /before/psnr_db /before/ssim ;;
esac
"$bin/end_to_end_prepare" crop "$work/first/original.png" "$work/original.png" $height $width
same original.png photo.png

restore again --input "$work/photo.png" --seed 5
restore other --input "$work/photo.png" --seed 6
for picture in "${pictures[@]}"; do
  same "first/$picture" "again/$picture"
  different "first/$picture" "other/$picture"
done

# Several samples: the measurement is the same one, the samples are not.
restore samples --input "$work/photo.png" --seed 5 --samples 2 --sampler ddim --eta 0.5
holds samples "${pictures[@]}" original.png report.json sample_1.png sample_2.png standard_deviation.png
report_has samples /samples/1/misfit /calibration/inside_central_50 /calibration/inside_central_90
same first/measurement.png samples/measurement.png
different samples/sample_1.png samples/sample_2.png

# Side by side they are the same, to rounding; a batch that is not full, too. (Phase retrieval magnifies rounding, and
# so would the clip of an estimate at its edge.)
for batch in 1 2; do restore batch_$batch --input "$work/photo.png" --seed 5 --samples 3 --batch $batch --no-clip; done
[ "$task" = phase_retrieval ] || for sample in 0 1 2; do
  for batch in 1 2; do "$bin/end_to_end_prepare" number "$work/batch_$batch/report.json" /samples/$sample/misfit; done | tr '\n' ' ' |
    awk '{ exit !($1 > 0 && ($1 - $2) ^ 2 < (1e-4 * $1) ^ 2) }' || fail "sample $sample is another one in a batch"
done
if [ "$task" = denoising ]; then  # one first, then the other two beside each other
  restore batch_0 --input "$work/photo.png" --seed 5 --samples 3 --batch 0 --no-clip
  [ "$("$bin/end_to_end_prepare" number "$work/batch_0/report.json" /guidance/batch)" = 2 ] || fail "--batch 0: not two at last"
  cmp -s "$work/batch_0/sample_1.png" "$work/batch_1/sample_1.png" || fail "--batch 0: another first sample"
fi

# The exact measurement of another run: the same mask or kernel, the same restoration.
operator_options=("${options[@]}")
options=()
restore exact --measurement "$work/first/measurement.h5" --input "$work/photo.png" --seed 5
same exact/restored.png first/restored.png
restore exact_again --measurement "$work/first/measurement.h5" --seed 6
different exact_again/restored.png first/restored.png
same exact_again/measurement.h5 first/measurement.h5
options=("${operator_options[@]}")

# A measurement from a picture, where it is one; tasks that draw their own mask have none.
case "$task" in
  inpainting_* | phase_retrieval | motion_blur | nonlinear_blur | ct | mri) ;;
  circular_reduction)
    "$bin/end_to_end_prepare" crop "$data/images/astronaut.png" "$work/small.png" 8 16
    restore measured --measurement "$work/small.png"
    holds measured "${pictures[@]}" report.json ;;
  super_resolution)
    # The measurement of 20 columns: 10 x 2.
    "$bin/end_to_end_prepare" crop "$data/images/astronaut.png" "$work/small.png" 7 10
    restore measured --measurement "$work/small.png"
    holds measured "${pictures[@]}" report.json ;;
  *)
    restore measured --measurement "$work/first/measurement.png"
    holds measured "${pictures[@]}" report.json ;;
esac

# A class-conditional network restores another image for another class.
if [ "$task" = denoising ]; then
  network=unet_classcond
  convert $network
  "$bin/end_to_end_prepare" crop "$data/images/camera_gray.png" "$work/gray.png" 32 32 gray
  restore three --input "$work/gray.png" --label 3
  restore four --input "$work/gray.png" --label 4
  report_has three /label
  different three/restored.png four/restored.png
  # Guided to its class, another image; only where the network can be, and there are classes.
  network=fashion
  cp "$data/../../weights/pretrained/fashion.h5" "$work/fashion.h5"
  restore plain --input "$work/gray.png" --label 3
  restore guided --input "$work/gray.png" --label 3 --class-guidance 2
  report_has guided /class_guidance
  different plain/restored.png guided/restored.png
  network=unet_classcond
  guided() { "$bin/tweedie-restore" --device "$device" --task denoising --input "$work/gray.png" --class-guidance 2 --quiet -o "$work/no" "$@" 2>"$work/complaints"; }
  guided --weights "$work/unet_classcond.h5" --label 3 --steps 3 && fail "guided without knowing how"
  grep -q "never saw a sample without its class" "$work/complaints" || fail "$(cat "$work/complaints")"
  guided --prior spectrum --steps 3 && fail "the analytic prior is guided to a class"
  grep -q "has no classes" "$work/complaints" || fail "$(cat "$work/complaints")"
  guided --method wiener && fail "an estimate is guided to a class"
  grep -q -- "--class-guidance means nothing" "$work/complaints" || fail "$(cat "$work/complaints")"
  # One label serves a batch, of particles, too.
  "$bin/tweedie-restore" --device "$device" --task denoising --weights "$work/$network.h5" --input "$work/gray.png" --label 3 --steps 3 \
    --method tds --particles 2 --samples 2 --batch 2 --quiet -o "$work/particles" 2>"$work/complaints" || fail "$(cat "$work/complaints")"
fi
