#!/usr/bin/env bash
# A recorded reference against this build: verify.sh BIN DATA DEVICE FILE NETWORK
# NETWORK: a folder of the data; - for none; blind for the three priors of a run with several unknowns.
source "$(dirname "$0")/common.sh"
file=$1
network=$2

options=()
if [ "$network" = blind ]; then
  for each in unet_small blind/unet_kernel blind/unet_tilt; do convert "$each"; done
  options=(--weights "$work/unet_small.h5" --kernel-weights "$work/blind/unet_kernel.h5"
    --tilt-weights "$work/blind/unet_tilt.h5")
elif [ "$network" != - ]; then
  convert "$network"
  options=(--weights "$work/$network.h5")
  [ "$network" != kernel_wizard ] || options=(--operator-weights "$work/$network.h5")
fi
"$bin/tweedie-verify" --device "$device" "${options[@]}" "$data/$file" | tee "$work/printed"
# Not only no disagreement, but something that agreed, on the device asked for.
grep -Eq "^([1-9][0-9]*) of \1 arrays agree on $device$" "$work/printed" || fail "no agreement was reported"

# And it can disagree.
status=0
"$bin/tweedie-verify" --device cpu --tolerance=1e-30 "$data/schedules.h5" >"$work/printed" || status=$?
[ "$status" = 1 ] || fail "disagreement ends with exit code $status, expected 1"
