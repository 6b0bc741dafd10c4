#!/usr/bin/env bash
# Blind problems as their users have them: blind.sh BIN DATA DEVICE
# Widths and pictures of Fast EM with the analytic prior; BlindDPS on networks with random weights, by options and by
# its own task and model files; what is refused.
source "$(dirname "$0")/common.sh"
files=$(cd "$(dirname "$0")/task_files" && pwd)
prepare=$bin/end_to_end_prepare
cd "$work"
for each in unet_small blind/unet_kernel blind/unet_tilt; do convert "$each"; done
mv blind/*.h5 .
"$prepare" crop "$data/images/astronaut.png" photo.png 32 40

# restore FOLDER OPTIONS...
restore() {
  local folder=$1
  shift
  "$bin/tweedie-restore" --device "$device" --quiet -o "$folder" "$@" >printed 2>said || fail "$folder: exit code $?: $(cat said)"
}
# number FILE POINTER: of a JSON report.
number() { "$prepare" number "$1" "$2"; }
# holds EXPRESSION: of awk.
holds() { awk "BEGIN { exit !($1) }" || fail "$2: not so: $1"; }
files_of() { for name in "${@:2}"; do [ -s "$1/$name" ] || fail "$1: no $name"; done; }

# The width of a Gaussian blur, the root of the kernel's second moment, within 15 %; and the picture gains. With
# photographs whose spectrum is ordinary: leaves_gray, out of focus already, is not.
photographs="astronaut camera_gray coffee"
[ "$device" = cpu ] || photographs="" # 256 x 256 pixels: too slow in the PTX machine
for photograph in $photographs; do
  for sigma in 1 2 3; do
    restore "width" --task blind_blur --prior spectrum --true-kernel gaussian --intensity $sigma --sigma 0.02 \
      --input "$data/images/$photograph.png"
    grep -q "only a symmetric kernel can be found" said || fail "nothing was said of phases"
    kernel=/samples/0/unknowns/kernel
    ratio="$(number width/report.json $kernel/width) / $(number width/report.json $kernel/true_width)"
    holds "$ratio > 0.85 && $ratio < 1.15" "$photograph, sigma $sigma, width"
    holds "$(number width/report.json $kernel/mnc) > 0.95" "$photograph, sigma $sigma, kernel"
    holds "$(number width/report.json /after/psnr_db) > $(number width/report.json /before/psnr_db)" "$photograph, $sigma, PSNR"
    echo "$photograph, sigma $sigma: width $(awk "BEGIN { print $ratio }") of it, $(sed -n 1p printed)"
  done
done

# Fast EM with a network, from a measurement that knows the truth, and from a picture that does not.
small=(--input photo.png --weights unet_small.h5 --steps 3)
restore em --task blind_blur --kernel-size 9 "${small[@]}" --samples 2
files_of em kernel.png kernel_comparison.png unknowns.h5 restored.png sample_2.png
"$prepare" has em/report.json /samples/1/unknowns/kernel/mnc /samples/0/unknowns/kernel/mse_sum1 \
  /samples/0/unknowns/kernel/shift/down
# A prior of kernels that ships is asked, unless nobody wants it.
grep -q "pretrained/kernel.h5" em/report.json || fail "fast-em took no prior of kernels"
restore without --task blind_blur --kernel-size 9 "${small[@]}" --kernel-noise 0
grep -q "pretrained/kernel.h5" without/report.json && fail "--kernel-noise 0 took a prior of kernels"
[ "$(number without/report.json /samples/0/unknowns/kernel/mnc)" != "$(number em/report.json /samples/0/unknowns/kernel/mnc)" ] ||
  fail "the prior of kernels changes nothing"
restore again --task blind_blur --measurement em/measurement.h5 --weights unet_small.h5 --steps 3
"$prepare" has again/report.json /samples/0/unknowns/kernel/mnc
restore picture --task blind_blur --measurement em/measurement.png --kernel-size 9 --weights unet_small.h5 --steps 3
files_of picture kernel.png
[ ! -e picture/kernel_comparison.png ] || fail "a picture's kernel was compared with a truth that nobody knows"
"$prepare" has picture/report.json /samples/0/unknowns/kernel/mnc 2>/dev/null && fail "a match with what nobody knows"
# Turbulence: the kernel by its spectrum, displacements by the prior of them that ships; asked of nobody they stay 0.
restore through --task turbulence --kernel-size 9 "${small[@]}"
files_of through kernel.png tilt.png tilt_comparison.png unknowns.h5
grep -q '"name": "fast-em"' through/report.json || fail "turbulence is not restored by fast-em"
grep -q "without phases: only a symmetric kernel" said || fail "nothing was said of phases"
grep -q "pretrained/tilt.h5" through/report.json || fail "fast-em took no prior of displacements"
grep -q "pretrained/kernel.h5" through/report.json && fail "fast-em took a prior of kernels that it does not ask"
restore still --task turbulence --kernel-size 9 "${small[@]}" --tilt-step 0
grep -q "pretrained/tilt.h5" still/report.json && fail "--tilt-step 0 took a prior of displacements"
tilt=/samples/0/unknowns/tilt/rms_difference
holds "$(number through/report.json $tilt) != $(number still/report.json $tilt)" "displacements"
holds "$(number through/report.json /samples/0/unknowns/kernel/mnc) == $(number still/report.json /samples/0/unknowns/kernel/mnc)" "kernel"
# The kernel that was found is one that a plain blur takes.
restore plain --task kernel_blur --kernel picture/unknowns.h5 --input photo.png --steps 1 --prior spectrum

# BlindDPS: both step rules, sparsity, several samples with kernels of their own, kept over --resume.
priors=(--weights unet_small.h5 --kernel-weights unet_kernel.h5)
restore dps --task blind_blur --kernel-size 16 --input photo.png "${priors[@]}" --steps 3 --samples 2
files_of dps kernel.png kernel_comparison.png unknowns.h5
[ "$(number dps/report.json /samples/0/unknowns/kernel/mnc)" != "$(number dps/report.json /samples/1/unknowns/kernel/mnc)" ] ||
  fail "two samples share a kernel"
restore first --task blind_blur --kernel-size 16 --input photo.png "${priors[@]}" --steps 3
mnc=$(number first/report.json /samples/0/unknowns/kernel/mnc)
[ "$mnc" = "$(number dps/report.json /samples/0/unknowns/kernel/mnc)" ] || fail "the first of two samples is not that of one"
for options in "--scale-rule constant" "--scale-kernel 5" "--scale-image 9" "--clip-kernel 0.5" "--reg_scale 50" \
  "--reg_scale 50 --reg_ord 0" "--set no_clip=true"; do
  # shellcheck disable=SC2086
  restore other --task blind_blur --kernel-size 16 --input photo.png "${priors[@]}" --steps 3 $options
  [ "$mnc" != "$(number other/report.json /samples/0/unknowns/kernel/mnc)" ] || fail "$options changes nothing"
done
restore other --task blind_blur --kernel-size 16 --input photo.png "${priors[@]}" --steps 3 --reg_scale 50 --compat
[ "$mnc" = "$(number other/report.json /samples/0/unknowns/kernel/mnc)" ] || fail "compat: the published regulariser moves nothing"

restore air --task turbulence --kernel-size 16 --input photo.png "${priors[@]}" --tilt-weights unet_tilt.h5 --steps 3
files_of air kernel.png tilt.png tilt_comparison.png unknowns.h5
"$prepare" has air/report.json /samples/0/unknowns/tilt/rms_difference /priors/tilt /method/scales/tilt
# Sides that no network here can take are enlarged and cut again.
"$prepare" crop "$data/images/astronaut.png" odd.png 31 39
restore odd --task turbulence --kernel-size 16 --input odd.png "${priors[@]}" --tilt-weights unet_tilt.h5 --steps 2

# The BlindDPS repository's own files and command line.
published() {
  local task=$1
  shift
  restore "$task" --img_model_config "$files/model_config.yaml" --kernel_model_config "$files/kernel_model_config.yaml" \
    --diffusion_config "$files/blind_diffusion_config.yaml" --task_config "$files/${task}_config.yaml" --input photo.png \
    --gpu 0 --steps 2 "${priors[@]}" "$@"
  grep -q '"name": "blind-dps"' "$task/report.json" || fail "$task: another method"
}
published blind_blur --reg_scale 1.0 --reg_ord 1 --compat
grep -q '"scale_rule": "sqrt_abar"' blind_blur/report.json || fail "compat: the published code's rule"
published blind_blur
grep -q '"scale_rule": "constant"' blind_blur/report.json || fail "the file's step size is the paper's rule"
[ "$(number blind_blur/report.json /method/scales/kernel)" = 0.3 ] || fail "the file's step size"
grep -q '"sigma": 0.02' blind_blur/report.json || fail "the file's noise"
grep -q '"kernel_size": 64' blind_blur/report.json || fail "the file's kernel size"
published turbulence --tilt_model_config "$files/tilt_model_config.yaml" --tilt-weights unet_tilt.h5
grep -q '"intensity": 4.0' turbulence/report.json || fail "the file's intensity"
sed 's/scale: 0.3/scale: {img: 0.5, kernel: 0.25}/; s/^kernel_size: 64/kernel_size: 16/' "$files/blind_blur_config.yaml" >scales.yaml
restore scales --task_config scales.yaml --input photo.png "${priors[@]}" --steps 2
[ "$(number scales/report.json /method/scales/image) $(number scales/report.json /method/scales/kernel)" = "0.5 0.25" ] ||
  fail "step sizes of each unknown"

# refused TEXT OPTIONS...: exit code 2, one line with that text, nothing left behind.
refused() {
  local text=$1 status=0
  shift
  "$bin/tweedie-restore" --device "$device" --quiet --input photo.png -o refused "$@" >printed 2>said || status=$?
  [ "$status" = 2 ] || fail "$*: exit code $status"
  [ "$(wc -l <said)" = 1 ] || fail "$*: said $(cat said)"
  grep -qF -- "$text" said || fail "$*: said $(cat said), expected $text"
  [ ! -e refused ] || fail "$*: left a folder"
}
refused "give --kernel-weights" --task blind_blur --method blind-dps
refused "give --tilt-weights" --task turbulence --kernel-size 16 "${priors[@]}"
refused "asks no prior of it" --task blind_blur --method fast-em --prior spectrum --kernel-weights unet_kernel.h5
refused "--kernel-noise: means nothing" --task blind_blur --prior spectrum --kernel-noise 0.1
refused "its prior knows 64" --task blind_blur --kernel-size 65 --weights unet_small.h5
refused "expected blind-dps or fast-em" --task blind_blur --method dps
refused "here only the image is unknown" --task denoising --method fast-em
refused "wants a trained prior of the image" --task turbulence --prior spectrum
refused "--scales: means nothing" --task turbulence --kernel-size 9 --weights unet_small.h5 --scales 2
refused "--tilt-step: means nothing" --task blind_blur --kernel-size 9 --weights unet_small.h5 --tilt-step 1
refused "--rounds: means nothing with --tilt-step 0" --task turbulence --kernel-size 9 --weights unet_small.h5 --tilt-step 0 --rounds 2
refused "finds no displacements" --task turbulence --kernel-size 9 --weights unet_small.h5 --expectation dps
refused "asks no prior of it" --task turbulence --kernel-size 9 --weights unet_small.h5 --method fast-em --kernel-weights unet_kernel.h5
refused "only to blind_blur, turbulence" --task denoising --kernel-weights unet_kernel.h5
refused "only to turbulence" --task blind_blur --tilt-weights unet_tilt.h5
refused "a prior of 2 channels; the kernel has 1" --task blind_blur --kernel-weights unet_tilt.h5
refused "needs a multiple of 4" --task blind_blur --kernel-size 15 "${priors[@]}"
refused "gone.h5" --task blind_blur --kernel-size 16 --kernel-weights gone.h5
refused "Poisson noise" --task blind_blur --noise poisson
refused "expects an odd number" --task blind_blur --kernel-size 8 --weights unet_small.h5
refused "expected circular" --task blind_blur --method fast-em --padding zero
refused "of which there is one" --task blind_blur --prior spectrum --samples 2
refused "there is no network: give --kernel-weights" --task blind_blur --kernel_model_config "$files/kernel_model_config.yaml"
refused "the weights unet_kernel.h5 have" --task blind_blur --kernel-size 16 "${priors[@]}" --kernel_model_config "$files/tilt_model_config.yaml"
refused "intensity 3" --task blind_blur --intensity 3 --prior spectrum
sed 's/method: ps/method: mcg/' "$files/blind_blur_config.yaml" >mcg.yaml
refused "expected blind-dps or fast-em" --task_config mcg.yaml "${priors[@]}"
sed 's/^kernel: motion/kernel: box/' "$files/blind_blur_config.yaml" >box.yaml
refused "expected one of motion, gaussian" --task_config box.yaml "${priors[@]}"
echo "blind problems run, and are refused where they make no sense"
