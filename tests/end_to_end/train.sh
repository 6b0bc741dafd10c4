#!/usr/bin/env bash
# Training, stopped, killed and gone on with. train.sh BIN DATA DEVICE
source "$(dirname "$0")/common.sh"

model=(--data "$data/images" --size 16 --max-shrink 4 --model-channels 32 --channel-mult 1,1 --res-blocks 1
  --attention 8 --learn-sigma --batch 2 --warmup 2 --seed 5 --timesteps loss-aware --clip 1
  --quiet --device "$device")
train() { "$bin/tweedie-train" "$@" >printed 2>complaints || fail "$*: $(cat complaints)"; }
cd "$work"

# In one go, and in two: the same bytes.
train "${model[@]}" -o through --steps 8 --samples 2 --sample-steps 2 --sample-every 8
grep -q "^finished at step 8" printed || fail "the end was not reported: $(cat printed)"
for file in weights.h5 checkpoint.h5 log.csv loss.png samples.png; do [ -s "through/$file" ] || fail "no $file"; done
train "${model[@]}" -o parts --steps 8 --sample-every 0 --stop-after 3
[ "$(wc -l <parts/log.csv)" = 4 ] || fail "log.csv has not one row a step"
train --resume --quiet --sample-every 0 --device "$device" -o parts
cmp through/weights.h5 parts/weights.h5 || fail "a run in two parts ends elsewhere"
cmp through/checkpoint.h5 parts/checkpoint.h5 || fail "a run in two parts leaves another checkpoint"
# All columns but the last, which is a speed.
diff <(cut -d, -f1-6 through/log.csv) <(cut -d, -f1-6 parts/log.csv) || fail "its log differs"

# What it wrote restores.
"$bin/tweedie-sample" --weights through/weights.h5 --steps 2 --count 1 --quiet --device "$device" -o sampled >/dev/null ||
  fail "the weights cannot be used"

# Ended by a signal after some steps: a checkpoint, and exit code 0; killed: the last checkpoint goes on.
"$bin/tweedie-train" "${model[@]}" --steps 100000 --sample-every 0 --save-every 2 -o stopped >printed 2>complaints &
process=$!
for _ in $(seq 600); do [ -s stopped/checkpoint.h5 ] && break || sleep 0.2; done
kill -TERM "$process"
wait "$process" || fail "SIGTERM ends with exit code $?: $(cat complaints)"
grep -q "^stopped at step" printed || fail "the stop was not reported"
step=$(tail -n 1 stopped/log.csv | cut -d, -f1)
grep -q "^stopped at step $step:" printed || fail "checkpoint and log are of different steps"
"$bin/tweedie-train" --resume --quiet --sample-every 0 --save-every 2 --device "$device" -o stopped >printed 2>complaints &
process=$!
for _ in $(seq 600); do [ "$(tail -n 1 stopped/log.csv | cut -d, -f1)" -gt $((step + 4)) ] && break || sleep 0.2; done
kill -KILL "$process"
wait "$process" 2>/dev/null && fail "it was not killed"
train --resume --quiet --sample-every 0 --device "$device" --stop-after $((step + 8)) -o stopped
[ "$(tail -n 1 stopped/log.csv | cut -d, -f1)" -ge $((step + 4)) ] || fail "after being killed it did not go on"

# Refused in one line, with exit code 2.
refused() {
  local expected=$1 status=0
  shift
  "$bin/tweedie-train" "$@" >printed 2>complaints || status=$?
  [ "$status" = 2 ] || fail "$*: exit code $status, expected 2"
  [ "$(wc -l <complaints)" = 1 ] || fail "$*: more than a line: $(cat complaints)"
  grep -q -- "$expected" complaints || fail "$*: $(cat complaints), expected $expected"
}
refused "there is a run already" "${model[@]}" -o through
refused "takes this from its checkpoint" --resume --lr 1 -o through
refused "what to learn from is missing" -o nothing
refused "No such file" --resume -o nothing
# Results beside the examples would be examples the next time; what is read is not written over.
cp -r "$data/images" photos
refused "lies in photos" --data photos --size 16 -o photos
refused "lies in ./photos" --data ./photos --size 16 -o photos/deep/run
mkdir begun && cp through/weights.h5 begun
! "$bin/tweedie-train" "${model[@]}" --weights begun/weights.h5 -o begun >printed 2>complaints ||
  fail "the weights it began with were written over"
grep -q "begun/weights.h5: this run reads it" complaints || fail "$(cat complaints)"
refused "too few steps for this schedule" --data blur-kernels --channels 1 --size 16 --diffusion-steps 10 -o nothing
refused "expected less" --data blur-kernels --beta2 1 -o nothing
refused "--flip means nothing to blur-kernels" --data blur-kernels --channels 1 --size 16 --flip 0 -o nothing
refused "means nothing without --class-cond" --data blur-kernels --channels 1 --size 16 --label-dropout 0.1 -o nothing
refused "--data: is empty" --data "" -o nothing
refused "needs a multiple of 2" --data "$data/images" --size 15 --channel-mult 1,1 -o odd

# Two processes do what one does with twice the batches, where there is MPI: log and weights agree but for rounding.
if command -v mpirun >/dev/null; then
  shared=(--data "$data/images" --size 16 --max-shrink 4 --model-channels 32 --channel-mult 1,1 --res-blocks 1
    --attention 8 --learn-sigma --batch 2 --warmup 2 --seed 5 --clip 1 --quiet --device "$device" --steps 4 --sample-every 0)
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  # Open MPI keeps memory until the end, which a sanitizer calls a leak.
  ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 mpirun --oversubscribe -n 2 "$bin/tweedie-train" "${shared[@]}" -o ranks >printed 2>complaints || fail "2 ranks: $(cat complaints)"
  [ "$(grep -c "^finished at step 4" printed)" = 1 ] || fail "2 ranks: $(cat printed complaints)"
  train "${shared[@]}" --accumulate 2 -o alone
  paste -d, ranks/log.csv alone/log.csv | awk -F, '
    NR > 1 { d = $2 - $9; if (d < 0) d = -d; if (d > 1e-5 * $9) bad = 1; rows++ }
    END { exit bad || rows != 4 }' || fail "2 ranks have other losses than one process with twice the batches"
fi
