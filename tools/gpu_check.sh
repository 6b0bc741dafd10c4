#!/usr/bin/env bash
# On a machine with a GPU: the real CUDA build, the whole suite on it, compute-sanitizer, and the benches.
# Usage: tools/gpu_check.sh [FOLDER]     logs and bench results go to FOLDER (default: out/gpu)
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-out/gpu}
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader ||
  { echo "gpu_check: no GPU found (nvidia-smi)" >&2; exit 2; }
mkdir -p build "$out"

tools/setup.sh || echo "gpu_check: setup did not finish; going on with what is installed"
cmake -S . -B build/gpu -DCMAKE_BUILD_TYPE=Release -DTWEEDIE_CUDA=on -DCMAKE_CUDA_ARCHITECTURES=native
cmake --build build/gpu -j "$(nproc)" 2>&1 | tee "$out/build.log" | tail -n 3

failed=()
run() { # run NAME COMMAND...: keeps the output, goes on after a failure
  local name=$1
  shift
  echo "== $name"
  "$@" >"$out/$name.log" 2>&1 || failed+=("$name")
  tail -n 4 "$out/$name.log"
}
run tests ctest --test-dir build/gpu --output-on-failure
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck synccheck initcheck; do
    run "$tool" compute-sanitizer --tool "$tool" --error-exitcode 1 build/gpu/bin/test_kernels --backend=cuda
  done
else
  echo "compute-sanitizer not found: skipped"
fi
run bench_kernels build/gpu/bin/tweedie-bench --device cuda
for precision in fp32 tf32 bf16; do
  for model in ffhq256 imagenet256; do
    run "bench_${model}_$precision" build/gpu/bin/tweedie-bench --device cuda --model "$model" --repeats 10 --precision "$precision"
  done
done
run roofline_ffhq256 build/gpu/bin/tweedie-bench --device cuda --model ffhq256 --roofline here
if [ ${#failed[@]} -gt 0 ]; then
  echo "failed: ${failed[*]} (logs in $out)"
  exit 1
fi
echo "all passed (logs in $out)"
