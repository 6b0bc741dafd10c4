#!/usr/bin/env bash
# Task files in the words of the DPS repository, one for each of its six tasks: task_files.sh BIN DATA DEVICE
source "$(dirname "$0")/common.sh"
files=$(cd "$(dirname "$0")/task_files" && pwd)

convert unet_small
convert kernel_wizard
"$bin/end_to_end_prepare" crop "$data/images/astronaut.png" "$work/small.png" 32 32
"$bin/end_to_end_prepare" crop "$data/images/astronaut.png" "$work/large.png" 128 128

# run FILE PICTURE STEPS OPTIONS...
run() {
  local file=$1 picture=$2 steps=$3
  shift 3
  "$bin/tweedie-restore" --model_config "$files/model_config.yaml" --diffusion_config "$files/diffusion_config.yaml" \
    --task_config "$files/${file}_config.yaml" --weights "$work/unet_small.h5" --input "$work/$picture.png" \
    --device "$device" --steps "$steps" --quiet --save_dir "$work/$file" "$@" >/dev/null ||
    fail "$file: exit code $?"
  for result in restored.png comparison.png measurement.h5 report.json; do
    [ -s "$work/$file/$result" ] || fail "$file: no $result"
  done
}
# says FILE TEXT: a line of the report.
says() {
  grep -qF "$2" "$work/$1/report.json" || fail "$1: the report does not say $2"
}
for file in inpainting super_resolution gaussian_deblur motion_deblur phase_retrieval; do run "$file" small 3; done
run nonlinear_deblur large 2 --operator-weights "$work/kernel_wizard.h5"
says inpainting '"name": "inpainting_random"'
says inpainting '"zeta": 0.5'
says super_resolution '"scale_factor": 4'
says gaussian_deblur '"intensity": 3.0'
says motion_deblur '"sigma": 0.05'
says phase_retrieval '"zeta": 1.0'
says phase_retrieval '"steps": 3'

# The command line has the last word; without it the files' respacing holds.
run gaussian_deblur small 2 --zeta 0.125 --noise none
says gaussian_deblur '"zeta": 0.125'
says gaussian_deblur '"name": "none"'
