"""Random files of the cache are flipped, cut, emptied, overwritten, swapped or deleted; then everything is read again."""

import os
import random
import shutil

from project import PAPER


def run(project, expected, count):
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
                data = bytearray(random.choice([file for file in files if file.exists()]).read_bytes())
            path.unlink()
            if kind != "delete":
                path.write_bytes(data)
        shutil.rmtree(project.folder / "figures", ignore_errors=True)
        if i % 3 == 0:
            # An edit that computes all figures and tables anew, from the damaged results.
            text = PAPER.replace("title: A", f"title: A{i}").replace("compute: [loss, feature-geometry]", "compute: [feature-geometry, loss]")
            (project.folder / "paper.yaml").write_text(text)
            project.build()
            (project.folder / "paper.yaml").write_text(PAPER)
        project.build()
        expected.check(project, f"damage {i}")
    return f"{sum(kinds.values())} damaged files ({', '.join(f'{count} {kind}' for kind, count in kinds.items())}) in {count} rounds"
