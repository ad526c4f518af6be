//! `secrets`: environment variables that a program may read and that nobody else should see. They are in no key, record or archive, and
//! their values are overwritten in the log.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::super::Secret;
use crate::error::{Error, Result};
use crate::spec::{Located, Problems};

/// Shorter values are not masked: they would be found in any text.
const SHORTEST: usize = 4;

/// Report variables in `env` whose names say that they are secret, and names that are in both lists.
pub fn check(env: &[Located<String>], secrets: &[Located<String>], problems: &mut Problems) {
    for name in env {
        if let Some(secret) = secrets.iter().find(|secret| secret.value == name.value) {
            let error = Error::user(format!("`{}` is both in `env` and in `secrets`", name.value)).at(secret.span);
            problems.push(error.hint("remove it from `env`: a secret is not part of the key"));
        } else if looks_secret(name) {
            let error = Error::user(format!("`{}` looks like a secret", name.value)).at(name.span);
            problems.push(error.hint(format!(
                "write `secrets: [{}]` instead: the program gets its value, which is not part of the key",
                name.value
            )));
        }
    }
}

/// Whether a variable's name says that its value is a password, a token or a key.
fn looks_secret(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let words: Vec<&str> = upper.split('_').collect();
    let alone = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIALS", "APIKEY"];
    let kinds = ["API", "ACCESS", "SECRET", "PRIVATE", "AUTH"];
    let key = |pair: &[&str]| pair[1] == "KEY" && kinds.contains(&pair[0]);
    words.iter().any(|word| alone.contains(word)) || words.windows(2).any(key)
}

/// The values of secrets. Errors: one is not set, or is not UTF-8.
pub fn values(names: &[Located<String>]) -> Result<Vec<(String, Secret)>> {
    let value = |name: &Located<String>| match std::env::var(&name.value) {
        Ok(value) if !value.is_empty() => Ok((name.value.clone(), Secret(value))),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Error::user(format!("the value of `{}` is not UTF-8 text", name.value)).at(name.span))
        }
        _ => {
            let error = Error::user(format!("the secret `{}` is not set", name.value)).at(name.span);
            Err(error.hint(format!("set it in this shell: `read -rs {0}; export {0}`", name.value)))
        }
    };
    names.iter().map(value).collect()
}

/// Overwrites secrets in a log while it grows.
pub struct LogMask {
    /// Not opened for appending, so that it can overwrite. `None` if there is nothing to mask or it cannot be opened.
    log: Option<File>,
    secrets: Vec<Secret>,
    /// Everything before is masked.
    done: u64,
}

impl LogMask {
    pub fn new(log: &Path, mut secrets: Vec<Secret>) -> LogMask {
        secrets.retain(|secret| secret.0.len() >= SHORTEST);
        let open = || File::options().read(true).write(true).open(log).ok();
        LogMask { log: if secrets.is_empty() { None } else { open() }, secrets, done: 0 }
    }

    /// Mask what was written since the last call.
    pub fn apply(&mut self) {
        let longest = self.secrets.iter().map(|secret| secret.0.len()).max().unwrap_or(0) as u64;
        let Some(log) = &mut self.log else { return };
        let length = log.metadata().map_or(0, |meta| meta.len());
        if length <= self.done {
            return;
        }
        // A secret may be only partly written, or begin in what was read before.
        let from = self.done.saturating_sub(longest);
        if mask(log, from, &self.secrets).is_ok() {
            self.done = length;
        }
    }
}

/// Overwrite secrets with asterisks from this position to the end.
fn mask(log: &mut File, from: u64, secrets: &[Secret]) -> std::io::Result<()> {
    let mut text = Vec::new();
    log.seek(SeekFrom::Start(from))?;
    log.read_to_end(&mut text)?;
    for secret in secrets {
        let secret = secret.0.as_bytes();
        let mut at = 0;
        while let Some(found) = text[at..].windows(secret.len()).position(|part| part == secret) {
            at += found;
            log.seek(SeekFrom::Start(from + at as u64))?;
            log.write_all(&vec![b'*'; secret.len()])?;
            at += secret.len();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tokens_and_keys_look_secret_and_others_do_not() {
        for name in ["HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "db_password", "OPENAI_APIKEY"] {
            assert!(looks_secret(name), "{name}");
        }
        for name in ["TOKENIZERS_PARALLELISM", "KEYBOARD", "SORT_KEY", "CUDA_HOME", "SECRETARY"] {
            assert!(!looks_secret(name), "{name}");
        }
    }

    #[test]
    fn secrets_are_masked_wherever_a_log_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "").unwrap();
        let mut program = File::options().append(true).open(&path).unwrap();
        let mut mask = LogMask::new(&path, vec![Secret("hunter22".into()), Secret("abc".into())]);
        for part in ["key=hunt", "er22 and hunter22", "hunter2", "2 abc\n"] {
            program.write_all(part.as_bytes()).unwrap();
            mask.apply();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "key=******** and **************** abc\n");
    }
}
