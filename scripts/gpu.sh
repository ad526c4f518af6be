#!/usr/bin/env bash
# Tests and times the GPU engine on a GPU: compares the digests of every model with those of the CPU; times a training step, a phase grid, Table 1,
# the loss curves and the whole paper; and times the same models in PyTorch on the same GPU. Prints the tables of docs/gpu.md.
#
#   scripts/gpu.sh pack [ARCHITECTURE KILOBYTES]   on a machine with cargo: puts the programs, and the kernels compiled for another machine's GPU
#                                                  (sm_90 227: H100, H200), into target/gpu; copy it there with this repository
#   scripts/gpu.sh run [PART...]                   on the machine with the GPU: digests, steps, paper, pytorch; without PART all of them. Needs only
#                                                  the driver, and PyTorch for the last; without target/gpu also cargo and NVRTC
#
# Results also go to $OUT, or target/gpu/results.
set -euo pipefail
cd "$(dirname "$0")/.."
packed=target/gpu

build() {
  mkdir -p "$packed"
  cargo build --release --quiet
  cp target/release/repro "$packed/repro"
  bench=$(cargo bench --quiet --no-run --bench gpu --message-format=json | sed -n 's/.*"executable":"\([^"]*gpu-[^"]*\)".*/\1/p' | tail -1)
  cp "$bench" "$packed/bench"
  strip "$packed/repro" "$packed/bench"
}

pack() {
  build
  . scripts/nvrtc_venv.sh
  "$packed/bench" kernels "$packed/kernels" "${1:-sm_90}" "${2:-227}" paper.yaml
  du -sh "$packed"
}

# Run a command and print its time as a row of a table: `| name | seconds |`.
timed() {
  local name=$1 start end
  shift
  start=$(date +%s.%N)
  "$@"
  end=$(date +%s.%N)
  awk -v name="$name" -v start="$start" -v end="$end" 'BEGIN { printf "| %s | %.2f |\n", name, end - start }' | tee -a "$results/times.md"
}

# Build targets in a cache that holds only the kernels.
fresh() {
  local cache
  cache=$(mktemp -d)
  if [ -d "$packed/kernels" ]; then cp -r "$packed/kernels" "$cache/kernels"; fi
  "$packed/repro" --quiet --cache "$cache" --figures "$figures" build --device cuda "$@"
  rm -rf "$cache"
}

run() {
  results=${OUT:-$packed/results}
  figures=$(mktemp -d)
  mkdir -p "$results"
  if [ ! -x "$packed/bench" ]; then build; fi
  export REPRO_KERNELS=$packed/kernels
  local parts=("$@")
  if [ ${#parts[@]} -eq 0 ]; then parts=(digests steps paper pytorch); fi
  nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,memory.total --format=csv | tee "$results/card.txt"
  for part in "${parts[@]}"; do
    echo
    case $part in
      digests) "$packed/bench" digests | tee "$results/digests.md" ;;
      steps) "$packed/bench" steps | tee "$results/steps.md" ;;
      paper)
        printf '| built in an empty cache | seconds |\n|---|---|\n' | tee "$results/times.md"
        timed "phase grid A/2, 22,620 models" fresh phase-A2
        timed "all eight, 180,960 models" fresh 'phase-??'
        timed "Table 1, 200 models" fresh table1
        timed "loss curves, 600 models" fresh loss-curves
        timed "the whole paper" fresh
        for file in "$figures"/*; do
          cmp -s "$file" "figures/$(basename "$file")" || echo "$(basename "$file") differs from the file in figures/" | tee -a "$results/times.md"
        done ;;
      pytorch) "${PYTHON:-python3}" scripts/gpu.py "$packed/bench" | tee "$results/pytorch.md" ;;
      *) echo "digests, steps, paper or pytorch, not \`$part\`" >&2; exit 2 ;;
    esac
  done
}

case ${1:-} in
  pack | run) "$@" ;;
  *) sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
