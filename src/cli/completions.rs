//! `repro completions`: prints a shell completion script.

use clap::CommandFactory;

use super::args::{Arguments, Completions};
use super::{Console, Trouble};

pub fn run(args: &Completions, console: &Console) -> Result<u8, Trouble> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "repro", &mut script);
    console.print_exact(&String::from_utf8_lossy(&script))?;
    Ok(0)
}
