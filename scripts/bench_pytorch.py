"""Times one training step in PyTorch, by two routes, and in repro; see bench_pytorch.sh.

single: one model, eager mode, as one trains a model by hand. many: a stack of models under torch.vmap, one optimizer for all; its time is divided by
their number. Both compute every expert on every sample and mask what is not active, draw a fresh batch every step, and update with AdamW.
"""

import json
import platform
import statistics
import subprocess
import sys
import time

import torch


def scores_to_weights(scores, active):
    """Softmax over experts, all but the `active` largest set to 0, the rest summing to 1."""
    q = torch.softmax(scores, -1)
    top = torch.topk(q, active, dim=-1).indices
    chosen = torch.zeros_like(q).scatter(-1, top, 1.0)
    kept = q * chosen
    return q, chosen, kept / kept.sum(-1, keepdim=True)


def loss_of(weights, bias, gate, x, importance, active, balance):
    """Mean over samples and features, as in the many-models trainer of arXiv 2510.23671. Shapes: [E, n, m], [E, n], [E, n], [B, n], [n]."""
    q, chosen, a = scores_to_weights(x @ gate.T, active)
    hidden = torch.einsum("bn,enm->bem", x, weights)
    outputs = torch.relu(torch.einsum("bem,enm->ben", hidden, weights) + bias)
    y = torch.einsum("be,ben->bn", a, outputs)
    loss = (importance * (x - y) ** 2).mean()
    if balance:
        loss = loss + balance * gate.shape[0] * (chosen.mean(0) * q.mean(0)).sum()
    return loss


def draw(shape, probability):
    return torch.where(torch.rand(shape) <= probability, torch.rand(shape), torch.zeros(()))


def parameters(lead, n, m, experts):
    make = lambda *shape: (0.1 * torch.randn(*lead, *shape)).requires_grad_()
    return [make(experts, n, m), make(experts, n), make(experts, n)]


def single(row):
    n, m, experts, active = row["shape"]
    tensors = parameters([], n, m, experts)
    optimizer = torch.optim.AdamW(tensors, lr=1e-3, weight_decay=0.01)
    importance = torch.ones(n)

    def step():
        x = draw((row["batch"], n), row["probability"])
        optimizer.zero_grad()
        loss_of(*tensors, x, importance, active, row["balance"]).backward()
        optimizer.step()

    return step, 1


def many(row):
    n, m, experts, active = row["shape"]
    # As many as keep a tensor of outputs near 32 MB, at most 256.
    count = max(4, min(256, 8_000_000 // (row["batch"] * experts * n)))
    tensors = parameters([count], n, m, experts)
    optimizer = torch.optim.AdamW(tensors, lr=1e-3, weight_decay=0.01)
    importance = torch.ones(n)
    one = lambda w, b, g, x: loss_of(w, b, g, x, importance, active, row["balance"])
    stacked = torch.vmap(one)

    def step():
        x = draw((count, row["batch"], n), row["probability"])
        optimizer.zero_grad()
        stacked(*tensors, x).sum().backward()
        optimizer.step()

    return step, count


def microseconds(step, count, seconds=2.0):
    """Median time of a step and model."""
    for _ in range(3):
        step()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 7:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6 / count


def repro(*arguments):
    command = ["cargo", "bench", "-q", "--bench", "steps", "--", "--json", *arguments]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def main():
    part = sys.argv[1] if len(sys.argv) > 1 else ""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    print(f"PyTorch {torch.__version__}, {platform.machine()}, one core, {time.strftime('%Y-%m-%d')}, commit {commit}\n")
    print("| model | single, us | many, us | repro, us | best PyTorch / repro |")
    print("|---|---|---|---|---|")
    for row in repro("--list"):
        if part not in row["name"]:
            continue
        fastest = lambda: min(r["median"] for r in repro(row["name"]) if r["name"] == row["name"])
        before = fastest()
        torch_times = [microseconds(*single(row)), microseconds(*many(row))]
        own = statistics.mean([before, fastest()])
        print(f"| {row['name']} | {torch_times[0]:.0f} | {torch_times[1]:.0f} | {own:.2f} | {min(torch_times) / own:.0f} |", flush=True)


if __name__ == "__main__":
    main()
