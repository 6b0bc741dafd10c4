#!/usr/bin/env bash
# On a machine with a GPU: the real CUDA build, the whole suite on it, compute-sanitizer, and the benches; at the
# end one table of the steps in every precision, and what passed.
# Usage: tools/gpu_check.sh [FOLDER]     logs, reports and the table go to FOLDER (default: out/gpu)
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-out/gpu}
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader ||
  { echo "gpu_check: no GPU found (nvidia-smi)" >&2; exit 2; }
mkdir -p build "$out"
# Engines are chosen anew, apart from those that runs outside of this check keep to.
export TWEEDIE_ENGINE_CACHE
TWEEDIE_ENGINE_CACHE=$(realpath "$out")/engines.txt
rm -f "$TWEEDIE_ENGINE_CACHE"

tools/setup.sh || echo "gpu_check: setup did not finish; going on with what is installed"
cmake -S . -B build/gpu -DCMAKE_BUILD_TYPE=Release -DTWEEDIE_CUDA=on -DCMAKE_CUDA_ARCHITECTURES=native
cmake --build build/gpu -j "$(nproc)" 2>&1 | tee "$out/build.log" | tail -n 3
bench=build/gpu/bin/tweedie-bench

passed=() failed=() steps=()
note() { # note NAME STATUS
  if [ "$2" -eq 0 ]; then passed+=("$1"); else failed+=("$1"); fi
}
run() { # run NAME COMMAND...: keeps the output, goes on after a failure
  local name=$1 status=0
  shift
  echo "== $name"
  "$@" >"$out/$name.log" 2>&1 || status=$?
  tail -n 4 "$out/$name.log"
  note "$name" "$status"
}
step() { # step MODEL PRECISION: the report of a DPS step, for the table
  local name=step_$1_$2 status=0
  echo "== $name"
  "$bench" --device cuda --model "$1" --precision "$2" --repeats 10 --json >"$out/$name.json" 2>"$out/$name.log" ||
    status=$?
  tail -n 4 "$out/$name.log"
  [ "$status" -ne 0 ] || steps+=("$out/$name.json")
  note "$name" "$status"
}

run tests ctest --test-dir build/gpu --output-on-failure
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck synccheck initcheck; do
    # What is timed under a sanitizer is not to be kept.
    run "$tool" env TWEEDIE_ENGINE_CACHE= compute-sanitizer --tool "$tool" --error-exitcode 1 build/gpu/bin/test_kernels --backend=cuda
  done
else
  echo "compute-sanitizer not found: skipped"
fi
run bench_kernels "$bench" --device cuda
for model in ffhq256 imagenet256; do
  for precision in fp32 tf32 bf16; do
    step "$model" "$precision"
  done
done
run roofline_ffhq256 "$bench" --device cuda --model ffhq256 --roofline here

{
  [ ${#steps[@]} -eq 0 ] || "$bench" --table "${steps[@]}"
  echo "passed: ${passed[*]:-nothing}"
  echo "failed: ${failed[*]:-nothing}"
} | tee "$out/table.txt"
echo "(logs in $out)"
[ ${#failed[@]} -eq 0 ]
