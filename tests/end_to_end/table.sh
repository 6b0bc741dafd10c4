#!/usr/bin/env bash
# tweedie-table: killed at any moment and run again, in one part, two or four, the table is the same; bad tables are
# refused; every table that ships has a plan. table.sh BIN DATA DEVICE
source "$(dirname "$0")/common.sh"

tables=$(cd "$(dirname "$0")/../../tools/tables" && pwd)
cd "$work"
mkdir photos
for name in astronaut coffee; do "$bin/end_to_end_prepare" crop "$data/images/$name.png" photos/$name.png 32 32; done
cat >tiny.yaml <<'EOF'
name: tiny
images: {size: 32}
options: {sigma: 0.05}
seeds: [0, 7]
tasks:
  - {name: "random inpainting, 70 %", task: inpainting_random, drop: 0.7}
  - {name: denoising, task: denoising}
methods:
  - {name: wiener, method: wiener, prior: none, only: denoising}
  - {name: diffpir, method: diffpir, prior: spectrum, steps: 3}
published: {denoising: {diffpir: {psnr: 30.5}}}
EOF
table() { "$bin/tweedie-table" tiny.yaml --images photos --device "$device" --quiet "$@" >printed 2>complaints; }

table -o whole || fail "$(cat complaints)"
grep -q "(paper 30.5)" printed || fail "the paper's number is not there: $(cat printed)"
[ "$(wc -l <whole/table.csv)" = 7 ] || fail "not a line a number: $(cat whole/table.csv)"
for file in table.txt table.md table.tex table.json report.html; do [ -s whole/$file ] || fail "no $file"; done
# The numbers are those of the pictures: of one image, by the program for that.
picture=whole/cells/denoising/diffpir/coffee_seed7
"$bin/tweedie-metrics" $picture/restored.png $picture/original.png -m psnr --json --device "$device" >score.json
"$bin/end_to_end_prepare" has score.json /metrics/psnr/mean || fail "no score"
score=$(grep -o '"mean": *[0-9.]*' score.json | head -n 1 | grep -o '[0-9.]*$')
grep -q "\"psnr\":${score:0:12}" $picture/scores.json || fail "the table scores $(cat $picture/scores.json), tweedie-metrics $score"

# The report shows pictures that are there.
grep -o 'src="[^"]*"' whole/report.html | sed 's/src="//; s/"$//' | sort -u >pictures
[ "$(wc -l <pictures)" = 40 ] || fail "the report shows $(wc -l <pictures) pictures"
while read -r file; do [ -s "whole/$file" ] || fail "the report shows $file, which is not there"; done <pictures

# Killed at ten random moments, then finished: the same numbers, no traces of the runs that were cut off.
seed=${RANDOM_SEED:-$RANDOM}
RANDOM=$seed
begin=$(date +%s%N)
table -o timed || fail "$(cat complaints)"
span=$((($(date +%s%N) - begin) / 1000000)) # milliseconds of a whole table
cut=0
for _ in $(seq 100); do
  [ "$cut" = 10 ] && break
  # A table that was finished before (the machine may be faster now) counts for nothing and is begun anew.
  [ -s killed/table.csv ] && rm -r killed
  "$bin/tweedie-table" tiny.yaml --images photos --device "$device" --quiet -o killed >/dev/null 2>&1 &
  sleep "$(printf '%d.%03d' $((RANDOM % span / 1000)) $((RANDOM % span % 1000)))"
  kill -KILL $! 2>/dev/null && cut=$((cut + 1))
  wait $! 2>/dev/null || true
done
[ "$cut" = 10 ] || fail "RANDOM_SEED=$seed: only $cut of a hundred were still running when they were to be killed"
table -o killed || fail "RANDOM_SEED=$seed: $(cat complaints)"
# same WHAT FOLDER: its table is that of the whole one, number for number, and so are its pictures.
same() {
  cmp whole/table.csv "$2/table.csv" || fail "$1 has other numbers"
  cmp <(cd whole && find cells -name '*.png' -exec cksum {} + | sort) \
    <(cd "$2" && find cells -name '*.png' -exec cksum {} + | sort) || fail "$1 has other pictures"
  [ -z "$(find "$2" -name '*.part' -o -name '*.tmp' -o -name '*.log')" ] || fail "$1 left $(find "$2" -name '*.part' -o -name '*.tmp' -o -name '*.log')"
}
same "a table that was killed (RANDOM_SEED=$seed)" killed
for shards in 2 4; do
  for shard in $(seq $shards); do table --shard $shard/$shards -o shards$shards || fail "$(cat complaints)"; done
  same "a table of $shards parts" shards$shards
done
# Ranks that mpirun starts, side by side in one folder; whoever comes last has the whole table.
if command -v mpirun >/dev/null; then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  for ranks in 1 2 4; do
    mpirun --oversubscribe -n $ranks "$bin/tweedie-table" tiny.yaml --images photos --device "$device" --quiet -o ranks$ranks \
      >printed 2>complaints || fail "$ranks ranks: $(cat complaints)"
    same "a table of $ranks ranks" ranks$ranks
  done
else
  echo "no mpirun: ranks were not tried"
fi
# A process that mpirun started takes its part by itself.
OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=2 table -o ranks || fail "$(cat complaints)"
some=$(find ranks -name report.json | wc -l)
[ "$some" -gt 3 ] && [ "$some" -lt 9 ] || fail "rank 1 of 2 ran $some of 12"
# What a run depends on has changed: it is run again, and what has not changed is not.
touch -d yesterday whole/cells/denoising/*/*/report.json
sed -i 's/steps: 3/steps: 4/' tiny.yaml
table -o whole || fail "$(cat complaints)"
[ "$(find whole/cells/denoising -name report.json -newer photos | wc -l)" = 4 ] || fail "not just the runs of diffpir were made again"
sed -i 's/steps: 4/steps: 3/' tiny.yaml

# Every file that ships has a plan, in each of its readings, and says where its numbers come from and what is open.
plan() { "$bin/tweedie-table" "$@" --images photos --dry-run --step-seconds 3600 >printed 2>complaints || fail "$*: $(cat complaints)"; }
readings=0
for file in "$tables"/*.yaml; do
  plan "$file"
  grep -q "network evaluations" printed || fail "$file: no plan: $(cat printed)"
  [ "$(sed -n 's/^[^:]*: //; 1p' printed | wc -c)" -gt 20 ] || fail "$file: no source"
  grep -q "^network:" "$file" || continue
  grep -q "^What the source leaves open:" printed || fail "$file: no ambiguities"
  grep -q "^on an H100 no less than [0-9.]* hours: an estimate" printed || fail "$file: no estimate: $(cat printed)"
  for reading in $(sed -n 's/^  --reading \([^:]*\):.*/\1/p' printed); do
    plan "$file" --reading "$reading"
    readings=$((readings + 1))
  done
done
[ "$readings" -gt 10 ] || fail "only $readings readings were found"
# 12 runs of 3 evaluations, half a step each: tiny.yaml, if it were of that network.
{ cat tiny.yaml && echo "network: ffhq256"; } >network.yaml
plan network.yaml
grep -q "^at 3.6e+03 s .*: about 12.0 hours" printed || fail "8 x 3 evaluations at half an hour each are not $(cat printed)"

# Networks besides the image's prior are passed on, each to the runs that want it; kernels are scored, too.
for each in unet_small blind/unet_kernel blind/unet_tilt; do convert "$each"; done
cat >blind.yaml <<'EOF'
options: {sigma: 0.02, kernel-size: 16}
metrics: [psnr, mnc, kernel-mse-sum1]
images: {first: 1}
tasks:
  - {name: blind, task: blind_blur}
  - {name: air, task: turbulence}
methods:
  - {name: BlindDPS, method: blind-dps, steps: 2}
EOF
"$bin/tweedie-table" blind.yaml --images photos --device "$device" --quiet -o blind-table --weights unet_small.h5 \
  --kernel-weights blind/unet_kernel.h5 --tilt-weights blind/unet_tilt.h5 >printed 2>complaints || fail "$(cat complaints)"
[ "$(grep -c '^\(blind\|air\),BlindDPS,mnc,1,0\.' blind-table/table.csv)" = 2 ] || fail "kernels were not scored: $(cat blind-table/table.csv)"
grep -q 'kernel_comparison.png" alt="kernel, true and found"' blind-table/report.html || fail "the report shows no kernels"
# The same score, as the report of the run has it.
score=$(grep -o '"mnc": *[0-9.]*' blind-table/cells/air/BlindDPS/astronaut/report.json | head -n 1 | grep -o '[0-9.]*$')
grep -q "^air,BlindDPS,mnc,1,${score:0:10}" blind-table/table.csv || fail "mnc is $score in the run, $(cat blind-table/table.csv)"
# chi^2 is the square of the misfit relative to the noise's.
grep -q '"chi2":' blind-table/cells/air/BlindDPS/astronaut/report.json || fail "no chi^2 in report.json"

# The class of a picture is what its name says; phase retrieval is scored up to half a turn.
mkdir labelled
for label in 3 7; do "$bin/end_to_end_prepare" crop "$data/images/camera_gray.png" labelled/part_$label.png 32 32; done
cat >labelled.yaml <<'EOF'
options: {sigma: 0.05}
metrics: [psnr-half-turn, success]
tasks:
  - {name: a, task: phase_retrieval, oversample: 2, restarts: 1}
methods:
  - {name: b, method: dps, prior: fashion, label: from-name, steps: 2}
EOF
labelled() { "$bin/tweedie-table" labelled.yaml --images "$1" --device "$device" --quiet -o classes >printed 2>complaints; }
labelled labelled || fail "$(cat complaints)"
for label in 3 7; do
  "$bin/end_to_end_prepare" has classes/cells/a/b/part_$label/report.json /label || fail "no class"
  grep -q "\"label\": $label" classes/cells/a/b/part_$label/report.json || fail "part_$label.png is not of class $label"
done
grep -q '^a,b,success,2,0,0,$' classes/table.csv || fail "two steps found a picture: $(cat classes/table.csv)"
mkdir nameless && cp labelled/part_3.png nameless/part.png
labelled nameless && fail "a picture without a class in its name was taken"
grep -q "part.png: the table takes its class from its name" complaints || fail "$(cat complaints)"

# refused TEXT LINE...: a table of these lines is refused by a line that says so.
refused() {
  local options=()
  [ "${*: -2:1}" = --reading ] && options=("${@: -2}") && set -- "${@:1:$#-2}"
  printf '%s\n' "${@:2}" >bad.yaml
  local status=0
  "$bin/tweedie-table" bad.yaml --images photos -o bad "${options[@]}" >printed 2>complaints || status=$?
  [ $status = 2 ] && [ "$(wc -l <complaints)" = 1 ] && grep -q -- "$1" complaints || fail "'$1': exit code $status, $(cat complaints)"
}
rows=('tasks: [{name: a, task: denoising}]' 'methods: [{name: b, method: wiener, prior: none}]')
refused "tasks is missing" "name: x"
refused "bad.yaml: line 1: metrics: has no value" "metrics:" "${rows[@]}"
refused "expected a whole number from 1, got 4294967297" "${rows[@]}" "images: {first: 4294967297}"
for unused in "--operator-weights tiny.yaml" "--kernel-weights tiny.yaml" "--step-seconds 3"; do
  status=0
  # shellcheck disable=SC2086
  "$bin/tweedie-table" tiny.yaml --images photos -o unused $unused >printed 2>complaints || status=$?
  [ $status = 2 ] && grep -q -- "${unused% *}.*\(no run of this table takes it\|means nothing\)" complaints || fail "$unused: exit code $status, $(cat complaints)"
done
# Runs of pictures of one name would have one folder.
mkdir -p twins/deep && cp photos/coffee.png twins && cp photos/astronaut.png twins/deep/coffee.png
for selection in "" "images: {ids: [coffee]}"; do
  { grep -v '^images' tiny.yaml; echo "$selection"; } >twins.yaml
  status=0
  "$bin/tweedie-table" twins.yaml --images twins -o twin-table >printed 2>complaints || status=$?
  [ $status = 2 ] && grep -q "coffee.png.*\(name\|twice\)" complaints || fail "twins: exit code $status, $(cat complaints)"
done
status=0 # Results among the photographs would be photographs the next time.
"$bin/tweedie-table" tiny.yaml --images photos -o photos/../photos/table >printed 2>complaints || status=$?
[ $status = 2 ] && grep -q "lies in photos, whose files are read" complaints || fail "exit code $status, $(cat complaints)"
refused "bad.yaml: line 3: colour: unknown key" "${rows[@]}" "colour: blue"
refused "bad.yaml: line 4: tasks.1.: drop: expected" "name: x" "tasks:" "  - {name: a, task: denoising}" "  - {name: c, drop: {x: 1}}" "${rows[1]}"
refused "bad.yaml: line 1: tasks.1.: a second row 'a'" 'tasks: [{name: a, task: denoising}, {name: a, task: denoising}]' "${rows[1]}"
refused "there is no task 'z'" "${rows[0]}" 'methods: [{name: b, method: wiener, only: z}]'
refused "there is no metric .beauty" "${rows[@]}" "metrics: [beauty]"
refused "there is no image 00001" "${rows[@]}" "images: {ids: ['00001']}"
refused "the table is of 64 x 64" "${rows[@]}" "images: {size: 64}"
refused "smaller than the table's 64" "${rows[@]}" "images: {size: 64, crop: centre}"
refused "line 1: tasks.0.: label: from-name is for methods" 'tasks: [{name: a, task: denoising, label: from-name}]' "${rows[1]}"
refused "the table's own runs state it" "${rows[0]}" 'methods: [{name: b, method: wiener, seed: 3}]'
refused "give its --weights" "${rows[@]}" "network: ffhq256"
refused "a / x: method 'nosuch' is not known" "${rows[0]}" 'methods: [{name: x, method: nosuch}]'
refused "a / x: --chain means nothing to --method ddrm" "${rows[0]}" 'methods: [{name: x, method: ddrm, chain: 3}]'
refused "wants a prior of the kernel: give its --kernel-weights" 'tasks: [{name: a, task: blind_blur}]' 'methods: [{name: x, method: blind-dps}]'
refused "the operator is a network: give its --operator-weights" 'tasks: [{name: a, task: nonlinear_blur}]' 'methods: [{name: x, method: dps}]'
refused "line 3: readings: other: what is missing" "${rows[@]}" "readings: {other: {options: {sigma: 1}}}"
refused "line 3: readings: other: tasks: b: there is no such row" "${rows[@]}" "readings: {other: {what: x, tasks: {b: {sigma: 1}}}}" --reading other
# A run that fails says why, and the rest goes on.
printf '%s\n' 'images: {first: 1}' 'tasks: [{name: a, task: hdr}]' 'methods: [{name: a, method: ddrm, prior: spectrum}, {name: b, method: dps, prior: spectrum, steps: 2}]' >bad.yaml
status=0
"$bin/tweedie-table" bad.yaml --images photos -o partly >printed 2>complaints || status=$?
[ $status = 2 ] && grep -q "a / a / astronaut: .*needs an operator" complaints && grep -q "1 run failed" complaints ||
  fail "a method that does not suit: exit code $status, $(cat complaints)"
[ -s partly/cells/a/b/astronaut/restored.png ] || fail "the other method did not run"
status=0
"$bin/tweedie-table" tiny.yaml --images photos -o bad --shard 3/2 2>complaints >/dev/null || status=$?
[ $status = 2 ] && grep -q "there is no part 3 of 2" complaints || fail "--shard 3/2: $(cat complaints)"
