//! The properties of a stage kind that other modules need: names for messages, its shape in the graph, how progress is shown. Each kind
//! declares one [`KindInfo`].

/// The properties that all stages of a kind share.
#[derive(Debug)]
pub struct KindInfo {
    /// Its name in the paper file.
    pub name: &'static str,
    /// What one unit is called: `point`.
    pub unit: &'static str,
    /// The verb for running a unit: `train`.
    pub verb: &'static str,
    /// Its past participle: `trained`.
    pub past: &'static str,
    pub shape: NodeShape,
    pub report: Report,
    /// A stage of this kind always has exactly one unit; messages do not count it.
    pub single: bool,
    /// Running it trains a model, which `--no-train` forbids.
    pub trains: bool,
    /// It runs a program of the user.
    pub is_program: bool,
}

impl KindInfo {
    /// Defaults for the other kinds.
    pub(super) const COMPUTED: KindInfo = KindInfo {
        name: "",
        unit: "unit",
        verb: "compute",
        past: "computed",
        shape: NodeShape::Computation,
        report: Report::StartAndEnd,
        single: false,
        trains: false,
        is_program: false,
    };
}

/// How `repro graph` draws a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeShape {
    Source,
    Program,
    Model,
    Computation,
    Artifact,
}

/// Which lines a build prints about a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    StartAndEnd,
    /// Not the start, because the stage may wait long for resources.
    End,
    /// Only the end, and only if it took long.
    EndIfSlow,
}

/// What a stage's results contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Named arrays.
    Arrays,
    /// Files stored in the cache; some may contain arrays.
    Files,
    /// Files of the project, which are not copied; some may contain arrays.
    ProjectFiles,
    /// The drawing of a figure.
    Scene,
    /// The cells of a table.
    Cells,
    /// No result of its own, as for a group.
    Nothing,
}

impl Holds {
    /// Whether the result is a list of files.
    pub fn is_files(self) -> bool {
        matches!(self, Holds::Files | Holds::ProjectFiles)
    }

    /// Whether other stages can read arrays from it.
    pub fn has_arrays(self) -> bool {
        matches!(self, Holds::Arrays | Holds::Files | Holds::ProjectFiles)
    }
}
