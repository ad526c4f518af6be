"""Failing system calls: strace makes the n-th call of a kind fail in every thread of a build or of `gc`, and in the programs that it starts.
Nothing may panic or hang, no artifact may be wrong, and the next build has to end as if nothing had happened."""

import random
import re
import shutil
import tempfile

from project import EARLIER, FALSE_WARNING, PAPER, Wrong

# What a call may fail with beside EIO and ENOMEM.
ERRORS = {
    "open": "EACCES EMFILE ENFILE ENOSPC EINTR EROFS",
    "openat": "EACCES EMFILE ENFILE ENOSPC EINTR EROFS",
    "read": "EINTR EAGAIN",
    "pread64": "EINTR",
    "write": "ENOSPC EDQUOT EINTR EAGAIN",
    "pwrite64": "ENOSPC EDQUOT EINTR",
    "writev": "ENOSPC EINTR",
    "close": "EINTR",
    "fsync": "ENOSPC EINTR",
    "fdatasync": "ENOSPC EINTR",
    "ftruncate": "ENOSPC EINTR",
    "fallocate": "ENOSPC EINTR EOPNOTSUPP",
    "copy_file_range": "ENOSPC EXDEV EOPNOTSUPP EINVAL",
    "sendfile": "EINVAL ENOSYS",
    "mkdir": "EACCES ENOSPC EMLINK EROFS",
    "mkdirat": "EACCES ENOSPC",
    "rmdir": "EACCES EBUSY",
    "unlink": "EACCES EBUSY EPERM",
    "unlinkat": "EACCES EBUSY EPERM",
    "rename": "EACCES ENOSPC EXDEV",
    "renameat": "EACCES ENOSPC EXDEV",
    "renameat2": "EACCES ENOSPC EXDEV EINVAL",
    "link": "EACCES EMLINK EPERM EXDEV",
    "linkat": "EACCES EMLINK EPERM EXDEV",
    "symlink": "EACCES ENOSPC EPERM",
    "symlinkat": "EACCES ENOSPC EPERM",
    "statx": "EACCES",
    "stat": "EACCES",
    "lstat": "EACCES",
    "newfstatat": "EACCES",
    "fstat": "EOVERFLOW",
    "getdents64": "EINTR",
    "fchmod": "EPERM EROFS",
    "chmod": "EPERM EROFS",
    "fchmodat": "EPERM EROFS",
    "utimensat": "EPERM",
    "flock": "EINTR ENOLCK EWOULDBLOCK",
    "fcntl": "EMFILE EINVAL",
    "ioctl": "ENOTTY EOPNOTSUPP",
    "execve": "EACCES E2BIG ETXTBSY",
    "pipe2": "EMFILE ENFILE",
    "dup2": "EMFILE EINTR",
    "dup3": "EMFILE EINTR",
    "chdir": "EACCES",
    "getcwd": "ENOENT",
    "readlink": "EACCES EINVAL",
    "readlinkat": "EACCES EINVAL",
    "lseek": "ESPIPE",
    "statfs": "ENOSYS",
    "fstatfs": "ENOSYS",
}
# Where the standard library of Rust panics itself: closing a folder, and making the pipes of a program wait for nothing. Neither call can fail
# so on a real system.
LIBRARY = re.compile(r"unexpected error during closedir|library/std/src/sys/process/mod.rs")
# Calls about memory, which belong to the allocator, and the end of a wait, which has no such failure.
PASSED_OVER = {"mmap", "mmap2", "poll", "ppoll", "epoll_wait", "epoll_pwait", "epoll_ctl", "epoll_create1", "select"}
WHEN = ["1", "2", "3", "4", "6", "9", "14", "25", "60", "1+", "3+", "10+", "2+3"]
WORK = ["first build", "build of an edit", "figures gone", "nothing to do", "gc"]
# Longer means that it hangs.
LIMIT = 120


def run(project, expected, count):
    states = tempfile.mkdtemp()
    try:
        return campaign(project, expected, count, prepare(project, states))
    finally:
        shutil.rmtree(states)


def campaign(project, expected, count, states):
    cases = [(call, error, when) for call in calls_made(project, states) for error in f"EIO ENOMEM {ERRORS.get(call, '')}".split() for when in WHEN if sensible(error, when)]
    random.shuffle(cases)
    tried, failed, calls, pairs = 0, 0, set(), set()
    while tried < count:
        call, error, when = cases[tried % len(cases)]
        # All kinds of work see all calls in the long run, and no two rounds are the same before they have.
        work = WORK[(tried + tried // len(cases)) % len(WORK)]
        try:
            failed += one(project, expected, states, work, call, error, when)
        except Wrong as wrong:
            project.found(wrong)
        tried += 1
        calls.add(call)
        pairs.add((call, error))
    return f"{tried} failing calls ({len(calls)} calls, {len(pairs)} pairs of a call and an error), {failed} of them ended a build or gc with an error"


def sensible(error, when):
    """A call that is interrupted for ever is repeated for ever, by the standard library of Rust too."""
    return not (error == "EINTR" and when.endswith("+"))


def prepare(project, states):
    """Copies of the project in which each kind of work can begin; `edit` and `whole` by name."""
    project.clean()
    project.edit(EARLIER)
    project.build()
    earlier = project.artifacts()
    project.edit(PAPER)
    shutil.copytree(project.folder, f"{states}/edit", symlinks=True)
    project.build()
    shutil.copytree(project.folder, f"{states}/whole", symlinks=True)
    return {"folder": states, "earlier": earlier}


def begin(project, states, work):
    """Put the project into the state in which the work begins; returns the command."""
    project.clean()
    state = {"first build": None, "build of an edit": "edit"}.get(work, "whole")
    if state:
        shutil.copytree(f"{states['folder']}/{state}", project.folder, symlinks=True, dirs_exist_ok=True)
    if work == "figures gone":
        shutil.rmtree(project.folder / "figures")
    return ["gc", "--older-than", "0"] if work == "gc" else ["build", "*"]


def calls_made(project, states):
    """The file-system calls that the kinds of work make."""
    found = set()
    with tempfile.NamedTemporaryFile("r") as trace:
        for work in WORK:
            command = begin(project, states, work)
            project.run(*command, prefix=["strace", "-f", "-qq", "-o", trace.name, "-e", "trace=%file,%desc"])
            found |= set(re.findall(r"^\d+ +(\w+)\(", trace.read(), re.MULTILINE))
            trace.seek(0)
    return sorted(found - PASSED_OVER)


def one(project, expected, states, work, call, error, when):
    """One failing call; returns whether the command ended with an error."""
    command = begin(project, states, work)
    # strace starts the program itself by `execve`, which is not to fail.
    if call == "execve" and when[0] == "1":
        when = "2" + when[1:]
    what = f"{call} failing with {error} ({when}) in: {work}"
    inject = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={when}"]
    try:
        code, out, err = project.run(*command, prefix=inject, timeout=LIMIT, start_new_session=True)
        # The dynamic linker, before the program begins.
        unstarted = "error while loading shared libraries" in err
        if (code not in (0, 1, 2) or "panicked" in err or "bug in repro" in err) and not unstarted and not LIBRARY.search(err):
            raise Wrong(f"ends with {code}: {err}")
        if code == 0 and command[0] == "build" and project.artifacts() != expected.artifacts:
            raise Wrong(f"ends well with wrong artifacts: {err}")
        # What was there before an edit may still be there.
        half = expected.wrong_artifacts(project, states["earlier"] if work == "build of an edit" else None)
        if half:
            raise Wrong(f"ends with {code} and wrong artifacts {half}: {err}")
        out, mended = project.build()
        if FALSE_WARNING in mended:
            raise Wrong(f"a false warning of the next build: {mended}\nafter: {err}")
        expected.check(project, "the next build")
    except Wrong as wrong:
        raise Wrong(f"{what}: {wrong}") from None
    return code != 0
