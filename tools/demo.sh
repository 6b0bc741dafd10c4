#!/usr/bin/env bash
# Sets up, builds, and restores a photograph from 30 % of its pixels and from a blur, by the prior of photographs that ships.
# Usage: tools/demo.sh [FOLDER]     results go to FOLDER (default: out)
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-out}

tools/setup.sh
mkdir -p build
cuda=off # compiling the CUDA code takes minutes; without a GPU it would not be used
nvidia-smi >/dev/null 2>&1 && cuda=auto
cmake -S . -B build/demo -G Ninja -DCMAKE_BUILD_TYPE=Release -DTWEEDIE_CUDA=$cuda >build/demo.configure.log 2>&1 ||
  { cat build/demo.configure.log; exit 1; }
ninja -C build/demo -j "${JOBS:-$(nproc)}" tweedie-restore >build/demo.build.log 2>&1 ||
  { grep -A 20 -m 3 -E "FAILED|error:" build/demo.build.log; exit 1; }
tail -n 1 build/demo.build.log

photo=tests/data/images/astronaut.png
restore() { build/demo/bin/tweedie-restore --input "$photo" --seed 1 --sigma 0.05 "$@"; }
echo
echo "30 % of the pixels, noise 0.05, by the prior of photographs that ships (mean of 4 posterior samples by pigdm):"
restore --task inpainting_random --drop 0.7 --prior photo --method pigdm --steps 50 --samples 4 -o "$out/inpainting"
echo
echo "Gaussian blur of 3 pixels, noise 0.05, the same way:"
restore --task gaussian_blur --prior photo --method pigdm --steps 50 --samples 4 -o "$out/blur"
echo
echo "The same pixels by the analytic prior, which knows the spectrum of photographs (mean of 8 samples by dps):"
restore --task inpainting_random --drop 0.7 --prior spectrum --steps 250 --samples 8 -o "$out/spectrum"
echo
echo "Look at comparison.png in $out/inpainting, $out/blur and $out/spectrum: original, measurement, restored."
