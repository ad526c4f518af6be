"""Temporary mounts."""

import contextlib
import pathlib
import subprocess
import tempfile
import time


@contextlib.contextmanager
def mount_point(folder=None):
    """An empty folder for a mount, which is gone afterwards; in the same `folder` it has the same path every time."""
    with tempfile.TemporaryDirectory() as new:
        mount = pathlib.Path(folder or new) / "mount"
        mount.mkdir()
        try:
            yield mount
        finally:
            subprocess.run(["umount", "-l", mount], stderr=subprocess.DEVNULL)
            mount.rmdir()


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def unmount(place):
    """Unmount. A process that has just been killed may hold the place for a moment."""
    for _ in range(100):
        done = subprocess.run(["umount", place], capture_output=True, text=True)
        if done.returncode == 0:
            return
        time.sleep(0.1)
    raise RuntimeError(f"{place} cannot be unmounted: {done.stderr}")
