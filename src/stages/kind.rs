//! What other modules need to know of a kind of stage: its words, its shape in the graph, how its progress is shown. Each kind declares one
//! [`KindInfo`].

/// The properties that all stages of a kind share.
#[derive(Debug)]
pub struct KindInfo {
    /// As the paper file spells it.
    pub name: &'static str,
    /// What one unit is called: `point`.
    pub unit: &'static str,
    /// What happens to a unit: `train`.
    pub verb: &'static str,
    /// The same, done: `trained`.
    pub past: &'static str,
    pub shape: NodeShape,
    pub report: Report,
    /// A stage of this kind is always one unit, so that messages need not count.
    pub single: bool,
    /// Running it trains a model, which `--no-train` forbids.
    pub trains: bool,
    /// It runs a program of the user.
    pub is_program: bool,
}

impl KindInfo {
    /// A kind whose many units are computed, for kinds to change what is different in them.
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
    /// Its start is not worth a line: it may wait long for its turn.
    End,
    /// Usually done at once.
    EndIfSlow,
}

/// What a stage's results are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Named arrays.
    Arrays,
    /// Files kept in the cache; some may hold arrays.
    Files,
    /// Files of the project, which stay where they are; some may hold arrays.
    ProjectFiles,
    /// The drawing of a figure.
    Scene,
    /// The cells of a table.
    Cells,
    /// It stands for its inputs.
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
