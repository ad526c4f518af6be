//! Colour maps and palettes as data.

use crate::value::Color;

crate::union! {
    /// A colour map for numbers.
    pub enum ColorMap {
        /// Dark purple to yellow, perceptually uniform.
        "viridis" => Viridis,
        /// Blue through light grey to red: diverging, for values around a centre.
        "coolwarm" => Coolwarm,
        /// Black through purple to light yellow.
        "magma" => Magma,
        /// Blue to yellow, safe for colour-blind readers.
        "cividis" => Cividis,
        /// White to black.
        "gray" => Gray,
    }
}

crate::union! {
    /// A palette for categories.
    pub enum Palette {
        /// Ten colours of Tableau.
        "tab10" => Tab10,
        /// Ten colours of D3, then ten of Tableau.
        "d3-t10" => D3T10,
        /// Eight colours safe for colour-blind readers (Okabe and Ito 2008).
        "okabe-ito" => OkabeIto,
    }
}

impl ColorMap {
    /// Returns the colour at `t` from 0 to 1; values outside are clamped.
    pub fn at(&self, t: f64) -> Color {
        let points: &[u32] = match self {
            ColorMap::Viridis => &VIRIDIS,
            ColorMap::Coolwarm => &COOLWARM,
            ColorMap::Magma => &MAGMA,
            ColorMap::Cividis => &CIVIDIS,
            ColorMap::Gray => &[0xffffff, 0x000000],
        };
        let place = t.clamp(0.0, 1.0) * (points.len() - 1) as f64;
        let below = (place.floor() as usize).min(points.len() - 2);
        let share = place - below as f64;
        let (a, b) = (channels(points[below]), channels(points[below + 1]));
        Color::unit([0, 1, 2].map(|c| a[c] + (b[c] - a[c]) * share))
    }
}

impl Palette {
    fn colors(&self) -> &'static [u32] {
        match self {
            Palette::Tab10 => &TAB10,
            Palette::D3T10 => &D3_T10,
            Palette::OkabeIto => &OKABE_ITO,
        }
    }

    /// Returns the colour of the i-th category; the palette repeats.
    pub fn at(&self, i: usize) -> Color {
        let colors = self.colors();
        Color::unit(channels(colors[i % colors.len()]))
    }
}

fn channels(rgb: u32) -> [f64; 3] {
    [rgb >> 16 & 255, rgb >> 8 & 255, rgb & 255].map(|byte| f64::from(byte) / 255.0)
}

const TAB10: [u32; 10] =
    [0x1f77b4, 0xff7f0e, 0x2ca02c, 0xd62728, 0x9467bd, 0x8c564b, 0xe377c2, 0x7f7f7f, 0xbcbd22, 0x17becf];

const D3_T10: [u32; 20] = [
    0x1f77b4, 0xff7f0e, 0x2ca02c, 0xd62728, 0x9467bd, 0x8c564b, 0xe377c2, 0x7f7f7f, 0xbcbd22, 0x17becf, 0x4c78a8,
    0xf58518, 0xe45756, 0x72b7b2, 0x54a24b, 0xeeca3b, 0xb279a2, 0xff9da6, 0x9d755d, 0xbab0ac,
];

const OKABE_ITO: [u32; 8] = [0x0072b2, 0xe69f00, 0x009e73, 0xd55e00, 0xcc79a7, 0x56b4e9, 0xf0e442, 0x000000];

const VIRIDIS: [u32; 33] = [
    0x440154, 0x470d60, 0x48186a, 0x482374, 0x472d7b, 0x453781, 0x424086, 0x3e4989, 0x3b528b, 0x375b8d, 0x33638d,
    0x2f6b8e, 0x2c728e, 0x297a8e, 0x26828e, 0x23898e, 0x21918c, 0x1f988b, 0x1fa088, 0x22a785, 0x28ae80, 0x32b67a,
    0x3fbc73, 0x4ec36b, 0x5ec962, 0x70cf57, 0x84d44b, 0x98d83e, 0xaddc30, 0xc2df23, 0xd8e219, 0xece51b, 0xfde725,
];

const COOLWARM: [u32; 33] = [
    0x3b4cc0, 0x445acc, 0x4e68d8, 0x5875e1, 0x6282ea, 0x6c8ff1, 0x779af7, 0x82a6fb, 0x8db0fe, 0x98b9ff, 0xa3c2fe,
    0xaec9fc, 0xb9d0f9, 0xc3d5f4, 0xccd9ed, 0xd5dbe5, 0xdddcdc, 0xe5d8d1, 0xecd3c5, 0xf1ccb8, 0xf5c4ac, 0xf7ba9f,
    0xf7b093, 0xf6a586, 0xf4987a, 0xf08b6e, 0xeb7d62, 0xe46e56, 0xdd5f4b, 0xd44e41, 0xca3b37, 0xbe242e, 0xb40426,
];

const MAGMA: [u32; 33] = [
    0x000004, 0x030312, 0x0a0822, 0x130d34, 0x1d1147, 0x29115a, 0x36106b, 0x440f76, 0x51127c, 0x5d177f, 0x6a1c81,
    0x762181, 0x832681, 0x902a81, 0x9c2e7f, 0xaa337d, 0xb73779, 0xc43c75, 0xd0416f, 0xdc4869, 0xe75263, 0xef5d5e,
    0xf56b5c, 0xf9795d, 0xfc8961, 0xfd9869, 0xfea772, 0xfeb67c, 0xfec488, 0xfed395, 0xfde2a3, 0xfcf0b2, 0xfcfdbf,
];

const CIVIDIS: [u32; 33] = [
    0x00224e, 0x00285b, 0x002e6a, 0x053371, 0x1a386f, 0x273e6e, 0x32436d, 0x3b496c, 0x434e6c, 0x4b546c, 0x535a6d,
    0x5a5f6e, 0x61656f, 0x686a71, 0x6f7073, 0x767676, 0x7d7c78, 0x848279, 0x8c8878, 0x938e78, 0x9b9476, 0xa39a74,
    0xaba072, 0xb4a76f, 0xbcae6c, 0xc4b468, 0xcdbb63, 0xd5c25e, 0xdec958, 0xe7d150, 0xf0d846, 0xf9e03a, 0xfee838,
];
