"""Power cuts: a build or `gc` runs on a disk that records writes and flushes; then disks are made as a power cut at a random moment leaves
them, with random blocks of what was not flushed; each is mounted, and the next build has to end as if nothing had happened."""

import pathlib
import random
import shutil
import subprocess
import tempfile

from disk import BLOCK, crash, entries, recorded
from mounts import mount, mount_point, unmount
from project import EARLIER, FALSE_WARNING, PAPER, Project, Wrong

# A file system: how it is made, and how it is mounted.
SYSTEMS = {
    "ext4 ordered": (["mkfs.ext4", "-q", "-F"], "data=ordered"),
    "ext4 writeback": (["mkfs.ext4", "-q", "-F"], "data=writeback,noauto_da_alloc"),
    "xfs": (["mkfs.xfs", "-q", "-f"], "nouuid"),
    "btrfs": (["mkfs.btrfs", "-q", "-f"], "nodiscard"),
}
# What is done on it, and what was built and flushed before.
WORK = {"first build": [], "build of an edit": [EARLIER], "two builds": [], "gc": [EARLIER, PAPER]}
SIZE = 320 << 20
# Power cuts of one recording.
CUTS = 8


def run(project, expected, count):
    tried, blocks, warnings, done = dict.fromkeys(SYSTEMS, 0), [0, 0], 0, 0
    earlier = earlier_artifacts()
    while done < count:
        system = list(SYSTEMS)[done // CUTS % len(SYSTEMS)]
        work = random.choice(list(WORK))
        with tempfile.TemporaryDirectory(dir="/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None) as folder:
            folder = pathlib.Path(folder)
            events, ended = record(folder, system, work)
            for _ in range(min(CUTS, count - done)):
                done += 1
                tried[system] += 1
                moment = choose_moment(events, ended)
                for i, number in enumerate(crash(folder / "before", folder / "after", events, moment, random)):
                    blocks[i] += number
                what = f"power cut {done} on {system}, {work}, at {moment} of {len(events)}"
                try:
                    warnings += recover(folder, system, expected, earlier, what, project)
                except Wrong as wrong:
                    project.found(wrong)
                finally:
                    (folder / "after").unlink()
    if warnings:
        project.found(Wrong(f"{warnings} of {done} builds after a power cut warned that an artifact `{FALSE_WARNING}`"))
    return f"{done} power cuts ({', '.join(f'{number} on {system}' for system, number in tried.items())}), {blocks[0]:,} blocks kept and {blocks[1]:,} lost"


def earlier_artifacts():
    with tempfile.TemporaryDirectory() as folder:
        project = Project(pathlib.Path(folder) / "paper", EARLIER)
        project.build()
        return project.artifacts()


def choose_moment(events, ended):
    """Any moment; or when most is at stake: just before a flush of several blocks, or when the work has just ended."""
    kind = random.choice(["any", "flush", "end"])
    flushes = [i for i, event in enumerate(events) if event is None and i > 0 and events[i - 1] is not None and (i == 1 or events[i - 2] is not None or len(events[i - 1][1]) > BLOCK)]
    if kind == "flush" and flushes:
        return random.choice(flushes)
    return ended if kind == "end" else random.randint(1, len(events))


def record(folder, system, work):
    """Make the disk `before`, and work on a copy of it. Returns what was written and flushed, and how much of it when the work ended."""
    make, options = SYSTEMS[system]
    before, copy = folder / "before", folder / "copy"
    with open(before, "wb") as image:
        image.truncate(SIZE)
    subprocess.run([*make, before], check=True, stdout=subprocess.DEVNULL)
    with mount_point(folder) as place:
        mount("-o", f"loop,{options}", before, place)
        here = Project(place / "paper")
        for paper in WORK[work]:
            here.edit(paper)
            here.build()
        subprocess.run(["sync"], check=True)
        unmount(place)
    subprocess.run(["cp", "--sparse=always", before, copy], check=True)
    with recorded(copy, folder) as (device, log), mount_point(folder) as place:
        mount("-o", options, device, place)
        here = Project(place / "paper")
        if work == "gc":
            code, out, err = here.run("gc", "--older-than", "0")
            if code != 0:
                raise Wrong(f"gc on {system} failed: {err}")
        else:
            for paper in [EARLIER, PAPER] if work == "two builds" else [PAPER]:
                here.edit(paper)
                here.build()
        ended = len(entries(log))
        # What the file system flushes on its own afterwards counts too: a power cut may come later.
        subprocess.run(["sync", "-f", place], check=True)
        unmount(place)
    events = entries(folder / "log")
    shutil.rmtree(folder / "served")
    copy.unlink()
    if ended == 0 or None not in events:
        raise RuntimeError(f"nothing was flushed on {system}")
    return events, ended


def recover(folder, system, expected, earlier, what, project):
    """Mount the disk after a power cut, at the path it had, build, and check; returns whether the build warned falsely."""
    with mount_point(folder) as place:
        mount("-o", f"loop,{SYSTEMS[system][1]}", folder / "after", place)
        here = Project(place / "paper")
        try:
            half = expected.wrong_artifacts(here, earlier)
            if half:
                raise Wrong(f"{what}: half-written artifacts {half}")
            kept = {path.relative_to(here.folder / "cache") for path in here.folder.glob("cache/replaced/*")}
            here.edit(PAPER)
            out, err = here.build()
            expected.check(here, what)
            code, out, verified = here.run("verify")
            if code != 0:
                raise Wrong(f"{what}: verify ends with {code}: {out}{verified}")
            replaced = {path.relative_to(here.folder / "cache") for path in here.folder.glob("cache/replaced/*")} - kept
            return FALSE_WARNING in err or bool(replaced)
        except Wrong:
            subprocess.run(["cp", "--sparse=always", folder / "after", project.folder / "disk.img"], check=True)
            raise
        finally:
            unmount(place)
