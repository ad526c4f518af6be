"""Hurts builds in every way that a year of use may, and checks that nothing is lost, nothing is wrong, and nothing has to be repaired by hand.

See faults.sh. After every fault the next builds must end well, with exactly the artifacts and numbers of an undisturbed build. Each campaign
prints how many faults it tried; the first artifact that differs ends it with an error.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

REPRO = os.environ["REPRO"]
PAPER = """\
repro: 1
title: Faults
stages:
  words: {data: data/words.csv}
  one:
    train: &recipe
      model: {moe-autoencoder: {features: 8, hidden: 2, experts: 2, active: 1}}
      data: {sparse-uniform: {probability: 0.3, importance: {powers: 0.7}}}
      batch: 64
      steps: 400
      seed: 1
  grid:
    sweep:
      recipe: *recipe
      axes:
        probability: {field: data.probability, values: [0.1, 0.2, 0.3, 0.5]}
        run: {field: seed, count: 8}
  measures: {metric: {of: grid, compute: [loss, feature-geometry]}}
  two: {train: {<<: *recipe, model: {moe-autoencoder: {features: 2, hidden: 1, experts: 3}}}}
  cut: {metric: {of: two, compute: [partition]}}
  sums: {exec: {run: 'awk -F, ''NR > 1 { s += $2 } END { print "s"; print s }'' data/words.csv > sums.csv; seq 30000 > figures/long.txt', inputs: [words], outputs: [sums.csv, figures/long.txt]}}
  twice: {exec: {run: [cp, sums/sums.csv, twice.csv], inputs: [sums], outputs: [twice.csv]}}
  table: {table: {of: measures, rows: [probability], columns: [loss], formats: [markdown, csv]}}
  figure: {figure: {of: measures, title: A, width: 2, height: 1.5, dpi: 80, panels: [{where: {run: 1}, marks: [{points: {x: probability, y: loss}}]}], formats: [svg, pdf, png]}}
  map: {figure: {of: cut, title: B, width: 2, height: 1.5, dpi: 80, panels: [{marks: [{heatmap: {x: x1, y: x2, color: {value: partition}}}]}], formats: [png]}}
"""
SHOWN = ["one", "grid", "measures", "cut", "sums", "twice"]


class Wrong(Exception):
    pass


class Project:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        (self.folder / "data").mkdir(parents=True)
        (self.folder / "paper.yaml").write_text(PAPER)
        (self.folder / "data/words.csv").write_text("word,n\na,1\nb,2\nc,39\n")

    def start(self, *arguments, prefix=(), env=None, **more):
        command = [*prefix, REPRO, *arguments]
        environment = {**os.environ, **(env or {})}
        for name in ["REPRO_CACHE", "RUST_BACKTRACE"]:
            environment.pop(name, None)
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, **more)

    def run(self, *arguments, **more):
        process = self.start(*arguments, **more)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err

    def build(self, **more):
        code, out, err = self.run("build", "*", **more)
        if code != 0:
            raise Wrong(f"a build after a fault failed with {code}:\n{out}{err}")
        if "panicked" in err:
            raise Wrong(err)
        return out, err

    def artifacts(self):
        figures = self.folder / "figures"
        return {path.name: path.read_bytes() for path in sorted(figures.glob("*"))} if figures.is_dir() else {}

    def numbers(self):
        """Every number of every stage; what is found damaged only now is made again, once."""
        shown = []
        for stage in SHOWN:
            code, out, err = self.run("show", "--json", stage)
            if code == 1:
                self.build()
                code, out, err = self.run("show", "--json", stage)
            if code != 0:
                raise Wrong(f"show {stage}: {err}")
            shown.append(out)
        return shown

    def clean(self):
        shutil.rmtree(self.folder / "cache", ignore_errors=True)
        shutil.rmtree(self.folder / "figures", ignore_errors=True)


def check(project, whole, what):
    """The artifacts and numbers of an undisturbed build, and nothing left behind."""
    artifacts, numbers = project.artifacts(), project.numbers()
    if artifacts != whole[0]:
        names = [name for name in {*artifacts, *whole[0]} if artifacts.get(name) != whole[0].get(name)]
        raise Wrong(f"{what}: wrong artifacts {names}")
    if numbers != whole[1]:
        raise Wrong(f"{what}: wrong numbers")
    left = [path for path in (project.folder / "cache/scratch").glob("*")] if (project.folder / "cache/scratch").is_dir() else []
    if left:
        raise Wrong(f"{what}: left behind {left}")


def kills(project, whole, count, seconds):
    """SIGKILL at random moments, again and again into what the last one left."""
    done = 0
    while done < count:
        project.clean()
        for _ in range(random.randint(1, 4)):
            process = project.start("build", "*", "-j", random.choice("12"), start_new_session=True)
            time.sleep(random.random() * seconds)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            done += 1
        project.build()
        check(project, whole, f"kill {done}")
    return f"{done} kills at random moments"




def system_calls(project, whole, count):
    """SIGKILL upon entry into a chosen system call of a kind, the first, second, third of them and so on: before every rename, flush and write."""
    kinds = {"rename": "rename,renameat,renameat2", "flush": "fsync,fdatasync", "delete": "unlink,unlinkat", "folder": "mkdir,mkdirat", "write": "write,pwrite64", "link": "link,linkat"}
    tried = {}
    for kind, calls in kinds.items():
        tried[kind], step, number = 0, 1, 1
        while tried[kind] < count // len(kinds) + 1:
            project.clean()
            inject = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", f"inject={calls}:signal=KILL:when={number}"]
            process = project.start("build", "*", prefix=inject, start_new_session=True)
            process.communicate()
            tried[kind] += 1
            ended = process.returncode == 0
            project.build()
            check(project, whole, f"kill at {kind} {number}")
            if ended:
                break
            number += step
            if number > 20:
                step = random.randint(3, 9)
    return f"{sum(tried.values())} kills at chosen system calls ({', '.join(f'{count} at {kind}' for kind, count in tried.items())})"


def together(project, whole, count):
    """Eight builds at once; in every second round some are killed."""
    for i in range(count):
        project.clean()
        processes = [project.start("build", "*", "-j", random.choice("123"), start_new_session=True) for _ in range(8)]
        victims = random.sample(processes, 3) if i % 2 else []
        if victims:
            time.sleep(random.random() * 2)
            for process in victims:
                process.send_signal(signal.SIGKILL)
        for process in processes:
            out, err = process.communicate(timeout=300)
            if process.returncode != 0 and process not in victims:
                raise Wrong(f"one of eight builds failed with {process.returncode}: {err}")
        project.build()
        check(project, whole, f"eight builds, round {i}")
    return f"{count} rounds of eight builds at once, {count // 2} of them with three killed"


def damage(project, whole, count):
    """Random files of the cache are flipped, cut, emptied, overwritten or deleted; then everything is read again."""
    kinds = dict.fromkeys(["flip", "cut", "empty", "noise", "delete", "swap"], 0)
    project.clean()
    project.build()
    for i in range(count):
        files = [path for path in (project.folder / "cache").rglob("*") if path.is_file() and path.name not in ("lock", "FORMAT")]
        for path in random.sample(files, min(len(files), random.choice([1, 1, 2, 5]))):
            kind = random.choice(list(kinds))
            kinds[kind] += 1
            data = bytearray(path.read_bytes())
            if kind == "flip" and data:
                data[random.randrange(len(data))] ^= 1 << random.randrange(8)
            elif kind == "cut" and data:
                del data[random.randrange(len(data)):]
            elif kind == "empty":
                data.clear()
            elif kind == "noise":
                data = bytearray(os.urandom(len(data) + random.randint(0, 9)))
            elif kind == "swap":
                data = bytearray(random.choice(files).read_bytes()) if files else data
            path.unlink()
            if kind != "delete":
                path.write_bytes(data)
        shutil.rmtree(project.folder / "figures", ignore_errors=True)
        if i % 3 == 0:
            # All figures and tables are computed anew, from the damaged results.
            text = PAPER.replace("title: A", f"title: A{i}").replace("compute: [loss, feature-geometry]", "compute: [feature-geometry, loss]")
            (project.folder / "paper.yaml").write_text(text)
            project.build()
            (project.folder / "paper.yaml").write_text(PAPER)
        project.build()
        check(project, whole, f"damage {i}")
    return f"{sum(kinds.values())} damaged files ({', '.join(f'{count} {kind}' for kind, count in kinds.items())}) in {count} rounds"


def mounted(call):
    with tempfile.TemporaryDirectory() as folder:
        mount = pathlib.Path(folder) / "small"
        mount.mkdir()
        try:
            return call(mount)
        finally:
            subprocess.run(["umount", "-l", mount], stderr=subprocess.DEVNULL)


def full_disk(project, whole, count):
    """Build on a file system that is too small; then make it larger."""
    failed = 0

    def one(mount, kilobytes):
        nonlocal failed
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", mount], check=True)
        small = Project(mount / "paper")
        code, out, err = small.run("build", "*")
        if code != 0:
            failed += 1
            if code != 1 or "no space left" not in err or "free some space" not in err:
                raise Wrong(f"a full disk of {kilobytes} kB ends with {code}: {err}")
            half = {name for name, data in small.artifacts().items() if whole[0].get(name) != data and not name.startswith(".repro")}
            if half:
                raise Wrong(f"half-written artifacts at {kilobytes} kB: {half}")
        subprocess.run(["mount", "-o", "remount,size=64m", mount], check=True)
        small.build()
        check(small, whole, f"a disk of {kilobytes} kB")

    for i in range(count):
        mounted(lambda mount: one(mount, 16 + i * 900 // count))
    return f"{count} sizes of a small disk, {failed} of them too small"


def read_only(project, whole, count):
    """Folders that cannot be written: all, the cache, the figures; before, in the middle of and after the work."""
    tried = 0

    def one(mount, part, state):
        nonlocal tried
        subprocess.run(["mount", "-t", "tmpfs", "none", mount], check=True)
        here = Project(mount / "paper")
        if state == "half":
            here.run("build", "measures")
        if state == "whole":
            here.build()
        place = here.folder / part if part else mount
        place.mkdir(exist_ok=True)
        if part:
            subprocess.run(["mount", "--bind", place, place], check=True)
        subprocess.run(["mount", "-o", "remount,ro" + (",bind" if part else ""), place], check=True)
        try:
            code, out, err = here.run("build", "*")
            if state == "whole" and (code != 0 or err):
                raise Wrong(f"nothing to do, but the read-only {part or 'project'} ends with {code}: {err}")
            if state != "whole" and (code != 1 or "read-only" not in err.lower()):
                raise Wrong(f"a read-only {part or 'project'} ends with {code}: {err}")
            tried += 1
        finally:
            if part:
                subprocess.run(["umount", "-l", place], check=True)
            else:
                subprocess.run(["mount", "-o", "remount,rw", place], check=True)
        here.build()
        check(here, whole, f"read-only {part}, {state}")

    for part in ["", "cache", "figures"]:
        for state in ["empty", "half", "whole"]:
            mounted(lambda mount: one(mount, part, state))
    return f"{tried} read-only folders (project, cache, figures; before, in the middle of and after the work)"


CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t which, struct timespec *now) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(which, now);
  const char *shift = getenv("CLOCK_SHIFT");
  if (which == CLOCK_REALTIME && shift) now->tv_sec += atoll(shift);
  return result;
}
"""


def clock(project, whole, count):
    """The clock stands in the past or the future, and files have times of the future, of 1970 and of before an edit."""
    shim = project.folder / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-o", shim, "-", "-ldl"], input=CLOCK, text=True, check=True)
    words = project.folder / "data/words.csv"
    before = words.read_text()
    project.clean()
    for i in range(count):
        shift = random.choice([-10**9, -86_400 * 400, -86_400, -3600, -2, 3600, 86_400 * 400, 10**9])
        env = {"LD_PRELOAD": str(shim), "CLOCK_SHIFT": str(shift)}
        if i % 5 == 0:
            project.clean()
        # An edit of the same size with the old time, as an archive that is unpacked over the files leaves it.
        old = words.stat()
        words.write_text(before.replace("39", f"{random.randint(10, 99)}"))
        os.utime(words, ns=(old.st_atime_ns, old.st_mtime_ns))
        project.build(env=env)
        edited = project.numbers()[4]
        if str(sum(int(line.split(",")[1]) for line in words.read_text().split()[1:])) not in edited:
            raise Wrong(f"an edit with the old time was not seen: {edited}")
        words.write_text(before)
        moment = random.choice([0, 1, time.time() + 10**8, time.time() - 10**8, old.st_mtime])
        os.utime(words, (moment, moment))
        project.build(env=env)
        for path in (project.folder / "cache").rglob("*"):
            if path.is_file() and random.random() < 0.5:
                os.utime(path, (moment, moment))
        project.build()
        check(project, whole, f"clock {i}")
    words.write_text(before)
    return f"{count} shifts of the clock, {2 * count} edits with times that lie"


CAMPAIGNS = {
    "kill": (lambda p, w, n: kills(p, w, n, p.seconds), 300),
    "call": (system_calls, 200),
    "together": (together, 30),
    "damage": (damage, 200),
    "full": (full_disk, 40),
    "read-only": (read_only, 9),
    "clock": (clock, 40),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("campaigns", nargs="*", default=list(CAMPAIGNS))
    parser.add_argument("--share", type=float, default=1.0, help="of the usual number of faults")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random.seed(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        project = Project(pathlib.Path(folder) / "paper")
        started = time.monotonic()
        project.build()
        project.seconds = 1.1 * (time.monotonic() - started)
        whole = project.artifacts(), project.numbers()
        for name in options.campaigns:
            run, count = CAMPAIGNS[name]
            started = time.monotonic()
            try:
                told = run(project, whole, max(1, round(count * options.share)))
            except Wrong as wrong:
                print(f"{name}: WRONG: {wrong}", flush=True)
                keep = pathlib.Path(tempfile.gettempdir()) / f"faults-{name}-{os.getpid()}"
                shutil.copytree(project.folder, keep)
                print(f"the project is kept in {keep}", flush=True)
                sys.exit(1)
            print(f"{name}: {told}; all ended with the artifacts of an undisturbed build ({time.monotonic() - started:.0f} s)", flush=True)


main()
