"""Times builds of many small stages in repro and in other build tools; see bench_engine.sh.

N independent stages copy a file each, and one stage joins all copies. CPU seconds are those of the tool and of all that it starts (user + system);
the processes `cp` and `cat` themselves are in them, and are given apart as `processes`: the same commands run one after the other by a shell.
"""

import argparse
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import time

JOIN = "cat out/* > all"


def inputs(folder, n):
    (folder / "in").mkdir(parents=True)
    for i in range(n):
        (folder / "in" / f"{i:06}").write_text(f"{i}\n")


def repro(folder, n):
    lines = ["repro: 1", "stages:"]
    for i in range(n):
        lines.append(f"  s{i:06}: {{exec: {{run: [cp, in/{i:06}, out], inputs: [in/{i:06}], outputs: [out]}}}}")
    names = ", ".join(f"s{i:06}" for i in range(n))
    lines.append(f"  all: {{exec: {{run: 'cat */out > all', inputs: [{names}], outputs: [all]}}}}")
    (folder / "paper.yaml").write_text("\n".join(lines) + "\n")


def ninja(folder, n):
    lines = ["rule cp", "  command = cp $in $out", "rule join", f"  command = {JOIN}"]
    lines += [f"build out/{i:06}: cp in/{i:06}" for i in range(n)]
    lines.append("build all: join " + " ".join(f"out/{i:06}" for i in range(n)))
    (folder / "build.ninja").write_text("\n".join(lines) + "\n")


def make(folder, n):
    lines = ["all: " + " ".join(f"out/{i:06}" for i in range(n)), f"\t{JOIN}"]
    for i in range(n):
        lines += [f"out/{i:06}: in/{i:06}", f"\tcp in/{i:06} out/{i:06}"]
    (folder / "Makefile").write_text("\n".join(lines) + "\n")
    (folder / "out").mkdir()


def doit(folder, n):
    (folder / "out").mkdir()
    (folder / "dodo.py").write_text(f'''
DOIT_CONFIG = {{"default_tasks": ["join"], "verbosity": 0}}
def task_copy():
    for i in range({n}):
        yield {{"name": str(i), "file_dep": [f"in/{{i:06}}"], "targets": [f"out/{{i:06}}"], "actions": [f"cp in/{{i:06}} out/{{i:06}}"]}}
def task_join():
    return {{"file_dep": [f"out/{{i:06}}" for i in range({n})], "targets": ["all"], "actions": ["{JOIN}"]}}
''')


def snakemake(folder, n):
    (folder / "Snakefile").write_text(f'''
rule join:
    input: expand("out/{{i}}", i=[f"{{i:06}}" for i in range({n})])
    output: "all"
    shell: "{JOIN}"
rule copy:
    input: "in/{{i}}"
    output: "out/{{i}}"
    shell: "cp {{input}} {{output}}"
''')


def dvc(folder, n):
    (folder / "out").mkdir()
    lines = ["stages:"]
    for i in range(n):
        lines += [f"  s{i:06}:", f"    cmd: cp in/{i:06} out/{i:06}", f"    deps: [in/{i:06}]", f"    outs: [out/{i:06}]"]
    lines += ["  all:", f"    cmd: {JOIN}", "    deps: [" + ", ".join(f"out/{i:06}" for i in range(n)) + "]", "    outs: [all]"]
    (folder / "dvc.yaml").write_text("\n".join(lines) + "\n")
    quiet = dict(cwd=folder, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([tool("dvc"), "init", "--no-scm", "-q"], **quiet)
    subprocess.run([tool("dvc"), "config", "core.analytics", "false"], **quiet)


def tool(name):
    beside = pathlib.Path(sys.executable).parent / name
    return str(beside) if beside.exists() else name


def commands(jobs):
    return {
        "repro": (repro, [os.environ.get("REPRO", "repro"), "build", "-q", "-j", jobs]),
        "ninja": (ninja, ["ninja", "--quiet", "-j", jobs]),
        "make": (make, ["make", "-s", "-j", jobs]),
        "doit": (doit, [tool("doit"), "run"]),
        "snakemake": (snakemake, [tool("snakemake"), "-c", jobs, "-q", "all"]),
        "dvc": (dvc, [tool("dvc"), "repro", "-q"]),
    }


def timed(command, folder):
    """CPU seconds and seconds of a command with all that it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    run = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if run.returncode:
        raise SystemExit(f"{command}: {run.stderr.decode()[-2000:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def least(command, folder, times):
    return min(timed(command, folder) for _ in range(times))


def measure(name, n, jobs, base):
    write, command = commands(jobs)[name]
    folder = base / f"{name}-{n}"
    shutil.rmtree(folder, ignore_errors=True)
    inputs(folder, n)
    write(folder, n)
    time.sleep(2.5)
    first = timed(command, folder)
    assert (folder / "all").exists() or name == "repro"
    time.sleep(2.5)
    second = timed(command, folder)
    idle = least(command, folder, 5 if n <= 10_000 or name in ("repro", "ninja") else 1)
    (folder / "in" / f"{n // 2:06}").write_text("changed\n")
    changed = timed(command, folder)
    shutil.rmtree(folder, ignore_errors=True)
    return first, second, idle, changed


def processes(n, base):
    """The commands alone."""
    folder = base / f"alone-{n}"
    shutil.rmtree(folder, ignore_errors=True)
    inputs(folder, n)
    (folder / "out").mkdir()
    script = f"for f in in/*; do cp $f out/${{f#in/}}; done; {JOIN}"
    cpu = timed(["sh", "-c", script], folder)[0]
    join = timed(["sh", "-c", JOIN], folder)[0]
    shutil.rmtree(folder, ignore_errors=True)
    return cpu, join


def hashing(base, megabytes=1000):
    """Input of so many MB: seconds to look at it when it has changed, and when it has not."""
    folder = base / "large"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    piece = os.urandom(1 << 20)
    with open(folder / "data.bin", "wb") as file:
        for i in range(megabytes * 1_000_000 // len(piece)):
            file.write(piece[i % 997:] + piece[: i % 997])
    size = (folder / "data.bin").stat().st_size
    (folder / "paper.yaml").write_text("repro: 1\nstages:\n  data: {data: data.bin}\n")
    command = commands("2")["repro"][1]
    time.sleep(2.5)
    cold = timed(command, folder)
    time.sleep(2.5)
    timed(command, folder)
    idle = least(command, folder, 5)
    os.utime(folder / "data.bin", (1e9, 1e9))
    touched = timed(command, folder)
    shutil.rmtree(folder, ignore_errors=True)
    return size, cold, idle, touched


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--stages", default="1000,10000")
    parser.add_argument("--tools", default="repro,ninja,make,doit,snakemake,dvc")
    parser.add_argument("--jobs", default="2")
    parser.add_argument("--folder", default="/tmp/bench-engine")
    parser.add_argument("--hashing", action="store_true")
    options = parser.parse_args()
    base = pathlib.Path(options.folder)
    print("| tool | stages | first build | per stage beside the processes | second build | no-op | one changed input |")
    print("|---|---|---|---|---|---|---|")
    for n in map(int, options.stages.split(",")):
        alone, join = processes(n, base)
        print(f"| processes | {n:,} | {alone:.2f} s | | | | {join:.3f} s |", flush=True)
        for name in options.tools.split(","):
            try:
                first, second, idle, changed = measure(name, n, options.jobs, base)
            except SystemExit as error:
                print(f"| {name} | {n:,} | failed: {str(error)[:300]} |", flush=True)
                continue
            each = (first[0] - alone) / n * 1000
            print(
                f"| {name} | {n:,} | {first[0]:.2f} s | {each:.2f} ms | {second[0]:.3f} s | {idle[0]:.3f} s | {changed[0]:.3f} s |",
                flush=True,
            )
    if options.hashing:
        size, cold, idle, touched = hashing(base)
        print(f"\n{size / 1e9:.2f} GB of input: first {cold[1]:.2f} s ({size / cold[1] / 1e9:.1f} GB/s), "
              f"not changed {idle[1]:.3f} s, touched {touched[1]:.2f} s ({size / touched[1] / 1e9:.1f} GB/s)")


main()
