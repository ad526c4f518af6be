//! What is made for LaTeX compiles there, if there is a `pdflatex`: figures and tables of a small paper, and all those of this repository.

use std::process::Command;

use crate::support::{GRID, Paper};

const FILES: &str = r#"  lines:
    figure:
      of: measures
      title: "50% of \\$5 & $W_i^T$ − x_1"
      width: 3
      height: 2
      font-size: 8
      panels:
        - x: {label: "$\\frac{1}{1-S}$"}
          y: {label: "$\\mathbb{E}\\left[\\text{loss}\\right]$"}
          marks:
            - line: {x: probability, y: loss, color: {by: run}}
            - rule: {y: 0.1, color: orange, style: dashed}
            - band: {x: [0.2, 0.3]}
      formats: [pgf]
  map:
    figure: {of: measures, width: 3, height: 2, panels: [{marks: [{heatmap: {x: probability, y: run, color: {value: loss}}}]}], formats: [pgf]}
  plain:
    table: {of: measures, rows: [probability], columns: {loss: {format: "{mean:.3f} ± {std:.3f}", best: lowest, group: "$a_1$ & b"}}, formats: [latex], caption: "Loss at 50%"}
  aligned:
    table:
      of: measures
      rows: [probability]
      columns: {loss: {format: "{mean:.3f} ± {std:.3f}", best: lowest, label: Loss}, n: {count: true}, share: {value: loss, format: "{mean:.1%}", best: highest}}
      siunitx: true
      formats: [latex]
"#;

/// A document that inputs these files of `figures/`, each on a page of its own: TeX's memory holds one map of 30,000 cells, not two.
fn document(files: &[String]) -> String {
    let inputs: String = files.iter().map(|file| format!("\\input{{figures/{file}}}\n\\clearpage\n")).collect();
    format!(
        "\\documentclass{{article}}\n\\usepackage[T1]{{fontenc}}\n\\usepackage[paperwidth=24in,paperheight=18in,margin=1in]{{geometry}}\n\
         \\usepackage{{lmodern,amsmath,amssymb,pgf,booktabs,siunitx}}\n\\begin{{document}}\n{inputs}\\end{{document}}\n"
    )
}

/// Compile `paper.tex`; false where there is no LaTeX with these packages.
fn compiles(paper: &Paper) -> bool {
    let found = Command::new("kpsewhich").arg("siunitx.sty").output().is_ok_and(|found| found.status.success());
    if !found || Command::new("pdflatex").arg("--version").output().is_err() {
        eprintln!("skipped: there is no pdflatex with siunitx on this machine");
        return false;
    }
    let mut latex = Command::new("pdflatex");
    latex.args(["-halt-on-error", "-interaction=nonstopmode", "paper.tex"]).current_dir(paper.path("."));
    let output = latex.output().expect("pdflatex runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
    assert!(!told.contains("Overfull") && !told.contains("LaTeX Warning: Font"), "{told}");
    true
}

/// Where pictures go that somebody wants to look at.
fn keep(paper: &Paper, name: &str) {
    let pdf = std::fs::read(paper.path("paper.pdf")).expect("a pdf");
    assert!(pdf.starts_with(b"%PDF"));
    if let Some(folder) = std::env::var_os("REPRO_TEST_PICTURES") {
        std::fs::write(std::path::Path::new(&folder).join(name), pdf).expect("a copy to look at");
    }
}

#[test]
fn figures_and_tables_compile_in_a_document() {
    let files = ["lines.pgf", "map.pgf", "plain.tex", "aligned.tex"].map(String::from);
    let paper = Paper::new().yaml(&format!("{GRID}{FILES}")).file("paper.tex", &document(&files));
    paper.build("lines map plain aligned").ok();
    if compiles(&paper) {
        keep(&paper, "latex.pdf");
    }
}

#[test]
fn all_figures_and_tables_of_this_paper_compile() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/figures");
    let mut paper = Paper::new();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("figures") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        if name.ends_with(".pgf") || name.ends_with(".tex") {
            let text = std::fs::read_to_string(format!("{folder}/{name}")).expect("text");
            paper = paper.file(&format!("figures/{name}"), &text);
            files.push(name);
        }
    }
    files.sort();
    assert!(files.iter().any(|file| file == "fig4.pgf") && files.iter().any(|file| file == "table1.tex"), "{files:?}");
    let paper = paper.file("paper.tex", &document(&files));
    if compiles(&paper) {
        keep(&paper, "paper.pdf");
    }
}
