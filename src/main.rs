//! The command line entry point: parse the arguments, run the command, return the exit code.

// No input may make the program panic: fallible functions return errors. Tests may panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented
    )
)]

use std::process::ExitCode;

#[cfg(unix)]
use clap::Parser;
#[cfg(unix)]
use repro::cli::{self, Arguments, Command, Console, Project, Trouble, Unchecked};

#[cfg(unix)]
fn run(arguments: &Arguments, console: &Console) -> Result<u8, Trouble> {
    if let Some(directory) = &arguments.global.directory {
        cli::enter(directory)?;
    }
    let project = || Project::open(&arguments.global);
    match &arguments.command {
        Command::Build(args) => cli::build::run(args, Unchecked::open(&arguments.global)?, console),
        Command::Plan(args) => cli::plan::run(args, &project()?, console),
        Command::Check(args) => cli::check::run(args, &project()?, console),
        Command::Status(args) => cli::status::run(args, &project()?, console),
        Command::Explain(args) => cli::explain::run(args, &project()?, console),
        Command::Accept(args) => cli::accept::run(args, &project()?, console),
        Command::Graph(args) => cli::graph::run(args, &project()?, console),
        Command::Show(args) => cli::show::run(args, &project()?, console),
        Command::Compare(args) => cli::compare::run(args, &project()?, console),
        Command::Watch(args) => cli::watch::run(args, &arguments.global, console),
        Command::Verify(args) => cli::verify::run(args, project, console),
        Command::Export(args) => cli::export::run(args, &project()?, console),
        Command::Diff(args) => cli::diff::run(args, &project()?, console),
        Command::Gc(args) => cli::gc::run(args, &project()?, console),
        Command::Init(args) => cli::init::run(args, console),
        Command::Schema => cli::schema::run(console),
        Command::Completions(args) => cli::completions::run(args, console),
    }
}

#[cfg(unix)]
fn main() -> ExitCode {
    if let Some(code) = cli::init_programs() {
        return code;
    }
    let arguments = Arguments::parse();
    let console = Console::new(&arguments.global);
    let code = cli::caught(|| run(&arguments, &console)).unwrap_or_else(|trouble| cli::report(&trouble, &console));
    ExitCode::from(code)
}

#[cfg(not(unix))]
fn main() -> ExitCode {
    eprintln!("error: repro runs on Linux and macOS");
    eprintln!("  hint: on Windows, install and run it in WSL (`wsl --install`)");
    ExitCode::from(2)
}
