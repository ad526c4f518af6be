//! The kernels on this machine's processor: compiled by its C++ compiler, to check their bits where there is no graphics card.

use std::path::{Path, PathBuf};
use std::process::Command;

use libloading::Library;

use super::device::{Device, Fault, Kernel, Run};
use super::variant::{Source, Variant};
use super::wave::{Model, Wave};

/// Flags under which C++ rounds as the contract says.
const FLAGS: [&str; 8] = ["-x", "c++", "-std=c++17", "-O1", "-ffp-contract=off", "-fno-fast-math", "-fPIC", "-shared"];

/// A device that is none.
#[derive(Clone, Debug)]
pub struct Host {
    /// Where compiled kernels are kept, named by their source.
    pub folder: PathBuf,
    /// Bytes that kernels may take for fast memory: decides which of their arrays lie in it.
    pub shared: usize,
    pub memory: u64,
    pub number: usize,
    /// Phases run backwards, which shows those that depend on the order of their iterations.
    pub backwards: bool,
}

type Train = unsafe extern "C" fn(*mut Model, *mut f32, *const f32, *mut u32, *mut f32, i32, i32);

struct HostKernel {
    library: Library,
    source: Source,
}

struct HostRun<'a> {
    kernel: &'a HostKernel,
    wave: Wave,
    work: Vec<f32>,
}

impl Host {
    /// As much fast memory as an H200 has.
    pub fn new(folder: &Path) -> Host {
        Host { folder: folder.to_path_buf(), shared: 227 << 10, memory: 1 << 30, number: 0, backwards: false }
    }

    fn compile(&self, source: &Source) -> Result<PathBuf, String> {
        let mut text = source.text.clone();
        if self.backwards {
            text.insert_str(0, "#define REPRO_BACKWARDS\n");
        }
        let name = blake3::hash(format!("{FLAGS:?}{text}").as_bytes()).to_hex()[..24].to_string();
        let library = self.folder.join(format!("{name}.so"));
        if library.exists() {
            return Ok(library);
        }
        let io = |error: std::io::Error| error.to_string();
        std::fs::create_dir_all(&self.folder).map_err(io)?;
        // Made aside and renamed: others may make the same.
        let aside = tempfile::tempdir_in(&self.folder).map_err(io)?;
        let (code, made) = (aside.path().join("kernel.cpp"), aside.path().join("kernel.so"));
        std::fs::write(&code, text).map_err(io)?;
        let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
        let mut command = Command::new(&compiler);
        command.args(FLAGS).args(if cfg!(target_arch = "x86_64") && fma() { ["-mfma"].as_slice() } else { &[] });
        let output = command.arg("-o").arg(&made).arg(&code).arg("-lm").output();
        let output = output.map_err(|error| format!("{}: {error}", Path::new(&compiler).display()))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        std::fs::rename(&made, &library).map_err(io)?;
        Ok(library)
    }
}

/// Whether this processor has the instruction; without it, the library's function rounds the same.
fn fma() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

impl Device for Host {
    fn name(&self) -> String {
        "this machine's processor".into()
    }

    fn number(&self) -> usize {
        self.number
    }

    fn memory(&self) -> u64 {
        self.memory
    }

    fn load(&self, variant: &Variant) -> Result<Box<dyn Kernel + '_>, Fault> {
        let wrong =
            |why: String| Fault::Kernel { why, hint: "kernels are checked by the C++ compiler `c++`, or $CXX".into() };
        let source = variant.source(self.shared);
        let path = self.compile(&source).map_err(wrong)?;
        // Safety: the library was made from the kernels above, and has no code that runs when it is loaded.
        let library = unsafe { Library::new(path) }.map_err(|error| wrong(error.to_string()))?;
        // Safety: the kernel has a function of this type.
        let bytes = unsafe { library.get::<extern "C" fn() -> usize>(b"model_bytes") }.map(|bytes| bytes());
        if bytes.ok() != Some(size_of::<Model>()) {
            return Err(wrong("the kernel and the program disagree on what a model is".into()));
        }
        Ok(Box::new(HostKernel { library, source }))
    }
}

impl Kernel for HostKernel {
    fn width(&self) -> usize {
        4
    }

    fn bytes(&self) -> u64 {
        self.source.bytes()
    }

    fn stride(&self) -> usize {
        self.source.stride
    }

    fn begin(&self, wave: &Wave) -> Result<Box<dyn Run + '_>, Fault> {
        let work = vec![f32::NAN; wave.models.len() * self.source.work];
        Ok(Box::new(HostRun { kernel: self, wave: wave.clone(), work }))
    }
}

impl Run for HostRun<'_> {
    fn advance(&mut self, steps: u32) -> Result<(), Fault> {
        let Wave { models, values, fixed, history } = &mut self.wave;
        // Safety: the function has this type, and the arrays have the lengths that the source says.
        unsafe {
            let train = self.kernel.library.get::<Train>(b"train").map_err(|error| Fault::Lost(error.to_string()))?;
            let (count, steps) = (models.len() as i32, i32::try_from(steps).unwrap_or(i32::MAX));
            train(
                models.as_mut_ptr(),
                values.as_mut_ptr(),
                fixed.as_ptr(),
                history.as_mut_ptr(),
                self.work.as_mut_ptr(),
                count,
                steps,
            );
        }
        Ok(())
    }

    fn read(&mut self, wave: &mut Wave) -> Result<(), Fault> {
        wave.clone_from(&self.wave);
        Ok(())
    }
}
