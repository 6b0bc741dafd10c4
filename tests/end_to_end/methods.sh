#!/usr/bin/env bash
# The README's table of tasks and methods is what happens: every method on every task runs where the table says yes,
# and is refused in one line where it says no. methods.sh BIN DATA DEVICE
source "$(dirname "$0")/common.sh"
readme=$data/../../README.md

side=24
convert kernel_wizard 2>/dev/null
"$bin/end_to_end_prepare" crop "$data/images/astronaut.png" "$work/photo.png" $side $side
"$bin/end_to_end_prepare" crop "$data/images/astronaut.png" "$work/large.png" 128 128
"$bin/end_to_end_prepare" mask "$work/mask.png" $side $side
"$bin/end_to_end_prepare" mask "$work/kernel.png" 5 3

# Names in backquotes, one a line.
names() { grep -o '`[^`]*`' <<<"$1" | tr -d '`'; }
# The cells of a line of the table.
cells() { sed 's/^| *//; s/ *|$//' <<<"$1" | sed 's/ *| */\n/g'; }

table=$(sed -n '/^| task | `dps`/,/^$/p' "$readme")
mapfile -t columns < <(cells "$(head -n 1 <<<"$table")")
count=0
while read -r line; do
  mapfile -t row < <(cells "$line")
  for task in $(names "${row[0]}"); do
    options=(--input "$work/photo.png")
    case "$task" in
      inpainting) options+=(--mask "$work/mask.png") ;;
      gaussian_blur | motion_blur) options+=(--kernel-size 9) ;;
      kernel_blur | circular_reduction) options+=(--kernel "$work/kernel.png") ;;
      jpeg) options=(--input "$work/large.png") ;;
      nonlinear_blur) options=(--input "$work/large.png" --operator-weights "$work/kernel_wizard.h5") ;;
    esac
    for column in $(seq 1 $((${#columns[@]} - 1))); do
      for method in $(names "${columns[column]}"); do
        case "${row[column]}" in
          yes) expected=0 ;;
          no) expected=2 ;;
          *) fail "README: '${row[column]}' for $task, $method; expected yes or no" ;;
        esac
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
        [ "$status" = "$expected" ] || fail "$task by $method: exit code $status, the README says '${row[column]}': $(cat "$work/said")"
        sed -i '/the result does not explain the measurement/d' "$work/said"  # after so few steps
        [ "$(wc -l <"$work/said")" = $((expected / 2)) ] || fail "$task by $method said: $(cat "$work/said")"
        count=$((count + 1))
      done
    done
  done
done < <(tail -n +3 <<<"$table")

tasks=$("$bin/tweedie-restore" --help | sed -n '/^Tasks:/,/^Methods:/p' | grep -c '^  ')
methods=$("$bin/tweedie-restore" --help | sed -n '/^Methods:/,/^Samplers:/p' | grep -c '^  ')
# `composed` comes from a task file only.
[ "$count" = $(((tasks - 1) * methods)) ] ||
  fail "the README's table has $count combinations, the program $tasks tasks and $methods methods"
echo "$count combinations of task and method are as the README says"
