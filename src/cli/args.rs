//! The command line: every command, flag and help text.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::words;

/// Make for papers, with the trainer built in.
///
/// `paper.yaml` declares the figures and tables of a paper and the models they need. `repro build` trains and draws what is out of
/// date, and nothing else: every model, metric and table cell is cached by a hash of its inputs.
#[derive(Debug, Parser)]
#[command(name = "repro", version, max_term_width = 100, after_help = EXAMPLES, after_long_help = LONG_EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

macro_rules! examples {
    () => {
        "\
Examples:
  repro build              every figure and table that is out of date
  repro build fig5         figure 5 and what it needs
  repro plan               what would run, why, and how long it would take
  repro explain fig3       which value changed, from what to what, in which line"
    };
}

const EXAMPLES: &str = examples!();

const LONG_EXAMPLES: &str = concat!(
    examples!(),
    "

Exit codes: 0 done, 1 a stage failed, 2 the paper file or the arguments are wrong, 3 a bug in repro, 130 interrupted.
Environment: REPRO_CACHE names the cache, as --cache does. NO_COLOR turns colour off."
);

#[derive(Args, Debug)]
pub struct Global {
    /// The paper file
    #[arg(short = 'f', long = "file", value_name = "FILE", default_value = "paper.yaml", global = true)]
    #[arg(help_heading = "Global options")]
    pub file: PathBuf,
    /// Change to this directory first
    #[arg(short = 'C', value_name = "DIR", global = true, help_heading = "Global options")]
    pub directory: Option<PathBuf>,
    /// Cache directory [default: $REPRO_CACHE, or `cache` beside the paper file]
    #[arg(long, value_name = "DIR", global = true, help_heading = "Global options")]
    pub cache: Option<PathBuf>,
    /// Output directory for figures and tables [default: `figures` beside the paper file]
    #[arg(long, value_name = "DIR", global = true, help_heading = "Global options")]
    pub figures: Option<PathBuf>,
    /// Replace a setting of the paper file: `--set train.params.lr=0.3`; without a stage, wherever there is such a setting
    #[arg(long, value_name = "[STAGE.]FIELD=VALUE", global = true, help_heading = "Global options")]
    pub set: Vec<String>,
    /// Print one JSON object per line
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// Colour the output
    #[arg(long, value_name = "WHEN", default_value = "auto", hide_possible_values = true, global = true)]
    #[arg(help = "Colour the output: auto, always or never", help_heading = "Global options")]
    pub color: When,
    /// Print errors and warnings only
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    pub quiet: bool,
    /// Print more: every unit, and what the cache does
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub verbose: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train, compute and draw what is out of date
    #[command(after_help = BUILD_EXAMPLES, after_long_help = BUILD_LONG)]
    Build(Build),
    /// Show what a build would run, why, and how long it would take
    #[command(after_help = "\
Examples:
  repro plan                the whole paper
  repro plan fig3 table1    these two and what they need
  repro plan --json         one JSON object per stage
  repro plan --exit-code    exit with 1 if a build would do anything")]
    Plan(Plan),
    /// List every stage: its state, units and files
    #[command(after_help = "\
Examples:
  repro status              all stages
  repro status 'fig*'       some of them
  repro status --check      exit with 1 if anything is not up to date")]
    Status(Status),
    /// Check the figures of a clone against paper file, code and data; nothing runs
    #[command(after_help = "\
Examples:
  repro check               every figure and table, with everything that they depend on
  repro check fig5          one of them
  repro check --environment compare variables and versions of tools with this machine too

A build writes paper.lock beside the paper file; commit it together with the figures. No cache and no result is needed.

Exit codes: 0 all of it is up to date, 1 something is not.")]
    Check(Check),
    /// Explain why something is out of date: which value changed, and which units are missing
    #[command(after_help = "\
Examples:
  repro explain fig3        fig3, and everything that it depends on
  repro explain fig3 -v     with every missing unit by name")]
    Explain(Explain),
    /// Print the graph of stages
    #[command(after_help = "\
Examples:
  repro graph | dot -Tpdf > graph.pdf
  repro graph fig3 --format mermaid
  repro graph --format svg > graph.svg")]
    Graph(Graph),
    /// Show a result in the terminal: a table as text, a figure as a picture, arrays by name and shape
    #[command(after_help = "\
Examples:
  repro show fig5           the figure, in half blocks of 24-bit colour
  repro show table1
  repro show phase-A2       the arrays of a sweep: axes, shapes, small values
  repro show fig5 --trace   its provenance: inputs, time, machine, version
  repro show phase-A2 --npz phase-A2.npz   export them to a file for numpy.load")]
    Show(Show),
    /// Write a page that shows figures next to their reference pictures
    #[command(after_help = "\
Examples:
  repro compare             all figures with a `reference`, in figures/compare.html
  repro compare fig4 -o fig4.html")]
    Compare(Compare),
    /// Rebuild when the paper file or an input file changes
    #[command(after_help = "\
Examples:
  repro watch               every figure and table
  repro watch fig5          one, and what it needs

If a file changes during a build, the build finishes before the next one starts. Ctrl-C exits with code 0 while waiting and with
130 during a build; finished units are kept.")]
    Watch(Watch),
    /// Rerun stages in an empty cache and compare with the existing results, bit for bit
    #[command(after_help = "\
Examples:
  repro verify              every figure and table, with everything that they depend on
  repro verify table1       one of them
  repro verify fit --only   this program alone, on inputs from the cache
  repro verify paper.zip    an archive of `repro export`, on any machine: every file and the traces between them
  repro verify paper.zip --rebuild
  repro verify paper.zip --rebuild --yes

`--rebuild` seals the programs of an archive, names them and asks first. Without a terminal it needs --yes.

Exit codes: 0 all is the same, 1 something differs or failed.")]
    Verify(Verify),
    /// Compare with the paper at a revision of git: tables cell by cell, metrics, figures; nothing is trained
    #[command(after_help = "\
Examples:
  repro diff                       what has changed since the last commit
  repro diff v1                    since the tag v1
  repro diff HEAD~3 table1 'fig*'  some stages
  repro diff main --json           one JSON object per stage

Only results in the cache are compared. Figures that changed are drawn side by side into cache/diff.")]
    Diff(Diff),
    /// After an edit that changes nothing, such as a comment, take the old results of programs for the new ones
    #[command(after_help = "\
Examples:
  repro explain train       what has changed
  repro accept train        its results are taken as they are; `repro show train --trace` says so

The command says what has changed since the results were made. Points that are new have to run.")]
    Accept(Accept),
    /// Delete unused results from the cache
    #[command(after_help = "\
Examples:
  repro gc -n                       what would be deleted, and what is kept
  repro gc                          delete unused results older than two weeks
  repro gc --older-than 0           delete everything that the current paper does not need
  repro gc --keep-rev v1 --keep-rev HEAD~5
  repro gc --max-size 2GB           delete the oldest unused results until the cache is at most 2 GB

Results that the current paper needs are kept, whatever their age. While a build runs, nothing is deleted.")]
    Gc(Gc),
    /// Put artifacts, paper file, inputs and traces into one archive, an RO-Crate
    #[command(after_help = "\
Examples:
  repro export                            paper.zip, with every figure and table
  repro export fig5 -o fig5.zip           one, and everything that it depends on
  repro export --license CC-BY-4.0 --author 'A. Turing'
  repro verify paper.zip                  check it, on any machine and without network
  repro verify paper.zip --rebuild        and build all of it again

The archive is reproducible: the same cache and files give the same bytes.")]
    Export(Export),
    /// Create a starter paper.yaml that builds in seconds
    #[command(after_help = "\
Examples:
  repro init                here
  repro init papers/sparse  in a folder of its own")]
    Init(Init),
    /// Print the JSON Schema of the paper file, for editors and validators
    #[command(after_help = "\
Examples:
  repro schema > paper.schema.json
  # then in paper.yaml:  # yaml-language-server: $schema=paper.schema.json")]
    Schema,
    /// Print a completion script for a shell
    #[command(after_help = "\
Examples:
  repro completions bash > ~/.local/share/bash-completion/completions/repro
  repro completions zsh > ~/.zfunc/_repro
  repro completions fish > ~/.config/fish/completions/repro.fish")]
    Completions(Completions),
}

macro_rules! build_examples {
    () => {
        "\
Examples:
  repro build               every figure and table
  repro build fig5          one, and what it needs
  repro build 'fig*'        by pattern
  repro build table         by kind: data, exec, train, sweep, metric, figure, table
  repro build figures/fig5.pdf
  repro build fig4 --open   and open it in the browser, with values under the pointer
  repro build -k -j 4       4 units in parallel, and keep going after failures
  repro build --no-run      fail where a model would have to be trained or a program run (for CI)
  repro build --frozen      fail if anything at all would run or change (for CI)
  repro build --rerun fit   rerun fit although it is up to date"
    };
}

const BUILD_EXAMPLES: &str = build_examples!();

const BUILD_LONG: &str = concat!(
    "\
Ctrl-C stops cleanly: finished units are kept and long runs leave a checkpoint; run the same command again to resume.

With --json every line of standard output is an object with the member `event`:
  stage-started   stage, kind, units (to run), total, seconds (estimate, one core), again (because of --rerun)
  unit-finished   stage, kind, unit, seconds, found (built by another process meanwhile), trained, done, units
  progress        stage, done, units, values (of `progress`) or printed (at most once per second)
  totals          done, stages, running, seconds (estimate of what is left, null if unknown; at most once per second)
  environment-started   environment, installer
  environment-finished  environment, installer, seconds
  stage-finished  stage, kind, ran, seconds, written (files), other (units whose result changed with --rerun)
  stage-failed    stage, unit, message, output (last lines of a program), hints
  warning         message
  error           message, file, line, column, length, label, hints (where known)
  build-finished  ran, trained, written, built, current, failed, skipped, unfinished, interrupted, seconds, exit-code

",
    build_examples!()
);

#[derive(Args, Debug)]
pub struct Status {
    /// Stages by name, pattern (`fig*`), kind (`figure`) or file (`fig5.svg`) [default: all]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Exit with 1 if anything is not up to date
    #[arg(long)]
    pub check: bool,
}

#[derive(Args, Debug)]
pub struct Check {
    /// Stages by name, pattern (`fig*`), kind (`figure`) or file (`fig5.svg`) [default: every figure and table]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Compare variables in `env` and versions of `tools` with this machine too; tools are run for their versions
    #[arg(long)]
    pub environment: bool,
}

/// What to build, and what to allow.
#[derive(Args, Clone, Debug)]
pub struct Work {
    /// Stages by name, pattern (`fig*`), kind (`figure`) or file (`fig5.svg`) [default: every figure and table]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Number of units to run in parallel [default: all cores]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub jobs: Option<u16>,
    /// After a failure, keep building stages that do not depend on the failed one
    #[arg(short, long)]
    pub keep_going: bool,
    /// Fail where a model would have to be trained, or a program run that is `expensive` or took over a minute
    #[arg(long)]
    pub no_train: bool,
    /// Fail where a model would have to be trained, a file fetched or a program run
    #[arg(long)]
    pub no_run: bool,
}

#[derive(Args, Debug)]
pub struct Build {
    #[command(flatten)]
    pub work: Work,
    /// Show what would run without running it, like `repro plan`
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Open the results: figures as pages that show the values under the pointer
    #[arg(long, conflicts_with = "dry_run")]
    pub open: bool,
    /// Rerun the named stages although they are up to date, and replace their results
    #[arg(long, requires = "targets")]
    pub rerun: bool,
    /// Hash every input file again instead of relying on sizes and modification times
    #[arg(long, conflicts_with = "dry_run")]
    pub reread: bool,
    /// Fail before anything runs if a unit would run or a file be written with other bytes; missing files are restored
    #[arg(long, conflicts_with_all = ["dry_run", "rerun"])]
    pub frozen: bool,
    /// Device for training: auto (GPU if present and worthwhile), cpu or cuda; results are identical bit for bit
    #[arg(long, value_name = "DEVICE", default_value = "auto", hide_possible_values = true)]
    pub device: Device,
    /// Memory limit per GPU: `2GB` [default: 80 % of the free memory]
    #[arg(long, value_name = "SIZE", value_parser = words::parse_size)]
    pub gpu_memory: Option<u64>,
}

#[derive(Args, Debug)]
pub struct Watch {
    #[command(flatten)]
    pub work: Work,
}

/// The training device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Device {
    Auto,
    Cpu,
    Cuda,
}

#[derive(Args, Debug)]
pub struct Plan {
    /// Stages by name, pattern (`fig*`), kind (`figure`) or file (`fig5.svg`) [default: every figure and table]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Estimate the time for this many parallel units [default: all cores]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub jobs: Option<u16>,
    /// Exit with 1 if a build would do anything
    #[arg(long)]
    pub exit_code: bool,
}

#[derive(Args, Debug)]
pub struct Explain {
    /// Stages by name, pattern (`fig*`), kind (`figure`) or file (`fig5.svg`)
    #[arg(value_name = "TARGET", required = true)]
    pub targets: Vec<String>,
}

#[derive(Args, Debug)]
pub struct Accept {
    /// Stages by name or pattern; only programs
    #[arg(value_name = "TARGET", required = true)]
    pub targets: Vec<String>,
}

#[derive(Args, Debug)]
pub struct Graph {
    /// Only these stages and what they need [default: all]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "dot")]
    pub format: GraphFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// For Graphviz
    Dot,
    /// For Markdown on code hosts
    Mermaid,
    /// For browsers and image viewers
    Svg,
}

#[derive(Args, Debug)]
pub struct Show {
    /// Stages by name, pattern (`fig*`), kind (`figure`) or file (`fig5.svg`)
    #[arg(value_name = "TARGET", required = true)]
    pub targets: Vec<String>,
    /// Width of pictures in characters [default: the terminal's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(8..=1000))]
    pub width: Option<u16>,
    /// Write the arrays of one stage to this file, for numpy.load
    #[arg(long, value_name = "FILE", conflicts_with_all = ["width"])]
    pub npz: Option<PathBuf>,
    /// Overwrite an existing file
    #[arg(long, requires = "npz")]
    pub force: bool,
    /// Show the provenance of results: inputs, time, machine, version and revision
    #[arg(long, conflicts_with_all = ["width", "npz"])]
    pub trace: bool,
}

#[derive(Args, Debug)]
pub struct Compare {
    /// Figures by name or pattern (`fig*`) [default: every figure with a `reference`]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Output page [default: compare.html beside the figures]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Overwrite any existing file; without it, only an earlier page is replaced
    #[arg(long)]
    pub force: bool,
}

#[derive(Args, Debug)]
pub struct Verify {
    /// Stages by name, pattern (`fig*`), kind (`figure`) or file (`fig5.svg`), or an archive [default: every figure and table]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Rebuild these stages alone, on inputs from the cache
    #[arg(long, requires = "targets")]
    pub only: bool,
    /// Rebuild everything in the archive from scratch and compare
    #[arg(long, requires = "targets")]
    pub rebuild: bool,
    /// Run the programs of the archive without asking
    #[arg(long, requires = "rebuild")]
    pub yes: bool,
    /// Number of units to run in parallel [default: all cores]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub jobs: Option<u16>,
    /// After a failure, keep building stages that do not depend on the failed one
    #[arg(short, long)]
    pub keep_going: bool,
}

#[derive(Args, Debug)]
pub struct Diff {
    /// A git revision: a branch, a tag, `HEAD~3`
    #[arg(value_name = "REV", default_value = "HEAD")]
    pub revision: String,
    /// Stages by name, pattern (`fig*`), kind (`figure`) or file (`fig5.svg`), of either revision [default: all]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Output directory for pictures of changed figures [default: `diff` in the cache]
    #[arg(long, value_name = "DIR")]
    pub pictures: Option<PathBuf>,
    /// With --pictures: replace files there that are not comparisons of repro
    #[arg(long, requires = "pictures")]
    pub force: bool,
    /// Exit with 1 if anything is added, removed or changed
    #[arg(long)]
    pub exit_code: bool,
}

#[derive(Args, Debug)]
pub struct Gc {
    /// Show what would be deleted without deleting it
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Delete only results older than this: `90min`, `12h`, `30d`, `8w` [default: 14d, or any age with --max-size]
    #[arg(long, value_name = "TIME", value_parser = words::parse_time)]
    pub older_than: Option<std::time::Duration>,
    /// Delete the oldest results until the cache is no larger than this: `500MB`, `2GB`
    #[arg(long, value_name = "SIZE", value_parser = words::parse_size)]
    pub max_size: Option<u64>,
    /// Also keep what the paper needs at this git revision
    #[arg(long, value_name = "REV")]
    pub keep_rev: Vec<String>,
}

#[derive(Args, Debug)]
pub struct Export {
    /// Stages by name, pattern (`fig*`), kind (`figure`) or file (`fig5.svg`) [default: every figure and table]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Output archive [default: paper.zip, named after the paper file]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Overwrite any existing file; without it, only an earlier archive is replaced
    #[arg(long)]
    pub force: bool,
    /// Licence, as an SPDX identifier (`CC-BY-4.0`) or a URL
    #[arg(long, value_name = "LICENCE")]
    pub license: Option<String>,
    /// Author, `NAME (UNIVERSITY)`; repeatable
    #[arg(long, value_name = "NAME")]
    pub author: Vec<String>,
    /// Publisher, `NAME https://URL`
    #[arg(long, value_name = "NAME")]
    pub publisher: Option<String>,
    /// One-sentence description of the archive
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
}

#[derive(Args, Debug)]
pub struct Init {
    /// The directory; created if missing
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
}

#[derive(Args, Debug)]
pub struct Completions {
    /// bash, elvish, fish, powershell or zsh
    #[arg(value_name = "SHELL", hide_possible_values = true)]
    pub shell: Shell,
}
