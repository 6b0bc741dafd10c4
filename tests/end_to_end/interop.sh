#!/usr/bin/env bash
# Checkpoints of one network as different trainings save it: each converts to weights that agree with the recorded
# numbers to rounding, or is refused by name: interop.sh BIN DATA DEVICE
source "$(dirname "$0")/common.sh"
from=$data/interop
for name in bf16_zip dataparallel_fp16 integer_buffers parameters_with_metadata_bf16; do
  "$bin/tweedie-convert" "$from/$name.pt" "$work/$name.h5" --config "$from/model_config.json" >"$work/$name.log" 2>&1 ||
    fail "$name.pt: $(cat "$work/$name.log")"
  "$bin/tweedie-verify" --device "$device" --tolerance 1e-5 --weights "$work/$name.h5" "$from/reference.h5" \
    | tee "$work/printed"
  grep -Eq "^3 of 3 arrays agree on $device$" "$work/printed" || fail "$name.pt: other weights than recorded"
done
for surplus in num_batches_tracked out.0.num_batches_tracked time_embed.step trained; do
  grep -q "note: left out.*[ :]$surplus (torch" "$work/integer_buffers.log" || fail "$surplus was left out without a word"
done

status=0
"$bin/tweedie-convert" "$from/whole_module_pickle.pt" "$work/module.h5" --config "$from/model_config.json" \
  2>"$work/printed" || status=$?
[ "$status" = 2 ] || fail "a pickled module ends with exit code $status, expected 2"
grep -q 'guided_diffusion.unet.UNetModel' "$work/printed" || fail "the class is not named: $(cat "$work/printed")"
[ ! -e "$work/module.h5" ] || fail "a refused checkpoint left a weight file"
