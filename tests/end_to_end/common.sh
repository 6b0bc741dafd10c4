# shellcheck shell=bash disable=SC2034
# Sourced by the scripts of this folder. Arguments of each: the folder of the built programs, tests/data, the
# device, then the script's own. $work is a folder that is empty at first and gone afterwards.
set -euo pipefail
bin=$(cd "$1" && pwd)
data=$(cd "$2" && pwd)
device=$3
shift 3
work=$(mktemp -d "${TMPDIR:-/tmp}/tweedie-end-to-end-XXXXXX")
trap 'rm -rf "$work"' EXIT
# Small tensors: threads that spin while they wait would only be in the way of other tests.
export OMP_WAIT_POLICY=passive

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

# convert NAME: the checkpoint tests/data/NAME becomes $work/NAME.h5.
convert() {
  local config=()
  [ ! -e "$data/$1/model_config.json" ] || config=(--config "$data/$1/model_config.json")
  mkdir -p "$(dirname "$work/$1")"
  "$bin/tweedie-convert" "$data/$1/checkpoint.pt" "$work/$1.h5" "${config[@]}" >/dev/null
}
