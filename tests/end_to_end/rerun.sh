#!/usr/bin/env bash
# A folder and a measurement used a second time. rerun.sh BIN DATA DEVICE
source "$(dirname "$0")/common.sh"

files=$(cd "$(dirname "$0")/task_files" && pwd)
cd "$work"
"$bin/end_to_end_prepare" crop "$data/images/astronaut.png" photo.png 16 24
# restore FOLDER OPTIONS...: into $folder
restore() {
  "$bin/tweedie-restore" --device "$device" --quiet -o "$@" >printed 2>complaints || fail "$*: $(cat complaints)"
}
there() { for file in "$@"; do [ -s "$file" ] || fail "$file is gone"; done; }
gone() { for file in "$@"; do [ ! -e "$file" ] || fail "$file of the run before is still there"; done; }
# says FOLDER JSON: of its noise
says() {
  local noise
  noise=$(tr -d ' \n' <"$1/report.json" | grep -oE '"noise":\{[^}]*\}')
  [ "$noise" = "\"noise\":$2" ] || fail "$1: $noise, expected $2"
}

# Pictures of the run before go; what somebody else put there stays, and so does what a run was given.
mkdir out
cp photo.png out/sample_7.png
restore out --task denoising --prior spectrum --steps 2 --samples 2 --input photo.png
there out/original.png out/sample_1.png out/sample_2.png out/standard_deviation.png
restore out --task denoising --method wiener --measurement out/measurement.h5
there out/original.png out/sample_7.png out/restored.png
gone out/sample_1.png out/sample_2.png out/standard_deviation.png
restore out --task denoising --prior spectrum --steps 2 --samples 2 --input photo.png
restore out --task denoising --method wiener --measurement out/sample_1.png
there out/sample_1.png
gone out/sample_2.png out/original.png
restore out --task denoising --method wiener --input photo.png
gone out/sample_1.png

# The noise of a measurement is what it says, but for what is stated.
restore poisson --task denoising --method zero-filled --noise poisson --rate 0.5 --input photo.png
restore kept --task denoising --method zero-filled --measurement poisson/measurement.h5
says kept '{"name":"poisson","rate":0.5}'
restore rate --task denoising --method zero-filled --measurement poisson/measurement.h5 --rate 3
says rate '{"name":"poisson","rate":3.0}'
restore other --task denoising --method zero-filled --measurement poisson/measurement.h5 --noise gaussian
says other '{"name":"gaussian","sigma":0.05}'
restore gaussian --task denoising --method zero-filled --sigma 0.1 --unit unit --input photo.png
restore same --task denoising --method zero-filled --measurement gaussian/measurement.h5 --noise gaussian
says same '{"name":"gaussian","sigma":0.2}'
# The file keeps what it says.
restore second --task denoising --method zero-filled --measurement rate/measurement.h5
says second '{"name":"poisson","rate":0.5}'
# What a task file says of noise is less than that, and of the operator must agree.
restore reduced --task super_resolution --sigma 0.3 --method zero-filled --input photo.png
restore described --task-config "$files/super_resolution_config.yaml" --method zero-filled --measurement reduced/measurement.h5
says described '{"name":"gaussian","sigma":0.3}'
grep -q "the task file's is not used" complaints || fail "no note about the task file's noise"
# Noise on what was not measured is a fact about a measurement, and no option.
restore compat --task inpainting_random --drop 0.5 --compat --method zero-filled --input photo.png
restore again --task inpainting_random --method zero-filled --sigma 0.1 --measurement compat/measurement.h5
says again '{"compat":true,"name":"gaussian","sigma":0.1}'
restore plain --task inpainting_random --drop 0.5 --method zero-filled --input photo.png
restore never --task inpainting_random --method zero-filled --compat --sigma 0.1 --measurement plain/measurement.h5
says never '{"name":"gaussian","sigma":0.1}'

# What a task file says of an operator wins over what a method would rather have.
printf 'measurement: {operator: {name: phase_retrieval, oversample: 2.0, range: pm1}}\n' >range.yaml
restore range --task-config range.yaml --method hio --iterations 5 --restarts 1 --input photo.png
printf 'measurement: {operator: {name: motion_blur, kernel_size: 9, seed: 9223372036854775808}}\n' >seed.yaml
restore seeded --task-config seed.yaml --method wiener --input photo.png
grep -q '"range": "pm1"' range/report.json || fail "the task file's range was not taken"
# Seeds have 64 bits.
restore seed --task motion_blur --kernel-size 9 --method wiener --seed 18446744073709551615 --input photo.png
