//! What every sealed program may read: the system, and the interpreters and packages that its environment names. Not the rest of the home
//! folder, and not the project.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The system: programs, libraries, settings, devices.
const SYSTEM: [&str; 19] = [
    "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr", "/etc", "/opt", "/nix", "/gnu", "/run", "/var",
    "/sys", "/proc", "/dev", "/snap", "/sw", "/cvmfs",
];
/// What a program may also change there: its devices, and the files of its own process.
const CHANGED: [&str; 2] = ["/dev", "/proc"];
/// Folders for temporary files: a sandbox has its own.
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];

/// Packages, tools and fonts that programs find in the home folder by themselves.
const OF_HOME: [&str; 18] = [
    ".local/lib",
    ".local/share/fonts",
    ".local/share/jupyter",
    ".local/share/uv/python",
    ".fonts",
    ".config/fontconfig",
    ".cache/fontconfig",
    ".cache/matplotlib",
    ".pyenv",
    ".rustup",
    ".cargo/bin",
    ".julia",
    ".juliaup",
    ".gem",
    "perl5",
    "texmf",
    ".texlive",
    ".TinyTeX",
];
/// The name of R's folder of packages for a machine and a version ends so: `R/x86_64-pc-linux-gnu-library`.
const OF_R: (&str, &str) = ("R", "-library");

/// Folders of programs: what belongs to them is beside them.
const FOLDERS_OF_PROGRAMS: [&str; 5] = ["bin", "sbin", "shims", "condabin", "Scripts"];
/// The parts of an installation whose folder holds other things too.
const PARTS: [&str; 9] = ["bin", "sbin", "shims", "lib", "lib64", "libexec", "include", "share/uv", "share/pipx"];
/// A folder with one of these is a virtual environment.
const ENVIRONMENT: [&str; 2] = ["pyvenv.cfg", "conda-meta"];
/// Variables that list folders of programs.
const PROGRAMS: &str = "PATH";
/// Variables that name an installation.
const INSTALLATIONS: [&str; 3] = ["VIRTUAL_ENV", "CONDA_PREFIX", "PYENV_ROOT"];
/// Variables that list folders of libraries and packages.
const LIBRARIES: [&str; 12] = [
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "PYTHONHOME",
    "R_LIBS",
    "R_LIBS_USER",
    "R_LIBS_SITE",
    "PERL5LIB",
    "JULIA_DEPOT_PATH",
    "GEM_PATH",
    "NODE_PATH",
    "TEXINPUTS",
    "TEXMFHOME",
];

/// The paths that a program may read, collected.
#[derive(Clone, Debug)]
pub struct Readable {
    read: Vec<PathBuf>,
    home: Option<PathBuf>,
    /// The project and its cache: only virtual environments in them are read.
    project: Vec<PathBuf>,
}

impl Readable {
    /// What programs may read on this machine, for a project in these folders.
    pub fn of_machine(project: &[&Path]) -> Readable {
        let real = |path: &Path| std::fs::canonicalize(path).ok().filter(|path| path.parent().is_some());
        let home = std::env::var_os("HOME").and_then(|home| real(Path::new(&home)));
        let project = project.iter().filter_map(|path| real(path)).collect();
        let mut readable = Readable { read: Vec::new(), home, project };
        // A home folder like `/usr` hides nothing of the system.
        let system: Vec<PathBuf> = SYSTEM.iter().filter_map(|path| real(Path::new(path))).collect();
        let hides = |path: &PathBuf| !system.iter().any(|system| system.starts_with(path));
        let mut hidden: Vec<PathBuf> = TEMPORARY.iter().filter_map(|path| real(Path::new(path))).collect();
        hidden.extend(readable.home.iter().chain(&readable.project).filter(|path| hides(path)).cloned());
        for path in &system {
            readable.allow_without(path, &hidden);
        }
        if let Some(home) = readable.home.clone() {
            let r = std::fs::read_dir(home.join(OF_R.0)).into_iter().flatten().flatten().map(|entry| entry.path());
            let r = r.filter(|path| path.to_string_lossy().ends_with(OF_R.1));
            for path in OF_HOME.iter().map(|path| home.join(path)).chain(r.collect::<Vec<_>>()) {
                if let Some(path) = real(&path) {
                    readable.allow_without(&path, &hidden);
                }
            }
        }
        for name in [PROGRAMS].iter().chain(&INSTALLATIONS).chain(&LIBRARIES[..1]) {
            if let Some(value) = std::env::var_os(name) {
                readable.add_variable(name, &value);
            }
        }
        readable
    }

    /// Also what a variable of the program's environment names, if it is one of those that locate programs and packages.
    pub fn add_variable(&mut self, name: &str, value: &OsStr) {
        let folders: Vec<PathBuf> = std::env::split_paths(value).filter(|path| path.is_absolute()).collect();
        if name == PROGRAMS {
            folders.iter().for_each(|folder| self.add_programs(folder));
        } else if INSTALLATIONS.contains(&name) {
            folders.iter().for_each(|folder| self.add_installation(folder));
        } else if LIBRARIES.contains(&name) {
            folders.iter().for_each(|folder| self.add_folder(folder));
        }
    }

    /// Also the programs that a command names by absolute paths, `~/venv/bin/python` among them, each with its installation.
    pub fn add_programs_of_command(&mut self, words: &[String]) {
        let separates = |c: char| c.is_whitespace() || "'\"`;|&()<>=".contains(c);
        for word in words.iter().flat_map(|word| word.split(separates)) {
            let of_home = ["~/", "$HOME/", "${HOME}/"].iter().find_map(|prefix| word.strip_prefix(prefix));
            let path = match (of_home, &self.home) {
                (Some(rest), Some(home)) => home.join(rest),
                _ if word.starts_with('/') => PathBuf::from(word),
                _ => continue,
            };
            let runs = std::fs::metadata(&path).is_ok_and(|meta| meta.is_file() && super::is_executable(&meta));
            if let Some(folder) = path.parent().filter(|_| runs) {
                self.add_programs(folder);
            }
        }
    }

    /// All paths.
    pub fn into_paths(self) -> Vec<PathBuf> {
        self.read
    }

    /// The paths of devices and processes, which programs also change.
    pub fn changed() -> impl Iterator<Item = PathBuf> {
        CHANGED.iter().map(PathBuf::from)
    }

    fn is_allowed(&self, path: &Path) -> bool {
        self.read.iter().any(|allowed| path.starts_with(allowed))
    }

    fn is_in_project(&self, path: &Path) -> bool {
        self.project.iter().any(|project| path.starts_with(project))
    }

    /// Whether this folder holds the home folder or the project.
    fn holds_more(&self, path: &Path) -> bool {
        path.parent().is_none() || self.home.iter().chain(&self.project).any(|hidden| hidden.starts_with(path))
    }

    /// Allow a folder except what is hidden in it.
    fn allow_without(&mut self, path: &Path, hidden: &[PathBuf]) {
        if self.is_allowed(path) || hidden.iter().any(|hidden| hidden == path) {
            return;
        }
        if !hidden.iter().any(|hidden| hidden.starts_with(path)) {
            self.read.push(path.to_path_buf());
            return;
        }
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            // Links are allowed where they lead.
            if entry.file_type().is_ok_and(|kind| !kind.is_symlink()) {
                self.allow_without(&entry.path(), hidden);
            }
        }
    }

    /// A folder in `PATH` and the installation that it belongs to.
    fn add_programs(&mut self, folder: &Path) {
        let Ok(folder) = std::fs::canonicalize(folder) else { return };
        if self.is_allowed(&folder) {
            return;
        }
        let is_named =
            |path: &Path| path.file_name().is_some_and(|name| FOLDERS_OF_PROGRAMS.iter().any(|it| *it == name));
        match folder.parent().filter(|_| is_named(&folder)) {
            Some(prefix) => self.add_installation(prefix),
            None => self.add_folder(&folder),
        }
        if !self.is_allowed(&folder) {
            return;
        }
        // Links to programs of other installations: `~/.local/bin/python3.12`.
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let target = std::fs::canonicalize(entry.path()).ok().filter(|path| !self.is_allowed(path));
            let Some(target) = target.filter(|path| path.is_file()) else { continue };
            match target.parent().filter(|folder| is_named(folder)) {
                Some(folder) => self.add_programs(folder),
                None if !self.is_in_project(&target) => self.read.push(target),
                None => {}
            }
        }
    }

    /// A folder with `bin`, `lib` and more: all of it, or only these if it holds other things.
    fn add_installation(&mut self, prefix: &Path) {
        let Ok(prefix) = std::fs::canonicalize(prefix) else { return };
        let is_environment = ENVIRONMENT.iter().any(|name| prefix.join(name).exists());
        if self.is_allowed(&prefix) || self.is_in_project(&prefix) && !is_environment {
            return;
        }
        if self.holds_more(&prefix) || prefix.ends_with(".local") {
            let parts = PARTS.iter().chain(&ENVIRONMENT).map(|part| prefix.join(part));
            self.read.extend(parts.filter_map(|part| std::fs::canonicalize(part).ok()));
        } else {
            self.read.push(prefix.clone());
        }
        // The interpreter of a virtual environment is elsewhere.
        let settings = std::fs::read_to_string(prefix.join(ENVIRONMENT[0])).unwrap_or_default();
        let base = settings.lines().filter_map(|line| line.split_once('=')).find(|(name, _)| name.trim() == "home");
        if let Some((_, base)) = base {
            self.add_programs(Path::new(base.trim()));
        }
        let interpreter = std::fs::canonicalize(prefix.join("bin/python")).ok();
        if let Some(folder) = interpreter.as_deref().and_then(Path::parent) {
            self.add_programs(folder);
        }
    }

    /// A folder alone.
    fn add_folder(&mut self, folder: &Path) {
        let Ok(folder) = std::fs::canonicalize(folder) else { return };
        if !self.is_allowed(&folder) && !self.holds_more(&folder) && !self.is_in_project(&folder) {
            self.read.push(folder);
        }
    }
}
