#!/usr/bin/env bash
# tweedie-metrics on two folders: metrics.sh BIN DATA DEVICE
source "$(dirname "$0")/common.sh"

metrics() { "$bin/tweedie-metrics" --device "$device" --quiet "$@"; }
mkdir "$work/a" "$work/b"
cp "$data/images/astronaut.png" "$work/a/first.png"
cp "$data/images/coffee.png" "$work/b/first.png"
cp "$data/images/coffee.png" "$work/a/second.png"
cp "$data/images/coffee.png" "$work/b/second.png"

metrics "$work/a" "$work/b" -m psnr,ssim,psnr-pooled --csv "$work/each.csv" >"$work/table"
# skimage 0.26.0 on these photographs: 8.371444 dB, 0.136228. The equal pair is infinitely good, and left out.
grep -Eq '^psnr \(skimage\) +8\.371 +8\.371 +inf +\(1 infinite, of equal images, left out of the mean\)$' "$work/table" ||
  fail "the row of PSNR"
grep -Eq '^ssim \(Wang; skimage gaussian\) +0\.5681 +0\.6108 +0\.1362 +1\.0000$' "$work/table" || fail "the row of SSIM"
grep -Eq '^psnr \(torchmetrics, pooled\) +11\.382$' "$work/table" || fail "the row of pooled PSNR"
[ "$(head -n 1 "$work/each.csv")" = image,psnr,ssim ] || fail "the head of the CSV file"
grep -Eq '^first,8\.37144[0-9]*,0\.13622[0-9]*$' "$work/each.csv" || fail "the first row of the CSV file"
grep -qx 'second,inf,1' "$work/each.csv" || fail "the second row of the CSV file"
metrics "$work/a" "$work/b" --json >"$work/report.json"
"$bin/end_to_end_prepare" has "$work/report.json" /metrics/psnr/values/first /metrics/ssim/mean /metrics/psnr/infinite ||
  fail "the JSON report"
[ "$(metrics --list | wc -l)" -gt 30 ] || fail "the list of metrics"

# refused WORDS... -- TEXT: exit code 2 and one line that contains the text.
refused() {
  local words=() status=0
  while [ "$1" != -- ]; do
    words+=("$1")
    shift
  done
  metrics "${words[@]}" >"$work/out" 2>"$work/errors" || status=$?
  [ "$status" = 2 ] || fail "${words[*]}: exit code $status, expected 2"
  [ "$(wc -l <"$work/errors")" = 1 ] || fail "${words[*]}: more than one line"
  grep -qF -- "$2" "$work/errors" || fail "${words[*]}: said $(cat "$work/errors"), expected '$2'"
}
refused "$work/a" -- "give a folder of images and a folder of references"
refused "$work/a" "$work/none" -- "$work/none: neither a folder nor a file"
refused "$work/a" "$work/b" -m nothing -- "there is no metric 'nothing'; there are psnr, "
refused "$work/a" "$work/b" -m lpips-alex --networks "$work" -- "get alexnet-owt-7be5be79.pth"
ln -s a "$work/linked"
before=$(md5sum "$work/b/first.png")
refused "$work/a" "$work/b" --csv "$work/b/first.png" -- "first.png: this run reads it"
refused "$work/linked" "$work/b" --csv "$work/a/first.png" -- "first.png: this run reads it"
refused "$work/a" "$work/b" --csv "$work/none/x.csv" -- "$work/none/x.csv: cannot write"
refused "$work/a" "$work/b" --csv "" -- "--csv: is empty"
refused "$work/a" "$work/b" --seed -1 -- "--seed: -1 is not a whole number of 64 bits"
refused "$work/a" "$work/b" --seed 1 -- "--seed means nothing without kid"
refused "$work/a" "$work/b" --networks "$work" -- "--networks means nothing to psnr,ssim"
[ "$(md5sum "$work/b/first.png")" = "$before" ] || fail "a picture was written over"
refused "$work/a" "$work/b" -m fid --csv "$work/x.csv" -- "none of these metrics has a number for each pair"
cp "$data/images/coffee.png" "$work/a/third.png"
refused "$work/a" "$work/b" -- "third.png: has no partner named third among the references"
metrics "$work/a" "$work/b" --common | grep -q ': 2 pairs$' || fail "--common"
