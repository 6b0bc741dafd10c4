#!/usr/bin/env bash
# What tweedie-verify takes a timestep for: verify_time.sh BIN DATA DEVICE
source "$(dirname "$0")/common.sh"

convert unet_small
# The same network, said to have been trained with timesteps rescaled from 4000 to 1000.
sed '0,/{/s//{"steps": 4000, "noise_schedule": "cosine", "rescale_timesteps": true, /' \
  "$data/unet_small/model_config.json" >"$work/rescaled.json"
"$bin/tweedie-convert" "$data/unet_small/checkpoint.pt" "$work/rescaled.h5" --config "$work/rescaled.json" >/dev/null
cp "$data/unet_small/reference.h5" "$work/reference.h5"
chmod u+w "$work/reference.h5"

# verdict STATUS WEIGHTS FILE [TEXT]: the exit code, and what is printed.
verdict() {
  local status=0
  "$bin/tweedie-verify" --device "$device" --weights "$work/$2.h5" "$3" >"$work/printed" 2>&1 || status=$?
  [ "$status" = "$1" ] || fail "$2, $3: exit code $status, expected $1: $(cat "$work/printed")"
  [ $# -lt 4 ] || grep -q "$4" "$work/printed" || fail "$2, $3: '$4' is not said: $(cat "$work/printed")"
}

verdict 0 unet_small "$work/reference.h5"
verdict 0 rescaled "$work/reference.h5" "the file does not say what its t is; taken as network"
"$bin/end_to_end_prepare" attribute "$work/reference.h5" timesteps network 2>/dev/null
verdict 0 unet_small "$work/reference.h5"
verdict 0 rescaled "$work/reference.h5"
"$bin/end_to_end_prepare" attribute "$work/reference.h5" timesteps schedule
verdict 0 unet_small "$work/reference.h5"
verdict 1 rescaled "$work/reference.h5"
"$bin/end_to_end_prepare" attribute "$work/reference.h5" timesteps seconds
verdict 2 unet_small "$work/reference.h5" "attribute .timesteps. is 'seconds', expected network or schedule"
# A run says itself how its timesteps were scaled.
verdict 0 rescaled "$data/trajectories/sr4_ps.h5" "not judged"

# A table that nobody can read is a failure.
if "$bin/tweedie-verify" --device "$device" "$data/schedules.h5" >/dev/full 2>"$work/printed"; then
  fail "the table is lost, and the exit code is 0"
fi
grep -q "No space left on device" "$work/printed" || fail "the reason is not said: $(cat "$work/printed")"
