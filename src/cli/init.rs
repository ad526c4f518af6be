//! `repro init`: writes a starter project, for a script that is already there or for the built-in trainer. It never overwrites files.

mod script;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::Init;
use super::{Console, Trouble};
use crate::error::{Error, Result};

const PAPER: &str = include_str!("init/models.yaml");

pub fn run(args: &Init, console: &Console) -> Result<u8, Trouble> {
    let here = args.dir == Path::new(".");
    let paper = if here { PathBuf::from("paper.yaml") } else { args.dir.join("paper.yaml") };
    fs::create_dir_all(&args.dir).map_err(|e| Error::io("make the folder", &args.dir, &e))?;
    let mut file = OpenOptions::new().write(true).create_new(true).open(&paper).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Error::user(format!("`{}` is already there; nothing was changed", paper.display()))
                .hint("`repro init DIR` starts a paper in another folder")
        }
        _ => Error::io("write", &paper, &e),
    })?;
    let found = script::paper(&args.dir);
    file.write_all(found.as_deref().unwrap_or(PAPER).as_bytes()).map_err(|e| Error::io("write", &paper, &e))?;
    let ignored = ignore_cache(&args.dir.join(".gitignore"))?;
    if console.json {
        console.print_json(&json!({"event": "initialised", "paper": paper, "gitignore-changed": ignored}))?;
    } else if !console.quiet {
        let ignored = if ignored { ", and `/cache/` to .gitignore" } else { "" };
        let there = if here { String::new() } else { format!(" -C {}", args.dir.display()) };
        let next = match found {
            Some(_) => {
                format!("it runs the script of this folder; check its inputs and outputs, then: repro{there} build")
            }
            None => format!("next: repro{there} build"),
        };
        console.print(&format!("wrote {}{ignored}\n{next}\n", paper.display()))?;
    }
    Ok(0)
}

/// Add the cache to `.gitignore`; false if it is there already.
fn ignore_cache(path: &Path) -> Result<bool> {
    let text = fs::read_to_string(path).unwrap_or_default();
    if text.lines().any(|line| ["cache", "cache/", "/cache", "/cache/"].contains(&line.trim())) {
        return Ok(false);
    }
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let mut file = OpenOptions::new().append(true).create(true).open(path).map_err(|e| Error::io("write", path, &e))?;
    file.write_all(format!("{gap}/cache/\n").as_bytes()).map_err(|e| Error::io("write", path, &e))?;
    Ok(true)
}
