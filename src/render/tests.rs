//! Figure files: the content of each format, reproducible bytes, and no seams between cells.

use super::{pdf as pdf_with, svg as svg_with, *};
use crate::value::{Color, Horizontal, Item, Label, Rect, Scene, Stroke, Vertical};

const KEY: &str = "0123456789abcdef";
const ANCHORS: [(Horizontal, Vertical); 12] = {
    use Horizontal::{Left, Middle as Centre, Right};
    use Vertical::{Baseline, Bottom, Middle, Top};
    [
        (Left, Top),
        (Left, Middle),
        (Left, Baseline),
        (Left, Bottom),
        (Centre, Top),
        (Centre, Middle),
        (Centre, Baseline),
        (Centre, Bottom),
        (Right, Top),
        (Right, Middle),
        (Right, Baseline),
        (Right, Bottom),
    ]
};
const LABELS: [&str; 20] = [
    r"$\frac{1}{1-S}$ (log scale) $\leftarrow$ dense | sparse $\rightarrow$",
    "Norm $||W_i||$ and $|W_i|$",
    "$W^T W$, $W_{ij}^{2}$, $x_1^T$, $f'(x)$",
    r"$10^{-2}$ $10^{2}$ $2^{10}$ $e^{-x^2}$",
    r"$D^* = \frac{m}{||W||_F^2}$",
    r"$\sqrt{x}$ $\sqrt{\frac{a}{b}}$ $\sqrt{W^T W + b}$",
    r"$\hat{y} \bar{x} \tilde{\theta} \hat{W} \vec{v} \dot{f} \overline{abc}$",
    r"$\alpha\beta\gamma\delta\epsilon\zeta\eta\theta\lambda\mu\pi\rho\sigma\phi\omega$",
    r"$\Gamma\Delta\Theta\Lambda\Xi\Pi\Sigma\Phi\Psi\Omega$",
    r"$a \le b \ge c \ne d \times e \cdot f \pm \infty \approx g \sim h \in \mathbb{R}^n$",
    r"$\sum_{i=1}^{n} x_i \log x_i$, $\max_i p_i$, $\ln(1-S)$",
    r"$\mathcal{L} = \mathbb{E}\left(\mathbf{x} - \mathrm{ReLU}(W\mathbf{x}+b)\right)^2$",
    r"$-1 < x < +1$, $a-b$, $a=-b$, $\partial L/\partial w$",
    r"$\text{loss at step } t$, cost \$5, 5 % $\quad$ end",
    "Unicode: → − ² × α ≤ é ü ß Ж — “quotes” 漢",
    "AVATAR To Te LT VA. fi fl (kerning)",
    r"$f(x) = \dfrac{\sum_i x_i}{1 + e^{-x}}$",
    r"unknown $\foo{x}$, odd {braces",
    r"$P(\text{active} | x) \to 0$ $x \mid y$ $\langle u, v\rangle$",
    r"$\frac{\partial^2 f}{\partial x^2} + \frac{1}{\sqrt{d_k}}$ $W_{i}, W_{ij}$ $T_f^T$",
];

fn svg(scene: &Scene, key: &str) -> String {
    svg_with(scene, Vec::new(), key).unwrap()
}

fn pdf(scene: &Scene, key: &str) -> Result<Vec<u8>> {
    pdf_with(scene, Vec::new(), key)
}

fn label(markup: &str, at: [f64; 2]) -> Label {
    Label {
        markup: markup.into(),
        at,
        size: 10.0,
        color: Color::BLACK,
        bold: false,
        rotation: 0.0,
        horizontal: Horizontal::Left,
        vertical: Vertical::Baseline,
    }
}

fn line(points: &[[f64; 2]], stroke: Stroke) -> Item {
    Item::Path { points: points.to_vec(), close: false, fill: None, stroke: Some(stroke) }
}

fn cross([x, y]: [f64; 2]) -> [Item; 2] {
    let stroke = Stroke::solid(Color(220, 0, 0, 255), 0.4);
    [line(&[[x - 5.0, y], [x + 5.0, y]], stroke.clone()), line(&[[x, y - 5.0], [x, y + 5.0]], stroke)]
}

/// A grid of pseudo-random colours.
fn noise(columns: usize, rows: usize, seed: u32) -> Vec<Option<Color>> {
    let mut state = seed | 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 16) as u8
    };
    (0..columns * rows).map(|_| Some(Color(byte(), byte(), byte(), 255))).collect()
}

/// A scene with every kind of item.
fn gallery() -> Scene {
    let mut items = Vec::new();
    for (i, markup) in LABELS.iter().enumerate() {
        let (column, row) = (i / 10, i % 10);
        let at = [20.0 + 330.0 * column as f64, 30.0 + 34.0 * row as f64];
        items.push(Item::Label(Label { size: 12.0, bold: i == 5, ..label(markup, at) }));
    }
    // Anchors, at four angles.
    for (turn, rotation) in [0.0, 45.0, 90.0, -30.0].into_iter().enumerate() {
        for (i, (horizontal, vertical)) in ANCHORS.into_iter().enumerate() {
            let at = [
                60.0 + 80.0 * (i % 4) as f64 + 330.0 * (turn % 2) as f64,
                400.0 + 60.0 * (i / 4) as f64 + 200.0 * (turn / 2) as f64,
            ];
            let markup = if i % 3 == 0 { "$W^T_i$ pg" } else { "Type 0.5" };
            let bold = i % 5 == 4;
            items.push(Item::Label(Label { rotation, horizontal, vertical, bold, ..label(markup, at) }));
            items.extend(cross(at));
        }
    }
    // Lines, dashes, circles, translucent shapes.
    let blue = Color(31, 119, 180, 255);
    for (i, dashes) in [vec![], vec![4.0, 2.0], vec![1.0, 1.5], vec![6.0, 2.0, 1.0, 2.0]].into_iter().enumerate() {
        let y = 790.0 + 12.0 * i as f64;
        items.push(line(&[[20.0, y], [100.0, y - 6.0], [180.0, y + 6.0]], Stroke { color: blue, width: 1.5, dashes }));
    }
    for i in 0..12 {
        let center = [210.0 + 10.0 * i as f64, 800.0 + 8.0 * (i as f64).sin()];
        let fill = Some(Color(214, 39, 40, 255).opacity(0.5));
        items.push(Item::circle(center, 9.0, fill, (i % 2 == 0).then(|| Stroke::solid(blue, 0.8))));
    }
    // A curve that leaves its box, clipped; the box over it.
    let area = Rect::new(350.0, 780.0, 120.0, 60.0);
    let wave: Vec<[f64; 2]> =
        (0..=240).map(|i| [340.0 + 0.6 * i as f64, 810.0 - 45.0 * (i as f64 / 15.0).sin()]).collect();
    let fill = Item::Path { points: wave.clone(), close: true, fill: Some(Color(44, 160, 44, 60)), stroke: None };
    let text = Item::Label(Label { size: 24.0, ..label("clipped", [440.0, 835.0]) });
    items.push(Item::Clip { area, items: vec![fill, line(&wave, Stroke::solid(blue, 1.2)), text] });
    let corners = [[area.x, area.y], [area.right(), area.y], [area.right(), area.bottom()], [area.x, area.bottom()]];
    let frame = Stroke::solid(Color::BLACK, 0.8);
    items.push(Item::Path { points: corners.to_vec(), close: true, fill: None, stroke: Some(frame) });
    // Images: noise, one colour (no seam may show), and holes.
    items.push(Item::Image { area: Rect::new(20.0, 860.0, 173.0, 211.0), columns: 40, cells: noise(40, 60, 7) });
    let mut dark = noise(40, 60, 9);
    for (i, cell) in dark.iter_mut().enumerate() {
        *cell = Some(Color(10, 10, 40 + (i % 2) as u8 + (i / 40 % 2) as u8, 255));
    }
    items.push(Item::Image { area: Rect::new(215.3, 860.7, 171.0, 211.0), columns: 40, cells: dark });
    let mut holes = noise(7, 9, 3);
    holes.iter_mut().step_by(3).for_each(|cell| *cell = None);
    holes.iter_mut().skip(1).step_by(6).for_each(|cell| *cell = Some(Color(0, 0, 255, 100)));
    items.push(Item::Image { area: Rect::new(410.0, 860.0, 150.0, 211.0), columns: 7, cells: holes });
    Scene { title: r"Gallery of $W^T W$ & <all>".into(), width: 680.0, height: 1090.0, items, hints: Vec::new() }
}

/// A small scene whose file is human-readable.
fn small() -> Scene {
    let grey = Color(128, 128, 128, 255);
    let red = Color(255, 0, 0, 255);
    let dashed = Stroke { color: grey, width: 0.8, dashes: vec![3.0, 1.5] };
    let items = vec![
        line(&[[0.0, 0.5], [10.25, 0.5], [10.25, 4.0], [12.0, 3.0]], dashed.clone()),
        line(&[[0.0, 1.0 / 3.0], [f64::NAN, 2.0], [5.0, 5.0], [6.0, 6.0]], dashed),
        Item::circle([20.0, 20.0], 2.5, Some(red.opacity(0.5)), None),
        Item::Label(Label { color: red, rotation: 90.0, ..label("a $\\frac{1}{-a}$", [30.0, 40.0]) }),
        Item::Clip {
            area: Rect::new(5.0, 6.0, 7.5, 8.0),
            items: vec![Item::Path {
                points: vec![[0.0, 0.0], [9.0, 0.0], [9.0, 9.0]],
                close: true,
                fill: Some(Color(18, 52, 86, 255)),
                stroke: Some(Stroke::solid(Color::BLACK, 1.0)),
            }],
        },
        Item::Image {
            area: Rect::new(1.0, 2.0, 5.0, 3.0),
            columns: 3,
            cells: [red, red, grey, grey, red, red].map(Some).to_vec(),
        },
    ];
    Scene { title: "Cells & $W^T W$".into(), width: 72.0, height: 50.5, items, hints: Vec::new() }
}

/// The number of occurrences of a text.
fn count(haystack: &[u8], needle: &str) -> usize {
    haystack.windows(needle.len()).filter(|window| *window == needle.as_bytes()).count()
}

/// The streams of a pdf, inflated.
fn streams(pdf: &[u8]) -> Vec<String> {
    let find =
        |from: usize, needle: &[u8]| pdf[from..].windows(needle.len()).position(|w| w == needle).map(|i| from + i);
    let mut streams = Vec::new();
    let mut at = 0;
    while let Some(start) = find(at, b"\nstream\n") {
        let end = find(start, b"\nendstream").unwrap();
        let data = miniz_oxide::inflate::decompress_to_vec_zlib(&pdf[start + 8..end]).unwrap();
        streams.push(data.into_iter().map(char::from).collect());
        at = end;
    }
    streams
}

#[test]
fn a_small_scene_is_this_svg() {
    let text = svg(&small(), KEY);
    // Outlines are long and not the subject of this test.
    let text: Vec<String> = text
        .lines()
        .map(|line| match line.split_once(" d=\"") {
            Some((id, path)) if id.starts_with("<path id=\"r") || id.starts_with("<path id=\"i") => {
                format!("{id} {}..", &path[..1])
            }
            _ => line.to_owned(),
        })
        .collect();
    assert_eq!(text.join("\n"), include_str!("small.svg").trim_end());
}

#[test]
fn every_kind_of_item_is_an_svg_that_a_viewer_understands() {
    let text = svg(&gallery(), KEY);
    let tree = resvg::usvg::Tree::from_str(&text, &resvg::usvg::Options::default()).unwrap();
    // CSS pixels: 96 per inch.
    assert!((tree.size().width() - 680.0 * 96.0 / 72.0).abs() < 0.01);
    assert!(text.contains("<title>Gallery of W^TW &amp; &lt;all&gt;</title>"));
    assert!(text.contains("<metadata>repro key 0123456789abcdef</metadata>"));
    assert!(text.contains("aria-label=\"1/(1−S) (log scale) ← dense | sparse →\""));
    assert!(!text.contains("<text") && !text.contains("NaN"));
}

#[test]
fn a_pdf_has_the_page_and_text_that_can_be_searched() {
    let bytes = pdf(&gallery(), KEY).unwrap();
    assert!(bytes.starts_with(b"%PDF-1.7") && bytes.ends_with(b"%%EOF"));
    assert_eq!(count(&bytes, "/MediaBox [0 0 680 1090]"), 1);
    assert_eq!(count(&bytes, "/Title (Gallery of W^TW & <all>)"), 1);
    assert_eq!(count(&bytes, "/Keywords (repro key 0123456789abcdef)"), 1);
    assert_eq!(count(&bytes, "/CreationDate"), 0);
    for part in ["/FontFile2 ", "/ToUnicode "] {
        assert_eq!(count(&bytes, part), 3, "{part} once for each face");
    }
    for name in ["+DejaVuSans", "+DejaVuSans-Bold", "+DejaVuSans-Oblique"] {
        assert!(count(&bytes, name) > 0, "{name}");
    }
    let streams = streams(&bytes);
    let reads: Vec<&String> = streams.iter().filter(|stream| stream.contains("beginbfchar")).collect();
    for c in ['N', '‖', '→', '−'] {
        assert!(reads.iter().any(|map| map.contains(&format!("<{:04X}>", c as u32))), "{c} can be found");
    }
}

#[test]
fn pdf_fonts_hold_the_glyphs_in_use_and_no_others() {
    let scene = |markup: &str| Scene {
        width: 72.0,
        height: 20.0,
        items: vec![Item::Label(label(markup, [5.0, 15.0]))],
        ..Scene::default()
    };
    let bytes = pdf(&scene("abba"), KEY).unwrap();
    assert!(bytes.len() < 6_000, "{} bytes", bytes.len());
    let streams = streams(&bytes);
    let content = &streams[0];
    // a is 1 and b is 2; nothing is kerned.
    assert!(content.contains(r"[(\000\001\000\002\000\002\000\001)]TJ"), "{content:?}");
    let map = streams.iter().find(|stream| stream.contains("beginbfchar")).unwrap();
    assert!(map.contains("2 beginbfchar\n<0001> <0061>\n<0002> <0062>\n"), "{map}");
}

#[test]
fn a_png_has_its_size_resolution_and_key() {
    for dpi in [72, 150] {
        let bytes = png(&small(), dpi, KEY).unwrap();
        assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"));
        let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!([number(16), number(20)], [dpi, (50.5 / 72.0 * f64::from(dpi)).round() as u32]);
        assert_eq!(count(&bytes, "pHYs"), 1);
        assert_eq!(number(33 + 8), (f64::from(dpi) / 0.0254).round() as u32);
        assert_eq!(count(&bytes, &format!("repro key\0\0\0\0\0{KEY}")), 1);
        assert_eq!(count(&bytes, "Title\0\0\0\0\0Cells & W^TW"), 1);
        let picture = resvg::tiny_skia::Pixmap::decode_png(&bytes).unwrap();
        assert!(picture.pixels().iter().all(|pixel| pixel.alpha() == 255), "the page is opaque");
        let white = picture.pixels().iter().filter(|p| [p.red(), p.green(), p.blue()] == [255; 3]).count();
        let all = picture.pixels().len();
        assert!(white > all / 2 && white < all * 49 / 50, "{white} white pixels of {all}");
    }
}

#[test]
fn the_error_for_a_png_that_is_too_large_says_what_to_change() {
    let error = png(&Scene { width: 72.0 * 300.0, ..small() }, 600, KEY).unwrap_err();
    assert_eq!(error.message, "a png of 180000 by 421 pixels is too large");
    assert_eq!(error.hints, ["lower `dpi`, 600 now, or the size of the figure"]);
}

#[test]
fn no_seams_are_visible_between_cells_of_similar_colours() {
    let dark = |i: usize| Some(Color(10, 10, 40 + (i % 2) as u8 + (i / 39 % 2) as u8, 255));
    let area = Rect::new(3.3, 3.7, 100.0, 99.0);
    let image = Item::Image { area, columns: 39, cells: (0..39 * 58).map(dark).collect() };
    let scene = Scene { width: 110.0, height: 110.0, items: vec![image], ..Scene::default() };
    for dpi in [97, 150, 200] {
        let picture = resvg::tiny_skia::Pixmap::decode_png(&png(&scene, dpi, KEY).unwrap()).unwrap();
        let at = |points: f64| (points * f64::from(dpi) / 72.0) as u32;
        for y in at(6.0)..at(100.0) {
            for x in at(6.0)..at(100.0) {
                let pixel = picture.pixel(x, y).unwrap();
                assert!(pixel.red() <= 11 && pixel.blue() <= 43, "{pixel:?} at {x}, {y} with {dpi} dpi");
            }
        }
    }
}

#[test]
fn fifteen_maps_of_distinct_cells_make_a_pdf_under_a_megabyte() {
    let map = |i: usize| Item::Image {
        area: Rect::new(10.0 + 95.0 * (i % 5) as f64, 10.0 + 130.0 * (i / 5) as f64, 90.0, 120.0),
        columns: 39,
        cells: noise(39, 58, i as u32),
    };
    let scene = Scene { width: 490.0, height: 400.0, items: (0..15).map(map).collect(), ..Scene::default() };
    let bytes = pdf(&scene, KEY).unwrap();
    assert!(bytes.len() < 1_000_000, "{} bytes", bytes.len());
}

#[test]
fn two_renders_are_the_same_bytes() {
    assert_eq!(svg(&gallery(), KEY), svg(&gallery(), KEY));
    assert_eq!(pdf(&gallery(), KEY).unwrap(), pdf(&gallery(), KEY).unwrap());
    assert_eq!(png(&small(), 72, KEY).unwrap(), png(&small(), 72, KEY).unwrap());
    assert_ne!(svg(&small(), KEY), svg(&small(), "other"));
}

#[test]
fn invisible_items_are_in_no_file() {
    let stroke = |width, dashes| Stroke { color: Color::BLACK, width, dashes };
    let circle = |radius| Item::circle([9.0, 9.0], radius, Some(Color::BLACK), None);
    let points = [[1.0, 1.0], [9.0, 9.0]];
    let nothing = [
        line(&points, stroke(0.0, vec![])),
        line(&points[..1], stroke(1.0, vec![])),
        circle(0.0),
        circle(-1.0),
        Item::Label(label("", [1.0, 1.0])),
        Item::Image { area: Rect::default(), columns: 0, cells: vec![] },
    ];
    let scene = |items: &[Item]| Scene { width: 72.0, height: 20.0, items: items.to_vec(), ..Scene::default() };
    assert_eq!(svg(&scene(&nothing), KEY), svg(&scene(&[]), KEY));
    let content = |items: &[Item]| streams(&pdf(&scene(items), KEY).unwrap())[0].clone();
    assert_eq!(content(&nothing), content(&[]));
    // Dashes without length are a solid line, which readers of pdf would refuse to draw.
    let drawn = |dashes: Vec<f64>| [line(&points, stroke(1.0, dashes))];
    assert_eq!(svg(&scene(&drawn(vec![0.0, 0.0])), KEY), svg(&scene(&drawn(vec![])), KEY));
    assert_eq!(content(&drawn(vec![0.0, 0.0])), content(&drawn(vec![])));
    assert!(content(&drawn(vec![3.0, 1.5])).contains("[3 1.5]0 d"));
}

#[test]
fn every_format_of_figures_has_a_renderer() {
    for format in FigureFormat::NAMES {
        let bytes = figure_file(&small(), format, 72, KEY, &|| false).unwrap().unwrap();
        let start: &[u8] = match *format {
            "svg" => b"<svg",
            "pdf" => b"%PDF",
            "pgf" => b"% repro: key 0123456789abcdef\n",
            "html" => b"<!doctype html>",
            _ => b"\x89PNG",
        };
        assert!(bytes.starts_with(start), "{format}");
    }
    assert_eq!(
        figure_file(&small(), "bmp", 72, KEY, &|| false).unwrap_err().message,
        "no renderer for figures as `bmp`"
    );
}

#[test]
fn pgf_leaves_text_to_the_document_and_puts_shapes_where_the_scene_has_them() {
    let blue = Color(31, 119, 180, 128);
    let dashed = Stroke { color: blue, width: 0.8, dashes: vec![4.0, 2.0] };
    let far = line(&[[1.0, 2.0], [3.5, 4e9], [f64::NAN, 0.0], [5.0, 6.0], [7.0, 8.0]], dashed);
    let text =
        Label { rotation: 90.0, horizontal: Horizontal::Right, ..label("50% of $x_1$\n& − more", [10.0, 8.0]) };
    let (a, b) = (Some(Color::BLACK), Some(Color(255, 0, 0, 255)));
    let cells = Item::Image { area: Rect::new(0.0, 0.0, 8.0, 8.0), columns: 2, cells: vec![a, a, None, b] };
    let clip = Item::Clip { area: Rect::new(1.0, 1.0, 9.0, 8.0), items: vec![far, Item::Label(text)] };
    let scene = Scene { title: "a\nb".into(), width: 20.0, height: 10.0, items: vec![clip, cells], hints: Vec::new() };
    let file = pgf(&scene, KEY);
    let body = file.split_once("\\begin{pgfpicture}\n").unwrap().1;
    assert!(file.contains("\n% a b\n"), "{file}");
    assert_eq!(
        body,
        r"\rR0 0 20 10;\pgfusepath{use as bounding box}
\color{black}
\begin{pgfscope}\rR1 1 9 8;\pgfusepath{clip}
\begin{pgfscope}\rS31,119,180;\pgfsetstrokeopacity{.502}\pgfsetlinewidth{.8bp}\pgfsetdash{{4bp}{2bp}}{0bp}\pgfsetroundjoin
\rM1 8;\rL3.5 -16000;\rM5 4;\rL7 2;\pgfusepath{stroke}
\end{pgfscope}
\pgftext[right,base,x=10bp,y=2bp,rotate=90]{\fontsize{10bp}{12bp}\selectfont 50\% of $x_1$ \& $-$ more}
\end{pgfscope}
\begin{pgfscope}
\rC0 0 0 0 6 8 4;
\rC1 0 0 4 2 4 4;
\end{pgfscope}
\end{pgfpicture}%
\endgroup%
"
    );
}

#[test]
#[ignore = "writes files to look at"]
fn draw_the_gallery() {
    let folder = std::env::temp_dir().join("repro-gallery");
    std::fs::create_dir_all(&folder).unwrap();
    let time = std::time::Instant::now();
    std::fs::write(folder.join("gallery.svg"), svg(&gallery(), KEY)).unwrap();
    println!("svg {:?}", time.elapsed());
    let time = std::time::Instant::now();
    std::fs::write(folder.join("gallery.pdf"), pdf(&gallery(), KEY).unwrap()).unwrap();
    println!("pdf {:?}", time.elapsed());
    let time = std::time::Instant::now();
    std::fs::write(folder.join("gallery.png"), png(&gallery(), 150, KEY).unwrap()).unwrap();
    println!("png {:?}", time.elapsed());
}
