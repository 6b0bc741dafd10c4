#!/bin/sh
# Builds the fuzz targets with clang and runs each for a while: tests/fuzz/run.sh [SECONDS] [BUILD_FOLDER]
# An input that fails is left in BUILD_FOLDER; once fixed, keep it in tests/fuzz/corpus/.
set -eu
seconds=${1:-60}
here=$(cd "$(dirname "$0")" && pwd)
build=${2:-$here/../../build-fuzz}
cmake -S "$here" -B "$build" -DCMAKE_CXX_COMPILER="${CXX:-clang++}" -DCMAKE_BUILD_TYPE=
cmake --build "$build" -j "$(nproc)"
for kind in pt safetensors npy; do
  corpus=$here/corpus/$kind
  [ "$kind" != npy ] || corpus=$here/../data/numpy # what NumPy wrote
  mkdir -p "$build/found/$kind"
  echo "fuzzing $kind for $seconds s"
  "$build/bin/fuzz_$kind" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=512 \
    -max_len=8192 -print_final_stats=1 -verbosity=0 -dict="$here/$kind.dict" \
    -artifact_prefix="$build/failed-$kind-" "$build/found/$kind" "$corpus"
done
