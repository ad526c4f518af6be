//! What lock files say: packages with their versions, files of the project that are installed or read too, and lines that are neither.

use std::collections::BTreeMap;

use super::environment::LockKind;

/// The content of a lock file, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LockedPackages {
    /// Versions by name; a URL where there is no version.
    pub packages: BTreeMap<String, String>,
    /// Lines that name no package with a version: options, ranges.
    pub others: Vec<String>,
    /// Packages of any version: what is installed depends on the day.
    pub unpinned: Vec<String>,
    /// Paths of files and folders, as written, relative to the lock file.
    pub paths: Vec<String>,
    /// Other requirements files.
    pub includes: Vec<String>,
    /// What a key cannot contain: `-e .`, files elsewhere on this machine.
    pub unsound: Vec<String>,
}

impl LockedPackages {
    pub fn parse(kind: LockKind, text: &str) -> LockedPackages {
        match kind {
            LockKind::Pip => requirements(text),
            LockKind::Uv => uv_lock(text),
        }
    }

    fn add(&mut self, name: &str, version: &str) {
        // The same package may have a version for each system.
        let known = self.packages.entry(normal(name)).or_default();
        *known = if known.is_empty() { version.to_string() } else { format!("{known} or {version}") };
    }
}

/// `Scikit_Learn` and `scikit-learn` are one package.
fn normal(name: &str) -> String {
    let name = name.split('[').next().unwrap_or(name).trim().to_lowercase();
    name.split(['-', '_', '.']).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// A requirements file of pip.
fn requirements(text: &str) -> LockedPackages {
    let mut found = LockedPackages::default();
    let joined = text.trim_start_matches('\u{feff}').replace("\\\r\n", " ").replace("\\\n", " ");
    for line in joined.lines() {
        let line = match line.trim() {
            line if line.starts_with('#') => continue,
            line => line.split(" #").next().unwrap_or(line).trim(),
        };
        // Hashes belong to the content, not to what it says.
        let line = line.split(" --hash").next().unwrap_or(line).trim();
        if line.is_empty() {
            continue;
        }
        if line.starts_with('-') {
            option(line, &mut found);
        } else {
            requirement(line, &mut found);
        }
    }
    found
}

/// `-r base.txt`, `--find-links=wheels`.
fn option(line: &str, found: &mut LockedPackages) {
    let end = line.find(['=', ' ']).unwrap_or(line.len());
    let (name, value) = (&line[..end], line[end..].trim_start_matches(['=', ' ']).trim());
    // `-rbase.txt`
    let (name, value) = match name.get(..2).filter(|short| value.is_empty() && ["-r", "-c", "-e", "-f"].contains(short))
    {
        Some(short) => (short, name[2..].trim()),
        None => (name, value),
    };
    match name {
        "-r" | "--requirement" | "-c" | "--constraint" if is_local(value) => found.includes.push(value.to_string()),
        // A folder of packages elsewhere is like an index.
        "-f" | "--find-links" if is_local(value) && !value.starts_with('/') => found.paths.push(value.to_string()),
        "-e" | "--editable" => found.unsound.push(line.to_string()),
        _ => {}
    }
    found.others.push(line.to_string());
}

fn requirement(line: &str, found: &mut LockedPackages) {
    // The marker says where it is installed.
    let text = line.split(" ;").next().unwrap_or(line);
    let text = if text.contains("://") { text } else { text.split(';').next().unwrap_or(text) }.trim();
    if let Some((name, url)) = text.split_once('@').filter(|(name, _)| is_name(name)) {
        let url = url.trim();
        found.add(name, url);
        if url.starts_with("file:") {
            found.unsound.push(line.to_string());
        } else if is_local(url) {
            local(url, line, found);
        }
    } else if let Some((name, version)) = text.split_once("==").filter(|(name, _)| is_name(name)) {
        let version = version.trim_start_matches('=').trim();
        found.add(name, version);
        if version.contains(['*', ',', '<', '>', '!']) {
            found.unpinned.push(normal(name));
        }
    } else if text.starts_with('.')
        || text.contains('/')
        || [".whl", ".zip", ".tar.gz"].iter().any(|end| text.ends_with(end))
    {
        found.others.push(line.to_string());
        if text.starts_with("file:") {
            found.unsound.push(line.to_string());
        } else if is_local(text) {
            local(text.split('[').next().unwrap_or(text), line, found);
        }
    } else {
        found.others.push(line.to_string());
        let end = text.find(|c: char| "<>=!~ ([".contains(c)).unwrap_or(text.len());
        found.unpinned.push(normal(&text[..end]));
    }
}

/// A package in a file or folder.
fn local(path: &str, line: &str, found: &mut LockedPackages) {
    if path.starts_with('/') { found.unsound.push(line.to_string()) } else { found.paths.push(path.to_string()) }
}

fn is_local(value: &str) -> bool {
    !value.is_empty() && !value.contains("://") && !value.contains("${")
}

fn is_name(text: &str) -> bool {
    let name = text.trim();
    let name = name.split('[').next().unwrap_or(name).trim();
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) && !name.starts_with('.')
}

/// A `uv.lock`: only lines of its `[[package]]` tables that begin in the first column count.
fn uv_lock(text: &str) -> LockedPackages {
    let mut found = LockedPackages::default();
    for table in text.split("\n[[package]]").skip(1) {
        let own = table.split("\n[").next().unwrap_or(table);
        let setting = |name: &str| own.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('='));
        let quoted = |text: &str| text.trim().trim_matches('"').to_string();
        let Some(name) = setting("name").map(quoted) else { continue };
        let source = setting("source").unwrap_or_default();
        let of_source = |kind: &str| {
            let (_, value) = source.split_once(&format!("{kind} = \""))?;
            value.split_once('"').map(|(value, _)| value.to_string())
        };
        let folder = ["virtual", "editable", "directory"].iter().find_map(|kind| of_source(kind));
        if folder.as_deref() == Some(".") {
            continue;
        }
        let file = of_source("path").or_else(|| of_source("registry")).filter(|path| is_local(path));
        for path in folder.into_iter().chain(file) {
            if path.starts_with('/') { found.unsound.push(format!("{name} ({path})")) } else { found.paths.push(path) }
        }
        let git = of_source("git").or_else(|| of_source("url"));
        found.add(&name, &git.or_else(|| setting("version").map(quoted)).unwrap_or_default());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requirements_file_names_versions_files_and_what_is_not_pinned() {
        let text = "\
# comment
--index-url https://pypi.org/simple
--find-links=wheels
-r base.txt
-cconstraints.txt
NumPy==2.1.0 \\
    --hash=sha256:00 \\
    --hash=sha256:11
scikit_learn[extra] == 1.5.2 ; python_version < '3.13'
scikit_learn==1.6.0;python_version >= '3.13'  # why
tool @ https://example.org/tool-1.whl
./libs/own
pandas>=2
click
-e .
";
        let found = LockedPackages::parse(LockKind::Pip, text);
        let packages: Vec<String> = found.packages.iter().map(|(name, version)| format!("{name} {version}")).collect();
        assert_eq!(packages, ["numpy 2.1.0", "scikit-learn 1.5.2 or 1.6.0", "tool https://example.org/tool-1.whl"]);
        assert_eq!(found.includes, ["base.txt", "constraints.txt"]);
        assert_eq!(found.paths, ["wheels", "./libs/own"]);
        assert_eq!(found.unpinned, ["pandas", "click"]);
        assert_eq!(found.unsound, ["-e ."]);
        assert_eq!(found.others.len(), 8);
    }

    #[test]
    fn a_uv_lock_names_versions_and_local_packages() {
        let text = "\
version = 1

[[package]]
name = \"own\"
version = \"0.1.0\"
source = { virtual = \".\" }
dependencies = [
    { name = \"numpy\" },
]

[package.metadata]
requires-dist = [{ name = \"numpy\" }]

[[package]]
name = \"numpy\"
version = \"2.1.0\"
source = { registry = \"https://pypi.org/simple\" }

[[package]]
name = \"lib\"
version = \"1.0\"
source = { directory = \"libs/lib\" }
";
        let found = LockedPackages::parse(LockKind::Uv, text);
        assert_eq!(
            found.packages.into_iter().collect::<Vec<_>>(),
            [("lib".to_string(), "1.0".to_string()), ("numpy".to_string(), "2.1.0".to_string())]
        );
        assert_eq!(found.paths, ["libs/lib"]);
    }
}
