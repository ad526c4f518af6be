"""A small paper with a stage of every kind, and the check that every campaign ends with."""

import os
import pathlib
import shutil
import subprocess

REPRO = os.environ["REPRO"]
PAPER = """\
repro: 1
title: Faults
stages:
  words: {data: data/words.csv}
  one:
    train: &recipe
      model: {moe-autoencoder: {features: 8, hidden: 2, experts: 2, active: 1}}
      data: {sparse-uniform: {probability: 0.3, importance: {powers: 0.7}}}
      batch: 64
      steps: 400
      seed: 1
  grid:
    sweep:
      recipe: *recipe
      axes:
        probability: {field: data.probability, values: [0.1, 0.2, 0.3, 0.5]}
        run: {field: seed, count: 8}
  measures: {metric: {of: grid, compute: [loss, feature-geometry]}}
  two: {train: {<<: *recipe, model: {moe-autoencoder: {features: 2, hidden: 1, experts: 3}}}}
  cut: {metric: {of: two, compute: [partition]}}
  sums: {exec: {run: 'awk -F, ''NR > 1 { s += $2 } END { print "s"; print s }'' data/words.csv > sums.csv; seq 30000 > figures/long.txt', inputs: [words], outputs: [sums.csv, figures/long.txt]}}
  twice: {exec: {run: [cp, sums/sums.csv, twice.csv], inputs: [sums], outputs: [twice.csv]}}
  table: {table: {of: measures, rows: [probability], columns: [loss], formats: [markdown, csv]}}
  figure: {figure: {of: measures, title: A, width: 2, height: 1.5, dpi: 80, panels: [{where: {run: 1}, marks: [{points: {x: probability, y: loss}}]}], formats: [svg, pdf, png]}}
  map: {figure: {of: cut, title: B, width: 2, height: 1.5, dpi: 80, panels: [{marks: [{heatmap: {x: x1, y: x2, color: {value: partition}}}]}], formats: [png]}}
"""
# The same paper before an edit: other models, another title. Its results are of no use to PAPER.
EARLIER = PAPER.replace("steps: 400", "steps: 300").replace("title: A", "title: Z")
WORDS = "word,n\na,1\nb,2\nc,39\n"
SHOWN = ["one", "grid", "measures", "cut", "sums", "twice"]
FALSE_WARNING = "existed before this paper wrote it"


class Wrong(Exception):
    """What no fault may lead to."""


class Project:
    def __init__(self, folder, paper=PAPER):
        self.folder = pathlib.Path(folder)
        self.keep_going, self.findings = False, 0
        if not self.folder.exists():
            (self.folder / "data").mkdir(parents=True)
            (self.folder / "paper.yaml").write_text(paper)
            (self.folder / "data/words.csv").write_text(WORDS)

    def found(self, wrong):
        """What is wrong ends the campaign, or is printed with --keep-going."""
        if not self.keep_going:
            raise wrong
        self.findings += 1
        print(f"WRONG: {wrong}", flush=True)

    def edit(self, paper):
        (self.folder / "paper.yaml").write_text(paper)

    def start(self, *arguments, prefix=(), env=None, **more):
        command = [*prefix, REPRO, *arguments]
        environment = {**os.environ, **(env or {})}
        for name in ["REPRO_CACHE", "RUST_BACKTRACE"]:
            environment.pop(name, None)
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, errors="replace", **more)

    def run(self, *arguments, timeout=300, **more):
        process = self.start(*arguments, **more)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Wrong(f"{arguments} did not end within {timeout} s") from None
        return process.returncode, out, err

    def build(self, **more):
        code, out, err = self.run("build", "*", **more)
        if code != 0:
            raise Wrong(f"a build after a fault failed with {code}:\n{out}{err}")
        if "panicked" in err:
            raise Wrong(err)
        return out, err

    def artifacts(self):
        figures = self.folder / "figures"
        return {path.name: path.read_bytes() for path in sorted(figures.glob("*"))} if figures.is_dir() else {}

    def numbers(self):
        """Every number of every stage. Damage that is found only here is repaired by one more build."""
        shown = []
        for stage in SHOWN:
            code, out, err = self.run("show", "--json", stage)
            if code == 1:
                self.build()
                code, out, err = self.run("show", "--json", stage)
            if code != 0:
                raise Wrong(f"show {stage}: {err}")
            shown.append(out)
        return shown

    def clean(self):
        shutil.rmtree(self.folder / "cache", ignore_errors=True)
        shutil.rmtree(self.folder / "figures", ignore_errors=True)


class Expected:
    """Artifacts and numbers of an undisturbed build, and how long it took."""

    def __init__(self, project, seconds):
        self.artifacts, self.numbers, self.seconds = project.artifacts(), project.numbers(), seconds

    def wrong_artifacts(self, project, others=None):
        """Names of artifacts that are there and are neither these nor, where given, the `others` of before an edit."""
        found = project.artifacts()
        return [name for name, data in found.items() if data != self.artifacts.get(name) and (others is None or data != others.get(name))]

    def check(self, project, what):
        """The project has exactly these artifacts and numbers, and no scratch folder is left."""
        artifacts = project.artifacts()
        if artifacts != self.artifacts:
            names = sorted(name for name in {*artifacts, *self.artifacts} if artifacts.get(name) != self.artifacts.get(name))
            raise Wrong(f"{what}: wrong artifacts {names}")
        if project.numbers() != self.numbers:
            raise Wrong(f"{what}: wrong numbers")
        scratch = project.folder / "cache/scratch"
        left = list(scratch.glob("*")) if scratch.is_dir() else []
        if left:
            raise Wrong(f"{what}: left behind {left}")
