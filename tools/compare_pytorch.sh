#!/usr/bin/env bash
# Times one DPS step of a published U-Net in PyTorch beside tweedie-bench, on this machine, in turns.
# Not part of the tests: it fetches PyTorch with pip. --help says more.
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)

usage() {
  cat <<'TEXT'
Usage: tools/compare_pytorch.sh [options]
  --model NAME      a preset of tweedie-bench (default: ffhq256)
  --config FILE     a network of a configuration file instead
  --quick           a small network of 64x64 pixels instead: two minutes, to see that everything works
  --rounds N        rounds; each times ours and every form of PyTorch's, one after another (default: 3)
  --repeats N       steps a round, of which the median counts (default: 3)
  --batch N         images a step (default: 1)
  --threads N       threads of both (default: tweedie-bench's own, which heed a container's quota)
  --compile         torch.compile as well (needs a C++ compiler; takes minutes)
  --python FOLDER   where the Python environment is, or is to be kept (default: made anew, removed at the end)
  --bin FOLDER      the programs (default: build/release/bin of the repository)
Temporary files, a new Python environment (over 1 GB) among them, go to a folder in TMPDIR (default: /tmp).
The network is the published architecture, written anew in tools/bench/pytorch_unet.py. Before anything is timed,
a narrow network of the same topology with random weights goes through tweedie-convert to a weight file and back
to both formats of PyTorch, which load it with strict=True, and tweedie-verify holds our output and gradient to
PyTorch's. Printed are medians and, from the pairs of each round, how many times as long PyTorch takes:
  as published               float32, its norms in float32, attention by two products, every map contiguous
  frozen, channels last      the same weights without gradients, channels last, PyTorch's fused attention
  bf16                       the same in bfloat16
TEXT
}

stop() {
  echo "compare_pytorch: $*" >&2
  exit 2
}

bin=$repository/build/release/bin python="" quick=0 what=(--model ffhq256) arguments=()
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage && exit 0 ;;
    --quick | --compile) ;;
    --model | --config | --rounds | --repeats | --batch | --threads | --python | --bin)
      [ $# -gt 1 ] || stop "$1: a value is missing (see --help)" ;;
    *) stop "$1: unknown (see --help)" ;;
  esac
  case $1 in
    --quick) quick=1 && shift && continue ;;
    --compile) arguments+=("$1") && shift && continue ;;
    --model) what=(--model "$2") ;;
    --config) what=(--config "$2") ;;
    --python) python=$2 ;;
    --bin) bin=$2 ;;
    *) arguments+=("$1" "$2") ;;
  esac
  shift 2
done
for program in tweedie-bench tweedie-convert tweedie-verify; do
  [ -x "$bin/$program" ] || stop "$bin/$program is not there; build it, or say where programs are with --bin"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -n "$python" ] || python=$work/python
has_packages() { "$python/bin/python" -c 'import torch, numpy, h5py, safetensors' 2>/dev/null; }
if ! has_packages && ! "$python/bin/python" -m pip --version >/dev/null 2>&1; then
  # An environment without anything in it is what an earlier try left where python3-venv was missing.
  [ -z "$(ls -A "$python" 2>/dev/null)" ] ||
    { [ -e "$python/pyvenv.cfg" ] && [ -z "$(ls -A "$python"/lib/python*/site-packages 2>/dev/null)" ]; } ||
    stop "--python $python: no Python environment with pip, nor one with torch, numpy, h5py and safetensors"
  python3 -m venv --clear "$python" || stop "python3 -m venv failed; mostly python3-venv is missing (Debian: apt install python3-venv)"
fi
if ! has_packages; then
  # PyTorch's own index has wheels without CUDA, ten times smaller; PyPI's do as well.
  "$python/bin/python" -m pip install -q --timeout 15 --retries 1 torch --index-url https://download.pytorch.org/whl/cpu ||
    "$python/bin/python" -m pip install -q torch || stop "pip could not install PyTorch"
  "$python/bin/python" -m pip install -q numpy h5py safetensors || stop "pip could not install numpy, h5py and safetensors"
fi
if [ "$quick" = 1 ]; then
  cat >"$work/quick.json" <<'JSON'
{"image_size": 64, "in_channels": 3, "model_channels": 64, "out_channels": 6, "num_res_blocks": 1,
 "attention_resolutions": [16], "channel_mult": [1, 2, 2], "num_head_channels": 32,
 "use_scale_shift_norm": true, "resblock_updown": true}
JSON
  what=(--config "$work/quick.json")
fi
"$python/bin/python" "$repository/tools/bench/compare_pytorch.py" --bin "$bin" "${what[@]}" ${arguments[@]+"${arguments[@]}"}
