#!/usr/bin/env bash
# Time of a grid of runs of a trivial program: a repro sweep beside a Snakemake wildcard, a DVC matrix and a Hydra multirun (joblib), in one run.
#
# scripts/bench_sweep.sh [--points 1000] [--tools processes,repro,snakemake,dvc,hydra]. The peers are installed from PyPI into target/sweepers.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${PEERS:-target/sweepers}
if ! [ -x "$venv/bin/dvc" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet snakemake dvc hydra-core hydra-joblib-launcher setuptools
fi
if [ -z "${REPRO:-}" ]; then
  cargo build --release
  REPRO=$PWD/target/release/repro
fi
export PATH="$PWD/$venv/bin:$PATH" REPRO
unset REPRO_CACHE
exec "$venv/bin/python" scripts/bench_sweep.py "$@"
