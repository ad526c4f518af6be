"""SIGKILL at random moments, again and again into what the last one left."""

import random
import signal
import time


def run(project, expected, count):
    done = 0
    while done < count:
        project.clean()
        for _ in range(random.randint(1, 4)):
            process = project.start("build", "*", "-j", random.choice("12"), start_new_session=True)
            time.sleep(random.random() * expected.seconds)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            done += 1
        project.build()
        expected.check(project, f"kill {done}")
    return f"{done} kills at random moments"
