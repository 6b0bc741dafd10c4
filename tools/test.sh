#!/usr/bin/env bash
# Sets up, builds and runs all tests.
# Usage: tools/test.sh [STAGE...]
#   release    optimised build, CPU
#   simulated  the CUDA code in the PTX machine, without a GPU, beside the CPU (needs nvcc and cuDNN's headers)
#   sanitize   AddressSanitizer and UndefinedBehaviorSanitizer, CPU
#   cuda       the real CUDA build for sm_80, sm_90 and sm_100, warnings as errors; its tests run where there is a GPU
#   fuzz       the readers of checkpoints, a minute each (needs clang, installed by this stage)
# Without arguments: release and simulated; all of them where CI=true. Stages that need nvcc say so and are skipped
# where there is none. JOBS=N sets the parallelism of builds (default: all cores).
set -euo pipefail
cd "$(dirname "$0")/.."

stages=("$@")
if [ ${#stages[@]} -eq 0 ]; then
  stages=(release simulated)
  [ "${CI:-}" = true ] && stages=(release simulated sanitize cuda fuzz)
fi
jobs=${JOBS:-$(nproc)}
command -v nvcc >/dev/null || PATH=$PATH:/usr/local/cuda/bin # where the toolkit installs itself

tools/setup.sh --tests
options=()
[ "${CI:-}" = true ] && options+=(-DCMAKE_COMPILE_WARNING_AS_ERROR=ON) # not for users, whose compilers warn of other things
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1 # a cache serves clones in other folders, too
command -v ccache >/dev/null && options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)

# build NAME OPTIONS...: configures and builds in build/NAME.
build() {
  local name=$1
  shift
  printf '\n== %s: build ==\n' "$name"
  cmake -S . -B "build/$name" -G Ninja -DCMAKE_BUILD_TYPE=Release "${options[@]}" "$@" >"build/$name.configure.log" 2>&1 ||
    { cat "build/$name.configure.log"; return 1; }
  ninja -C "build/$name" -j "$jobs" >"build/$name.build.log" 2>&1 ||
    { grep -A 20 -m 3 -E "FAILED|error:" "build/$name.build.log"; return 1; }
  tail -n 1 "build/$name.build.log"
}
check() {
  printf '\n== %s: tests ==\n' "$1"
  # Two at a time, as each uses all cores for a part of its time only. Threads that spin while they wait would be
  # in the other's way.
  OMP_WAIT_POLICY=passive ctest --test-dir "build/$1" --output-on-failure -j 2
}
has_nvcc() {
  command -v nvcc >/dev/null && return
  printf '\n== %s: skipped, no nvcc: the CUDA tests need it ==\n' "$1"
  return 1
}

mkdir -p build
passed=()
for stage in "${stages[@]}"; do
  case "$stage" in
    release)
      build release -DTWEEDIE_CUDA=off
      check release ;;
    simulated)
      if has_nvcc simulated; then
        build simulated -DTWEEDIE_CUDA=simulated
        check simulated
      else
        continue
      fi ;;
    sanitize)
      # A test asks for more memory than there is: that must come back as an error, as it does without sanitizers.
      export ASAN_OPTIONS=allocator_may_return_null=1
      build sanitize -DTWEEDIE_CUDA=off -DTWEEDIE_SANITIZE=ON "-DCMAKE_CXX_FLAGS_RELEASE=-O1 -g1"
      check sanitize ;;
    cuda)
      if has_nvcc cuda; then
        build cuda -DTWEEDIE_CUDA=on
        if nvidia-smi >/dev/null 2>&1; then check cuda; else echo "no GPU here: compiled and linked, not run"; fi
      else
        continue
      fi ;;
    fuzz)
      tools/setup.sh --fuzz
      tests/fuzz/run.sh 60 build/fuzz ;;
    *) echo "tools/test.sh: unknown stage '$stage'; expected release, simulated, sanitize, cuda or fuzz" >&2; exit 2 ;;
  esac
  passed+=("$stage")
done
printf '\nstages passed: %s\n' "${passed[*]}"
