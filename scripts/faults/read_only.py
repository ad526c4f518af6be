"""Builds with the whole project, the cache or the figures mounted read-only; before, in the middle of and after the work."""

import subprocess

from mounts import mount, mount_point
from project import Project, Wrong


def run(project, expected, count):
    cases = [(part, state) for part in ["", "cache", "figures"] for state in ["empty", "half", "whole"]]
    for i in range(count):
        part, state = cases[i % len(cases)]
        with mount_point() as folder:
            one(folder, part, state, expected)
    return f"{count} read-only folders (project, cache, figures; before, in the middle of and after the work)"


def one(folder, part, state, expected):
    mount("-t", "tmpfs", "none", folder)
    here = Project(folder / "paper")
    if state == "half":
        here.run("build", "measures")
    if state == "whole":
        here.build()
    place = here.folder / part if part else folder
    place.mkdir(exist_ok=True)
    if part:
        mount("--bind", place, place)
    mount("-o", "remount,ro" + (",bind" if part else ""), place)
    try:
        code, out, err = here.run("build", "*")
        if state == "whole" and (code != 0 or err):
            raise Wrong(f"all is up to date, but the read-only {part or 'project'} ends with {code}: {err}")
        if state != "whole" and (code != 1 or "read-only" not in err.lower()):
            raise Wrong(f"a read-only {part or 'project'} ends with {code}: {err}")
    finally:
        if part:
            subprocess.run(["umount", "-l", place], check=True)
        else:
            mount("-o", "remount,rw", place)
    here.build()
    expected.check(here, f"read-only {part}, {state}")
