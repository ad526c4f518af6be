"""Clocks that are years behind or ahead, and files with times of the future, of 1970 and of before an edit. Needs a C compiler."""

import os
import random
import subprocess
import time

from project import Wrong

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


def run(project, expected, count):
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
        expected.check(project, f"clock {i}")
    shim.unlink()
    return f"{count} shifts of the clock, {2 * count} edits with false times"
