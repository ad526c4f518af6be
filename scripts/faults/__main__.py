"""Puts builds through faults, and checks that the next build ends as if nothing had happened. See ../faults.sh.

Each campaign prints how many faults it tried. The first wrong artifact, number or message ends it with an error and keeps the project.
"""

import argparse
import importlib
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

from project import Expected, Project, Wrong

# Rounds of each campaign; the module has its name.
CAMPAIGNS = {"kill": 300, "sweep": 100, "call": 200, "fail": 300, "power": 100, "together": 30, "damage": 200, "full": 40, "read-only": 9, "clock": 40, "forge": 300}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("campaigns", nargs="*", default=list(CAMPAIGNS), metavar="campaign", help=", ".join(CAMPAIGNS))
    parser.add_argument("--share", type=float, default=1.0, help="of the usual number of rounds")
    parser.add_argument("--rounds", type=int, help="number of rounds, instead of the usual one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep-going", action="store_true", help="print what is wrong and go on (fail, power, forge)")
    options = parser.parse_args()
    unknown = [name for name in options.campaigns if name not in CAMPAIGNS]
    if unknown:
        parser.error(f"unknown campaign {unknown[0]}; there are {', '.join(CAMPAIGNS)}")
    # Mounts and folders are taken away then too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as folder:
        project = Project(pathlib.Path(folder) / "paper")
        started = time.monotonic()
        project.keep_going = options.keep_going
        project.build()
        expected = Expected(project, 1.1 * (time.monotonic() - started))
        for name in options.campaigns:
            random.seed(f"{options.seed} {name}")
            campaign = importlib.import_module(name.replace("-", "_"))
            rounds = options.rounds or max(1, round(CAMPAIGNS[name] * options.share))
            started = time.monotonic()
            try:
                summary = campaign.run(project, expected, rounds)
            except Wrong as wrong:
                print(f"{name}: WRONG: {wrong}", flush=True)
                keep = pathlib.Path(tempfile.gettempdir()) / f"faults-{name}-{os.getpid()}"
                shutil.copytree(project.folder, keep, symlinks=True)
                print(f"the project is kept in {keep}", flush=True)
                sys.exit(1)
            print(f"{name}: {summary}; {project.findings or 'nothing'} wrong ({time.monotonic() - started:.0f} s)", flush=True)
        sys.exit(1 if project.findings else 0)


main()
