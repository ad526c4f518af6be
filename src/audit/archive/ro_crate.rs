//! RO-Crate 1.1 metadata (<https://w3id.org/ro/crate/1.1>): a root dataset, its files, and for every stage that wrote files the action that
//! made them, as in the profile Process Run Crate.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::manifest::{ArchiveFile, FileRole, METADATA, PublicationInfo};
use super::traces::{StageTrace, Traces};

/// The content of `ro-crate-metadata.json`.
pub fn metadata(title: &str, about: &PublicationInfo, files: &[ArchiveFile], traces: &Traces) -> String {
    let program = format!("#repro-{}", env!("CARGO_PKG_VERSION"));
    let description = about.description.clone().unwrap_or_else(|| {
        format!("Figures and tables of \"{title}\", with the paper file that declares them, the files that they were made from, and the traces of every step.")
    });
    let made: Vec<&StageTrace> = traces.stages.iter().filter(|stage| !stage.files.is_empty()).collect();
    let mut root = json!({
        "@id": "./", "@type": "Dataset", "name": title, "description": description, "datePublished": iso_date(traces.newest()),
        "hasPart": ids(files.iter().map(|file| percent_encode(&file.path))),
    });
    if !made.is_empty() {
        root["mentions"] = ids(made.iter().map(|stage| action_id(stage)));
    }
    let mut graph = vec![json!({
        "@id": METADATA, "@type": "CreativeWork", "about": id("./"), "conformsTo": id("https://w3id.org/ro/crate/1.1"),
    })];
    let mut others = vec![license(about)];
    root["license"] = id(others[0]["@id"].as_str().unwrap_or_default());
    if !about.authors.is_empty() {
        root["author"] = ids(about.authors.iter().map(|author| author_id(author)));
        others.extend(about.authors.iter().flat_map(|author| person(author)));
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
    graph.extend(files.iter().map(file_entity));
    graph.extend(made.iter().map(|stage| create_action(stage, traces, files, &program)));
    for other in others {
        // Two authors may have the same organization.
        if !graph.contains(&other) {
            graph.push(other);
        }
    }
    let document = json!({"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph});
    format!("{document:#}\n")
}

fn id(id: &str) -> Json {
    json!({"@id": id})
}

/// One reference, or a list of several: RO-Crate has no lists of one.
fn ids(all: impl Iterator<Item = String>) -> Json {
    let mut all: Vec<Json> = all.map(|one| id(&one)).collect();
    if all.len() == 1 { all.remove(0) } else { json!(all) }
}

fn author_id(author: &str) -> String {
    format!("#author-{}", percent_encode(author))
}

/// A person, and the organization that is given in parentheses.
fn person(author: &str) -> Vec<Json> {
    let affiliation = author.trim().strip_suffix(')').and_then(|author| author.rsplit_once('('));
    let mut person = json!({"@id": author_id(author), "@type": "Person", "name": affiliation.map_or(author, |(name, _)| name).trim()});
    let affiliation =
        affiliation.map(|(_, name)| organization(&format!("#organization-{}", percent_encode(name)), name));
    if let Some(organization) = &affiliation {
        person["affiliation"] = json!({"@id": organization["@id"]});
    }
    affiliation.into_iter().chain([person]).collect()
}

/// An organization: its name, or its name and its URL.
fn organization(id: &str, text: &str) -> Json {
    let (name, address) = match text.rsplit_once(' ') {
        Some((name, address)) if address.contains("://") => (name, Some(address)),
        _ => (text, None),
    };
    let mut json = json!({"@id": id, "@type": "Organization", "name": name});
    if let Some(address) = address {
        json["url"] = json!(address);
    }
    json
}

/// RO-Crate requires a licence: without one, an entity says that none is stated.
fn license(about: &PublicationInfo) -> Json {
    match &about.license {
        Some(address) if address.contains("://") => {
            json!({"@id": address, "@type": "CreativeWork", "name": address, "description": "The licence of this paper."})
        }
        Some(name) => json!({
            "@id": format!("https://spdx.org/licenses/{}", percent_encode(name)), "@type": "CreativeWork", "name": name,
            "description": format!("The licence {name}, as SPDX lists it."),
        }),
        None => json!({
            "@id": "#no-license", "@type": "CreativeWork", "name": "No licence is stated",
            "description": "Nobody has said under which licence this is published: ask the authors.",
        }),
    }
}

fn file_entity(file: &ArchiveFile) -> Json {
    let what = match file.role {
        FileRole::Metadata => "Metadata of this crate",
        FileRole::Paper => "The paper file: every stage with its settings",
        FileRole::Input => "A file that a stage reads",
        FileRole::Fetched => "Content that was fetched from its address",
        FileRole::Artifact => "A figure or a table of the paper",
        FileRole::Traces => "Every result: what it was made from, when, where, by which version",
    };
    let name = file.path.rsplit('/').next().unwrap_or_default();
    json!({
        "@id": percent_encode(&file.path), "@type": "File", "name": name, "description": what, "encodingFormat": media_type(name),
        "contentSize": file.size.to_string(), "identifier": format!("blake3:{}", file.blake3),
    })
}

fn action_id(stage: &StageTrace) -> String {
    format!("#make-{}", percent_encode(&stage.stage))
}

/// The action that made the files of a stage, from the files that it and its inputs read.
fn create_action(stage: &StageTrace, traces: &Traces, files: &[ArchiveFile], program: &str) -> Json {
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
                    let matches = |file: &&ArchiveFile| {
                        let below = file.path.strip_prefix(input.as_str());
                        file.role == FileRole::Input
                            && (below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                                || input.contains(['*', '?'])
                                    && crate::spec::glob(&input.replace("**/", "*"), &file.path))
                    };
                    objects.extend(files.iter().filter(matches).map(|file| percent_encode(&file.path)));
                }
            }
        }
    }
    objects.extend(files.iter().filter(|file| file.role == FileRole::Paper).map(|file| percent_encode(&file.path)));
    let finished = stage.files.iter().chain(&stage.results).map(|result| result.finished).max().unwrap_or(0);
    let results = ids(stage.files.iter().map(|file| format!("figures/{}", percent_encode(&file.name))));
    json!({
        "@id": action_id(stage), "@type": "CreateAction", "name": format!("Make {}", stage.stage),
        "description": format!("The stage `{}` of the kind `{}`, with all that it needs; its steps are in the traces.", stage.stage, stage.kind),
        "instrument": id(program), "object": ids(objects.into_iter()), "result": results,
        "endTime": iso_date(finished),
    })
}

/// The media type of a file, by its extension.
fn media_type(name: &str) -> &'static str {
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

/// Percent-encode a path as part of a URI.
fn percent_encode(path: &str) -> String {
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
pub fn iso_date(ms: u64) -> String {
    let (days, rest) = (ms / 86_400_000, ms / 1000 % 86_400);
    // Days to a civil date: years begin in March, eras of 400 years on 0000-03-01 (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
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
    fn dates_are_correct_across_leap_years() {
        assert_eq!(iso_date(0), "1970-01-01T00:00:00Z");
        assert_eq!(iso_date(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(iso_date(1_795_996_799_999), "2026-11-29T23:59:59Z");
        assert_eq!(iso_date(4_107_542_400_000), "2100-03-01T00:00:00Z");
    }

    #[test]
    fn paths_are_percent_encoded() {
        assert_eq!(percent_encode("data/Größe 1.csv"), "data/Gr%C3%B6%C3%9Fe%201.csv");
    }
}
