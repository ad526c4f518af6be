//! Reports panics as internal errors with their source location.

use std::panic::AssertUnwindSafe;
use std::sync::Mutex;

use super::Trouble;
use crate::error::Error;

/// The location of the last panic in any thread.
static PANIC_LOCATION: Mutex<Option<String>> = Mutex::new(None);

/// Run the program; a panic becomes an internal error. With `RUST_BACKTRACE` set, the backtrace is printed too.
pub fn caught(run: impl FnOnce() -> Result<u8, Trouble>) -> Result<u8, Trouble> {
    let usual = std::panic::take_hook();
    let trace = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0");
    std::panic::set_hook(Box::new(move |info| {
        if let (Ok(mut place), Some(location)) = (PANIC_LOCATION.lock(), info.location()) {
            *place = Some(location.to_string());
        }
        if trace {
            usual(info);
        }
    }));
    std::panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        let place =
            PANIC_LOCATION.lock().ok().and_then(|place| place.clone()).unwrap_or_else(|| "an unknown place".into());
        Err(Trouble::from(Error::internal(format!("{} ({place})", text.unwrap_or("a panic without a message")))))
    })
}
