#!/usr/bin/env bash
# Installs what Tweedie is built from, where it is missing: Debian 12 and later, Ubuntu 24.04 and later.
# Usage: tools/setup.sh [--tests] [--fuzz]
#   --tests  also a browser, in which a test opens the report of a table; without one that test is skipped
#   --fuzz   also what the fuzz targets need (clang with libFuzzer)
# Does nothing, and needs no network and no rights, when all of it is there. CUDA is not installed here: it is
# used where it is found.
set -euo pipefail

say() { printf 'setup: %s\n' "$*" >&2; }
stop() {
  say "error: $*"
  exit 1
}

packages=(
  build-essential cmake ninja-build pkg-config
  libdnnl-dev libfftw3-dev      # convolution and matrix products; Fourier transforms
  liblapack-dev                 # eigenvalues of covariances; OpenBLAS is used instead where it is installed
  libhdf5-dev libzip-dev libssl-dev # weight files; PyTorch's zip files; SHA-256
  libyaml-cpp-dev nlohmann-json3-dev
  libpng-dev libjpeg-dev libtiff-dev zlib1g-dev # images, compressed files
  libcli11-dev libfmt-dev       # command lines, text
  libopenmpi-dev openmpi-bin    # training by several processes
  doctest-dev                   # tests
)
fuzz=no
tests=no
for argument in "$@"; do
  case "$argument" in
    --fuzz) fuzz=yes ;;
    --tests) tests=yes ;;
    *) stop "unknown argument '$argument', expected --tests, --fuzz or nothing" ;;
  esac
done

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    stop "not root, and no sudo to become it; as root, run: apt-get update && apt-get install ${missing[*]}"
  fi
}

# Installs those of the named packages that are not there.
need() {
  local missing=() package
  for package in "$@"; do
    installed "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  say "installing ${missing[*]}"
  if [ "$updated" = no ]; then
    as_root apt-get update -qq || stop "apt-get update failed (is there a network?)"
    updated=yes
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" ||
    stop "apt-get could not install ${missing[*]} (on Ubuntu, the component 'universe' must be enabled)"
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  stop "this is not Debian or Ubuntu: install by hand what these packages hold: ${packages[*]}"
fi
updated=no
need "${packages[@]}"

version=$(cmake --version | sed -n '1s/[^0-9]*\([0-9.]*\).*/\1/p')
[ "$(printf '%s\n' 3.25 "$version" | sort -V | head -n 1)" = 3.25 ] ||
  stop "CMake $version at $(command -v cmake), expected 3.25 or later"

# Not needed to build: where it cannot be had (Ubuntu has it as a snap only), its test says so and is skipped.
if [ "$tests" = yes ] && ! chromium --version >/dev/null 2>&1; then
  (. /etc/os-release && [ "$ID" = debian ]) && (need chromium) ||
    say "no Chromium here: the test of a report in a browser will be skipped"
fi
if [ "$fuzz" = yes ]; then
  need clang
  need "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev" # libFuzzer and the sanitizers of that clang
fi
say "everything is installed"
