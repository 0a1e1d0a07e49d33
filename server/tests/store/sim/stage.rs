//! Threads that take turns. At any time one of them goes on, and a seed says which; it goes on until
//! it is done or comes to a [`pause`]. So whatever the threads of a store can do to each other
//! between two touches of the disk is done sooner or later, and can be done again.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use fastrand::Rng;
use longhaul_server::store::disk::work::{Job, Repeat, Step, Work};

/// How long a step may take: longer is a thread that waits for another's lock.
const STEP_MAX: Duration = Duration::from_secs(20);
/// How long nothing may be going on while somebody waits.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// Does a store's work. Clones are the same stage.
#[derive(Clone)]
pub(in crate::store) struct Stage(Arc<Mutex<State>>);

struct State {
    rng: Rng,
    waiting: Vec<Waiting>,
    actors: Vec<Sender<Cue>>,
    idle: Vec<usize>,
    said: Sender<Said>,
    heard: Option<Receiver<Said>>,
    panics: u32,
}

/// Who can be given a turn.
enum Waiting {
    NotBegun(Job),
    Paused(usize),
}

enum Cue {
    Begin(Job),
    GoOn,
}

enum Said {
    Paused(usize),
    Done { actor: usize, panicked: bool },
}

struct Actor {
    number: usize,
    cues: Receiver<Cue>,
    say: Sender<Said>,
}

thread_local! {
    static ACTOR: RefCell<Option<Actor>> = const { RefCell::new(None) };
}

/// Lets others have their turn, if this thread is one of a stage.
pub(super) fn pause() {
    ACTOR.with_borrow(|actor| {
        if let Some(Actor { number, cues, say }) = actor
            && say.send(Said::Paused(*number)).is_ok()
        {
            let _ = cues.recv();
        }
    });
}

fn act(actor: Actor) {
    ACTOR.set(Some(actor));
    loop {
        let cue = ACTOR.with_borrow(|actor| actor.as_ref().unwrap().cues.recv());
        let Ok(Cue::Begin(job)) = cue else { return };
        let panicked = catch_unwind(AssertUnwindSafe(job)).is_err();
        ACTOR.with_borrow(|actor| {
            let Actor { number, say, .. } = actor.as_ref().unwrap();
            let _ = say.send(Said::Done { actor: *number, panicked });
        });
    }
}

impl Stage {
    pub(in crate::store) fn new(seed: u64) -> Self {
        let (said, heard) = channel();
        Self(Arc::new(Mutex::new(State {
            rng: Rng::with_seed(seed),
            waiting: Vec::new(),
            actors: Vec::new(),
            idle: Vec::new(),
            said,
            heard: Some(heard),
            panics: 0,
        })))
    }

    /// Runs `main` and whatever it spawns, giving everybody turns, until it is done.
    pub(in crate::store) fn run<T>(&self, main: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let outcome = runtime.block_on(async {
            let mut main = pin!(main);
            let mut last_step = Instant::now();
            loop {
                let polled =
                    std::future::poll_fn(|cx| std::task::Poll::Ready(main.as_mut().poll(cx)));
                if let std::task::Poll::Ready(outcome) = polled.await {
                    return outcome;
                }
                if self.some_steps() {
                    last_step = Instant::now();
                }
                assert!(last_step.elapsed() < IDLE_MAX, "everybody waits for something");
                tokio::task::yield_now().await;
            }
        });
        drop(runtime);
        while self.step() {}
        assert_eq!(self.0.lock().unwrap().panics, 0, "a thread of the store panicked");
        outcome
    }

    fn some_steps(&self) -> bool {
        let steps = self.0.lock().unwrap().rng.u8(..3);
        let mut any = steps == 0 && !self.0.lock().unwrap().waiting.is_empty();
        for _ in 0..steps {
            any |= self.step();
        }
        any
    }

    /// Gives somebody a turn; whether there was anybody.
    fn step(&self) -> bool {
        let Some(heard) = self.begin_turn() else { return false };
        let said = heard.recv_timeout(STEP_MAX).expect("a thread waits for a lock held at a pause");
        let mut state = self.0.lock().unwrap();
        state.heard = Some(heard);
        match said {
            Said::Paused(actor) => state.waiting.push(Waiting::Paused(actor)),
            Said::Done { actor, panicked } => {
                state.idle.push(actor);
                state.panics += u32::from(panicked);
            }
        }
        true
    }

    fn begin_turn(&self) -> Option<Receiver<Said>> {
        let mut state = self.0.lock().unwrap();
        if state.waiting.is_empty() {
            return None;
        }
        let count = state.waiting.len();
        let at = state.rng.usize(..count);
        match state.waiting.swap_remove(at) {
            Waiting::Paused(actor) => state.actors[actor].send(Cue::GoOn).unwrap(),
            Waiting::NotBegun(job) => {
                let actor = state.idle.pop().unwrap_or_else(|| state.hire());
                state.actors[actor].send(Cue::Begin(job)).unwrap();
            }
        }
        state.heard.take()
    }

    fn add(&self, job: Job) {
        self.0.lock().unwrap().waiting.push(Waiting::NotBegun(job));
    }
}

impl State {
    fn hire(&mut self) -> usize {
        let (cue, cues) = channel();
        let number = self.actors.len();
        let actor = Actor { number, cues, say: self.said.clone() };
        std::thread::spawn(move || act(actor));
        self.actors.push(cue);
        number
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stage")
    }
}

impl Work for Stage {
    fn run(&self, job: Job) {
        self.add(job);
    }

    fn repeat(&self, _name: &str, step: Step) -> io::Result<Box<dyn Repeat>> {
        let part = Part {
            step: Mutex::new(step),
            is_woken: AtomicBool::new(false),
            is_playing: AtomicBool::new(false),
            is_stopped: AtomicBool::new(false),
        };
        Ok(Box::new(Repeated { stage: Arc::downgrade(&self.0), part: Arc::new(part) }))
    }
}

struct Part {
    step: Mutex<Step>,
    is_woken: AtomicBool,
    is_playing: AtomicBool,
    is_stopped: AtomicBool,
}

impl Part {
    fn play(&self) {
        let mut step = self.step.lock().unwrap();
        while self.is_woken.swap(false, Ordering::SeqCst) {
            let mut goes_on = true;
            while goes_on && !self.is_stopped.load(Ordering::SeqCst) {
                goes_on = step();
            }
        }
        self.is_playing.store(false, Ordering::SeqCst);
    }
}

struct Repeated {
    stage: Weak<Mutex<State>>,
    part: Arc<Part>,
}

impl Repeat for Repeated {
    fn wake(&self) {
        let Some(stage) = self.stage.upgrade() else { return };
        self.part.is_woken.store(true, Ordering::SeqCst);
        if !self.part.is_playing.swap(true, Ordering::SeqCst) {
            let part = Arc::clone(&self.part);
            Stage(stage).add(Box::new(move || part.play()));
        }
    }
}

impl Drop for Repeated {
    fn drop(&mut self) {
        self.part.is_stopped.store(true, Ordering::SeqCst);
    }
}

impl fmt::Debug for Repeated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Repeated")
    }
}
