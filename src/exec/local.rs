//! Builds on this machine: one thread decides, `jobs` threads run units, and every finished unit goes to the store at once.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::boss::Boss;
use super::cards::work_on_card;
use super::worker::{Shop, work};
use super::{Observer, Options, Outcome};
use crate::error::{Error, Result};
use crate::plan::Context;
use crate::store::Writer;

/// How often the deciding thread looks at the clock, at Ctrl-C and at the writer.
const TICK: Duration = Duration::from_millis(100);
/// A result can be lost from the cache while building; what needs it is made again, but not for ever: so often besides once a stage, as each
/// may have lost what the next one needs.
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
    let ended = catch_unwind(AssertUnwindSafe(|| {
        for passes_left in (0..PASSES + context.graph.stages.len()).rev() {
            (outcome.current, outcome.skipped, outcome.unfinished) = (0, Vec::new(), Vec::new());
            match pass(context, targets, options, writer, observer, &mut outcome, passes_left > 0) {
                Ok(End::Done) => return Ok(()),
                // Its damage is known to the store now, so the next pass makes it again.
                Ok(End::Lost) => {}
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
enum End {
    Done,
    /// A result that the store had promised turned out to be damaged or gone.
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
) -> Result<End> {
    let shop = Shop::new(context, writer, options);
    let (answers, inbox) = mpsc::channel();
    std::thread::scope(|scope| {
        // Workers wait for jobs: whatever ends this closure, also a panic, has to send them home.
        let _open = shop.open();
        let mut boss = Boss::new(&shop, options, observer, targets, outcome, may_repeat);
        boss.check_needs();
        let (mut threads, mut cards) = (0, 0);
        // The system may allow no more than there are.
        let mut most = options.jobs.max(1);
        let result = (|| {
            loop {
                boss.start_ready()?;
                if boss.idle() {
                    return Ok(());
                }
                // Threads are made when there is something to run: a build with nothing to do starts none.
                while threads < most {
                    let (shop, answers) = (&shop, answers.clone());
                    match std::thread::Builder::new().spawn_scoped(scope, move || work(shop, &answers)) {
                        Ok(_) => threads += 1,
                        Err(cause) if threads == 0 => return Err(no_threads(&cause)),
                        Err(cause) => {
                            tracing::debug!("{threads} threads instead of {most}: {cause}");
                            most = threads;
                        }
                    }
                }
                while cards < boss.cards().len() {
                    let (shop, answers, device) = (&shop, answers.clone(), &boss.cards()[cards]);
                    let work = move || work_on_card(shop, &**device, options.cards.wanted(), &answers);
                    std::thread::Builder::new().spawn_scoped(scope, work).map_err(|cause| no_threads(&cause))?;
                    cards += 1;
                }
                match inbox.recv_timeout(TICK) {
                    Ok(answer) => boss.answer(answer)?,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return Err(Error::internal("all workers are gone")),
                }
                boss.tick()?;
            }
        })();
        let lost = boss.close();
        result.map(|()| if lost { End::Lost } else { End::Done })
    })
}

fn no_threads(cause: &std::io::Error) -> Error {
    Error::stage(format!("the system allows no more threads: {cause}"))
        .hint("too many processes, or too little memory: `ulimit -a` shows the limits")
}
