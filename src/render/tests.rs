use super::*;
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

/// A grid of colours that hardly repeat.
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

/// All that a scene can hold.
fn gallery() -> Scene {
    let mut items = Vec::new();
    for (i, markup) in LABELS.iter().enumerate() {
        let (column, row) = (i / 10, i % 10);
        let at = [20.0 + 330.0 * column as f64, 30.0 + 34.0 * row as f64];
        items.push(Item::Label(Label { size: 12.0, ..label(markup, at) }));
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
        items.push(Item::Circle { center, radius: 9.0, fill, stroke: (i % 2 == 0).then(|| Stroke::solid(blue, 0.8)) });
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
    Scene { title: r"Gallery of $W^T W$ & <all>".into(), width: 680.0, height: 1090.0, items }
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
