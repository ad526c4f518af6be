"""Times a grid of runs of a trivial program in repro and in its peers; see bench_sweep.sh.

A point writes its number into a file by `sh -c 'echo I > out'`. `processes` runs the same commands one after the other, two at a time. Hydra calls
a Python function instead: its figure has no processes in it. DVC runs a tenth of the points, as it takes seconds for each; its figures a point are
comparable. `one more` is the same again with one point added.
"""

import argparse
import os
import pathlib
import resource
import subprocess
import tempfile
import time

HYDRA = """\
import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

@hydra.main(version_base=None)
def main(cfg: DictConfig):
    with open(f"{HydraConfig.get().runtime.output_dir}/out", "w") as file:
        file.write(f"{cfg.i}\\n")

main()
"""


def processes(folder, n):
    return ["sh", "-c", f"mkdir -p out; seq {n} | xargs -P 2 -I@ sh -c 'echo @ > out/@'"]


def repro(folder, n):
    (folder / "paper.yaml").write_text(
        "repro: 1\nstages:\n  train:\n    sweep:\n"
        "      exec: {run: echo $REPRO_PARAM_I > out, outputs: [out], params: {i: 0}}\n"
        f"      axes: {{i: {{from: 1, to: {n}, step: 1}}}}\n"
    )
    return [os.environ["REPRO"], "--quiet", "build", "-j", "2"]


def snakemake(folder, n):
    (folder / "Snakefile").write_text(
        f'rule all:\n    input: expand("out/{{i}}", i=range(1, {n} + 1))\n\n'
        'rule train:\n    output: "out/{i}"\n    shell: "echo {wildcards.i} > {output}"\n'
    )
    return ["snakemake", "--quiet", "all", "--cores", "2"]


def dvc(folder, n):
    if not (folder / ".dvc").exists():
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
        subprocess.run(["dvc", "init", "-q"], cwd=folder, check=True)
        (folder / "out").mkdir()
    points = ", ".join(str(i + 1) for i in range(n))
    (folder / "dvc.yaml").write_text(
        f"stages:\n  train:\n    matrix:\n      i: [{points}]\n    cmd: echo ${{item.i}} > out/${{item.i}}\n    outs:\n    - out/${{item.i}}\n"
    )
    return ["dvc", "repro", "-q"]


def hydra(folder, n):
    (folder / "app.py").write_text(HYDRA)
    points = ",".join(str(i + 1) for i in range(n))
    return ["python", "app.py", "--multirun", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", f"+i={points}"]


TOOLS = {tool.__name__: tool for tool in (processes, repro, snakemake, dvc, hydra)}


def timed(command, folder):
    """Wall-clock seconds, and CPU seconds of the command and of all that it starts."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - started, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=1000)
    parser.add_argument("--tools", default=",".join(TOOLS))
    parser.add_argument("--folder", help="where to work; a temporary folder by default")
    options = parser.parse_args()
    print("| tool | points | wall s | CPU s | wall ms a point | one more: wall s | CPU s |\n|---|---|---|---|---|---|---|")
    for name in options.tools.split(","):
        n = options.points // 10 if name == "dvc" else options.points
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            folder = pathlib.Path(folder)
            first = timed(TOOLS[name](folder, n), folder)
            more = timed(TOOLS[name](folder, n + 1), folder)
        print(f"| {name} | {n} | {first[0]:.2f} | {first[1]:.2f} | {1000 * first[0] / n:.1f} | {more[0]:.2f} | {more[1]:.2f} |", flush=True)


main()
