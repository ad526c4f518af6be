//! Archives that somebody has changed. Each forgery changes one thing and mends all sizes and digests that tell of it; whatever can be found
//! without building again has to be refused.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::ops::Range;
use std::path::Path;

use crate::export::{elsewhere, members, paper};
use crate::support::Paper;
use repro::audit::{Archive, Refused};
use repro::exchange::ArchiveWriter;
use serde_json::{Value as Json, json};

const MANIFEST: &str = "repro-archive/manifest.json";
const TRACES: &str = "repro-archive/traces.json";
const METADATA: &str = "ro-crate-metadata.json";

/// What an archive states and only a rebuild, or nothing at all, can check: `*` stands for any number.
const STATED: [&str; 10] = [
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

/// An archive as its files, the manifest last.
#[derive(Clone)]
struct Parts(Vec<(String, Vec<u8>)>);

impl Parts {
    fn of(archive: &Path) -> Parts {
        Parts(members(archive))
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

    /// Mend what the metadata and the manifest say of the size and the digest of a file.
    fn mend(&mut self, name: &str) {
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
            self.mend(METADATA);
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

    /// Why it is refused; `None` if it is not.
    fn refused(&self, folder: &Path) -> Option<String> {
        let path = folder.join("forged.zip");
        let mut writer = ArchiveWriter::new(std::io::BufWriter::new(std::fs::File::create(&path).unwrap()));
        for (name, content) in &self.0 {
            // Stored as they are, which is quicker; a long run of blanks is packed.
            if content.len() < 1 << 20 {
                writer.add_file(name, &mut Cursor::new(content)).unwrap();
            } else {
                writer.add(name, content).unwrap();
            }
        }
        drop(writer.finish().unwrap());
        match Archive::open(&path) {
            Ok(archive) => match archive.follow() {
                Ok(wrong) if wrong.is_empty() => None,
                Ok(wrong) => Some(wrong.join("\n")),
                Err(error) => Some(error.message),
            },
            Err(Refused::Version(version)) => Some(format!("version {version}")),
            Err(other) => Some(format!("{other:?}")),
        }
    }
}

/// Every number, text, truth value and null of a JSON text: its path, and where it stands.
fn leaves(text: &str) -> Vec<(String, Range<usize>)> {
    fn blanks(text: &str, at: &mut usize) {
        *at += text[*at..].len() - text[*at..].trim_start().len();
    }
    fn string(text: &str, from: usize) -> usize {
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
        blanks(text, at);
        let first = text.as_bytes()[*at];
        if first != b'{' && first != b'[' {
            let end = match first {
                b'"' => string(text, *at),
                _ => *at + text[*at..].find([',', '}', ']', '\n', ' ']).unwrap_or(text.len() - *at),
            };
            found.push((path.to_string(), *at..end));
            *at = end;
            return;
        }
        *at += 1;
        for number in 0.. {
            blanks(text, at);
            match text.as_bytes()[*at] {
                b'}' | b']' => break,
                b',' => *at += 1,
                _ => {}
            }
            blanks(text, at);
            if first == b'[' {
                walk(text, at, &below(&number.to_string()), found);
                continue;
            }
            let end = string(text, *at);
            let name: String = serde_json::from_str(&text[*at..end]).unwrap();
            *at = end;
            blanks(text, at);
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
fn other(value: &str) -> String {
    match serde_json::from_str(value).unwrap() {
        Json::Bool(value) => (!value).to_string(),
        Json::Null => "0".into(),
        Json::Number(number) => match number.as_u64() {
            Some(n) => (n + 1).to_string(),
            None => (number.as_f64().unwrap() * 2.0 + 1.0).to_string(),
        },
        // A digest stays one.
        Json::String(text) if text.len() == 64 => {
            json!(format!("{}{}", if text.starts_with('0') { "1" } else { "0" }, &text[1..])).to_string()
        }
        Json::String(text) => json!(text + "x").to_string(),
        _ => panic!("not a leaf: {value}"),
    }
}

/// The path with `*` for numbers.
fn kind(path: &str) -> String {
    let part = |part: &str| if part.parse::<usize>().is_ok() { "*".to_string() } else { part.to_string() };
    path.split('.').map(part).collect::<Vec<_>>().join(".")
}

/// A paper with everything in it, its archive, and a folder for forged ones.
fn archive() -> (Paper, Parts) {
    let paper = paper();
    paper.edit("formats: [svg, png]", "formats: [svg]").build("").ok();
    let about = "--license CC-BY-4.0 --author A.Turing --publisher ACM --description Numbers";
    paper.run(&format!("export {about}")).ok();
    let parts = Parts::of(&paper.path("paper.zip"));
    (paper, parts)
}

#[test]
fn every_single_forgery_is_refused_but_for_what_only_a_rebuild_can_show() {
    let (paper, good) = archive();
    let folder = paper.path("");
    let mut same = good.clone();
    for (name, _) in &good.0 {
        same.mend(name);
    }
    assert!(same.0 == good.0, "mending changes nothing where nothing is forged");
    assert_eq!(good.refused(&folder), None);
    // Each value of each JSON file.
    let mut accepted = BTreeSet::new();
    for file in [MANIFEST, TRACES, METADATA] {
        let text = good.text(file);
        let leaves = leaves(&text);
        assert!(leaves.len() > 30, "{file}");
        for (path, place) in leaves {
            let mut forged = good.clone();
            let mut changed = text.clone();
            changed.replace_range(place.clone(), &other(&text[place]));
            forged.set(file, changed.into_bytes());
            forged.mend(file);
            if forged.refused(&folder).is_none() {
                assert_eq!(file, TRACES, "{path} of {file} can be changed");
                accepted.insert(kind(&path));
            }
        }
    }
    assert_eq!(
        accepted.iter().map(String::as_str).collect::<Vec<_>>(),
        STATED,
        "what can be changed without being noticed"
    );
    // Each file replaced, dropped, and others added.
    for (name, content) in good.0.iter().filter(|(name, _)| name != MANIFEST) {
        let mut forged = good.clone();
        forged.set(name, [content.as_slice(), b"x"].concat());
        forged.mend(name);
        assert!(forged.refused(&folder).is_some(), "{name} was replaced");
        let mut forged = good.clone();
        forged.drop(name);
        assert!(forged.refused(&folder).is_some(), "{name} was dropped");
        let mut manifest: Json = serde_json::from_str(&forged.text(MANIFEST)).unwrap();
        manifest["files"].as_array_mut().unwrap().retain(|file| file["path"] != json!(name));
        forged.set(MANIFEST, pretty(&manifest));
        assert!(forged.refused(&folder).is_some(), "{name} was dropped from the manifest too");
    }
    for (name, role) in [("figures/fig9.svg", "artifact"), ("data/c.csv", "input"), ("x.txt", "input")] {
        let mut forged = good.clone();
        forged.set(name, b"3".to_vec());
        assert!(forged.refused(&folder).unwrap().contains("not in the manifest"), "{name}");
        add(&mut forged, name, role);
        assert!(forged.refused(&folder).is_some(), "{name} was added");
    }
}

#[test]
fn no_stage_can_be_taken_out_of_what_is_checked() {
    let (paper, good) = archive();
    let folder = paper.path("");
    for keep in 0..3 {
        let mut forged = good.clone();
        forged.set("figures/table.csv", b"forged\n".to_vec());
        forged.mend("figures/table.csv");
        let mut manifest: Json = serde_json::from_str(&forged.text(MANIFEST)).unwrap();
        let targets = manifest["targets"].as_array_mut().unwrap();
        targets.retain(|target| target != "table");
        targets.truncate(keep);
        forged.set(MANIFEST, pretty(&manifest));
        assert!(forged.refused(&folder).is_some(), "{keep} targets");
    }
    // A part of a paper is said to be one.
    paper.run("export fit -o part.zip").ok();
    elsewhere(&paper.path("part.zip"), "").ok().says("a part of the paper: without table, figure");
}

#[test]
fn another_version_verifies_nothing() {
    let (paper, good) = archive();
    let mut forged = good;
    let text = forged.text(MANIFEST).replace(&format!("\"{}\"", env!("CARGO_PKG_VERSION")), "\"0.2.0\"");
    forged.set(MANIFEST, text.into_bytes());
    forged.refused(&paper.path(""));
    for arguments in ["", "--rebuild --yes", "--json"] {
        elsewhere(&paper.path("forged.zip"), arguments).code(1).says("0.2.0");
    }
    elsewhere(&paper.path("forged.zip"), "").code(1).says("not verified: it was made by repro 0.2.0");
}

#[test]
fn the_paper_file_of_an_archive_is_inside_it() {
    let (paper, good) = archive();
    for path in ["/etc/hostname", "/dev/zero", "../secret", "fit.sh", "data"] {
        let mut forged = good.clone();
        let mut manifest: Json = serde_json::from_str(&forged.text(MANIFEST)).unwrap();
        manifest["paper"] = json!(path);
        forged.set(MANIFEST, pretty(&manifest));
        let why = forged.refused(&paper.path("")).unwrap();
        assert!(why.contains("not the paper file of the manifest"), "{path}: {why}");
    }
    let mut forged = good.clone();
    add(&mut forged, "/etc/hostname", "paper");
    assert!(forged.refused(&paper.path("")).is_some());
}

#[test]
fn names_that_mislead_are_refused() {
    let (paper, good) = archive();
    for name in ["a\nb", "a\u{202e}gpj.txt", "a\u{1b}[2J", "../x", "/x", "a//b", "a/./b", "a\\b", "folder/"] {
        let mut forged = good.clone();
        forged.set(name, b"3".to_vec());
        add(&mut forged, name, "input");
        let why = forged.refused(&paper.path("")).unwrap();
        assert!(why.contains("a path that is not taken"), "{name:?}: {why}");
        elsewhere(&paper.path("forged.zip"), "").code(1);
    }
}

#[test]
fn a_manifest_of_any_length_is_not_unfolded() {
    let (paper, good) = archive();
    let mut forged = good;
    forged.set(MANIFEST, vec![b' '; (64 << 20) + 1]);
    assert!(forged.refused(&paper.path("")).unwrap().contains("is too large"));
}

#[test]
fn only_a_rebuild_shows_a_forged_result_and_it_compares_the_files_of_the_archive() {
    let (paper, good) = archive();
    let folder = paper.path("");
    // The whole forgery: the file, its digest and size in the traces, the metadata and the manifest.
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
    forged.mend("figures/figure.svg");
    forged.mend(TRACES);
    assert_eq!(forged.refused(&folder), None);
    let path = paper.path("forged.zip");
    elsewhere(&path, "--rebuild --yes").code(1).says("figure.svg differs").says("not verified: 1 result differs");
}

#[test]
fn programs_of_an_archive_run_only_if_they_are_allowed_to() {
    let (paper, _) = archive();
    let archive = paper.path("paper.zip");
    let refused = elsewhere(&archive, "--rebuild").code(2);
    assert!(refused.stderr.contains("fit: ./fit.sh > fit.csv") && refused.stderr.contains("fit: sh -c echo 1"));
    let refused = refused.says("they are given these variables of your environment: COLOUR");
    refused.says("no terminal to ask").says("--yes");
    elsewhere(&archive, "--rebuild --yes").ok().says("./fit.sh > fit.csv");
    // Without programs there is nothing to ask.
    paper.run("export table -o table.zip").ok();
    elsewhere(&paper.path("table.zip"), "--rebuild").ok();
}

/// The bytes of a manifest, its members in the order in which `export` writes them.
fn pretty(manifest: &Json) -> Vec<u8> {
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

/// Name a file in the manifest, in its place by path.
fn add(forged: &mut Parts, name: &str, role: &str) {
    let content = forged.0.iter().find(|(known, _)| known == name).map(|(_, content)| content.clone());
    let content = content.unwrap_or_default();
    let mut manifest: Json = serde_json::from_str(&forged.text(MANIFEST)).unwrap();
    let files = manifest["files"].as_array_mut().unwrap();
    let digest = blake3::hash(&content).to_hex().to_string();
    files.push(json!({"path": name, "role": role, "size": content.len(), "blake3": digest}));
    files.sort_by_key(|file| file["path"].as_str().unwrap().to_string());
    forged.set(MANIFEST, pretty(&manifest));
}
