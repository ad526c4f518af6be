//! The paper in the terms of RO-Crate 1.1 (<https://w3id.org/ro/crate/1.1>): a root dataset, its files, and for every stage that left
//! files the action that made them, as in the profile Process Run Crate.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::trace::{StageTrace, Traces};
use super::{File, METADATA, Role};

/// What the paper file does not say.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct About {
    /// `A. Turing`, or `A. Turing (University of Manchester)`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<String>,
    /// `ACM`, or `ACM https://acm.org`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publisher: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The address of a licence, or its SPDX name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
}

/// The metadata file.
pub fn metadata(title: &str, about: &About, files: &[File], traces: &Traces) -> String {
    let program = format!("#repro-{}", env!("CARGO_PKG_VERSION"));
    let description = about.description.clone().unwrap_or_else(|| {
        format!("Figures and tables of \"{title}\", with the paper file that declares them, the files that they were made from, and the traces of every step.")
    });
    let made: Vec<&StageTrace> = traces.stages.iter().filter(|stage| !stage.files.is_empty()).collect();
    let mut root = json!({
        "@id": "./", "@type": "Dataset", "name": title, "description": description, "datePublished": date(traces.newest()),
        "hasPart": ids(files.iter().map(|file| encoded(&file.path))),
    });
    if !made.is_empty() {
        root["mentions"] = ids(made.iter().map(|stage| action(stage)));
    }
    let mut graph = vec![json!({
        "@id": METADATA, "@type": "CreativeWork", "about": id("./"), "conformsTo": id("https://w3id.org/ro/crate/1.1"),
    })];
    let mut others = vec![license(about)];
    root["license"] = id(others[0]["@id"].as_str().unwrap_or_default());
    if !about.authors.is_empty() {
        root["author"] = ids(about.authors.iter().map(|words| author(words)));
        others.extend(about.authors.iter().flat_map(|words| person(words)));
    }
    if let Some(name) = &about.publisher {
        root["publisher"] = id("#publisher");
        others.push(organization("#publisher", name));
    }
    others.push(json!({
        "@id": program, "@type": "SoftwareApplication", "name": "repro", "version": env!("CARGO_PKG_VERSION"),
        "softwareVersion": env!("CARGO_PKG_VERSION"), "url": "https://crates.io/crates/repro",
        "description": "make for papers, with the trainer built in",
    }));
    graph.push(root);
    graph.extend(files.iter().map(entity));
    graph.extend(made.iter().map(|stage| created(stage, traces, files, &program)));
    for other in others {
        // Two authors of one university.
        if !graph.contains(&other) {
            graph.push(other);
        }
    }
    let crates = json!({"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph});
    format!("{crates:#}\n")
}

fn id(id: &str) -> Json {
    json!({"@id": id})
}

/// One reference, or a list of several: RO-Crate wants no lists of one.
fn ids(all: impl Iterator<Item = String>) -> Json {
    let mut all: Vec<Json> = all.map(|one| id(&one)).collect();
    if all.len() == 1 { all.remove(0) } else { json!(all) }
}

fn author(words: &str) -> String {
    format!("#author-{}", encoded(words))
}

/// A person, and the organization in parentheses that it belongs to.
fn person(words: &str) -> Vec<Json> {
    let place = words.trim().strip_suffix(')').and_then(|words| words.rsplit_once('('));
    let mut person =
        json!({"@id": author(words), "@type": "Person", "name": place.map_or(words, |(name, _)| name).trim()});
    let place = place.map(|(_, place)| organization(&format!("#organization-{}", encoded(place)), place));
    if let Some(place) = &place {
        person["affiliation"] = json!({"@id": place["@id"]});
    }
    place.into_iter().chain([person]).collect()
}

/// An organization, and the address behind its name.
fn organization(id: &str, words: &str) -> Json {
    let (name, address) = match words.rsplit_once(' ') {
        Some((name, address)) if address.contains("://") => (name, Some(address)),
        _ => (words, None),
    };
    let mut json = json!({"@id": id, "@type": "Organization", "name": name});
    if let Some(address) = address {
        json["url"] = json!(address);
    }
    json
}

/// RO-Crate asks for a licence; that nobody has named one is said.
fn license(about: &About) -> Json {
    match &about.license {
        Some(address) if address.contains("://") => {
            json!({"@id": address, "@type": "CreativeWork", "name": address, "description": "The licence of this paper."})
        }
        Some(name) => json!({
            "@id": format!("https://spdx.org/licenses/{}", encoded(name)), "@type": "CreativeWork", "name": name,
            "description": format!("The licence {name}, as SPDX lists it."),
        }),
        None => json!({
            "@id": "#no-license", "@type": "CreativeWork", "name": "No licence is stated",
            "description": "Nobody has said under which licence this is published: ask the authors.",
        }),
    }
}

fn entity(file: &File) -> Json {
    let what = match file.role {
        Role::Metadata => "Metadata of this crate",
        Role::Paper => "The paper file: every stage with its settings",
        Role::Input => "A file that a stage reads",
        Role::Fetched => "Content that was fetched from its address",
        Role::Artifact => "A figure or a table of the paper",
        Role::Traces => "Every result: what it was made from, when, where, by which version",
    };
    let name = file.path.rsplit('/').next().unwrap_or_default();
    json!({
        "@id": encoded(&file.path), "@type": "File", "name": name, "description": what, "encodingFormat": format(name),
        "contentSize": file.size.to_string(), "identifier": format!("blake3:{}", file.blake3),
    })
}

fn action(stage: &StageTrace) -> String {
    format!("#make-{}", encoded(&stage.stage))
}

/// The action that left the files of a stage: from the files that it and its inputs read.
fn created(stage: &StageTrace, traces: &Traces, files: &[File], program: &str) -> Json {
    let mut names = vec![stage.stage.as_str()];
    let mut objects = BTreeSet::new();
    let mut next = 0;
    while let Some(name) = names.get(next).copied() {
        next += 1;
        let Some(trace) = traces.stages.iter().find(|stage| stage.stage == name) else { continue };
        for input in trace.inputs.keys() {
            match traces.stages.iter().find(|stage| stage.stage == *input) {
                Some(stage) if !names.contains(&stage.stage.as_str()) => names.push(&stage.stage),
                Some(_) => {}
                None => {
                    let inside = |file: &&File| {
                        let below = file.path.strip_prefix(input.as_str());
                        file.role == Role::Input
                            && (below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                                || input.contains(['*', '?'])
                                    && crate::spec::glob(&input.replace("**/", "*"), &file.path))
                    };
                    objects.extend(files.iter().filter(inside).map(|file| encoded(&file.path)));
                }
            }
        }
    }
    objects.extend(files.iter().filter(|file| file.role == Role::Paper).map(|file| encoded(&file.path)));
    let finished = stage.files.iter().chain(&stage.results).map(|result| result.finished).max().unwrap_or(0);
    let results = ids(stage.files.iter().map(|file| format!("figures/{}", encoded(&file.name))));
    json!({
        "@id": action(stage), "@type": "CreateAction", "name": format!("Make {}", stage.stage),
        "description": format!("The stage `{}` of the kind `{}`, with all that it needs; its steps are in the traces.", stage.stage, stage.kind),
        "instrument": id(program), "object": ids(objects.into_iter()), "result": results,
        "endTime": date(finished),
    })
}

/// Media types of the files that papers are made of.
fn format(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "pdf" => "application/pdf",
        "csv" => "text/csv",
        "tsv" => "text/tab-separated-values",
        "json" => "application/json",
        "yaml" | "yml" => "application/yaml",
        "html" => "text/html",
        "md" => "text/markdown",
        "tex" | "pgf" => "application/x-tex",
        "py" => "text/x-python",
        "txt" | "typ" | "r" | "R" | "sh" | "awk" => "text/plain",
        _ => "application/octet-stream",
    }
}

/// A path as part of a URI: what is neither a letter, a digit nor one of `-._~/` stands as `%20`.
fn encoded(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(byte as char),
            _ => out += &format!("%{byte:02X}"),
        }
    }
    out
}

/// `2026-11-28T19:00:00Z`, from milliseconds since 1970.
pub fn date(ms: u64) -> String {
    let (days, rest) = (ms / 86_400_000, ms / 1000 % 86_400);
    // Days to a date: years begin in March and eras of 400 years with 0000-03-01 (Hinnant, chrono-compatible date algorithms).
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01T00:00:00Z");
        assert_eq!(date(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(date(1_795_996_799_999), "2026-11-29T23:59:59Z");
        assert_eq!(date(4_107_542_400_000), "2100-03-01T00:00:00Z");
    }

    #[test]
    fn paths_are_parts_of_addresses() {
        assert_eq!(encoded("data/Größe 1.csv"), "data/Gr%C3%B6%C3%9Fe%201.csv");
    }
}
