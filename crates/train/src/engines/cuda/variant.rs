//! The variant of a kernel that trains a recipe, and its source: sizes as constants, and the memory of every array.

use std::fmt::Write;

use super::model_batch::{DeviceModel, HISTORY};
use crate::engines::kernel_class::KernelClass;
use crate::models::architecture::{ModelShape, TwoLayerFlags};
use crate::recipe::Recipe;

/// Everything of a kernel that is fixed when it is compiled. Recipes of one variant are trained by one launch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KernelVariant {
    class: KernelClass,
    /// Features, hidden dimensions, experts, active experts.
    shape: [usize; 4],
    /// Samples a step; 0 for small models, whose kernel takes any number.
    samples: usize,
    balanced: bool,
}

/// Numbers that affect speed alone. They are chosen for an H100 or H200 from counts of operations, not yet from measurements.
mod tuning {
    /// Threads of a block of small models: four warps, a model each.
    pub const SMALL_BLOCK: usize = 128;
    /// The most threads of a block that trains one model.
    pub const MAX_BLOCK: usize = 256;
    /// Samples in a chunk, for models with few and with many features.
    pub const CHUNKS: [usize; 2] = [64, 32];
    pub const FEW_FEATURES: usize = 32;
}

/// The most elements of one array: kernels index with 32 bits.
const MAX_ELEMENTS: usize = 1 << 31;

/// A kernel's source for a device, and the sizes that a launch needs.
#[derive(Clone, Debug)]
pub struct KernelSource {
    pub text: String,
    /// Threads of a block, and models that it trains.
    pub block: usize,
    pub models: usize,
    /// Bytes of shared memory of a block.
    pub shared: usize,
    /// Numbers of a model: parameters, I and c padded, and working memory of the device.
    pub length: usize,
    pub stride: usize,
    pub work: usize,
}

impl KernelVariant {
    /// The kernel for a recipe; `None` if its arrays are too long for any.
    pub fn for_recipe(recipe: &Recipe) -> Option<KernelVariant> {
        let ModelShape { experts, features, hidden, active } = recipe.shape();
        let class = KernelClass::for_recipe(recipe);
        let small = class == KernelClass::Small;
        let variant = KernelVariant {
            class,
            shape: [features, hidden, experts, active],
            samples: if small { 0 } else { recipe.batch as usize },
            balanced: !small && recipe.load_balancing() > 0.0,
        };
        variant.arrays().iter().all(|(_, len)| *len < MAX_ELEMENTS).then_some(variant)
    }

    /// Its name in messages, such as `20/5/4, k = 1`.
    pub fn name(&self) -> String {
        let [n, m, e, k] = self.shape;
        match self.class {
            KernelClass::TwoLayer(_) => format!("{n}/{m}"),
            KernelClass::Small | KernelClass::Top1 | KernelClass::TopK => format!("{n}/{m}/{e}, k = {k}"),
        }
    }

    fn stride(&self) -> usize {
        let n = self.shape[0];
        if self.class == KernelClass::Small { n } else { n.div_ceil(16) * 16 }
    }

    /// Parameters with their padding, as the engine for CPUs keeps them.
    fn length(&self) -> usize {
        let ([_, m, e, _], stride) = (self.shape, self.stride());
        match self.class {
            KernelClass::Small | KernelClass::Top1 | KernelClass::TopK => e * (m + 2) * stride,
            KernelClass::TwoLayer(flags) => (m + 1) * stride + if flags.tied { 0 } else { m * stride },
        }
    }

    fn chunk(&self) -> usize {
        tuning::CHUNKS[usize::from(self.shape[0] > tuning::FEW_FEATURES)].min(self.samples.max(1))
    }

    /// Threads of a model's team.
    fn team(&self) -> usize {
        let [n, m, ..] = self.shape;
        match self.class {
            KernelClass::Small => 32,
            // A tile of four outputs each.
            _ => (self.chunk() * n.max(m).div_ceil(4)).next_power_of_two().clamp(64, tuning::MAX_BLOCK),
        }
    }

    /// All arrays of a team with their lengths in numbers of four bytes. Those that gain most from shared memory come first.
    fn arrays(&self) -> Vec<(&'static str, usize)> {
        let ([n, m, e, k], b, len) = (self.shape, self.samples, self.length());
        let c = self.chunk();
        let (row, hidden) = (n | 1, m | 1);
        let first = [("AHEAD", 32 * 6), ("FIXED", 2 * self.stride())];
        let state = [("PARAMETERS", len), ("GRADIENTS", len)];
        let moments = [("FIRST", len), ("SECOND", len)];
        let balance = if self.balanced { vec![("MEANS", e), ("USED", e), ("SCORES", b * e)] } else { Vec::new() };
        match self.class {
            // The rows of sums reuse the memory of words and inputs.
            KernelClass::Small => {
                let rows = 2 * (e - 1) + e * (e - 1) / 2 * n + e * n * (m + 1) + n;
                [&first[..], &state, &moments, &[("TOTAL", rows), ("WORDS", (128 * n + 288 * n).max(33 * rows))]]
                    .concat()
            }
            KernelClass::Top1 | KernelClass::TwoLayer(_) => {
                let chunk = [
                    ("LANES", 32),
                    ("LOSSES", n),
                    ("OWN_LOSSES", n),
                    ("STARTS", e + 1),
                    ("ROWS", c * row),
                    ("SLOPES", c * row),
                    ("ERRORS", c * row),
                    ("HIDDENS", c * hidden),
                    ("D_HIDDENS", c * hidden),
                ];
                let rest = [("D_INPUTS", e * m * self.stride()), ("ORDER", b), ("EXPERT", b), ("COUNTS", 64 * e)];
                [&first[..], &chunk, &state, &rest, &moments, &[("INPUTS", b * row)], &balance].concat()
            }
            KernelClass::TopK => {
                let chunk = [
                    ("LANES", 32),
                    ("LOSSES", n),
                    ("LENGTHS", e),
                    ("ROWS", c * row),
                    ("SLOPES", c * row),
                    ("ERRORS", c * row),
                    ("HIDDENS", c * k * hidden),
                    ("D_HIDDENS", c * k * hidden),
                    ("D_SCORES", c * k),
                    ("LISTS", c * e),
                ];
                let rest = [
                    ("D_INPUTS", e * m * self.stride()),
                    ("OUTPUTS", c * k * row),
                    ("CHOSEN", b * k),
                    ("WEIGHTS", b * k),
                ];
                let mut arrays =
                    [&first[..], &chunk, &state, &rest, &moments, &[("INPUTS", b * row), ("SOME", b)]].concat();
                arrays.extend(if self.balanced { balance } else { vec![("USED", e), ("SCORES", b * e)] });
                arrays
            }
        }
    }

    /// The source for a device whose blocks have at most `max_shared` bytes of shared memory.
    pub fn source(&self, max_shared: usize) -> KernelSource {
        let ([n, m, e, k], team) = (self.shape, self.team());
        let models = if self.class == KernelClass::Small { tuning::SMALL_BLOCK / 32 } else { 1 };
        // Two blocks of large models share a multiprocessor if their most important arrays fit into half of its shared memory.
        let needed: usize = self.arrays().iter().take_while(|(name, _)| *name != "FIRST").map(|(_, len)| 4 * len).sum();
        // The system reserves a kilobyte a block.
        let half = (max_shared / 2).saturating_sub(1 << 10);
        let room = match self.class {
            KernelClass::Small => max_shared / models,
            _ if needed <= half => half,
            _ => max_shared,
        } / 4;
        let (mut shared, mut work) = (0, 0);
        let mut text = String::new();
        let mut define = |name: &str, value: &dyn std::fmt::Display| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "#define {name} {value}");
        };
        for (name, len) in self.arrays() {
            let at = match (name, shared + len <= room) {
                (_, true) => {
                    shared += len;
                    format!("((team).shared + {})", shared - len)
                }
                // Used in place, where they are between launches.
                ("PARAMETERS", _) => "((team).own)".to_string(),
                ("FIRST", _) => "((team).own + LENGTH)".to_string(),
                ("SECOND", _) => "((team).own + 2 * LENGTH)".to_string(),
                _ => {
                    work += len;
                    format!("((team).work + {}ll)", work - len)
                }
            };
            if name == "WORDS" {
                define("KEPT(team)", &format!("({at} + {})", 128 * n));
                define("ROWS_OF_LANES(team)", &at);
            }
            define(&format!("{name}(team)"), &at);
        }
        let (two_layer, flags) = match self.class {
            KernelClass::TwoLayer(flags) => (true, flags),
            KernelClass::Small | KernelClass::Top1 | KernelClass::TopK => {
                (false, TwoLayerFlags { rectified: false, tied: true, magnitude: false })
            }
        };
        let numbers = [
            ("FEATURES", n),
            ("HIDDEN", m),
            ("EXPERTS", e),
            ("ACTIVE", k),
            ("SAMPLES", self.samples),
            ("CHUNK", self.chunk()),
            ("LENGTH", self.length()),
            ("STRIDE", self.stride()),
            ("TEAM", team),
            ("BLOCK", team * models),
            ("SHARED", shared),
            ("BALANCED", usize::from(self.balanced)),
            ("TWO_LAYER", usize::from(two_layer)),
            ("RECTIFIED", usize::from(flags.rectified)),
            ("TIED", usize::from(flags.tied)),
            ("MAGNITUDE", usize::from(flags.magnitude)),
        ];
        numbers.iter().for_each(|(name, value)| define(name, value));
        define("WORK", &format!("{work}ll"));
        let kernel = match self.class {
            KernelClass::Small => [include_str!("kernels/small.cu"), "", ""],
            KernelClass::Top1 | KernelClass::TwoLayer(_) => [
                include_str!("kernels/inputs.cuh"),
                include_str!("kernels/large.cuh"),
                include_str!("kernels/top_1.cu"),
            ],
            KernelClass::TopK => [
                include_str!("kernels/inputs.cuh"),
                include_str!("kernels/large.cuh"),
                include_str!("kernels/top_k.cu"),
            ],
        };
        let parts = [include_str!("kernels/shim.cuh"), include_str!("kernels/common.cuh")].into_iter().chain(kernel);
        parts.chain([include_str!("kernels/entry.cuh")]).for_each(|part| text.push_str(part));
        KernelSource {
            text,
            block: team * models,
            models,
            shared: 4 * shared * models,
            length: self.length(),
            stride: self.stride(),
            work,
        }
    }
}

impl KernelSource {
    /// Bytes of a device's memory that one model takes.
    pub fn bytes(&self) -> u64 {
        let numbers = 3 * self.length + 2 * self.stride + self.work + 2 * HISTORY;
        4 * numbers as u64 + size_of::<DeviceModel>() as u64
    }
}
