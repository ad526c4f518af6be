//! `repro compare`: write a page with figures beside their reference pictures.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::args::Compare;
use super::show;
use super::words::count;
use super::{Console, Project, Trouble, replace};
use crate::error::{Error, Result};
use crate::markup;
use crate::plan;
use crate::render::{self, escape};
use crate::spec::Located;
use crate::stages::Published;
use crate::store;

const STYLE: &str = include_str!("compare.css");

/// The start of every page; it identifies pages of `repro compare`.
const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"generator\" content=\"repro compare\">\n";

pub fn run(args: &Compare, project: &Project, console: &Console) -> Result<u8, Trouble> {
    let mut pairs = Vec::new();
    for stage in project.targets_or_all(&args.targets)? {
        if let Published::Figure(figure) = project.graph.stages[stage].stage.publishes()
            && !figure.reference.0.is_empty()
        {
            pairs.push((stage, figure));
        }
    }
    if pairs.is_empty() {
        let error = Error::user("none of these figures has a reference picture");
        return Err(error.hint("add `reference: PICTURE.png` to a figure").into());
    }
    let stages: Vec<usize> = pairs.iter().map(|(stage, _)| *stage).collect();
    let plans = plan::plan(project.context(), &stages)?;
    let mut rows = String::new();
    for (stage, figure) in &pairs {
        let name = &project.graph.stages[*stage].name;
        let Some(plan) = plans.iter().find(|plan| plan.stage == *stage) else { continue };
        let (scene, key) = show::scene(plan, project)?;
        let title = if scene.title.is_empty() { String::new() } else { format!(": {}", markup::plain(&scene.title)) };
        let drawn = render::pictures(&scene, figure.dpi(), &|| false)?.unwrap_or_default();
        let mut pictures = String::new();
        for reference in &figure.reference.0 {
            let caption = escape(&reference.value);
            let source = data_url(project, reference).map_err(|error| {
                let (errors, source) = (vec![error], Some(project.source.clone()));
                Trouble { errors, source }
            })?;
            pictures += &format!("<img alt=\"{caption}\" src=\"{source}\"><figcaption>{caption}</figcaption>");
        }
        rows += &format!(
            "<section id=\"{name}\">\n<h2>{name}{}</h2>\n<div>\n<figure>{pictures}</figure>\n\
             <figure>{}<figcaption>ours</figcaption></figure>\n</div>\n</section>\n",
            escape(&title),
            render::svg(&scene, drawn, &key)?,
        );
    }
    let title = escape(&project.graph.title);
    let page = format!(
        "{HEAD}<title>{title}: side by side</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{rows}</body>\n</html>\n"
    );
    let path = args.output.clone().unwrap_or_else(|| project.figures.join("compare.html"));
    let earlier = |path: &Path| std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(HEAD.as_bytes()));
    replace::check(&path, "a compare page", earlier, args.force, project)?;
    store::write_file(&path, page.as_bytes())?;
    if !console.quiet {
        console.print(&format!("{} side by side in {}\n", count(pairs.len(), "figure"), path.display()))?;
    }
    Ok(0)
}

/// A reference picture as a `data:` URL.
fn data_url(project: &Project, reference: &Located<String>) -> Result<String> {
    let path = project.home.join(&reference.value);
    let kind = match path.extension().and_then(|ending| ending.to_str()) {
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("svg") => "image/svg+xml",
        Some("webp") => "image/webp",
        Some("gif") => "image/gif",
        _ => {
            let error = Error::user(format!("`{}` is not a picture format of browsers", reference.value));
            return Err(error.at(reference.span).hint("use png, jpg, svg, webp or gif"));
        }
    };
    let bytes = std::fs::read(&path).map_err(|error| {
        Error::user(format!("cannot read the reference `{}`: {error}", reference.value)).at(reference.span)
    })?;
    Ok(format!("data:{kind};base64,{}", STANDARD.encode(bytes)))
}
