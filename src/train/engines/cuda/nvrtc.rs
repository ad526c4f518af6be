//! From a kernel's source to a card's machine code, by NVRTC, the compiler that comes with CUDA and as a package of PyPI.

use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cudarc::nvrtc::{result, sys};
use libloading::Library;

use super::device::Fault;

/// Options under which the compiler rounds as the contract says.
const OPTIONS: [&str; 5] = ["--std=c++17", "--fmad=false", "--ftz=false", "--prec-div=true", "--prec-sqrt=true"];

/// What to do where it is not found.
pub const INSTALL: &str = "install it with `pip install 'nvidia-cuda-nvrtc==13.0.*'` in an active virtual environment, or with CUDA; REPRO_NVRTC names the library if it is elsewhere";

/// The machine code of a kernel for cards of an architecture such as `sm_90`. `folder` keeps what was compiled before.
pub fn compile(text: &str, architecture: &str, folder: Option<&Path>) -> Result<Vec<u8>, Fault> {
    let name = blake3::hash(format!("{architecture}{OPTIONS:?}{text}").as_bytes()).to_hex()[..32].to_string();
    let file = folder.map(|folder| folder.join(format!("{architecture}-{name}.cubin")));
    if let Some(code) = file.as_deref().and_then(read) {
        return Ok(code);
    }
    if !present() {
        return Err(Fault::Kernel { why: "NVRTC, which compiles kernels, was not found".into(), hint: INSTALL.into() });
    }
    let code = fresh(text, architecture)?;
    if let (Some(folder), Some(file)) = (folder, &file)
        && let Err(error) = keep(folder, file, &code)
    {
        // It is compiled again another time.
        tracing::debug!("a kernel is not kept: {error}");
    }
    Ok(code)
}

/// A kept kernel: digest, then code. A damaged one is none.
fn read(file: &Path) -> Option<Vec<u8>> {
    let bytes = std::fs::read(file).ok()?;
    let (digest, code) = bytes.split_at_checked(32)?;
    (blake3::hash(code).as_bytes() == digest).then(|| code.to_vec())
}

fn keep(folder: &Path, file: &Path, code: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    std::fs::create_dir_all(folder)?;
    let mut aside = tempfile::NamedTempFile::new_in(folder)?;
    aside.write_all(blake3::hash(code).as_bytes())?;
    aside.write_all(code)?;
    aside.persist(file)?;
    Ok(())
}

fn fresh(text: &str, architecture: &str) -> Result<Vec<u8>, Fault> {
    let bug = |error: result::NvrtcError| Fault::Kernel {
        why: format!("NVRTC cannot compile for {architecture}: {error}"),
        hint: "an NVRTC of another CUDA version may know the card: 13.0 knows those from 7.5 on".into(),
    };
    let source = CString::new(text).map_err(|_| Fault::Lost("a kernel holds a zero byte".into()))?;
    let program = result::create_program(&source, Some(c"repro.cu")).map_err(bug)?;
    let options: Vec<String> =
        OPTIONS.iter().map(|option| option.to_string()).chain([format!("--gpu-architecture={architecture}")]).collect();
    // Safety: the program is alive until the end of this function, and the buffer has the length that NVRTC told.
    unsafe {
        let compiled = result::compile_program(program, &options);
        let log =
            result::get_program_log(program).map(|log| CStr::from_ptr(log.as_ptr()).to_string_lossy().into_owned());
        let code = compiled.map_err(|error| match (bug(error), log) {
            (Fault::Kernel { why, hint }, Ok(log)) if !log.trim().is_empty() => {
                Fault::Kernel { why: format!("{why}\n{}", log.trim()), hint }
            }
            (fault, _) => fault,
        });
        let code = code.and_then(|()| {
            let mut size = 0;
            sys::nvrtcGetCUBINSize(program, &mut size).result().map_err(bug)?;
            let mut code = vec![0u8; size];
            sys::nvrtcGetCUBIN(program, code.as_mut_ptr().cast()).result().map_err(bug)?;
            Ok(code)
        });
        let _ = result::destroy_program(program);
        code
    }
}

/// Whether NVRTC can be used; looks for it the first time.
pub fn present() -> bool {
    static PRESENT: OnceLock<bool> = OnceLock::new();
    *PRESENT.get_or_init(|| {
        // Safety: loading a system library; its code that runs then is NVIDIA's own.
        unsafe {
            if sys::is_culib_present() {
                return true;
            }
            // Once a library of some name is in the process, whoever asks for the name gets it: NVRTC for its own second part, too.
            let load = |path: &PathBuf| Library::new(path).map(std::mem::forget).is_ok();
            places().iter().any(|path| {
                entries(path.parent().unwrap_or(path)).iter().filter(|path| is(path, "libnvrtc-builtins.so")).for_each(
                    |path| {
                        load(path);
                    },
                );
                load(path)
            }) && sys::is_culib_present()
        }
    })
}

/// Where it may lie besides where the system looks.
fn places() -> Vec<PathBuf> {
    let named = std::env::var_os("REPRO_NVRTC").map(PathBuf::from);
    let environments = ["VIRTUAL_ENV", "CONDA_PREFIX"].iter().filter_map(std::env::var_os).map(PathBuf::from);
    let packages = environments.flat_map(|environment| entries(&environment.join("lib"))).flat_map(|python| {
        let nvidia = python.join("site-packages/nvidia");
        [nvidia.join("cu13/lib"), nvidia.join("cuda_nvrtc/lib")]
    });
    let folders = packages.chain(["/usr/local/cuda/lib64", "/opt/cuda/lib64"].map(PathBuf::from));
    let libraries = folders.flat_map(|folder| entries(&folder)).filter(|path| is(path, "libnvrtc.so"));
    named.into_iter().chain(libraries).collect()
}

/// Whether a file's name begins so.
fn is(path: &Path, start: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    found.sort();
    found
}
