#!/usr/bin/env bash
# Kills, damages, fills, locks and confuses builds, and checks that the next build ends as if nothing had happened.
#
# scripts/faults.sh [kill|call|together|damage|full|read-only|clock]... [--share 0.1] [--seed N]. `call` needs strace; `full` and `read-only`
# mount file systems and need root; `clock` needs a C compiler.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release
export REPRO="${REPRO:-$PWD/target/release/repro}"
exec python3 scripts/faults.py "$@"
