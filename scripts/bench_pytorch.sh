#!/usr/bin/env bash
# Time of one training step of the same models in PyTorch and in repro, on one core, in turns: prints a table with the ratio.
#
# scripts/bench_pytorch.sh [PART OF A ROW'S NAME]. Installs PyTorch from PyPI into target/pytorch (a few GB on Linux, whose wheel brings CUDA).
set -euo pipefail
cd "$(dirname "$0")/.."
venv=target/pytorch
if ! "$venv/bin/python" -c 'import torch' 2>/dev/null; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet torch numpy
fi
cargo build --release --benches
# One core for everything, and each library's own choice of kernels for it.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
pin=()
if command -v taskset >/dev/null; then pin=(taskset -c "${CORE:-0}"); fi
exec "${pin[@]}" "$venv/bin/python" scripts/bench_pytorch.py "$@"
