"""Forged archives: one thing in an archive of `repro export` is changed, and every digest that follows from it is put right. `repro verify`
has to refuse it, unless it is about who made the archive and when; and `verify --rebuild` has to refuse every other artifact."""

import collections
import concurrent.futures
import copy
import json
import random
import re
import shutil
import tempfile
import zipfile
from functools import partial

import blake3

from project import PAPER, Project, Wrong

MANIFEST, TRACES, CRATE = "repro-archive/manifest.json", "repro-archive/traces.json", "ro-crate-metadata.json"
# Stages for every kind of file and of recorded value in an archive.
STAGES = """\
  runs: {data: {path: 'data/runs/*.csv'}}
  away: {data: {url: 'file://%s', digest: 'blake3:%s'}}
  noted:
    exec:
      run: 'cat data/runs/*.csv away/away.csv > all.csv; echo "$FAULTS_NOTE" > figures/note.txt; sh data/script.sh'
      inputs: [runs, away, data/script.sh]
      outputs: [all.csv, figures/note.txt]
      env: [FAULTS_NOTE]
      tools: [[echo, '1.0']]
"""
NOTE = {"FAULTS_NOTE": "a"}
# What nothing in an archive can show: who made it and when; and without --rebuild, that a result is not what its step comes to.
ALLOWED = [
    r"traces makers\b.*",
    r"traces stages (results|files) (finished|micros|maker|size)( \(dropped\))?",
    r"about, in manifest and crate",
    r"artifact replaced, with its digest in the traces",
]


class Archive:
    """The files of an archive; JSON as values."""

    def __init__(self, path):
        with zipfile.ZipFile(path) as packed:
            self.files = {info.filename: packed.read(info) for info in packed.infolist()}
        self.json = {name: json.loads(self.files[name]) for name in [MANIFEST, TRACES, CRATE]}

    def entry(self, name):
        return next(file for file in self.json[MANIFEST]["files"] if file["path"] == name)

    def put(self, name, data, role=None):
        """Put a file in or replace it; manifest and crate say its size and digest, or know it when it is new."""
        self.files[name] = data
        known = {"size": len(data), "blake3": blake3.blake3(data).hexdigest()}
        if role:
            self.json[MANIFEST]["files"].append({"path": name, "role": role, **known})
            self.json[MANIFEST]["files"].sort(key=lambda file: file["path"])
        else:
            self.entry(name).update(known)
        if name == CRATE:
            return
        graph = self.json[CRATE]["@graph"]
        if role:
            description = next(node for node in graph if node["@type"] == "File")
            graph.append({**description, "@id": name, "name": name.rsplit("/")[-1]})
            next(node for node in graph if node["@id"] == "./")["hasPart"].append({"@id": name})
        for node in graph:
            if node["@id"] == name:
                node.update(contentSize=str(len(data)), identifier=f"blake3:{known['blake3']}")

    def drop(self, name, listed=True):
        del self.files[name]
        if listed:
            self.json[MANIFEST]["files"].remove(self.entry(name))
            graph = self.json[CRATE]["@graph"]
            graph[:] = [node for node in graph if node["@id"] != name]
            root = next(node for node in graph if node["@id"] == "./")
            root["hasPart"] = [part for part in root["hasPart"] if part["@id"] != name]

    def text(self, name):
        text = json.dumps(self.json[name], indent=2, ensure_ascii=False)
        # 1e-8 as Rust writes it, not 1e-08.
        return (re.sub(r"(\de)\+?(-?)0?(\d+,?)$", r"\1\2\3", text, flags=re.MULTILINE) + "\n").encode()

    def write(self, path, changed):
        """Write the archive. Every digest is put right, except in a manifest or a crate that is `changed` itself."""
        if changed in (None, TRACES):
            self.put(TRACES, self.text(TRACES))
        if changed != MANIFEST:
            self.put(CRATE, self.text(CRATE))
        self.files[MANIFEST] = self.text(MANIFEST)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, data in self.files.items():
                packed.writestr(zipfile.ZipInfo(name), data)


def run(project, expected, count):
    with tempfile.TemporaryDirectory() as folder:
        here = make(folder)
        honest = Archive(here.folder / "paper.zip")
        # The archive written by this program is as good as the one of `repro export`.
        copy.deepcopy(honest).write(here.folder / "forged.zip", None)
        for name in ["paper.zip", "forged.zip"]:
            code, out, err = here.run("verify", name, env=NOTE)
            if code != 0:
                raise Wrong(f"an honest archive is refused with {code}: {out}{err}")
        forgeries = all_forgeries(honest)
        random.shuffle(forgeries)
        # Artifacts are built again, which takes longest: they come last.
        chosen = sorted(forgeries[:count], key=lambda forgery: forgery[0].startswith("artifact replaced"))
        found, accepted = collections.Counter(), collections.Counter()
        rebuilt = 0
        # Checking is mostly waiting for processes.
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for kind, code, rebuild in pool.map(partial(one, here, project, honest), range(count), chosen):
                (accepted if code == 0 else found)[kind] += 1
                rebuilt += rebuild is not None
    total = sum(found.values()) + sum(accepted.values())
    for kind in sorted({*found, *accepted}):
        print(f"    {kind}: {found[kind]} refused, {accepted[kind]} accepted")
    return f"{total} of {len(forgeries)} forgeries, {sum(found.values())} refused, {sum(accepted.values())} accepted; {rebuilt} with --rebuild, all refused"


def one(here, project, honest, number, forgery):
    """Check one forgery; returns its kind and what `verify` and, for artifacts, `verify --rebuild` ended with."""
    kind, forge = forgery
    archive = copy.deepcopy(honest)
    changed = forge(archive)
    path = here.folder / f"forged-{number}.zip"
    archive.write(path, changed)
    code, out, err = here.run("verify", path, env=NOTE)
    if code not in (0, 1, 2) or "panicked" in err:
        project.found(Wrong(f"{kind}: verify ends with {code}: {out}{err}"))
    rebuild = None
    if kind.startswith("artifact replaced"):
        rebuild, out, err = here.run("verify", path, "--rebuild", "--yes", env=NOTE)
    if code == 0 and not any(re.fullmatch(allowed, kind) for allowed in ALLOWED):
        shutil.copy(path, project.folder)
        project.found(Wrong(f"accepted: {kind} ({path.name})"))
    if rebuild == 0:
        shutil.copy(path, project.folder)
        project.found(Wrong(f"accepted with --rebuild: {kind} ({path.name})"))
    path.unlink()
    return kind, code, rebuild


def make(folder):
    """A project with an archive."""
    here = Project(f"{folder}/paper")
    data = here.folder / "data"
    (data / "runs").mkdir()
    for name in ["a", "b"]:
        (data / f"runs/{name}.csv").write_text("x,y\n1,2\n")
    (data / "script.sh").write_text("true\n")
    (data / "script.sh").chmod(0o755)
    away = here.folder.parent / "away.csv"
    away.write_text("x,y\n3,4\n")
    here.edit(PAPER + STAGES % (away, blake3.blake3(away.read_bytes()).hexdigest()))
    here.build(env=NOTE)
    about = ["--author", "A. Turing (University of Manchester)", "--license", "CC-BY-4.0", "--publisher", "Zenodo https://zenodo.org"]
    code, out, err = here.run("export", *about, env=NOTE)
    if code != 0:
        raise Wrong(f"export failed: {err}")
    return here


def all_forgeries(honest):
    """`(kind, function)`; the function forges an archive and returns the JSON file whose content is meant as it is."""
    forgeries = []
    for name, short in [(MANIFEST, "manifest"), (TRACES, "traces"), (CRATE, "crate")]:
        forgeries += leaves(name, short, honest.json[name], [])
    artifacts = [file["path"] for file in honest.json[MANIFEST]["files"] if file["role"] == "artifact"]
    others = {role: [file["path"] for file in honest.json[MANIFEST]["files"] if file["role"] == role] for role in ["paper", "input", "fetched"]}
    for name in artifacts:
        another = honest.files[artifacts[0 if name != artifacts[0] else 1]]
        for data in [b"forged", b"", honest.files[name] + b"\n", another]:
            for traced in [False, True]:
                for disguise in [None, "without targets", "without its target", "another version"]:
                    what = "artifact replaced" + ", with its digest in the traces" * traced + (f", {disguise}" if disguise else "")
                    forgeries.append((what, partial(replace, name=name, data=data, traced=traced, disguise=disguise)))
    for role, names in others.items():
        for name in names:
            for data in [b"", honest.files[name] + b"# \n", honest.files[name].replace(b"1", b"2", 1) + b"5,6\n"]:
                # A comment in the paper file decides nothing, but the crate knows its bytes; it is another paper file all the same.
                if role != "paper" or data != honest.files[name] + b"# \n":
                    forgeries.append((f"{role} replaced", lambda archive, name=name, data=data: archive.put(name, data)))
    for name in [*artifacts, *sum(others.values(), [])]:
        forgeries.append(("file dropped", lambda archive, name=name: archive.drop(name)))
        forgeries.append(("file dropped, but listed", lambda archive, name=name: archive.drop(name, listed=False)))
        forgeries.append(("file renamed", lambda archive, name=name: rename(archive, name, name + "x")))
    for name, to in [("A. Turing", "A. Loser"), ("Manchester", "Oxford"), ("Zenodo", "Nobody"), ("CC-BY-4.0", "CC0-1.0")]:
        forgeries.append(("about, in manifest and crate", partial(everywhere, name=name, to=to)))
    for role in ["artifact", "input", "fetched", "metadata", "paper", "traces"]:
        for name in ["figures/more.svg", "data/more.csv", "data/runs/c.csv", "repro-archive/fetched/away/more.csv", "more.txt", "figures/words/more.txt"]:
            forgeries.append((f"file added as {role}", lambda archive, name=name, role=role: archive.put(name, b"x,y\n1,2\n", role)))
    for name in ["more.txt", "figures/more.svg", "../more.txt", "/tmp/more.txt", "figures/a\nb.svg", "repro-archive/more"]:
        forgeries.append(("file added, not listed", lambda archive, name=name: archive.files.update({name: b"more"})))
    return forgeries


def leaves(name, short, value, path):
    """Every value in a JSON file changed, and dropped."""
    if isinstance(value, (dict, list)) and value:
        forgeries = []
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            forgeries += leaves(name, short, inner, [*path, key])
        return forgeries + ([(kind(short, path) + " (dropped)", lambda archive: change(archive, name, path, drop=True))] if path else [])
    return [
        (kind(short, path), lambda archive: change(archive, name, path)),
        (kind(short, path) + " (dropped)", lambda archive: change(archive, name, path, drop=True)),
    ]


def kind(short, path):
    """`traces stages results digest`: places in lists, and names below settings and inputs, are left out."""
    words = [key for key in path if isinstance(key, str)]
    for deep in ["settings", "inputs", "env", "tools"]:
        if short == "traces" and deep in words:
            words = words[:words.index(deep) + 1]
    return " ".join([short, *words])


def change(archive, name, path, drop=False):
    place = archive.json[name]
    for key in path[:-1]:
        place = place[key]
    if drop:
        del place[path[-1]]
    else:
        place[path[-1]] = other(place[path[-1]])
    return name


def other(value):
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, str) and re.fullmatch(r"(blake3:)?[0-9a-f]{64}", value):
        return value[:-1] + ("0" if value[-1] != "0" else "1")
    if isinstance(value, str):
        digit = re.search(r"\d", value)
        return value[:digit.start()] + str((int(digit[0]) + 1) % 10) + value[digit.end():] if digit else value + "x"
    return 0 if value is None else "x"


def replace(archive, name, data, traced, disguise):
    """Replace an artifact. Where it is traced, every recorded step is right, but the result is not what the step comes to."""
    was = archive.entry(name)["blake3"]
    archive.put(name, data)
    makers = [stage for stage in archive.json[TRACES]["stages"] if any(file["digest"] == was for file in stage["files"])]
    for file in sum((stage["files"] for stage in makers), []):
        if traced and file["digest"] == was:
            file.update(digest=archive.entry(name)["blake3"], size=len(data))
    manifest = archive.json[MANIFEST]
    if disguise == "without targets":
        manifest["targets"] = []
    if disguise == "without its target":
        manifest["targets"] = [target for target in manifest["targets"] if target != makers[0]["stage"]]
    if disguise == "another version":
        manifest["repro"] = "9.9.9"


def everywhere(archive, name, to):
    """Replace words in the manifest and the crate alike."""
    for words in [(name, to), (name.replace(" ", "%20"), to.replace(" ", "%20"))]:
        for document in [MANIFEST, CRATE]:
            archive.json[document] = json.loads(json.dumps(archive.json[document], ensure_ascii=False).replace(*words))


def rename(archive, name, to):
    archive.files = {to if path == name else path: data for path, data in archive.files.items()}
    archive.entry(name)["path"] = to
    archive.json[MANIFEST]["files"].sort(key=lambda file: file["path"])
    graph = archive.json[CRATE]["@graph"]
    text = json.dumps(graph).replace(json.dumps({"@id": name})[1:-1], json.dumps({"@id": to})[1:-1])
    archive.json[CRATE]["@graph"] = json.loads(text)
