#!/usr/bin/env bash
# Every method on every task that tweedie-restore lists: it runs, or is refused in one line. The README's table of both is
# what comes of it; where it is another one, that which it should be is printed. methods.sh BIN DATA DEVICE
source "$(dirname "$0")/common.sh"
readme=$data/../../README.md

side=24
convert kernel_wizard 2>/dev/null
"$bin/end_to_end_prepare" crop "$data/images/astronaut.png" "$work/photo.png" $side $side
"$bin/end_to_end_prepare" crop "$data/images/astronaut.png" "$work/large.png" 128 128
"$bin/end_to_end_prepare" mask "$work/mask.png" $side $side
"$bin/end_to_end_prepare" mask "$work/kernel.png" 5 3

help=$("$bin/tweedie-restore" --help)
# `composed` comes from a task file only.
mapfile -t tasks < <(sed -n '/^Tasks:/,/^Methods:/s/^  \([a-z_]*\) .*/\1/p' <<<"$help" | grep -vx composed)
mapfile -t methods < <(sed -n '/^Methods:/,/^Samplers:/s/^  \([a-z+-]*\) .*/\1/p' <<<"$help")
[ ${#tasks[@]} -gt 15 ] && [ ${#methods[@]} -gt 20 ] || fail "found ${#tasks[@]} tasks and ${#methods[@]} methods in --help"

declare -A runs by_method by_task
for task in "${tasks[@]}"; do
  options=(--input "$work/photo.png")
  case "$task" in
    inpainting) options+=(--mask "$work/mask.png") ;;
    gaussian_blur | motion_blur) options+=(--kernel-size 9) ;;
    kernel_blur | circular_reduction) options+=(--kernel "$work/kernel.png") ;;
    jpeg) options=(--input "$work/large.png") ;;
    nonlinear_blur) options=(--input "$work/large.png" --operator-weights "$work/kernel_wizard.h5") ;;
  esac
  for method in "${methods[@]}"; do
    brief=()
    case "$method" in
      admm-tv) brief=(--iterations 2) ;;
      er | hio | oss) brief=(--iterations 2 --restarts 1) ;;
      zero-filled | wiener | fbp) ;;
      pnp-admm) brief=(--prior spectrum --restarts 1 --set iterations=2) ;;
      tds) brief=(--prior spectrum --steps 2 --restarts 1 --particles 2) ;;
      reps) brief=(--prior spectrum --restarts 1 --set levels=1 --set ode_steps=2) ;;
      daps) brief=(--prior spectrum --restarts 1 --set levels=1 --set chain=1) ;;
      *) brief=(--prior spectrum --steps 1 --restarts 1) ;;
    esac
    status=0
    "$bin/tweedie-restore" --device "$device" --task "$task" --method "$method" --quiet "${brief[@]}" \
      "${options[@]}" -o "$work/out" >"$work/printed" 2>"$work/said" || status=$?
    [ "$status" = 0 ] || [ "$status" = 2 ] || fail "$task by $method: exit code $status: $(cat "$work/said")"
    sed -i '/the result does not explain the measurement/d' "$work/said" # after so few steps
    [ "$(wc -l <"$work/said")" = $((status / 2)) ] || fail "$task by $method said: $(cat "$work/said")"
    verdict=$([ "$status" = 0 ] && echo yes || echo no)
    runs[$task/$method]=$verdict
    by_method[$method]+=" $verdict"
    by_task[$task]+=" $verdict"
  done
done

# grouped PATTERNS NAMES...: names that are alike in everything, a line each, in the order of the first ones.
grouped() {
  local -n pattern=$1
  shift
  local name other seen=""
  for name in "$@"; do
    [[ "$seen" == *"|${pattern[$name]}|"* ]] && continue
    seen+="|${pattern[$name]}|"
    for other in "$@"; do [ "${pattern[$other]}" = "${pattern[$name]}" ] && printf '%s ' "$other"; done
    echo
  done
}
cell() { printf ' | %s' "$(sed 's/[^ ][^ ]*/`&`/g; s/ $//' <<<"$1")"; }
mapfile -t columns < <(grouped by_method "${methods[@]}")
mapfile -t rows < <(grouped by_task "${tasks[@]}")
{
  printf '| task'
  for column in "${columns[@]}"; do cell "$column"; done
  printf ' |\n|---|%s\n' "$(printf -- '---|%.0s' "${columns[@]}")"
  for row in "${rows[@]}"; do
    cell "$row" | sed 's/^ //'
    for column in "${columns[@]}"; do printf ' | %s' "${runs[${row%% *}/${column%% *}]}"; done
    printf ' |\n'
  done
} >"$work/table"
sed -n '/^| task | `/,/^$/p' "$readme" | sed '$d' >"$work/stated"
diff "$work/stated" "$work/table" >"$work/difference" || fail "the README's table of tasks and methods should be
$(cat "$work/table")"
echo "$((${#tasks[@]} * ${#methods[@]})) combinations of task and method are as the README says"
