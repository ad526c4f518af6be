#!/usr/bin/env bash
# Compiles every kernel of the GPU engine with NVRTC for an H200, and some for older and newer GPUs. Needs no GPU. Installs NVRTC 13.0 from PyPI into
# target/nvrtc.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/nvrtc_venv.sh
exec cargo test --lib nvrtc_compiles
