#!/usr/bin/env bash
# A run of ten samples is killed at random moments, and --resume makes what an uninterrupted run makes.
# resume.sh BIN DATA DEVICE [KILLS]
source "$(dirname "$0")/common.sh"

kills=${1:-5}
"$bin/end_to_end_prepare" crop "$data/images/astronaut.png" "$work/photo.png" 48 64
words=(--task inpainting_random --prior spectrum --samples 10 --steps 300 --seed 3 --device "$device" --input ../photo.png -o out)
# In a folder each, so that the command lines are the same.
restore() { (cd "$1" && "$bin/tweedie-restore" "${words[@]}" "${@:2}" >printed 2>complaints) || fail "$*: $(cat "$1/complaints")"; }
# What a report says but for times, memory and how the run was called.
content() { grep -vE '"(command|date|seconds_per_step|peak_[a-z]+_bytes)":' "$1/out/report.json"; }

mkdir "$work/whole"
cd "$work"
start=$(date +%s%N)
restore whole
whole=$((($(date +%s%N) - start) / 1000)) # microseconds
[ -s whole/out/sample_10.png ] || fail "the uninterrupted run made no ten samples"

RANDOM=$((${TWEEDIE_SEED:-$$} % 32768))
killed=0 found=0
for round in $(seq "$((4 * kills))"); do
  [ "$killed" -lt "$kills" ] || break
  name=round_$round
  mkdir "$name"
  (cd "$name" && exec "$bin/tweedie-restore" "${words[@]}" >printed 2>complaints) &
  run=$!
  moment=$((whole * RANDOM / 32768))
  sleep "$(printf '%d.%06d' $((moment / 1000000)) $((moment % 1000000)))"
  kill -9 "$run" 2>/dev/null || true
  status=0
  wait "$run" 2>/dev/null || status=$?
  if [ "$status" != 137 ]; then # it had ended before
    rm -r "$name"
    continue
  fi
  killed=$((killed + 1))
  parts=$(find "$name" -name 'sample_*.part.h5' | wc -l)
  restore "$name" --resume
  [ "$parts" = 0 ] || grep -q "goes on after $parts of 10 samples" "$name/complaints" ||
    fail "killed after $moment us: $parts samples were finished: $(head -5 "$name/complaints")"
  found=$((found + parts))
  # The folder holds the same files, and every picture and number is the same.
  diff <(ls -A whole/out) <(ls -A "$name/out") || fail "killed after $moment us: other files"
  for file in whole/out/*.png; do
    cmp "$file" "$name/out/$(basename "$file")" || fail "killed after $moment us"
  done
  cmp whole/out/measurement.h5 "$name/out/measurement.h5" || fail "killed after $moment us"
  diff <(content whole) <(content "$name") || fail "killed after $moment us: another report"
  rm -r "$name"
done
[ "$killed" = "$kills" ] || fail "only $killed of $kills runs were killed before their end"
printf '%s kills; the runs after them found %s samples finished\n' "$killed" "$found"
