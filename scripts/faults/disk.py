"""A block device that records every write and flush: a loop device on a file of a FUSE file system, which this module serves.

Run as a program, `disk.py MOUNT IMAGE LOG`, it serves IMAGE as MOUNT/disk, and appends to LOG what happens, in order.
"""

import contextlib
import errno
import os
import pathlib
import stat
import struct
import subprocess
import sys
import time

from mounts import unmount

BLOCK = 4096
# Of an entry: offset and size of a write, whose data follows; or FLUSH and zero.
HEADER = struct.Struct("<qq")
FLUSH = -1


@contextlib.contextmanager
def recorded(image, folder):
    """Serve the image as a loop device; yields the device and the path of its log."""
    folder = pathlib.Path(folder)
    served, log = folder / "served", folder / "log"
    served.mkdir()
    log.touch()
    server = subprocess.Popen([sys.executable, __file__, served, image, log])
    device = None
    try:
        wait_for(served / "disk", server)
        device = subprocess.run(["losetup", "--find", "--show", served / "disk"], check=True, capture_output=True, text=True).stdout.strip()
        yield device, log
    finally:
        if device:
            subprocess.run(["losetup", "--detach", device], check=True)
        unmount(served)
        server.wait(60)


def wait_for(path, server):
    while not path.exists():
        if server.poll() is not None:
            raise RuntimeError("the FUSE server did not start: are libfuse3 and /dev/fuse there?")
        time.sleep(0.01)


def entries(log):
    """What happened: `(offset, data)` of a write, `None` for a flush."""
    found, data, at = [], log.read_bytes(), 0
    while at < len(data):
        offset, size = HEADER.unpack_from(data, at)
        at += HEADER.size
        found.append(None if offset == FLUSH else (offset, data[at:at + size]))
        at += size
    return found


def crash(before, after, events, moment, random):
    """Make the image `after` from `before` as a power cut at a moment leaves it: whole up to the last flush, and of what was written since
    any blocks. Returns how many blocks were kept and lost."""
    subprocess.run(["cp", "--sparse=always", before, after], check=True)
    flushed = max((i for i, event in enumerate(events[:moment]) if event is None), default=0)
    share = random.choice([0, 0.1, 0.5, 0.9, 1])
    kept = lost = 0
    with open(after, "r+b", buffering=0) as image:
        for i, event in enumerate(events[:moment]):
            if event is None:
                continue
            offset, data = event
            if i <= flushed:
                os.pwrite(image.fileno(), data, offset)
                continue
            # Blocks of the device, also where a write begins in the middle of one.
            while data:
                size = BLOCK - offset % BLOCK
                if random.random() < share:
                    os.pwrite(image.fileno(), data[:size], offset)
                    kept += 1
                else:
                    lost += 1
                offset, data = offset + size, data[size:]
    return kept, lost


def serve(mount, image, log):
    import mfusepy

    class Recorder(mfusepy.Operations):
        use_ns = True

        def __init__(self):
            self.image = os.open(image, os.O_RDWR)
            self.log = os.open(log, os.O_WRONLY | os.O_APPEND)
            self.size = os.fstat(self.image).st_size

        def getattr(self, path, fh=None):
            if path == "/":
                return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
            if path != "/disk":
                raise mfusepy.FuseOSError(errno.ENOENT)
            return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": self.size}

        def readdir(self, path, fh):
            return [".", "..", "disk"]

        def open(self, path, flags):
            return 0

        def read(self, path, size, offset, fh):
            return os.pread(self.image, size, offset)

        def write(self, path, data, offset, fh):
            # One call, so that an entry is there as a whole.
            os.writev(self.log, [HEADER.pack(offset, len(data)), data])
            return os.pwrite(self.image, data, offset)

        def fsync(self, path, datasync, fh):
            os.write(self.log, HEADER.pack(FLUSH, 0))
            return 0

    mfusepy.FUSE(Recorder(), mount, foreground=True, nothreads=True)


if __name__ == "__main__":
    serve(*sys.argv[1:])
