//! Work of one connection that other threads share: the bodies of HTTP/2, of which one connection brings many at
//! once. Decrypted they are by the connection's own thread, hashed and written by whichever has its turn.

use std::cell::RefCell;
use std::future::Future;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::runtime::Handle;
use tokio::task::JoinSet;

thread_local! {
    /// Those that this thread is one of.
    static HANDS: RefCell<Arc<Hands>> = RefCell::default();
}

/// All threads of a crew, once they have begun.
#[derive(Debug, Default)]
pub(super) struct Hands {
    all: OnceLock<Vec<Handle>>,
    next: AtomicUsize,
}

impl Hands {
    /// Has this thread be one of them.
    pub(super) fn join(hands: Arc<Self>) {
        HANDS.with_borrow_mut(|of| *of = hands);
    }

    /// These are all that there are.
    pub(super) fn complete(&self, all: Vec<Handle>) {
        // Only who starts them says so, once.
        let _ = self.all.set(all);
    }

    fn next(&self) -> Handle {
        let all = self.all.get().map(Vec::as_slice).unwrap_or_default();
        let turn = self.next.fetch_add(1, Ordering::Relaxed).checked_rem(all.len());
        turn.and_then(|turn| all.get(turn).cloned()).unwrap_or_else(Handle::current)
    }
}

/// Has the thread whose turn it is do it, and stops it when nobody waits for it any more.
pub(crate) async fn elsewhere<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> T {
    let hand = HANDS.with_borrow(|hands| hands.next());
    let mut tasks = JoinSet::new();
    tasks.spawn_on(task, &hand);
    match tasks.join_next().await {
        Some(Ok(done)) => done,
        // It ends the request that asked for it, as if it had been done here.
        Some(Err(error)) if error.is_panic() => resume_unwind(error.into_panic()),
        // It was cut off with its thread, and this one will be.
        _ => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::thread;
    use std::time::Duration;

    use super::super::Crew;
    use super::*;

    /// Much longer than another thread needs to drop something, whatever else the machine does.
    const SOON: Duration = Duration::from_secs(20);

    /// Done by one of the crew.
    async fn by_one<T: Send + 'static>(
        crew: &Crew,
        task: impl Future<Output = T> + Send + 'static,
    ) -> T {
        crew.members[0].runtime.spawn(task).await.unwrap()
    }

    #[tokio::test]
    async fn each_thread_has_its_turn_and_who_is_none_of_them_does_it_himself() {
        let crew = Crew::of(3).unwrap();
        let threads = by_one(&crew, async {
            let mut threads = BTreeSet::new();
            for _ in 0..6 {
                let done = elsewhere(async { format!("{:?}", thread::current().id()) });
                threads.insert(done.await);
            }
            threads
        });
        assert_eq!(threads.await.len(), 3);
        let own = thread::current().id();
        assert_eq!(elsewhere(async { thread::current().id() }).await, own);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_stopped() {
        let crew = Crew::of(2).unwrap();
        let (held, gone) = tokio::sync::oneshot::channel::<()>();
        by_one(&crew, async {
            let mut never = Box::pin(elsewhere(async move {
                std::future::pending::<()>().await;
                drop(held);
            }));
            std::future::poll_fn(|cx| {
                assert!(never.as_mut().poll(cx).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
        })
        .await;
        let gone = tokio::time::timeout(SOON, gone).await.expect("it goes on for nobody");
        assert!(gone.is_err());
    }

    #[tokio::test]
    async fn a_panic_ends_who_asked_for_it() {
        let crew = Crew::of(2).unwrap();
        let ended = crew.members[0].runtime.spawn(elsewhere(async { panic!("on purpose") }));
        assert!(ended.await.is_err_and(|error: tokio::task::JoinError| error.is_panic()));
    }
}
