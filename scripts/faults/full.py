"""Builds on a tmpfs that is too small for the results and is made larger afterwards."""

from mounts import mount, mount_point
from project import Project, Wrong


def run(project, expected, count):
    failed = 0
    for i in range(count):
        kilobytes = 16 + i * 900 // count
        with mount_point() as folder:
            mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "none", folder)
            small = Project(folder / "paper")
            code, out, err = small.run("build", "*")
            if code != 0:
                failed += 1
                if code != 1 or "no space left" not in err or "free some space" not in err:
                    raise Wrong(f"a full disk of {kilobytes} kB ends with {code}: {err}")
                half = [name for name in expected.wrong_artifacts(small) if not name.startswith(".repro")]
                if half:
                    raise Wrong(f"half-written artifacts at {kilobytes} kB: {half}")
            mount("-o", "remount,size=64m", folder)
            small.build()
            expected.check(small, f"a disk of {kilobytes} kB")
    return f"{count} sizes of a small disk, {failed} of them too small"
