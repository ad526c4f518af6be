//! Compiling a kernel's source to machine code with NVRTC, the compiler that comes with CUDA and as a PyPI package.

use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cudarc::nvrtc::{result, sys};
use libloading::Library;

use super::device::DeviceError;

/// Options under which the compiler rounds as the contract requires.
const OPTIONS: [&str; 5] = ["--std=c++17", "--fmad=false", "--ftz=false", "--prec-div=true", "--prec-sqrt=true"];

/// How to install it.
pub const INSTALL: &str = "install it with `pip install 'nvidia-cuda-nvrtc==13.0.*'` in an active virtual environment, or with CUDA; REPRO_NVRTC names the library if it is elsewhere";

/// The machine code of a kernel for GPUs of an architecture such as `sm_90`. `folder` caches compiled kernels.
pub fn compile(text: &str, architecture: &str, folder: Option<&Path>) -> Result<Vec<u8>, DeviceError> {
    let name = blake3::hash(format!("{architecture}{OPTIONS:?}{text}").as_bytes()).to_hex()[..32].to_string();
    let file = folder.map(|folder| folder.join(format!("{architecture}-{name}.cubin")));
    if let Some(code) = file.as_deref().and_then(read_cached) {
        return Ok(code);
    }
    if !is_available() {
        return Err(DeviceError::Kernel {
            why: "NVRTC, which compiles kernels, was not found".into(),
            hint: INSTALL.into(),
        });
    }
    let code = run_nvrtc(text, architecture)?;
    if let (Some(folder), Some(file)) = (folder, &file)
        && let Err(error) = write_cached(folder, file, &code)
    {
        // It is compiled again next time.
        tracing::debug!("a compiled kernel could not be cached: {error}");
    }
    Ok(code)
}

/// A cached kernel: digest, then code. A damaged one counts as absent.
fn read_cached(file: &Path) -> Option<Vec<u8>> {
    let bytes = std::fs::read(file).ok()?;
    let (digest, code) = bytes.split_at_checked(32)?;
    (blake3::hash(code).as_bytes() == digest).then(|| code.to_vec())
}

fn write_cached(folder: &Path, file: &Path, code: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    std::fs::create_dir_all(folder)?;
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(blake3::hash(code).as_bytes())?;
    temporary.write_all(code)?;
    temporary.persist(file)?;
    Ok(())
}

fn run_nvrtc(text: &str, architecture: &str) -> Result<Vec<u8>, DeviceError> {
    let bug = |error: result::NvrtcError| DeviceError::Kernel {
        why: format!("NVRTC cannot compile for {architecture}: {error}"),
        hint: "use an NVRTC of another CUDA version: 13.0 supports compute capability 7.5 and newer".into(),
    };
    let source = CString::new(text).map_err(|_| DeviceError::Lost("a kernel holds a zero byte".into()))?;
    let program = result::create_program(&source, Some(c"repro.cu")).map_err(bug)?;
    let options: Vec<String> =
        OPTIONS.iter().map(|option| option.to_string()).chain([format!("--gpu-architecture={architecture}")]).collect();
    // Safety: the program is alive until the end of this function, and the buffer has the length that NVRTC returned.
    unsafe {
        let compiled = result::compile_program(program, &options);
        let log =
            result::get_program_log(program).map(|log| CStr::from_ptr(log.as_ptr()).to_string_lossy().into_owned());
        let code = compiled.map_err(|error| match (bug(error), log) {
            (DeviceError::Kernel { why, hint }, Ok(log)) if !log.trim().is_empty() => {
                DeviceError::Kernel { why: format!("{why}\n{}", log.trim()), hint }
            }
            (error, _) => error,
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

/// Whether NVRTC can be used; the first call searches for it.
pub fn is_available() -> bool {
    static PRESENT: OnceLock<bool> = OnceLock::new();
    *PRESENT.get_or_init(|| {
        // Safety: loading a system library; its code that runs then is NVIDIA's own.
        unsafe {
            if sys::is_culib_present() {
                return true;
            }
            // A library that is loaded is found by its name from then on, also by NVRTC, which needs its builtins.
            let load = |path: &PathBuf| Library::new(path).map(std::mem::forget).is_ok();
            candidates().iter().any(|path| {
                list_folder(path.parent().unwrap_or(path))
                    .iter()
                    .filter(|path| name_starts_with(path, "libnvrtc-builtins.so"))
                    .for_each(|path| {
                        load(path);
                    });
                load(path)
            }) && sys::is_culib_present()
        }
    })
}

/// Where the library may be besides the paths of the dynamic linker.
fn candidates() -> Vec<PathBuf> {
    let named = std::env::var_os("REPRO_NVRTC").map(PathBuf::from);
    let environments = ["VIRTUAL_ENV", "CONDA_PREFIX"].iter().filter_map(std::env::var_os).map(PathBuf::from);
    let packages = environments.flat_map(|environment| list_folder(&environment.join("lib"))).flat_map(|python| {
        let nvidia = python.join("site-packages/nvidia");
        [nvidia.join("cu13/lib"), nvidia.join("cuda_nvrtc/lib")]
    });
    let folders = packages.chain(["/usr/local/cuda/lib64", "/opt/cuda/lib64"].map(PathBuf::from));
    let libraries =
        folders.flat_map(|folder| list_folder(&folder)).filter(|path| name_starts_with(path, "libnvrtc.so"));
    named.into_iter().chain(libraries).collect()
}

fn name_starts_with(path: &Path, start: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start))
}

fn list_folder(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    found.sort();
    found
}
