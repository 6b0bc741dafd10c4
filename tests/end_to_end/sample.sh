#!/usr/bin/env bash
# tweedie-sample with each prior: sample.sh BIN DATA DEVICE
source "$(dirname "$0")/common.sh"

convert unet_small
convert unet_classcond
# draw FOLDER OPTIONS...
draw() {
  "$bin/tweedie-sample" --device "$device" --count 2 --steps 2 --quiet -o "$work/$1" "${@:2}" >/dev/null
  for file in image_1.png image_2.png grid.png report.json; do
    [ -s "$work/$1/$file" ] || fail "$1/$file is missing or empty"
  done
  if cmp -s "$work/$1/image_1.png" "$work/$1/image_2.png"; then fail "$1: the images are the same"; fi
}
same() { cmp -s "$work/$1" "$work/$2" || fail "$1 and $2 differ, expected the same bytes"; }

draw spectrum --prior spectrum --height 31 --width 45
# Every sampler, both parameterisations: pictures of their own; what has no choice refuses one.
for sampler in ddim sde ode pc langevin dpmpp2 dpmpp3; do
  corrections=()
  case "$sampler" in pc | langevin) corrections=(--corrections 2 --snr 0.2) ;; esac
  draw "$sampler" --prior spectrum --height 31 --width 45 --sampler "$sampler" "${corrections[@]}"
  if cmp -s "$work/$sampler/image_1.png" "$work/spectrum/image_1.png"; then fail "$sampler draws what ddpm draws"; fi
done
for sampler in sde ode pc; do
  draw "$sampler-ve" --prior spectrum --height 31 --width 45 --sampler "$sampler" --parameterisation ve
  if cmp -s "$work/$sampler-ve/image_1.png" "$work/$sampler/image_1.png"; then fail "$sampler: vp and ve are the same"; fi
done
if "$bin/tweedie-sample" --device "$device" --steps 2 --sampler ddim --parameterisation ve -o "$work/refused" 2>/dev/null
then fail "ddim takes --parameterisation ve"; fi
[ ! -e "$work/refused" ] || fail "a refused run left its folder"
draw network --weights "$work/unet_small.h5"
draw shipped --prior fashion --label 3 7
if "$bin/tweedie-sample" --device "$device" --steps 2 --prior fashion -o "$work/refused" 2>"$work/said"
then fail "a class-conditional prior takes no label"; fi
grep -q -- --label "$work/said" || fail "the label that is missing is not named: $(cat "$work/said")"
draw classes --weights "$work/unet_classcond.h5" --label 3 7
# The same seed, the same images, whatever is drawn before them; another label, another image.
draw again --weights "$work/unet_classcond.h5" --label 3
same classes/image_1.png again/image_1.png
if cmp -s "$work/classes/image_2.png" "$work/again/image_2.png"; then fail "labels 7 and 3 give the same image"; fi

# Guided to its class a network makes other images; one that never saw a sample without its class cannot be guided.
draw guided --prior fashion --label 3 7 --class-guidance 3
if cmp -s "$work/guided/image_1.png" "$work/shipped/image_1.png"; then fail "--class-guidance changes nothing"; fi
unguided() {
  local text=$1
  shift
  if "$bin/tweedie-sample" --device "$device" --steps 2 -o "$work/refused" "$@" 2>"$work/said"
  then fail "$*: guided"; fi
  grep -q -- "--class-guidance: the .*$text" "$work/said" || fail "$*: $(cat "$work/said")"
}
unguided "never saw a sample without its class" --weights "$work/unet_classcond.h5" --label 3 --class-guidance 2
unguided "has no classes" --weights "$work/unet_small.h5" --class-guidance 2

# The variance of the steps is the weight file's, for networks that learn none.
for small in true false; do
  sed "0,/{/s//{\"sigma_small\": $small, /" "$data/unet_classcond/model_config.json" >"$work/$small.json"
  "$bin/tweedie-convert" "$data/unet_classcond/checkpoint.pt" "$work/$small.h5" --config "$work/$small.json" >/dev/null
  draw "small_$small" --weights "$work/$small.h5" --label 3
done
same small_false/image_1.png again/image_1.png  # what guided-diffusion does when nobody says
if cmp -s "$work/small_true/image_1.png" "$work/small_false/image_1.png"; then fail "sigma_small has no effect"; fi
