#!/usr/bin/env python3
"""Write what fuzzing starts from: the paper files of this repository, small files of arrays, and the words of the paper file's language."""
import io, json, pathlib, re, struct, subprocess, sys, zipfile

here = pathlib.Path(__file__).parent
root = here.parent


def write(target, number, data):
    folder = here / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"seed-{number:03}").write_bytes(data)


def npy(descr, shape, data, fortran=False):
    header = str({"descr": descr, "fortran_order": fortran, "shape": shape}).encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def archive(members, method):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, data in members.items():
            file.writestr(name + ".npy", data)
    return out.getvalue()


papers = [(root / "paper.yaml").read_text()]
for page in sorted(root.glob("**/*.md")):
    if "target" not in page.parts:
        papers += re.findall(r"```yaml\n(.*?)```", page.read_text(), re.S)
for test in sorted((root / "tests").glob("*.rs")):
    papers += [text.replace("\\n", "\n") for text in re.findall(r'"((?:repro: 1|stages:)[^"]*)"', test.read_text())]
for number, text in enumerate(papers):
    # What is shown in part becomes whole.
    text = text if text.startswith("repro:") else "repro: 1\n" + (text if "stages:" in text else "stages:\n" + text)
    write("paper", number, text.encode())

arrays = {
    "loss": npy("<f8", (2, 3), struct.pack("<6d", *range(6))),
    "model": npy("<U2", (2,), "ab".encode("utf-32-le") + "cd".encode("utf-32-le")),
    "loss.axes": npy("<U5", (2,), "model".encode("utf-32-le") + "epoch".encode("utf-32-le")),
    "epoch": npy(">i4", (3,), struct.pack(">3i", 1, 2, 3)),
    "half": npy("<f2", (2, 2), struct.pack("<4e", 1, 2, 3, 4), True),
    "flag": npy("|b1", (), b"\1"),
    "bytes": npy("|S3", (2,), b"abcde\0"),
}
number = 0
for choice in range(4):
    for kind, data in [
        (0, archive(arrays, zipfile.ZIP_STORED)),
        (0, archive(arrays, zipfile.ZIP_DEFLATED)),
        *[(1, data) for data in arrays.values()],
        (2, b"epoch,model,loss\n1,a,0.5\n2,b,nan\n3,\"c,\n\"\"d\",1e-3\n"),
        (3, b"x\ty\n1\t2\n"),
        (4, b'{"loss": [[1, 2], [3, 4.5]], "epoch": [1, null], "name": "a", "deep": {"x": [true]}}'),
        (4, b'[{"x": 1, "y": "a"}, {"x": 2, "y": "b"}]'),
        (5, b"|".join(b"abcde"[: 1 + len(data) % 5] + data for data in arrays.values())),
    ]:
        write("exchange", number, bytes([kind, choice]) + data)
        number += 1

(here / "corpus" / "store").mkdir(parents=True, exist_ok=True)
# Every word of the language, from its schema.
schema = subprocess.run([sys.argv[1], "schema"], capture_output=True, text=True, check=True).stdout if len(sys.argv) > 1 else "{}"
words = set()


def walk(node):
    if isinstance(node, dict):
        words.update(node.get("properties", {}))
        words.update(str(word) for word in node.get("enum", []))
        words.add(str(node.get("const", "stages")))
        for inner in node.values():
            walk(inner)
    elif isinstance(node, list):
        for inner in node:
            walk(inner)


walk(json.loads(schema))
words |= {"&a", "*a", "<<: *a", "repro: 1", "1e308", "-1", ".nan", ".inf", "18446744073709551615", "figures/", "../", "\\t", "- ", "{", "}", "[", "]", "$W_i$", "{loss:.2f}"}
lines = ['"%s"' % word.replace("\\", "\\\\").replace('"', '\\"') for word in sorted(words) if word.isascii()]
(here / "paper.dict").write_text("\n".join(lines) + "\n")
