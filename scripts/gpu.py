"""Times one training step of many models in PyTorch (torch.vmap, one optimizer for all) and in repro on the same card; see gpu.sh.

usage: gpu.py PATH-OF-THE-BENCH. The models and the loss are those of bench_pytorch.py.
"""

import json
import pathlib
import statistics
import subprocess
import sys
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from bench_pytorch import loss_of  # noqa: E402

# Models of 5000 steps in a phase grid, for the time that one takes.
GRID = 22_620 * 5_000


def many(row, count):
    """A step of `count` models at once, everything on the card."""
    n, m, experts, active = row["shape"]
    make = lambda *shape: (0.1 * torch.randn(count, *shape, device="cuda")).requires_grad_()
    tensors = [make(experts, n, m), make(experts, n), make(experts, n)]
    optimizer = torch.optim.AdamW(tensors, lr=1e-3, weight_decay=0.01, fused=True)
    importance = torch.ones(n, device="cuda")
    stacked = torch.vmap(lambda w, b, g, x: loss_of(w, b, g, x, importance, active, row["balance"]))
    shape = (count, row["batch"], n)

    def step():
        u = torch.rand(shape, device="cuda")
        x = torch.where(torch.rand(shape, device="cuda") <= row["probability"], u, torch.zeros((), device="cuda"))
        optimizer.zero_grad()
        stacked(*tensors, x).sum().backward()
        optimizer.step()

    return step


def microseconds(row):
    """Time of a step and model, the best over several numbers of models: the largest that fit are not always the fastest."""
    n, _, experts, _ = row["shape"]
    best = float("inf")
    for floats in (3e7, 1e8, 3e8, 1e9):
        # A tensor of all experts' outputs has so many numbers.
        count = max(1, int(floats / (row["batch"] * experts * n)))
        try:
            step, times = many(row, count), []
            for _ in range(3):
                step()
            torch.cuda.synchronize()
            for _ in range(7):
                start = time.perf_counter()
                step()
                torch.cuda.synchronize()
                times.append(time.perf_counter() - start)
            best = min(best, statistics.median(times) * 1e6 / count)
        except torch.OutOfMemoryError:
            break
        finally:
            torch.cuda.empty_cache()
    return best


def main():
    bench = sys.argv[1]
    lines = subprocess.run([bench, "steps", "--json"], check=True, capture_output=True, text=True).stdout.splitlines()
    print(f"PyTorch {torch.__version__} with TF32 off, {torch.cuda.get_device_name()}, {time.strftime('%Y-%m-%d')}\n")
    print("| model | PyTorch, us | repro, us | ratio | share of the f32 peak |\n|---|---|---|---|---|")
    grids = []
    for row in map(json.loads, lines):
        theirs, ours = microseconds(row), row["microseconds"]
        print(f"| {row['name']} | {theirs:.3f} | {ours:.4f} | {theirs / ours:.0f} | {100 * row['share']:.0f} % |", flush=True)
        if row["batch"] == 512 and row["probability"] == 0.5:
            grids.append((row["name"], theirs, ours))
    print("\nA phase grid at these rates, and all eight:\n\n| model | PyTorch, s | repro, s |\n|---|---|---|")
    for name, theirs, ours in grids:
        print(f"| {name} | {theirs * GRID / 1e6:.0f} | {ours * GRID / 1e6:.2f} |")
    print(f"| all | {sum(g[1] for g in grids) * GRID / 1e6:.0f} | {sum(g[2] for g in grids) * GRID / 1e6:.2f} |")


if __name__ == "__main__":
    main()
