"""SIGKILL upon entry into the n-th system call of a kind: before every rename, flush, delete, mkdir, write and link."""

import random

KINDS = {"rename": "rename,renameat,renameat2", "flush": "fsync,fdatasync", "delete": "unlink,unlinkat", "folder": "mkdir,mkdirat", "write": "write,pwrite64", "link": "link,linkat"}


def run(project, expected, count):
    tried = {}
    for kind, calls in KINDS.items():
        tried[kind], step, number = 0, 1, 1
        while tried[kind] < count // len(KINDS) + 1:
            project.clean()
            inject = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", f"inject={calls}:signal=KILL:when={number}"]
            process = project.start("build", "*", prefix=inject, start_new_session=True)
            process.communicate()
            tried[kind] += 1
            project.build()
            expected.check(project, f"kill at {kind} {number}")
            if process.returncode == 0:
                break
            number += step
            if number > 20:
                step = random.randint(3, 9)
    return f"{sum(tried.values())} kills at chosen system calls ({', '.join(f'{count} at {kind}' for kind, count in tried.items())})"
