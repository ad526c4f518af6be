#!/usr/bin/env bash
# Kills builds, cuts their power, makes their system calls fail, damages their cache, fills their disk and forges their archives, and checks
# that the next build ends as if nothing had happened.
#
# scripts/faults.sh [CAMPAIGN]... [--share 0.1 | --rounds N] [--seed N]
#
# Campaigns: kill sweep call fail power together damage full read-only clock forge. `call` and `fail` need strace; `power`, `full` and `read-only`
# mount file systems and need root; `power` needs libfuse3, mkfs.ext4, mkfs.xfs and mkfs.btrfs; `clock` needs a C compiler. The Python
# environment is kept in target/faults. REPRO names another binary.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=target/faults
if [ ! -x $venv/bin/python ]; then
  python3 -m venv $venv
  $venv/bin/pip install --quiet blake3==1.0.11 mfusepy==3.1.1
fi
if [ -z "${REPRO:-}" ]; then
  cargo build --release
  REPRO=$PWD/target/release/repro
fi
export PYTHONDONTWRITEBYTECODE=1
REPRO=$(realpath "$REPRO") exec $venv/bin/python scripts/faults "$@"
