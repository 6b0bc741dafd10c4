#!/usr/bin/env bash
# Bad input, program by program: exit code 2, one line on stderr that names the culprit, nothing left behind.
# refused.sh BIN DATA DEVICE
source "$(dirname "$0")/common.sh"

files=$(cd "$(dirname "$0")/task_files" && pwd)

mkdir "$work/in" "$work/said"
cd "$work/in"
convert unet_small
mv "$work/unet_small.h5" good.h5
convert unet_classcond
mv "$work/unet_classcond.h5" classes.h5
prepare=$bin/end_to_end_prepare
"$prepare" crop "$data/images/astronaut.png" photo.png 32 40
"$prepare" crop "$data/images/astronaut.png" tiny.png 4 5
"$prepare" mask mask.png 32 40
"$prepare" mask other.png 30 40
head -c 700 photo.png >cut.png
head -c 100000 good.h5 >cut.h5
head -c 100000 "$data/unet_small/checkpoint.pt" >cut.pt
printf 'not what you think\n' >text
mkdir folder
cp photo.png restored.png
"$prepare" spoil good.h5 missing.h5 missing middle_block.1.qkv.weight
"$prepare" spoil good.h5 surplus.h5 surplus label_emb.weight
"$prepare" spoil good.h5 shape.h5 shape out.2.weight
"$prepare" spoil good.h5 nan.h5 nan time_embed.2.weight
printf 'image_size: [32\n' >broken.yaml
printf '{"image_size": 32,\n' >broken.json
printf 'image_size: 32\nnum_heads: 1\nimage_sise: 32\n' >unknown.yaml
task_file() { sed "$2" "$files/inpainting_config.yaml" >"$1"; } # task_file NAME SED: the inpainting task, changed
task_file vanilla.yaml 's/method: ps/method: vanilla/'
task_file method.yaml 's/method: ps/method: pss/'
task_file scale.yaml 's/scale: 0.5/scael: 0.5/'
task_file typed.yaml 's/scale: 0.5/scale: large/'
task_file operator.yaml 's/name: inpainting/name: outpainting/'
task_file mask_type.yaml 's/mask_type: random/mask_type: round/'
task_file prob.yaml 's|!!python/tuple \[0.3, 0.7\]|0.5|'
task_file tag.yaml 's/\[0.3, 0.7\]/0.5/' # a tuple's tag on a number
task_file noise.yaml 's/name: gaussian/name: pink/'
task_file surplus.yaml 's/^data:/dataset:/'
sed 's/dynamic_threshold: False/dynamic_threshold: True/' "$files/diffusion_config.yaml" >threshold.yaml
sed 's/steps: 1000/steps: 4000/' "$files/diffusion_config.yaml" >many.yaml
sed 's/model_mean_type: epsilon/model_mean_type: start_x/' "$files/diffusion_config.yaml" >mean.yaml
sed 's/sampler: ddpm/sampler: dpm/' "$files/diffusion_config.yaml" >sampler.yaml
sed 's/num_channels: 32/num_channels: 64/' "$files/model_config.yaml" >model.yaml
"$prepare" mask even.png 4 3
"$bin/tweedie-restore" --task gaussian_blur --kernel-size 9 --input photo.png --steps 1 --quiet -o "$work/said/blurred" \
  --device cpu >/dev/null
cp "$work/said/blurred/measurement.h5" blurred.h5
"$prepare" attribute blurred.h5 image '[3, 32, 41]'
cp "$work/said/blurred/measurement.h5" other.h5
cp "$work/said/blurred/measurement.h5" list.h5
"$prepare" attribute list.h5 operator '[1]'
cp "$work/said/blurred/measurement.h5" texts.h5
"$prepare" attributes texts.h5 operator '{"name": "noise"}' 1200
task_file negative.yaml 's/scale: 0.5/scale: -1/'
cp "$work/said/blurred/measurement.h5" huge.h5
"$prepare" attribute huge.h5 image '[3, 32, 99999999]'
printf 'measurement:\n  operator: {name: composed, operators: [{name: 5}]}\n' >nested.yaml
printf 'measurement: 3\n' >flat.yaml
printf 'measurement:\n  operator: {name: ct, angles: 2000000000}\n' >many_angles.yaml
printf 'measurement:\n  operator: {name: super_resolution, scale_factor: 4294967300}\n' >factor.yaml
printf 'measurement:\n  operator: {name: composed, operators: [{name: motion_blur, kernel_size: 60001}]}\n' >wide.yaml
printf 'measurement: {operator: {name: composed, operators: hello}}\n' >text_list.yaml
printf 'measurement: {operator: {name: gaussian_blur, kernel_size: 61}}\n' >other_blur.yaml
blur='{name: gaussian_blur, kernel_size: 9}'
printf 'measurement: {operator: {name: composed, operators: [%s, {name: inpainting}]}, mask_opt: {mask_type: random}}\n' \
  "$blur" >blur_mask.yaml
printf 'measurement: {operator: {name: composed, operators: [%s, {name: super_resolution, scale_factor: 2}]}}\n' "$blur" >blur_reduce.yaml
task_file margin.yaml 's/image_size: 256/margin: [1e30, 1]/'
rm -r "$work/said/blurred"

# Names of all there is; of files also size, inode and time of the last change.
state() { (cd "$work/in" && find . -type f -printf '%p %s %i %T@\n' -o -printf '%p\n' | sort); }
before=$(state)
count=0

# refused PROGRAM TEXT ARGUMENTS...: run in $work/in, where nothing may change; out is not there.
refused() {
  local program=$1 text=$2 status=0
  shift 2
  "$bin/$program" "$@" >"$work/said/out" 2>"$work/said/err" || status=$?
  local said
  said=$(cat "$work/said/err")
  [ "$status" = 2 ] || fail "$program $*: exit code $status, expected 2: $said"
  [ "$(wc -l <"$work/said/err")" = 1 ] || fail "$program $*: expected one line on stderr: $said"
  case "$said" in "$program: error: "*"$text"*) ;; *) fail "$program $*: expected '$text' in: $said" ;; esac
  [ ! -s "$work/said/out" ] || fail "$program $*: printed $(cat "$work/said/out")"
  [ "$(state)" = "$before" ] || fail "$program $*: changed its folder: $(diff <(echo "$before") <(state) || true)"
  count=$((count + 1))
}
restore() {
  local text=$1
  shift
  refused tweedie-restore "$text" --device "$device" -o out --steps 2 "$@"
}
classical() { # classical TEXT METHOD ARGUMENTS...: without the options of samplers
  refused tweedie-restore "$1" --device "$device" -o out --input photo.png --method "$2" "${@:3}"
}
denoise() { restore "$1" --task denoising "${@:2}"; }

# Pictures.
denoise absent.png --input absent.png
denoise cut.png --input cut.png
denoise text --input text
denoise folder --input folder
denoise absent.png --measurement absent.png
denoise other.png --input photo.png --measurement other.png
denoise "cannot" --measurement "$(printf 'n%.0s' {1..300}).h5"
denoise "--input"

# Weight files.
denoise absent.h5 --input photo.png --weights absent.h5
denoise text --input photo.png --weights text
denoise cut.h5 --input photo.png --weights cut.h5
denoise schedules.h5 --input photo.png --weights "$data/schedules.h5"
denoise middle_block.1.qkv.weight --input photo.png --weights missing.h5
denoise label_emb.weight --input photo.png --weights surplus.h5
denoise "--label" --input photo.png --weights classes.h5
denoise "label 10" --input photo.png --weights classes.h5 --label 10
denoise "not class-conditional" --input photo.png --weights good.h5 --label 1
denoise "out.2.weight" --input photo.png --weights shape.h5
denoise "time_embed.2.weight" --input photo.png --weights nan.h5

# Tasks and their settings.
restore sharpen --task sharpen --input photo.png
restore --task --input photo.png
restore --mask --task inpainting --input photo.png
restore other.png --task inpainting --mask other.png --input photo.png
restore photo.png --task inpainting --mask photo.png --input photo.png
restore absent.png --task inpainting --mask absent.png --input photo.png
restore inpainting_box --task inpainting_box --measurement photo.png
restore 50x50 --task inpainting_box --box 50 --input photo.png
restore 1.5 --task inpainting_random --drop 1.5 --input photo.png
restore 61 --task gaussian_blur --input tiny.png
restore 8 --task gaussian_blur --kernel-size 8 --input photo.png
restore sigma --task gaussian_blur --kernel-size 9 --blur-sigma bold --input photo.png
restore factor --task super_resolution --factor 0 --input photo.png
denoise steps --input photo.png --steps 1001
for option in sigma zeta eta drop blur-sigma; do denoise "--$option" --input photo.png "--$option" nan; done
restore "blur-sigma" --task gaussian_blur --blur-sigma inf --input photo.png
restore pseudo-inverse --task gaussian_blur --kernel-size 9 --method projection --input photo.png
denoise steps --input photo.png --steps few
denoise samples --input photo.png --samples 0
denoise sampler --input photo.png --sampler euler
denoise --colour --input photo.png --colour
refused tweedie-restore gpu --device gpu -o out --task denoising --input photo.png

# A run that comes to nothing takes the folders it made with it.
refused tweedie-restore diverged -o out --task denoising --input photo.png --zeta 1e38 --quiet --steps 5
refused tweedie-restore diverged -o out/deep/ --task denoising --input photo.png --zeta 1e38 --quiet --steps 5

# Where to write. Root may write anywhere: a path below a file is impossible for everybody.
refused tweedie-restore photo.png -o photo.png --task denoising --input photo.png --steps 2
refused tweedie-restore photo.png -o photo.png/out --task denoising --input photo.png --steps 2

# Checkpoints.
checkpoint=$data/unet_small/checkpoint.pt
refused tweedie-convert absent.pt absent.pt out.h5
refused tweedie-convert text text out.h5
refused tweedie-convert cut.pt cut.pt out.h5 --config "$data/unet_small/model_config.json"
refused tweedie-convert folder folder out.h5
refused tweedie-convert broken.yaml "$checkpoint" out.h5 --config broken.yaml
refused tweedie-convert broken.json "$checkpoint" out.h5 --config broken.json
refused tweedie-convert image_sise "$checkpoint" out.h5 --config unknown.yaml
refused tweedie-convert absent.yaml "$checkpoint" out.h5 --config absent.yaml
refused tweedie-convert ffhq "$checkpoint" out.h5 --preset ffhq
refused tweedie-convert ffhq256 "$checkpoint" out.h5 --preset ffhq256
refused tweedie-convert good.h5 "$checkpoint" good.h5 --config "$data/unet_small/model_config.json"
refused tweedie-convert photo.png/out.h5 "$checkpoint" photo.png/out.h5 --config "$data/unet_small/model_config.json"
refused tweedie-convert absent/out.h5 "$checkpoint" absent/out.h5 --config "$data/unet_small/model_config.json"

# The prior alone.
draw() { refused tweedie-sample "$1" --device "$device" -o out --steps 2 --quiet "${@:2}"; }
draw absent.h5 --weights absent.h5
draw nan.h5 --weights nan.h5
draw --label --weights classes.h5
draw "label 10" --weights classes.h5 --label 10
draw --label --label 1
draw 33x32 --weights good.h5 --height 32 --width 33
draw --eta --sampler ddim --eta nan
draw --count --count 0
refused tweedie-sample photo.png/out -o photo.png/out --height 8 --width 8 --steps 2

# References.
verify() {
  local text=$1
  shift
  refused tweedie-verify "$text" --device "$device" "$@"
}
verify absent.h5 absent.h5
verify text text
verify cut.h5 cut.h5
verify good.h5 good.h5
verify --weights "$data/unet_small/reference.h5"
verify --weights "$data/trajectories/sr4_ps.h5"
verify reference.h5 --weights classes.h5 "$data/unet_small/reference.h5"
verify middle_block.1.qkv.weight --weights missing.h5 "$data/unet_small/reference.h5"
verify tolerance --tolerance tight "$data/schedules.h5"
# Descriptions that are JSON, but not what they should be.
described() { # described TEXT NAME JSON: a run whose attribute NAME says JSON
  cp "$data/trajectories/common.h5" .
  cp "$data/trajectories/sr4_ps.h5" described.h5
  "$prepare" attribute described.h5 "$2" "$3"
  before=$(state)
  verify "$1" --weights good.h5 described.h5
}
described described.h5 task '[1]'
described described.h5 task '{"operator": {"name": "noise"}, "method": 7}'
described operator task '{"operator": 5, "method": "ps"}'
described "not JSON" task 'ps'
described described.h5 diffusion '{"sampler": 3}'
cp "$data/schedules.h5" named.h5
"$prepare" rename named.h5 linear_1000_50 linear_many
before=$(state)
verify linear_many named.h5

# Task files and their kin.
configured() { restore "$1" --task_config "$2" --input photo.png "${@:3}"; }
configured vanilla vanilla.yaml
configured scael scale.yaml
configured scale typed.yaml
configured outpainting operator.yaml
configured round mask_type.yaml
configured mask_prob_range prob.yaml
configured 'the tag !python/tuple' tag.yaml
configured pink noise.yaml
configured dataset surplus.yaml
configured pss method.yaml
configured absent.yaml absent.yaml
configured "'name' is 5" nested.yaml
configured "table of settings" flat.yaml
configured broken.yaml broken.yaml
configured "not both" "$files/inpainting_config.yaml" --task denoising
denoise "dynamic_threshold" --input photo.png --diffusion_config threshold.yaml
denoise "4000" --input photo.png --diffusion_config many.yaml
denoise "start_x" --input photo.png --diffusion_config mean.yaml
denoise "dpm" --input photo.png --diffusion_config sampler.yaml
denoise "model_channels 64" --input photo.png --weights good.h5 --model_config model.yaml
denoise "--weights" --input photo.png --model_config model.yaml
restore "give a --task" --input photo.png

# Measurements as numbers, kernels, networks of operators.
restore "gaussian_blur" --task motion_blur --measurement other.h5
restore "(1, 3, 32, 40)" --task gaussian_blur --measurement blurred.h5
restore "not a measurement" --task gaussian_blur --measurement good.h5
restore "one text" --task gaussian_blur --measurement texts.h5
restore "own kernel" --task motion_blur --kernel-size 9 --measurement photo.png
configured "'scale' is -1" negative.yaml
restore "operator's settings" --task gaussian_blur --measurement list.h5
restore "'image'" --task gaussian_blur --measurement huge.h5
restore 180 --task ct --span 200 --input photo.png
restore "--acceleration is 0.5" --task mri --acceleration 0.5 --input photo.png
classical "is for task ct" fbp --task denoising
classical "phase_retrieval" hio --task denoising
classical "linear operator" wiener --task phase_retrieval
# Options that would change nothing.
classical "--weights means nothing to --method wiener" wiener --task denoising --weights good.h5
classical "--samples means nothing" wiener --task denoising --samples 2
classical "--restarts means nothing" zero-filled --task denoising --restarts 2
classical "--steps means nothing" admm-tv --task denoising --steps 5
denoise "--lambda means nothing to --method dps" --input photo.png --lambda 1
denoise "--factor means nothing to task denoising" --input photo.png --factor 2
denoise "--mask means nothing" --input photo.png --mask mask.png
restore "--mask means nothing to task inpainting_box" --task inpainting_box --input photo.png --mask mask.png
restore "--kernel means nothing to task motion_blur" --task motion_blur --input photo.png --kernel mask.png
denoise "--sigma means nothing to noise poisson" --input photo.png --noise poisson --sigma 0.2
configured "--drop: what was measured is said in" "$files/inpainting_config.yaml" --drop 0.5
restore "--kernel-size: what was measured is said in other.h5" --task gaussian_blur --measurement other.h5 --kernel-size 9
restore "--box" --task inpainting_box --box 2147483647 --input photo.png
configured "--kernel means nothing" "$files/inpainting_config.yaml" --kernel mask.png
configured "--mask means nothing" blur_reduce.yaml --mask mask.png
denoise "--slice means nothing" --input photo.png --slice 1
restore "--slice means nothing" --task gaussian_blur --measurement other.h5 --slice 1
classical "--diffusion-config means nothing" wiener --task denoising --diffusion-config many.yaml
denoise "--eta means nothing to --sampler ddpm" --input photo.png --eta 0.5
denoise "--snr means nothing to --sampler ddim" --input photo.png --sampler ddim --snr 0.5
denoise "--unit means nothing" --input photo.png --unit unit
restore "--rate means nothing to noise gaussian" --task gaussian_blur --measurement other.h5 --rate 2
restore "the task file says 61" --task-config other_blur.yaml --measurement other.h5
restore "its own mask" --task-config blur_mask.yaml --measurement photo.png
restore "--task-config" --task composed --input photo.png
restore "absent.h5" --task motion_blur --measurement absent.h5
# Numbers without bounds.
configured "expected a list" text_list.yaml
denoise --sigma --sigma 1e20 --input photo.png
denoise --sigma --sigma 1e6 --unit unit --input photo.png
denoise "64 bits" --seed -1 --input photo.png
denoise "64 bits" --seed 18446744073709551616 --input photo.png
restore "a measurement.h5" --task composed --measurement photo.png
refused tweedie-restore "another folder" --device "$device" -o . --task denoising --input restored.png
refused tweedie-restore "another folder" --device "$device" -o . --task inpainting --mask restored.png --input photo.png
configured "2000000000, expected a whole number" many_angles.yaml
configured "4294967300, expected a whole number" factor.yaml
configured "60001, expected a whole number" wide.yaml
configured "margin" margin.yaml
restore "photon counts" --task mri --noise poisson --input photo.png
restore "parameterisation" --task denoising --sampler ddim --parameterisation ve --input photo.png
restore "not a picture" --task phase_retrieval --measurement photo.png
restore "odd sides" --task kernel_blur --kernel even.png --input photo.png
restore "--kernel" --task kernel_blur --input photo.png
restore "--operator-weights" --task nonlinear_blur --input photo.png
restore "good.h5" --task nonlinear_blur --operator-weights good.h5 --input photo.png
restore "linear" --task phase_retrieval --method projection --input photo.png
restore "pseudo-inverse" --task gaussian_blur --kernel-size 9 --method mcg --input photo.png
denoise --noise --noise pink --input photo.png
denoise --rate --noise poisson --rate 0 --input photo.png

# Without CUDA there is none to ask for.
if [ "${1:-}" = without-cuda ]; then
  for arguments in "tweedie-restore -o out --task denoising --input photo.png" "tweedie-verify $data/schedules.h5"; do
    read -ra words <<<"$arguments"
    refused "${words[0]}" "device cuda" --device cuda "${words[@]:1}"
  done
fi
printf '%s cases refused, each with exit code 2 and one line\n' "$count"
