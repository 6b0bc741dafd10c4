#!/usr/bin/env bash
# Runs tools/gpu_check.sh in a folder of its own, where everything that needs a GPU is a stub, and looks at the table
# and the exit code.
# Usage: gpu_check.sh BENCH SOURCE FOLDER
set -euo pipefail
bench=$1 source=$2 folder=$3
rm -rf "$folder"
mkdir -p "$folder"/{stubs,tools,build/gpu/bin}
cp "$source/tools/gpu_check.sh" "$folder/tools"
stub() { # stub PATH: a program of the lines on stdin
  { echo '#!/usr/bin/env bash'; cat; } >"$folder/$1"
  chmod +x "$folder/$1"
}
for name in stubs/nvidia-smi stubs/cmake stubs/ctest tools/setup.sh build/gpu/bin/test_kernels; do stub "$name" <<<'exit 0'; done
# Nothing that a sanitizer slows down is kept.
# shellcheck disable=SC2016  # expands when it runs
stub stubs/compute-sanitizer <<<'[ -z "$TWEEDIE_ENGINE_CACHE" ] || { echo "keeps choices"; exit 1; }'
stub build/gpu/bin/tweedie-bench <<END
case "\$*" in
  *--table*) exec "$bench" "\$@" ;;
  *\${FAILING:-none}*--json*) echo "tweedie-bench: out of memory" >&2; exit 2 ;;
  *--json*) echo '{"model": "'"\$4"'", "precision": "'"\$6"'", "device": "a GPU", "batch": 1, "image": [256, 256],
    "step_seconds": 0.0321, "step_over_convolution": 1.234, "peak_bytes_above_weights": 1610612736}' ;;
esac
END
fail() { echo "$1:"; cat "$folder/said"; exit 1; }
check() { PATH="$folder/stubs:$PATH" "$folder/tools/gpu_check.sh" >"$folder/said" 2>&1; }

check || fail "nothing failed, but the exit code says so"
for model in ffhq256 imagenet256; do
  for precision in fp32 tf32 bf16; do
    grep -Eq "^$model +$precision +1 +256x256 +32.10 +1.23 +1.50 +a GPU$" "$folder/out/gpu/table.txt" ||
      fail "$model in $precision is not in the table"
  done
done
grep -q '^failed: nothing$' "$folder/said" || fail "a failure"
grep -q '^passed: tests memcheck racecheck ' "$folder/said" || fail "no list of what passed"

if FAILING='imagenet256 --precision bf16' check; then fail "a failure, but the exit code is 0"; fi
grep -q '^failed: step_imagenet256_bf16$' "$folder/said" || fail "the failure is not named"
grep -Eq '^imagenet256 +tf32 ' "$folder/said" || fail "one failure takes the others' lines"
if grep -Eq '^imagenet256 +bf16 ' "$folder/said"; then fail "a line of what failed"; fi
