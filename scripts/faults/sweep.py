"""SIGKILL at random moments inside a sweep over a program that writes checkpoints. In the end the artifacts are those of an undisturbed build; a
point whose result was kept never runs again, and an attempt begins where the last checkpoint was."""

import json
import pathlib
import random
import shutil
import signal
import tempfile
import time

from project import Project, Wrong

# Ten steps of 15 ms; a checkpoint is renamed into place. Every step and every end is noted outside of the sandbox.
PROGRAM = """\
import json, os, sys, time
params, notes = json.load(open("params.json")), sys.argv[1]
name = f"lr={params['lr']:g} seed={params['seed']:g}"
step = int(open("checkpoints/step").read()) if os.path.exists("checkpoints/step") else 0
def note(what):
    with open(notes, "a") as file:
        file.write(json.dumps([name, what]) + "\\n")
while step < 10:
    note(step)
    time.sleep(0.015)
    step += 1
    with open("checkpoints/new", "w") as file:
        file.write(str(step))
    os.replace("checkpoints/new", "checkpoints/step")
json.dump({"loss": params["lr"] * step + params["seed"]}, open("result.json", "w"))
note("end")
"""
PAPER = """\
repro: 1
stages:
  train:
    sweep:
      exec: {run: python3 program.py NOTES, inputs: [program.py], outputs: [result.json], resume: [checkpoints/], params: {lr: 1, seed: 1}}
      axes: {lr: [1, 2, 3, 4], seed: {count: 3}}
  table: {table: {of: train, rows: [lr], columns: [loss], formats: [markdown, csv]}}
"""


def run(_project, _expected, count):
    kills, again = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        notes = folder / "notes"
        project = Project(folder / "paper", PAPER.replace("NOTES", str(notes)))
        (project.folder / "program.py").write_text(PROGRAM)
        started = time.monotonic()
        project.build()
        seconds = time.monotonic() - started
        expected = project.artifacts()
        while kills < count:
            project.clean()
            notes.write_text("")
            for _ in range(random.randint(1, 6)):
                before = len(notes.read_text().splitlines())
                missing = points(project)
                process = project.start("build", "-j", random.choice("1234"), start_new_session=True)
                time.sleep(random.random() * seconds)
                process.send_signal(signal.SIGKILL)
                process.communicate()
                kills += 1
                check_runs(notes, before, missing)
            before, missing = len(notes.read_text().splitlines()), points(project)
            project.build()
            check_runs(notes, before, missing)
            if project.artifacts() != expected:
                raise Wrong(f"after {kills} kills: wrong artifacts")
            if any((project.folder / "cache/resume").glob("*")):
                raise Wrong(f"after {kills} kills: checkpoints are left")
            lines = [json.loads(line) for line in notes.read_text().splitlines()]
            ends = [name for name, what in lines if what == "end"]
            again += len(ends) - len(set(ends))
            if points(project):
                raise Wrong(f"after {kills} kills: points are missing")
    return f"{kills} kills inside 12 programs with checkpoints, {again} of them between the end of a program and the storing of its result"


def points(project):
    """The points without a result."""
    code, out, err = project.run("explain", "--json", "train")
    if code != 0:
        raise Wrong(f"explain fails: {err}")
    plans = [json.loads(line) for line in out.splitlines()]
    return {point for plan in plans if plan["stage"] == "train" for point in plan.get("missing", [])}


def check_runs(notes, before, missing):
    """What has run since is among the points that had no result; a step that was saved is not taken again."""
    lines = notes.read_text().splitlines()
    ran = {json.loads(line)[0] for line in lines[before:] if line.endswith("]")}
    if not ran <= missing:
        raise Wrong(f"points ran again that had results: {sorted(ran - missing)}")
    steps = {}
    for line in lines:
        if line.endswith("]"):
            name, step = json.loads(line)
            if step != "end" and step < steps.get(name, 0):
                raise Wrong(f"{name} took step {step} again after step {steps[name]}")
            if step != "end":
                steps[name] = step
