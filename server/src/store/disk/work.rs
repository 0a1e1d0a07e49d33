//! Who does what blocks: threads, and in a test whoever decides from a seed what goes on when.
//!
//! Everything that touches the disk goes through a [`Work`], so that a test can repeat a run step by
//! step. No lock is held over reading, writing, syncing or unlinking a blob: such a test stops there.

use std::cell::OnceCell;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::disk_error;
use super::live::lock;
use crate::request_id;
use crate::store::Result;

/// Something that blocks and is done once.
pub type Job = Box<dyn FnOnce() + Send>;

/// Something that blocks and is done again until it returns false.
pub type Step = Box<dyn FnMut() -> bool + Send>;

/// Does what blocks, off the async threads.
pub trait Work: fmt::Debug + Send + Sync + 'static {
    /// Does a job soon. Called within the async runtime.
    fn run(&self, job: Job);

    /// Lets others go first for a while. A test that repeats a run goes on at once.
    fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }

    /// Gets somebody to repeat a step, first when he is woken. One that panics is told in the log, and
    /// done again when he is woken the next time.
    ///
    /// # Errors
    /// Whatever the system says.
    fn repeat(&self, name: &str, step: Step) -> io::Result<Box<dyn Repeat>>;
}

/// Somebody who repeats a step. Dropped: a step that has begun is finished, no other begun.
pub trait Repeat: fmt::Debug + Send + Sync {
    /// There is something to do. Never blocks; may be called by anybody at any time.
    fn wake(&self);
}

/// Starts something that blocks. It goes on whether or not anybody waits for its outcome.
pub(super) fn start<T: Send + 'static>(
    work: &dyn Work,
    job: impl FnOnce() -> Result<T> + Send + 'static,
) -> Started<T> {
    let (tell, outcome) = oneshot::channel();
    // What it logs belongs to the request that it is for.
    let id = request_id::current();
    work.run(Box::new(move || {
        let _ = tell.send(request_id::about(id, job));
    }));
    Started(outcome)
}

/// Something that was started.
#[derive(Debug)]
pub(super) struct Started<T>(oneshot::Receiver<Result<T>>);

impl<T> Started<T> {
    /// Waits for its outcome, once; dropped half-way it can be waited for again.
    pub(super) async fn outcome(&mut self) -> Result<T> {
        let panicked = |_| io::Error::other("the thread that did it panicked");
        (&mut self.0)
            .await
            .map_err(|error| disk_error("working off the async threads")(panicked(error)))?
    }
}

/// Tokio's threads for jobs, and a thread of its own for what is repeated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Threads;

thread_local! {
    /// Whose threads do the jobs that are begun on this one.
    static POOL: OnceCell<Handle> = const { OnceCell::new() };
}

/// Has the jobs that are begun on this thread from now on done by the threads of that runtime: those of all
/// runtimes together are then as many as one has.
pub fn begin_in(pool: Handle) {
    POOL.with(|own| drop(own.set(pool)));
}

impl Work for Threads {
    fn run(&self, job: Job) {
        POOL.with(|pool| match pool.get() {
            Some(pool) => drop(pool.spawn_blocking(job)),
            None => drop(tokio::task::spawn_blocking(job)),
        });
    }

    fn repeat(&self, name: &str, mut step: Step) -> io::Result<Box<dyn Repeat>> {
        let state = Arc::new((Mutex::new(State::Idle), Condvar::new()));
        let in_thread = Arc::clone(&state);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn({
            let name = name.to_owned();
            move || repeat(&in_thread, || survive(&name, &mut step))
        })?;
        Ok(Box::new(Thread { state, thread: Some(thread) }))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Woken,
    Stopped,
}

type Signal = (Mutex<State>, Condvar);

#[derive(Debug)]
struct Thread {
    state: Arc<Signal>,
    thread: Option<JoinHandle<()>>,
}

impl Thread {
    fn tell(&self, state: State) {
        let (told, changed) = &*self.state;
        *lock(told) = state;
        changed.notify_one();
    }
}

impl Repeat for Thread {
    fn wake(&self) {
        self.tell(State::Woken);
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.tell(State::Stopped);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Whether there is more to do. A thread that ended silently would be waited for for ever.
fn survive(name: &str, step: &mut Step) -> bool {
    catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        let error = text.unwrap_or("no text");
        tracing::error!(error, thread = name, "a thread of the store has PANICKED: report this");
        false
    })
}

fn repeat((state, changed): &Signal, mut step: impl FnMut() -> bool) {
    loop {
        let mut told = lock(state);
        while *told == State::Idle {
            told = changed.wait(told).unwrap_or_else(PoisonError::into_inner);
        }
        if *told == State::Stopped {
            return;
        }
        *told = State::Idle;
        drop(told);
        while step() {
            if *lock(state) == State::Stopped {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    #[test]
    fn what_is_repeated_is_done_when_woken_until_nothing_is_left() {
        let left = Arc::new(AtomicUsize::new(3));
        let (done, all_done) = mpsc::channel();
        let in_step = Arc::clone(&left);
        let step = move || {
            let before = in_step.fetch_sub(1, Ordering::SeqCst);
            if before == 1 {
                done.send(()).unwrap();
            }
            before > 1
        };
        let worker = Threads.repeat("test", Box::new(step)).unwrap();
        assert_eq!(left.load(Ordering::SeqCst), 3, "not before it is woken");
        worker.wake();
        all_done.recv().unwrap();
        left.store(1, Ordering::SeqCst);
        worker.wake();
        all_done.recv().unwrap();
        drop(worker);
        assert_eq!(left.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn once_dropped_no_other_step_is_begun() {
        let (begun, begins) = mpsc::channel();
        let step = move || begun.send(()).is_ok();
        let worker = Threads.repeat("test", Box::new(step)).unwrap();
        worker.wake();
        begins.recv().unwrap();
        drop(worker);
        while begins.try_recv().is_ok() {}
        assert!(begins.recv().is_err(), "the step is gone with its thread");
    }

    #[test]
    fn a_step_that_panics_is_told_in_the_log_and_done_again_when_woken() {
        let (lines, told) = mpsc::channel();
        let log = move || Lines(lines.clone());
        let log = tracing_subscriber::fmt().with_ansi(false).with_writer(log).finish();
        let mut step: Step = Box::new(|| panic!("on {}", "purpose"));
        assert!(!tracing::subscriber::with_default(log, || survive("name", &mut step)));
        let text = String::from_utf8(told.into_iter().flatten().collect()).unwrap();
        assert!(text.contains("PANICKED") && text.contains("on purpose"), "{text}");
        assert!(text.contains("thread=\"name\""), "{text}");

        let (begun, begins) = mpsc::channel();
        let step = move || {
            begun.send(()).unwrap();
            panic!("on purpose");
        };
        let worker = Threads.repeat("test", Box::new(step)).unwrap();
        for _ in 0..3 {
            worker.wake();
            begins.recv().unwrap();
        }
    }

    struct Lines(mpsc::Sender<Vec<u8>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_job_that_panics_is_an_error() {
        let mut started = start::<()>(&Threads, || panic!("on purpose"));
        let error = started.outcome().await.unwrap_err();
        assert!(error.to_string().contains("panicked"), "{error}");
        assert_eq!(start(&Threads, || Ok(5)).outcome().await.unwrap(), 5);
    }
}
