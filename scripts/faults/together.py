"""Eight builds of one project at once; in every second round three of them are killed."""

import random
import signal
import time

from project import Wrong


def run(project, expected, count):
    for i in range(count):
        project.clean()
        processes = [project.start("build", "*", "-j", random.choice("123"), start_new_session=True) for _ in range(8)]
        victims = random.sample(processes, 3) if i % 2 else []
        if victims:
            time.sleep(random.random() * 2)
            for process in victims:
                process.send_signal(signal.SIGKILL)
        for process in processes:
            out, err = process.communicate(timeout=300)
            if process.returncode != 0 and process not in victims:
                raise Wrong(f"one of eight builds failed with {process.returncode}: {err}")
        project.build()
        expected.check(project, f"eight builds, round {i}")
    return f"{count} rounds of eight builds at once, {count // 2} of them with three killed"
