#!/usr/bin/env bash
# Trains phase grids of Figure 4 (those that are not in the cache) and compares them with the published data in data/phase: prints the tables
# of docs/validation.md. Installs NumPy from PyPI into target/numpy.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=target/numpy
if ! "$venv/bin/python" -c 'import numpy' 2>/dev/null; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet numpy
fi
cargo build --release --quiet
exec "$venv/bin/python" scripts/validate_phase.py
