//! Forged archives. Each forgery changes one thing and fixes all sizes and digests that depend on it. Whatever can be detected without a
//! rebuild must be rejected.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::ops::Range;
use std::path::Path;

use crate::export::{members, paper, verify_elsewhere};
use crate::support::Paper;
use repro::audit::{Archive, ArchiveError};
use repro::exchange::ArchiveWriter;
use serde_json::{Value as Json, json};

const MANIFEST: &str = "repro-archive/manifest.json";
const TRACES: &str = "repro-archive/traces.json";
const METADATA: &str = "ro-crate-metadata.json";

/// The recorded facts that only a rebuild, or nothing at all, can check; `*` is any number.
const UNCHECKED: [&str; 10] = [
    "makers.*.arch",
    "makers.*.engine",
    "makers.*.os",
    "makers.*.paper",
    "makers.*.repro",
    "stages.*.files.*.finished",
    "stages.*.files.*.micros",
    "stages.*.results.*.finished",
    "stages.*.results.*.micros",
    "stages.*.results.*.size",
];

/// The files of an archive, the manifest last.
#[derive(Clone)]
struct ArchiveMembers(Vec<(String, Vec<u8>)>);

impl ArchiveMembers {
    fn read(archive: &Path) -> ArchiveMembers {
        ArchiveMembers(members(archive))
    }

    fn text(&self, name: &str) -> String {
        let (_, bytes) = self.0.iter().find(|(known, _)| known == name).unwrap();
        String::from_utf8(bytes.clone()).unwrap()
    }

    fn set(&mut self, name: &str, content: Vec<u8>) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = content,
            None => self.0.insert(0, (name.to_string(), content)),
        }
    }

    fn drop(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    /// Update the size and the digest of a file in the metadata and the manifest.
    fn fix_digests(&mut self, name: &str) {
        if name == MANIFEST {
            return;
        }
        let content = self.0.iter().find(|(known, _)| known == name).unwrap().1.clone();
        let digest = blake3::hash(&content).to_hex().to_string();
        if name != METADATA {
            let mut crates: Json = serde_json::from_str(&self.text(METADATA)).unwrap();
            for entity in crates["@graph"].as_array_mut().unwrap() {
                if entity["@id"] == name.replace(' ', "%20") {
                    entity["contentSize"] = json!(content.len().to_string());
                    entity["identifier"] = json!(format!("blake3:{digest}"));
                }
            }
            self.set(METADATA, format!("{crates:#}\n").into_bytes());
            self.fix_digests(METADATA);
        }
        let mut text = self.text(MANIFEST);
        let manifest: Json = serde_json::from_str(&text).unwrap();
        let files = manifest["files"].as_array().unwrap();
        let Some(at) = files.iter().position(|file| file["path"] == name) else { return };
        for (field, value) in [("size", content.len().to_string()), ("blake3", format!("\"{digest}\""))] {
            let path = format!("files.{at}.{field}");
            let (_, place) = leaves(&text).into_iter().find(|(known, _)| *known == path).unwrap();
            text.replace_range(place, &value);
        }
        self.set(MANIFEST, text.into_bytes());
    }

    /// Why the archive is rejected; `None` if it is accepted.
    fn rejection(&self, folder: &Path) -> Option<String> {
        let path = folder.join("forged.zip");
        let mut writer = ArchiveWriter::new(std::io::BufWriter::new(std::fs::File::create(&path).unwrap()));
        for (name, content) in &self.0 {
            // Storing is faster than compressing; only a huge file is compressed.
            if content.len() < 1 << 20 {
                writer.add_file(name, &mut Cursor::new(content)).unwrap();
            } else {
                writer.add(name, content).unwrap();
            }
        }
        drop(writer.finish().unwrap());
        match Archive::open(&path) {
            Ok(archive) => match archive.verify() {
                Ok(wrong) if wrong.is_empty() => None,
                Ok(wrong) => Some(wrong.join("\n")),
                Err(error) => Some(error.message),
            },
            Err(ArchiveError::OtherVersion(version)) => Some(format!("version {version}")),
            Err(other) => Some(format!("{other:?}")),
        }
    }
}

/// Every number, string, boolean and null of a JSON text: its path and its byte range.
fn leaves(text: &str) -> Vec<(String, Range<usize>)> {
    fn skip_whitespace(text: &str, at: &mut usize) {
        *at += text[*at..].len() - text[*at..].trim_start().len();
    }
    fn end_of_string(text: &str, from: usize) -> usize {
        let mut escaped = false;
        let end = text[from + 1..].find(|c| {
            let end = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            end
        });
        from + 1 + end.unwrap() + 1
    }
    fn walk(text: &str, at: &mut usize, path: &str, found: &mut Vec<(String, Range<usize>)>) {
        let below = |name: &str| if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
        skip_whitespace(text, at);
        let first = text.as_bytes()[*at];
        if first != b'{' && first != b'[' {
            let end = match first {
                b'"' => end_of_string(text, *at),
                _ => *at + text[*at..].find([',', '}', ']', '\n', ' ']).unwrap_or(text.len() - *at),
            };
            found.push((path.to_string(), *at..end));
            *at = end;
            return;
        }
        *at += 1;
        for number in 0.. {
            skip_whitespace(text, at);
            match text.as_bytes()[*at] {
                b'}' | b']' => break,
                b',' => *at += 1,
                _ => {}
            }
            skip_whitespace(text, at);
            if first == b'[' {
                walk(text, at, &below(&number.to_string()), found);
                continue;
            }
            let end = end_of_string(text, *at);
            let name: String = serde_json::from_str(&text[*at..end]).unwrap();
            *at = end;
            skip_whitespace(text, at);
            *at += 1;
            walk(text, at, &below(&name), found);
        }
        *at += 1;
    }
    let mut found = Vec::new();
    walk(text, &mut 0, "", &mut found);
    found
}

/// Another value of the same type.
fn other_value(value: &str) -> String {
    match serde_json::from_str(value).unwrap() {
        Json::Bool(value) => (!value).to_string(),
        Json::Null => "0".into(),
        Json::Number(number) => match number.as_u64() {
            Some(n) => (n + 1).to_string(),
            None => (number.as_f64().unwrap() * 2.0 + 1.0).to_string(),
        },
        // A digest stays a valid digest.
        Json::String(text) if text.len() == 64 => {
            json!(format!("{}{}", if text.starts_with('0') { "1" } else { "0" }, &text[1..])).to_string()
        }
        Json::String(text) => json!(text + "x").to_string(),
        _ => panic!("not a leaf: {value}"),
    }
}

/// The path with `*` for numbers.
fn generalize(path: &str) -> String {
    let part = |part: &str| if part.parse::<usize>().is_ok() { "*".to_string() } else { part.to_string() };
    path.split('.').map(part).collect::<Vec<_>>().join(".")
}

/// A paper and the members of its archive.
fn archive() -> (Paper, ArchiveMembers) {
    let paper = paper();
    paper.edit("formats: [svg, png]", "formats: [svg]").build("").ok();
    let about = "--license CC-BY-4.0 --author A.Turing --publisher ACM --description Numbers";
    paper.run(&format!("export {about}")).ok();
    let parts = ArchiveMembers::read(&paper.path("paper.zip"));
    (paper, parts)
}

#[test]
fn every_forgery_is_rejected_except_those_that_only_a_rebuild_detects() {
    let (paper, good) = archive();
    let folder = paper.path("");
    let mut same = good.clone();
    for (name, _) in &good.0 {
        same.fix_digests(name);
    }
    assert!(same.0 == good.0, "fixing digests changes nothing in an unchanged archive");
    assert_eq!(good.rejection(&folder), None);
    // Change each value of each JSON file.
    let mut accepted = BTreeSet::new();
    for file in [MANIFEST, TRACES, METADATA] {
        let text = good.text(file);
        let leaves = leaves(&text);
        assert!(leaves.len() > 30, "{file}");
        for (path, place) in leaves {
            let mut forged = good.clone();
            let mut changed = text.clone();
            changed.replace_range(place.clone(), &other_value(&text[place]));
            forged.set(file, changed.into_bytes());
            forged.fix_digests(file);
            if forged.rejection(&folder).is_none() {
                assert_eq!(file, TRACES, "{path} of {file} can be changed");
                accepted.insert(generalize(&path));
            }
        }
    }
    assert_eq!(
        accepted.iter().map(String::as_str).collect::<Vec<_>>(),
        UNCHECKED,
        "the values that can be changed unnoticed"
    );
    // Replace and drop each file, and add others.
    for (name, content) in good.0.iter().filter(|(name, _)| name != MANIFEST) {
        let mut forged = good.clone();
        forged.set(name, [content.as_slice(), b"x"].concat());
        forged.fix_digests(name);
        assert!(forged.rejection(&folder).is_some(), "{name} was replaced");
        let mut forged = good.clone();
        forged.drop(name);
        assert!(forged.rejection(&folder).is_some(), "{name} was dropped");
        let mut manifest: Json = serde_json::from_str(&forged.text(MANIFEST)).unwrap();
        manifest["files"].as_array_mut().unwrap().retain(|file| file["path"] != json!(name));
        forged.set(MANIFEST, manifest_bytes(&manifest));
        assert!(forged.rejection(&folder).is_some(), "{name} was dropped from the manifest too");
    }
    for (name, role) in [("figures/fig9.svg", "artifact"), ("data/c.csv", "input"), ("x.txt", "input")] {
        let mut forged = good.clone();
        forged.set(name, b"3".to_vec());
        assert!(forged.rejection(&folder).unwrap().contains("not in the manifest"), "{name}");
        add_to_manifest(&mut forged, name, role);
        assert!(forged.rejection(&folder).is_some(), "{name} was added");
    }
}

#[test]
fn no_stage_can_be_excluded_from_the_check() {
    let (paper, good) = archive();
    let folder = paper.path("");
    for keep in 0..3 {
        let mut forged = good.clone();
        forged.set("figures/table.csv", b"forged\n".to_vec());
        forged.fix_digests("figures/table.csv");
        let mut manifest: Json = serde_json::from_str(&forged.text(MANIFEST)).unwrap();
        let targets = manifest["targets"].as_array_mut().unwrap();
        targets.retain(|target| target != "table");
        targets.truncate(keep);
        forged.set(MANIFEST, manifest_bytes(&manifest));
        assert!(forged.rejection(&folder).is_some(), "{keep} targets");
    }
    // A partial export is reported as such.
    paper.run("export fit -o part.zip").ok();
    verify_elsewhere(&paper.path("part.zip"), "").ok().says("this is part of a paper, without table, figure");
}

#[test]
fn another_version_cannot_verify() {
    let (paper, good) = archive();
    let mut forged = good;
    let text = forged.text(MANIFEST).replace(&format!("\"{}\"", env!("CARGO_PKG_VERSION")), "\"0.2.0\"");
    forged.set(MANIFEST, text.into_bytes());
    forged.rejection(&paper.path(""));
    for arguments in ["", "--rebuild --yes", "--json"] {
        verify_elsewhere(&paper.path("forged.zip"), arguments).code(1).says("0.2.0");
    }
    verify_elsewhere(&paper.path("forged.zip"), "").code(1).says("not verified: it was made by repro 0.2.0");
}

#[test]
fn the_paper_file_must_be_inside_the_archive() {
    let (paper, good) = archive();
    for path in ["/etc/hostname", "/dev/zero", "../secret", "fit.sh", "data"] {
        let mut forged = good.clone();
        let mut manifest: Json = serde_json::from_str(&forged.text(MANIFEST)).unwrap();
        manifest["paper"] = json!(path);
        forged.set(MANIFEST, manifest_bytes(&manifest));
        let why = forged.rejection(&paper.path("")).unwrap();
        assert!(why.contains("not the paper file of the manifest"), "{path}: {why}");
    }
    let mut forged = good.clone();
    add_to_manifest(&mut forged, "/etc/hostname", "paper");
    assert!(forged.rejection(&paper.path("")).is_some());
}

#[test]
fn unsafe_paths_are_rejected() {
    let (paper, good) = archive();
    for name in ["a\nb", "a\u{202e}gpj.txt", "a\u{1b}[2J", "../x", "/x", "a//b", "a/./b", "a\\b", "folder/"] {
        let mut forged = good.clone();
        forged.set(name, b"3".to_vec());
        add_to_manifest(&mut forged, name, "input");
        let why = forged.rejection(&paper.path("")).unwrap();
        assert!(why.contains("unsafe path"), "{name:?}: {why}");
        verify_elsewhere(&paper.path("forged.zip"), "").code(1);
    }
}

#[test]
fn a_huge_manifest_is_not_decompressed() {
    let (paper, good) = archive();
    let mut forged = good;
    forged.set(MANIFEST, vec![b' '; (64 << 20) + 1]);
    assert!(forged.rejection(&paper.path("")).unwrap().contains("is too large"));
}

#[test]
fn a_rebuild_detects_a_forged_result() {
    let (paper, good) = archive();
    let folder = paper.path("");
    // A complete forgery: the file, and its digest and size in the traces, the metadata and the manifest.
    let mut forged = good.clone();
    let content = good.text("figures/figure.svg").replace("</svg>", "<!-- forged --></svg>");
    let old = blake3::hash(good.text("figures/figure.svg").as_bytes()).to_hex().to_string();
    let new = blake3::hash(content.as_bytes()).to_hex().to_string();
    let size = good.text("figures/figure.svg").len();
    let traces = good.text(TRACES);
    let at = traces.find(&old).unwrap();
    let rest = traces[at..].replacen(&old, &new, 1).replacen(
        &format!("\"size\": {size}"),
        &format!("\"size\": {}", content.len()),
        1,
    );
    forged.set("figures/figure.svg", content.into_bytes());
    forged.set(TRACES, format!("{}{rest}", &traces[..at]).into_bytes());
    forged.fix_digests("figures/figure.svg");
    forged.fix_digests(TRACES);
    assert_eq!(forged.rejection(&folder), None);
    let path = paper.path("forged.zip");
    verify_elsewhere(&path, "--rebuild --yes")
        .code(1)
        .says("figure.svg differs")
        .says("not verified: 1 result differs");
}

#[test]
fn programs_of_an_archive_run_only_after_confirmation() {
    let (paper, _) = archive();
    let archive = paper.path("paper.zip");
    let refused = verify_elsewhere(&archive, "--rebuild").code(2);
    assert!(refused.stderr.contains("fit: ./fit.sh > fit.csv") && refused.stderr.contains("fit: sh -c echo 1"));
    let refused = refused.says("they see these environment variables: COLOUR");
    refused.says("no terminal for the confirmation").says("--yes");
    verify_elsewhere(&archive, "--rebuild --yes").ok().says("./fit.sh > fit.csv");
    // Without programs there is nothing to confirm.
    paper.run("export table -o table.zip").ok();
    verify_elsewhere(&paper.path("table.zip"), "--rebuild").ok();
}

/// The bytes of a manifest, with the fields in the order of `export`.
fn manifest_bytes(manifest: &Json) -> Vec<u8> {
    #[derive(serde::Serialize)]
    struct File<'a> {
        path: &'a Json,
        role: &'a Json,
        size: &'a Json,
        blake3: &'a Json,
        #[serde(skip_serializing_if = "Json::is_null")]
        executable: &'a Json,
    }
    #[derive(serde::Serialize)]
    struct Manifest<'a> {
        #[serde(rename = "repro-archive")]
        version: &'a Json,
        repro: &'a Json,
        paper: &'a Json,
        targets: &'a Json,
        about: About<'a>,
        files: Vec<File<'a>>,
    }
    #[derive(serde::Serialize)]
    struct About<'a> {
        authors: &'a Json,
        publisher: &'a Json,
        description: &'a Json,
        license: &'a Json,
    }
    let about = &manifest["about"];
    let file = |file: &'_ Json| file.clone();
    let files: Vec<Json> = manifest["files"].as_array().unwrap().iter().map(file).collect();
    let manifest = Manifest {
        version: &manifest["repro-archive"],
        repro: &manifest["repro"],
        paper: &manifest["paper"],
        targets: &manifest["targets"],
        about: About {
            authors: &about["authors"],
            publisher: &about["publisher"],
            description: &about["description"],
            license: &about["license"],
        },
        files: files
            .iter()
            .map(|file| File {
                path: &file["path"],
                role: &file["role"],
                size: &file["size"],
                blake3: &file["blake3"],
                executable: &file["executable"],
            })
            .collect(),
    };
    let mut bytes = serde_json::to_vec_pretty(&manifest).unwrap();
    bytes.push(b'\n');
    bytes
}

/// Add a file to the manifest, sorted by path.
fn add_to_manifest(forged: &mut ArchiveMembers, name: &str, role: &str) {
    let content = forged.0.iter().find(|(known, _)| known == name).map(|(_, content)| content.clone());
    let content = content.unwrap_or_default();
    let mut manifest: Json = serde_json::from_str(&forged.text(MANIFEST)).unwrap();
    let files = manifest["files"].as_array_mut().unwrap();
    let digest = blake3::hash(&content).to_hex().to_string();
    files.push(json!({"path": name, "role": role, "size": content.len(), "blake3": digest}));
    files.sort_by_key(|file| file["path"].as_str().unwrap().to_string());
    forged.set(MANIFEST, manifest_bytes(&manifest));
}
