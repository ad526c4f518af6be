//! What is made for LaTeX compiles there: a document with a PGF figure and tables, if there is a `pdflatex`.

mod support;

use std::process::Command;

use support::{GRID, Paper};

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

const DOCUMENT: &str = r"\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{lmodern,amsmath,amssymb,pgf,booktabs,siunitx}
\begin{document}
\input{figures/lines.pgf}

\input{figures/map.pgf}
\input{figures/plain.tex}
\input{figures/aligned.tex}
\end{document}
";

#[test]
fn figures_and_tables_compile_in_a_document() {
    let paper = Paper::new().yaml(&format!("{GRID}{FILES}")).file("paper.tex", DOCUMENT);
    paper.build("lines map plain aligned").ok();
    if Command::new("pdflatex").arg("--version").output().is_err() {
        eprintln!("skipped: there is no pdflatex on this machine");
        return;
    }
    let mut latex = Command::new("pdflatex");
    latex.args(["-halt-on-error", "-interaction=nonstopmode", "paper.tex"]).current_dir(paper.path("."));
    let output = latex.output().expect("pdflatex runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
    assert!(!told.contains("Overfull") && !told.contains("LaTeX Warning: Font"), "{told}");
    let pdf = std::fs::read(paper.path("paper.pdf")).expect("a pdf");
    assert!(pdf.starts_with(b"%PDF"));
    if let Some(folder) = std::env::var_os("REPRO_TEST_PICTURES") {
        std::fs::write(std::path::Path::new(&folder).join("latex.pdf"), pdf).expect("a copy to look at");
    }
}
