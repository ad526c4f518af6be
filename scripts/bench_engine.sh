#!/usr/bin/env bash
# CPU seconds of builds of many small stages: repro beside ninja, make, doit, Snakemake and DVC.
#
# scripts/bench_engine.sh [--stages 1000,10000] [--tools repro,ninja,make,doit,snakemake,dvc] [--hashing]. ninja and make are those of the
# system; the others are installed from PyPI into target/peers.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${PEERS:-target/peers}
if ! [ -x "$venv/bin/dvc" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet ninja doit snakemake dvc
fi
cargo build --release
export PATH="$PATH:$PWD/$venv/bin" REPRO="$PWD/target/release/repro"
unset REPRO_CACHE
exec "$venv/bin/python" scripts/bench_engine.py "$@"
