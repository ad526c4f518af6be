//! Pictures for vector formats: the items of marks with `raster: true`, drawn as pixels at the figure's resolution.
//!
//! Pixels lie on the grid of the figure's png, so that both show the same.

use resvg::tiny_skia::Pixmap;

use super::layers;
use super::picture::Picture;
use super::png::{self, Window};
use crate::error::Result;
use crate::value::{Item, Rect, Scene};

/// The pictures of a scene in the order of its items; `None` if `stop` returned true.
pub fn pictures(scene: &Scene, dpi: u32, stop: &dyn Fn() -> bool) -> Result<Option<Vec<Picture>>> {
    let mut found = Vec::new();
    let page = Rect::new(0.0, 0.0, scene.width, scene.height);
    Ok(collect(scene, &scene.items, page, dpi, stop, &mut found)?.then_some(found))
}

fn collect(
    scene: &Scene,
    items: &[Item],
    area: Rect,
    dpi: u32,
    stop: &dyn Fn() -> bool,
    found: &mut Vec<Picture>,
) -> Result<bool> {
    for item in items {
        let finished = match item {
            Item::Clip { area, items } => collect(scene, items, *area, dpi, stop, found)?,
            Item::Raster { items } => match picture(scene, items, area, dpi, stop)? {
                Some(picture) => {
                    found.push(picture);
                    true
                }
                None => false,
            },
            Item::Path { .. } | Item::Circles { .. } | Item::Label(_) | Item::Image { .. } => true,
        };
        if !finished {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Items as a picture of an area, which grows to whole pixels; `None` if `stop` returned true.
fn picture(scene: &Scene, items: &[Item], area: Rect, dpi: u32, stop: &dyn Fn() -> bool) -> Result<Option<Picture>> {
    let (wide, high) = png::size(scene, dpi)?;
    let (x_scale, y_scale) = (f64::from(wide) / scene.width, f64::from(high) / scene.height);
    let (left, right) = ((area.x * x_scale).floor().max(0.0), (area.right() * x_scale).ceil().min(f64::from(wide)));
    let (top, bottom) = ((area.y * y_scale).floor().max(0.0), (area.bottom() * y_scale).ceil().min(f64::from(high)));
    let (columns, rows) = ((right - left).max(1.0), (bottom - top).max(1.0));
    let mut pixels = Pixmap::new(columns as u32, rows as u32).ok_or_else(|| png::broken(&"it has no size"))?;
    let window = Window { wide, high, left: left as u32, top: top as u32 };
    for layer in layers::all(items)? {
        if !png::draw_layer(scene, &layer, window, &mut pixels, stop)? {
            return Ok(None);
        }
    }
    let area = Rect::new(left / x_scale, top / y_scale, columns / x_scale, rows / y_scale);
    Ok(Some(Picture { area, pixels }))
}

#[cfg(test)]
mod tests {
    use resvg::tiny_skia::{PixmapPaint, Transform};

    use super::*;
    use crate::value::{Color, Stroke};

    const DPI: u32 = 200;
    const PANEL: Rect = Rect { x: 21.3, y: 8.7, width: 150.4, height: 80.2 };

    /// Translucent dots, some of them across the edge of the panel.
    fn dots(count: usize) -> Vec<Item> {
        let dot = |i: usize| {
            let (a, b) = ((i as f64 * 0.618).fract(), (i as f64 * 0.7549).fract());
            let center = [PANEL.x + PANEL.width * a, PANEL.y + PANEL.height * b];
            Item::circle(center, 1.5, Some(Color(31, 119, 180, 90)), None)
        };
        (0..count).map(dot).collect()
    }

    /// A page with a panel: a line, some items, another line.
    fn page(items: Vec<Item>) -> Scene {
        let line = |from, to| Item::Path {
            points: vec![from, to],
            close: false,
            fill: None,
            stroke: Some(Stroke::solid(Color(200, 0, 0, 255), 1.0)),
        };
        let behind = line([20.0, 9.0], [180.0, 80.0]);
        let clip = Item::Clip { area: PANEL, items: [vec![behind], items].concat() };
        Scene { width: 180.0, height: 90.0, items: vec![clip], ..Scene::default() }
    }

    fn pixels(scene: &Scene) -> Pixmap {
        Pixmap::decode_png(&super::super::png(scene, DPI, "").unwrap()).unwrap()
    }

    #[test]
    fn a_cloud_of_100_000_dots_is_a_small_picture_without_a_path_for_each_dot() {
        let vector = page(dots(100_000));
        let raster = page(vec![Item::Raster { items: dots(100_000) }]);
        let pictures = pictures(&raster, DPI, &|| false).unwrap().unwrap();
        let (large, small) = (
            super::super::pdf(&vector, vec![], "").unwrap(),
            super::super::pdf(&raster, pictures.clone(), "").unwrap(),
        );
        assert!(large.len() > 1_500_000 && small.len() < 400_000, "{} and {}", large.len(), small.len());
        let svg = super::super::svg(&raster, pictures, "").unwrap();
        assert!(svg.len() < 500_000, "{}", svg.len());
        let count = |text: &str| svg.matches(text).count();
        assert_eq!([count("<image "), count("<circle"), count("stroke=\"#c80000\"")], [1, 0, 1]);
    }

    #[test]
    fn a_picture_over_its_page_looks_like_the_shapes() {
        let expected = pixels(&page(dots(5_000)));
        let raster = page(vec![Item::Raster { items: dots(5_000) }]);
        assert!(pixels(&raster) == expected, "a png does not tell them apart");

        let pictures = pictures(&raster, DPI, &|| false).unwrap().unwrap();
        let [Picture { area, pixels: picture }] = pictures.as_slice() else { panic!("one picture") };
        let at = |points: f64| points * f64::from(DPI) / 72.0;
        let corner = [at(area.x), at(area.y)];
        assert!(corner.iter().all(|pixel| (pixel - pixel.round()).abs() < 1e-6), "{corner:?} is on the grid");
        let mut page = pixels(&page(Vec::new()));
        let corner = corner.map(|pixel| pixel.round() as i32);
        page.draw_pixmap(corner[0], corner[1], picture.as_ref(), &PixmapPaint::default(), Transform::identity(), None);
        // Eight bits of opacity per pixel round a little differently. Pixels at the edge of the panel are cut by the clip, which is not part of the picture.
        let (left, right) = (at(PANEL.x) as u32 + 1, at(PANEL.right()) as u32);
        let (top, bottom) = (at(PANEL.y) as u32 + 1, at(PANEL.bottom()) as u32);
        let (mut inked, mut worst) = (0, 0);
        for (x, y) in (top..bottom).flat_map(|y| (left..right).map(move |x| (x, y))) {
            let (a, b) = (page.pixel(x, y).unwrap(), expected.pixel(x, y).unwrap());
            let pairs = [(a.red(), b.red()), (a.green(), b.green()), (a.blue(), b.blue())];
            inked += u32::from(b.red() < 250);
            worst = worst.max(pairs.into_iter().map(|(a, b)| a.abs_diff(b)).max().unwrap_or(0));
        }
        assert!(inked > 10_000 && worst <= 10, "{inked} pixels with ink, off by {worst}");
    }

    #[test]
    fn drawing_a_picture_stops_when_it_is_asked_to() {
        assert!(pictures(&page(vec![Item::Raster { items: dots(9) }]), DPI, &|| true).unwrap().is_none());
    }
}
