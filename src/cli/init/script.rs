//! A paper file for a script that is already there: what it reads and writes, and its options, as far as its text shows.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// The most bytes of a script that are read.
const MAX_SCRIPT: u64 = 1 << 20;
/// Scripts that are probably the one to run, best first.
const USUAL: [&str; 6] = ["train", "main", "run", "experiment", "experiments", "analysis"];
/// Files that pin the packages of Python.
const LOCKS: [&str; 4] = ["uv.lock", "requirements.txt", "poetry.lock", "environment.yml"];
/// Calls before a path that is written, by how their text ends.
const WRITES: [&str; 10] = [
    "savefig(",
    "to_csv(",
    "to_json(",
    "np.save(",
    "np.savez(",
    "savez_compressed(",
    "savetxt(",
    "write_text(",
    "imsave(",
    "to_parquet(",
];

/// What the text of a script shows.
#[derive(Debug, Default, PartialEq)]
struct Script {
    /// Names of options with their defaults, as YAML.
    options: Vec<(String, String)>,
    /// Options that say where it writes, with their defaults.
    fixed: Vec<(String, String)>,
    /// Files of the project that it names, and modules beside it that it imports.
    inputs: BTreeSet<String>,
    outputs: BTreeSet<String>,
}

/// A paper file that runs the most likely script of a folder; `None` if there is no Python script.
pub fn paper(folder: &Path) -> Option<String> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    let scripts: Vec<&String> =
        names.iter().filter(|name| name.ends_with(".py") && !name.starts_with(['.', '_', '-'])).collect();
    let texts: Vec<(&str, String)> =
        scripts.iter().filter_map(|name| Some((name.as_str(), read(&folder.join(name))?))).collect();
    let usual =
        |name: &str| USUAL.iter().position(|usual| name.strip_suffix(".py") == Some(usual)).unwrap_or(USUAL.len());
    let runs = |text: &str| text.contains("argparse") || text.contains("__main__");
    let (name, text) = texts.iter().min_by_key(|(name, text)| (usual(name), !runs(text)))?;
    let mut script = look_at(text, folder);
    script.inputs.insert(name.to_string());
    // Modules may import others.
    let mut open: Vec<String> = script.inputs.iter().cloned().collect();
    while let Some(module) = open.pop() {
        let inner = read(&folder.join(&module)).filter(|_| module.ends_with(".py")).map(|text| look_at(&text, folder));
        for input in inner.into_iter().flat_map(|inner| inner.inputs).filter(|input| input.ends_with(".py")) {
            if script.inputs.insert(input.clone()) {
                open.push(input);
            }
        }
    }
    let locks = LOCKS.iter().filter(|lock| names.iter().any(|name| name == *lock)).take(1);
    script.inputs.extend(locks.map(|lock| lock.to_string()));
    script.inputs.retain(|input| !script.outputs.contains(input));
    Some(write(name, &script))
}

fn read(path: &Path) -> Option<String> {
    let small = std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() <= MAX_SCRIPT);
    if small { std::fs::read_to_string(path).ok() } else { None }
}

fn look_at(text: &str, folder: &Path) -> Script {
    let mut script = Script::default();
    for line in text.lines() {
        let code = line.trim_start();
        if code.starts_with('#') {
            continue;
        }
        let module = code.strip_prefix("from ").or_else(|| code.strip_prefix("import "));
        if let Some(name) = module.and_then(|rest| rest.split([' ', '.', ',']).next()) {
            let file = format!("{name}.py");
            if folder.join(&file).is_file() {
                script.inputs.insert(file);
            }
        }
        for (before, path) in strings(line) {
            let after = &line[line.find(path).map_or(0, |at| at + path.len())..];
            let mode = after.trim_start_matches(['"', '\'']).trim_start();
            let opened = before.ends_with("open(")
                && [", \"w", ", 'w", ", mode=\"w", ", mode='w", ", \"a", ", 'a"].iter().any(|w| mode.starts_with(w));
            let saved = before.contains(".save(")
                || WRITES.iter().any(|call| before.ends_with(call))
                || before.ends_with(".dump(");
            if !is_plain(path) {
                continue;
            }
            if opened || saved && path.contains('.') {
                script.outputs.insert(path.to_string());
            } else if path.contains(['.', '/']) && folder.join(path).is_file() {
                script.inputs.insert(path.to_string());
            }
        }
    }
    for call in text.split("add_argument(").skip(1) {
        let call = call.split("\n\n").next().unwrap_or_default();
        let Some((_, name)) = strings(call).into_iter().find(|(_, text)| text.starts_with("--")) else { continue };
        let default =
            call.split("default=").nth(1).map(|rest| rest.split([',', ')', '\n']).next().unwrap_or_default().trim());
        let value = default.map(|value| value.trim_matches(['"', '\''])).filter(|value| is_value(value));
        let name = name.trim_start_matches('-');
        // `--out results/run.json`: where the script writes is no parameter.
        if let Some(path) = value.filter(|value| is_plain(value) && value.contains(['.', '/']) && names_output(name)) {
            script.outputs.insert(path.to_string());
            script.fixed.push((name.to_string(), path.to_string()));
            continue;
        }
        // A switch has no value on the command line.
        if call.split(')').next().is_some_and(|call| !call.contains("store_true"))
            && !call.contains("required=True")
            && let Some(value) = value
        {
            script.options.push((name.to_string(), value.to_string()));
        }
    }
    script
}

/// The string literals of a line, each with the code before it.
fn strings(line: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = 0;
    while let Some(open) = line[rest..].find(['"', '\'']).map(|at| at + rest) {
        let quote = &line[open..open + 1];
        let Some(length) = line[open + 1..].find(quote) else { break };
        let before = &line[..open];
        if !before.ends_with(['f', 'r', 'b']) || before.ends_with("of") {
            found.push((before, &line[open + 1..open + 1 + length]));
        }
        rest = open + length + 2;
    }
    found
}

/// Whether an option of this name says where the script writes.
fn names_output(option: &str) -> bool {
    option.split(['-', '_']).any(|word| ["out", "output", "outdir", "outfile", "save", "dest"].contains(&word))
}

/// Whether a text can be a path in the project without quotes in YAML.
fn is_plain(path: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    !path.is_empty() && path.chars().all(fine) && !path.starts_with(['/', '.', '-']) && !path.contains("..")
}

/// Whether the text of a default is a number or a plain word.
fn is_value(text: &str) -> bool {
    !text.is_empty() && text != "None" && (text.parse::<f64>().is_ok() || is_plain(text))
}

fn write(name: &str, script: &Script) -> String {
    let stem = name.trim_end_matches(".py").replace('_', "-");
    let variable = |option: &str| option.to_uppercase().replace('-', "_");
    let mut run = format!("python3 {name}");
    for (option, _) in &script.options {
        let _ = write!(run, " --{option} $REPRO_PARAM_{}", variable(option));
    }
    for (option, path) in &script.fixed {
        let _ = write!(run, " --{option} {path}");
    }
    let list = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    let outputs = if script.outputs.is_empty() { "result.json".to_string() } else { list(&script.outputs) };
    let mut text = String::from(
        "# Your script as a stage: it runs in a folder with its inputs, and its outputs are kept.\n\
         #   repro build         run what is out of date\n\
         #   repro explain STAGE say why it is\n",
    );
    let _ = write!(text, "repro: 1\n\nstages:\n  {stem}:\n    exec:\n      run: {run}\n");
    let _ = writeln!(
        text,
        "      # The files that it reads; it sees nothing else of this folder.\n      inputs: [{}]",
        list(&script.inputs)
    );
    let found = match script.outputs.is_empty() {
        true => "The files that it writes; none was found in its text, so name them here.",
        false => "The files that it writes.",
    };
    let _ = writeln!(text, "      # {found}\n      outputs: [{outputs}]");
    let params: Vec<String> = script.options.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    if params.is_empty() {
        return text;
    }
    let _ = writeln!(text, "      params: {{{}}}", params.join(", "));
    let numbers = script.options.iter().filter(|(_, value)| value.parse::<f64>().is_ok());
    let (axis, value) =
        numbers.clone().find(|(name, _)| name != "seed").or(numbers.clone().next()).unwrap_or(&script.options[0]);
    let seed = if script.options.iter().any(|(name, _)| name == "seed") && axis != "seed" {
        "\n#         seed: {count: 3}"
    } else {
        ""
    };
    let _ = write!(
        text,
        "\n# To run it at several values, put `exec` into a sweep; every point is run, kept and selected on its own:\n\
         #   {stem}:\n#     sweep:\n#       exec: {{...}}\n#       axes:\n#         {axis}: [{value}]{seed}\n"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_inputs_and_outputs_are_found_in_the_text() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        let script = "import argparse\nfrom helpers import f\nimport numpy as np\n\
             parser = argparse.ArgumentParser()\n\
             parser.add_argument('--lr', type=float, default=0.1)\n\
             parser.add_argument(\"--batch-size\", type=int, default=32, help='size')\n\
             parser.add_argument('--verbose', action='store_true')\n\
             parser.add_argument('--seed', type=int, default=0)\n\
             parser.add_argument('--out', default='runs/table.csv')\n\
             x = np.loadtxt('data/x.csv')\n\
             with open('result.json', 'w') as file: pass\n\
             plt.savefig('figures/loss.pdf')\n\
             print(f'{x}', 'no/such.file')\n";
        for (name, text) in [
            ("train.py", script),
            ("helpers.py", "import deeper\n"),
            ("deeper.py", ""),
            ("other.py", ""),
            ("data/x.csv", "1"),
        ] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        std::fs::write(dir.path().join("requirements.txt"), "numpy").unwrap();
        let paper = paper(dir.path()).unwrap();
        for line in [
            "run: python3 train.py --lr $REPRO_PARAM_LR --batch-size $REPRO_PARAM_BATCH_SIZE --seed $REPRO_PARAM_SEED --out runs/table.csv\n",
            "inputs: [data/x.csv, deeper.py, helpers.py, requirements.txt, train.py]\n",
            "outputs: [figures/loss.pdf, result.json, runs/table.csv]\n",
            "params: {lr: 0.1, batch-size: 32, seed: 0}\n",
            "#         lr: [0.1]\n#         seed: {count: 3}\n",
        ] {
            assert!(paper.contains(line), "{line} is missing in\n{paper}");
        }
        crate::graph::load("paper.yaml", &paper).unwrap();
    }

    #[test]
    fn without_a_python_script_there_is_nothing_to_propose() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("notes.txt"), "").unwrap();
        assert_eq!(paper(dir.path()), None);
    }
}
