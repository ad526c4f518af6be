#!/bin/sh
# Checks archives of `repro export` with roc-validator from PyPI: all that RO-Crate 1.1 requires and recommends.
#   scripts/validate_crate.sh paper.zip ...
# The Python environment is kept in target/roc-validator.
set -eu
here=$(dirname "$0")
venv=$here/../target/roc-validator
if [ ! -x "$venv/bin/rocrate-validator" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet roc-validator==0.13.0 rocrate==0.13.0
fi
exec "$venv/bin/python" "$here/validate_crate.py" "$@"
