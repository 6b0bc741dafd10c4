#!/usr/bin/env bash
# --precision and --checkpoint change what a restoration takes, and hardly or not at all what it gives.
# precision.sh BIN DATA DEVICE
source "$(dirname "$0")/common.sh"

cd "$work"
size=256 steps=4
[ "$device" = cpu ] || size=16 steps=2
"$bin/end_to_end_prepare" crop "$data/images/astronaut.png" photo.png "$size" "$size"
# restore FOLDER OPTIONS...
restore() {
  "$bin/tweedie-restore" --device "$device" --input photo.png --task inpainting_random --drop 0.7 --prior photo \
    --method pigdm --steps "$steps" --seed 1 --save-arrays --quiet -o "$@" >/dev/null 2>said || fail "$*: $(cat said)"
}
number() { "$bin/end_to_end_prepare" number "$1/report.json" "$2"; }

restore fp32
restore again --checkpoint
cmp -s fp32/restored.npy again/restored.npy || fail "--checkpoint changes the restoration"
restore bf16 --precision bf16
if cmp -s fp32/restored.npy bf16/restored.npy; then fail "--precision bf16 rounds nothing"; fi
restore both --precision bf16 --checkpoint
cmp -s bf16/restored.npy both/restored.npy || fail "--checkpoint changes the restoration in bf16"
grep -q '"precision": "bf16"' bf16/report.json || fail "the report does not say bf16"

if [ "$device" = cpu ]; then
  read -r wide stored <<<"$(number fp32 /after/psnr_db) $(number bf16 /after/psnr_db)"
  # Measured: 0.0004 dB apart at most in 100 steps of 256 x 256 pixels.
  awk -v a="$wide" -v b="$stored" 'BEGIN { d = a - b; exit !(d < 0.02 && d > -0.02) }' || fail "fp32 $wide dB, bf16 $stored dB"
  read -r all less least <<<"$(number fp32 /peak_device_bytes) $(number bf16 /peak_device_bytes) $(number both /peak_device_bytes)"
  awk -v a="$all" -v b="$less" -v c="$least" 'BEGIN { exit !(b < 0.85 * a && c < 0.9 * b) }' ||
    fail "memory: $all bytes, in bf16 $less, with --checkpoint too $least"
  if "$bin/tweedie-restore" --device cpu --input photo.png --task denoising --precision tf32 -o refused 2>said; then fail "tf32 on a CPU"; fi
  grep -q "precision tf32: of NVIDIA's GPUs" said || fail "tf32: $(cat said)"
  [ ! -e refused ] || fail "a refused run left its folder"
  if "$bin/tweedie-table" --device cpu "$data/../../tools/tables/bundled.yaml" --images "$data/images" --precision tf32 -o refused 2>said
  then fail "a table in tf32 on a CPU"; fi
  [ "$(wc -l <said)" = 1 ] && grep -q "precision tf32: of NVIDIA's GPUs" said || fail "a table in tf32: $(cat said)"
  [ ! -e refused ] || fail "a refused table left its folder"
else
  restore tf32 --precision tf32
  if cmp -s fp32/restored.npy tf32/restored.npy; then fail "--precision tf32 rounds nothing"; fi
fi
