"""Compares phase grids with the published ones; see validate_phase.sh.

Definitions: the last feature of an expert is *ignored* if its norm is below 0.3, else *monosemantic* if sum_j (What_i . W_j)^2 over the other features
is below 0.25, else *superposed*. Roughness is the mean absolute difference of the norms of neighbouring cells.
"""

import subprocess
import tempfile
from pathlib import Path

import numpy as np

REPRO = "target/release/repro"


def ours(grid, folder):
    """The best of ten runs: loss [sparsity, importance]; norm and score [sparsity, importance, expert] of the last feature."""
    stage = f"phase-{grid}-map"
    subprocess.run([REPRO, "build", stage], check=True)
    file = Path(folder) / f"{grid}.npz"
    subprocess.run([REPRO, "show", stage, "--npz", file], check=True)
    data = np.load(file)

    def ordered(name):
        axes = [str(axis) for axis in data[f"{name}.axes"]]
        wanted = [axis for axis in ["sparsity", "importance", "expert", "feature"] if axis in axes]
        return data[name].transpose([axes.index(axis) for axis in wanted])

    return ordered("loss-best"), ordered("norm")[..., -1], ordered("superposition-score-corrected")[..., -1]


def published(grid):
    data = np.load(f"data/phase/{grid}.npz")
    w = data["weights"].astype(np.float64)
    norm = np.linalg.norm(w, axis=-1)
    last = w[..., -1, :]
    unit = last / np.maximum(norm[..., -1:], 1e-30)
    score = (np.einsum("siem,siefm->sief", unit, w[..., :-1, :]) ** 2).sum(-1)
    return data["loss"].astype(np.float64), norm[..., -1], score, data["sparsity"]


def classes(norm, score):
    ignored = norm < 0.3
    mono = ~ignored & (score < 0.25)
    return ignored, mono, ~ignored & ~mono


def shares(norm, score):
    return " / ".join(f"{kind.mean():.3f}" for kind in classes(norm, score))


def roughness(norm):
    return f"{np.abs(np.diff(norm, axis=0)).mean():.3f}, {np.abs(np.diff(norm, axis=1)).mean():.3f}"


def main():
    grids = sorted(path.stem for path in Path("data/phase").glob("*.npz"))
    with tempfile.TemporaryDirectory() as folder:
        pairs = {grid: (ours(grid, folder), published(grid)) for grid in grids}

    print("\nLoss of the best of ten runs, 2262 cells:\n")
    print("| grid | min, quartiles, max, published | ours | ratio of cells: median | 5 % to 95 % | smallest, largest |")
    print("|---|---|---|---|---|---|")
    for grid, ((loss, _, _), (theirs, _, _, _)) in pairs.items():
        five = lambda values: " ".join(f"{v:.4f}" for v in np.quantile(values, [0, 0.25, 0.5, 0.75, 1]))
        ratio = loss / theirs
        low, high = np.quantile(ratio, [0.05, 0.95])
        print(f"| {grid} | {five(theirs)} | {five(loss)} | {np.median(ratio):.3f} | {low:.2f} to {high:.2f} | {ratio.min():.2f}, {ratio.max():.2f} |")

    print("\nMedian ratio of the losses by sparsity:\n")
    bands = [(0, 8), (8, 16), (16, 24), (24, 32), (32, 39)]
    sparsity = next(iter(pairs.values()))[1][3]
    print("| grid | " + " | ".join(f"{sparsity[a]:.3f} to {sparsity[b - 1]:.3f}" for a, b in bands) + " |")
    print("|---" * (len(bands) + 1) + "|")
    for grid, ((loss, _, _), (theirs, _, _, _)) in pairs.items():
        print(f"| {grid} | " + " | ".join(f"{np.median((loss / theirs)[a:b]):.3f}" for a, b in bands) + " |")

    print("\nThe last feature:\n")
    print("| grid, expert | ignored / monosemantic / superposed, published | ours | same class | roughness along sparsity, importance, published | ours |")
    print("|---|---|---|---|---|---|")
    for grid, ((_, norm, score), (_, norm0, score0, _)) in pairs.items():
        for expert in range(norm.shape[2]):
            at = (slice(None), slice(None), expert)
            same = sum((a & b).mean() for a, b in zip(classes(norm[at], score[at]), classes(norm0[at], score0[at])))
            print(f"| {grid}, {expert + 1} | {shares(norm0[at], score0[at])} | {shares(norm[at], score[at])} | {same:.3f}"
                  f" | {roughness(norm0[at])} | {roughness(norm[at])} |")

    print("\nCells that differ most (ratio of the losses):\n")
    for grid, ((loss, norm, _), (theirs, norm0, _, sparsity)) in pairs.items():
        importance = np.load(f"data/phase/{grid}.npz")["importance"]
        ratio = np.abs(np.log(loss / theirs))
        for cell in np.argsort(-ratio, axis=None)[:4]:
            s, i = np.unravel_index(cell, ratio.shape)
            print(f"- {grid}, sparsity {sparsity[s]:.3f}, importance {importance[i]:.2f}: loss {theirs[s, i]:.4f} published, {loss[s, i]:.4f} ours; "
                  f"norms {np.round(norm0[s, i], 2)} and {np.round(norm[s, i], 2)}")

    if "A1" in pairs:
        print("\nA1, share of cells with an antipodal pair (cells whose last feature is superposed), by sparsity:\n")
        (_, norm, score), (_, norm0, score0, _) = pairs["A1"]
        pick = [0.325, 0.425, 0.475, 0.525, 0.625, 0.875]
        rows = [int(np.argmin(np.abs(sparsity - s))) for s in pick]
        print("| | " + " | ".join(f"{s:.3f}" for s in pick) + " |")
        print("|---" * (len(pick) + 1) + "|")
        for who, n, sc in [("published", norm0, score0), ("ours", norm, score)]:
            print(f"| {who} | " + " | ".join(f"{classes(n, sc)[2][row].mean():.2f}" for row in rows) + " |")
        importance = np.load("data/phase/A1.npz")["importance"]
        for who, n in [("published", norm0), ("ours", norm)]:
            first = [importance[np.argmax(n[row, :, 0] >= 0.3)] for row in range(9)]
            print(f"\nAt sparsity up to 0.225 the last feature appears at importance {min(first):.2f} to {max(first):.2f} ({who}).")


if __name__ == "__main__":
    main()
