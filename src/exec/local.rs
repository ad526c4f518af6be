//! Builds on this machine: one coordinator thread, `jobs` worker threads; every finished unit goes to the store at once.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::coordinator::Coordinator;
use super::gpus::work_on_gpu;
use super::shared::BuildShared;
use super::worker::work;
use super::{Observer, Options, Outcome};
use crate::error::{Error, Result};
use crate::plan::Context;
use crate::store::Writer;

/// How often the coordinator does its periodic work.
const TICK: Duration = Duration::from_millis(100);
/// A result can be lost from the cache during a build; then another pass rebuilds it. At most this many passes, plus one a stage, since each
/// stage may have lost what the next one needs.
const PASSES: usize = 4;

/// Build the targets and all they need. Whatever happens, finished units are on disk when this returns.
pub fn build(
    context: Context,
    targets: &[usize],
    options: &Options,
    writer: &Writer<'_>,
    observer: &mut dyn Observer,
) -> Outcome {
    let mut outcome = Outcome::default();
    context.store.sweep_scratch();
    context.store.sweep_resume_folders();
    let ended = catch_unwind(AssertUnwindSafe(|| {
        for passes_left in (0..PASSES + context.graph.stages.len()).rev() {
            (outcome.current, outcome.skipped, outcome.unfinished) = (0, Vec::new(), Vec::new());
            match pass(context, targets, options, writer, observer, &mut outcome, passes_left > 0) {
                Ok(PassEnd::Done) => return Ok(()),
                // The store knows the damage now, so the next pass rebuilds the result.
                Ok(PassEnd::Lost) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }));
    let kept = writer.finish();
    for warning in context.store.take_warnings() {
        observer.warning(&warning);
    }
    match ended {
        Ok(ended) => outcome.broken = ended.and(kept).err(),
        Err(panic) => resume_unwind(panic),
    }
    context.store.save_stat();
    outcome.interrupted = options.interrupted.load(Ordering::Relaxed);
    outcome
}

/// How a pass over the graph ended.
#[derive(Debug)]
enum PassEnd {
    Done,
    /// A result in the store turned out to be damaged or gone.
    Lost,
}

#[allow(clippy::too_many_arguments)]
fn pass(
    context: Context,
    targets: &[usize],
    options: &Options,
    writer: &Writer<'_>,
    observer: &mut dyn Observer,
    outcome: &mut Outcome,
    may_repeat: bool,
) -> Result<PassEnd> {
    let shared = BuildShared::new(context, writer, options);
    let (reports, inbox) = mpsc::channel();
    std::thread::scope(|scope| {
        // Workers wait for jobs: however this closure ends, the queues must be closed.
        let _open = shared.open();
        let mut coordinator = Coordinator::new(&shared, options, observer, targets, outcome, may_repeat);
        coordinator.check_needs();
        let (mut threads, mut gpus) = (0, 0);
        // The system may allow fewer threads.
        let mut most = options.jobs.max(1);
        let result = (|| {
            loop {
                coordinator.start_ready()?;
                if coordinator.is_idle() {
                    return Ok(());
                }
                // Threads start when there is a job: a build with nothing to do starts none.
                while threads < most {
                    let (shared, reports) = (&shared, reports.clone());
                    match std::thread::Builder::new().spawn_scoped(scope, move || work(shared, &reports)) {
                        Ok(_) => threads += 1,
                        Err(cause) if threads == 0 => return Err(no_threads(&cause)),
                        Err(cause) => {
                            tracing::debug!("{threads} threads instead of {most}: {cause}");
                            most = threads;
                        }
                    }
                }
                while gpus < coordinator.gpus().len() {
                    let (shared, reports, device) = (&shared, reports.clone(), &coordinator.gpus()[gpus]);
                    let work = move || work_on_gpu(shared, &**device, options.gpus.wanted(), &reports);
                    std::thread::Builder::new().spawn_scoped(scope, work).map_err(|cause| no_threads(&cause))?;
                    gpus += 1;
                }
                match inbox.recv_timeout(TICK) {
                    Ok(report) => coordinator.handle(report)?,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return Err(Error::internal("all workers are gone")),
                }
                coordinator.tick()?;
            }
        })();
        let lost = coordinator.finish();
        result.map(|()| if lost { PassEnd::Lost } else { PassEnd::Done })
    })
}

fn no_threads(cause: &std::io::Error) -> Error {
    Error::stage(format!("the system allows no more threads: {cause}"))
        .hint("too many processes, or too little memory: `ulimit -a` shows the limits")
}
