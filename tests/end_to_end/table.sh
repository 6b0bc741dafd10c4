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

# Killed again and again, then finished: the same numbers, and no traces of the runs that were cut off.
for pause in 0.02 0.05 0.1 0.15 0.2 0.25 0.3 0.35 0.4 0.45; do
  "$bin/tweedie-table" tiny.yaml --images photos --device "$device" --quiet -o killed >/dev/null 2>&1 &
  sleep "$pause"
  kill -KILL $! 2>/dev/null || true
  wait $! 2>/dev/null || true
done
table -o killed || fail "$(cat complaints)"
cmp whole/table.csv killed/table.csv || fail "a table that was killed has other numbers"
for shards in 2 4; do
  for shard in $(seq $shards); do table --shard $shard/$shards -o shards$shards || fail "$(cat complaints)"; done
  cmp whole/table.csv shards$shards/table.csv || fail "$shards parts have other numbers"
done
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

# Every file that ships has a plan.
for file in "$tables"/*.yaml; do
  "$bin/tweedie-table" "$file" --images photos --dry-run --step-seconds 0.1 >printed 2>complaints || fail "$file: $(cat complaints)"
  grep -q "network evaluations" printed || fail "$file: no plan: $(cat printed)"
done

# refused TEXT LINE...: a table of these lines is refused by a line that says so.
refused() {
  printf '%s\n' "${@:2}" >bad.yaml
  local status=0
  "$bin/tweedie-table" bad.yaml --images photos -o bad >printed 2>complaints || status=$?
  [ $status = 2 ] && [ "$(wc -l <complaints)" = 1 ] && grep -q -- "$1" complaints || fail "'$1': exit code $status, $(cat complaints)"
}
rows=('tasks: [{name: a, task: denoising}]' 'methods: [{name: b, method: wiener, prior: none}]')
refused "tasks is missing" "name: x"
refused "unknown key colour" "${rows[@]}" "colour: blue"
refused "a second row 'a'" 'tasks: [{name: a, task: denoising}, {name: a, task: denoising}]' "${rows[1]}"
refused "there is no task 'z'" "${rows[0]}" 'methods: [{name: b, method: wiener, only: z}]'
refused "there is no metric .beauty" "${rows[@]}" "metrics: [beauty]"
refused "there is no image 00001" "${rows[@]}" "images: {ids: ['00001']}"
refused "the table is of 64 x 64" "${rows[@]}" "images: {size: 64}"
refused "smaller than the table's 64" "${rows[@]}" "images: {size: 64, crop: centre}"
refused "the table's own runs state it" "${rows[0]}" 'methods: [{name: b, method: wiener, seed: 3}]'
refused "give its --weights" "${rows[@]}" "network: ffhq256"
# A run that fails says why, and the rest goes on.
printf '%s\n' 'images: {first: 1}' "${rows[0]}" 'methods: [{name: a, method: nosuch}, {name: b, method: wiener, prior: none}]' >bad.yaml
status=0
"$bin/tweedie-table" bad.yaml --images photos -o partly >printed 2>complaints || status=$?
[ $status = 2 ] && grep -q "a / a / astronaut: .*method 'nosuch' is not known" complaints && grep -q "1 run failed" complaints ||
  fail "a method that does not exist: exit code $status, $(cat complaints)"
[ -s partly/cells/a/b/astronaut/restored.png ] || fail "the other method did not run"
status=0
"$bin/tweedie-table" tiny.yaml --images photos -o bad --shard 3/2 2>complaints >/dev/null || status=$?
[ $status = 2 ] && grep -q "there is no part 3 of 2" complaints || fail "--shard 3/2: $(cat complaints)"
