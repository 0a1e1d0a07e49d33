//! A name for each request, by which whoever saw it fail finds it in the log.

use std::cell::Cell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::hash::{BuildHasher as _, RandomState};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;

/// What a connection's numbers are apart, before they are mixed: no two are near (the golden ratio of 2^64).
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

thread_local! {
    /// Whose request this thread is about.
    static CURRENT: Cell<Option<RequestId>> = const { Cell::new(None) };
}

/// A request's name: 16 hexadecimal digits. It is no secret, and opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(u64);

impl RequestId {
    /// As a header has it.
    #[must_use]
    pub fn header(self) -> HeaderValue {
        let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        let digits = self.0.to_be_bytes().map(|byte| [digit(byte >> 4), digit(byte & 15)]);
        // Digits are always one.
        HeaderValue::from_bytes(digits.as_flattened()).unwrap_or(HeaderValue::from_static(""))
    }
}

/// The request that this thread is about just now.
#[must_use]
pub fn current() -> Option<RequestId> {
    CURRENT.get()
}

/// What a job comes to; whatever it logs is about that request.
pub fn about<T>(id: Option<RequestId>, job: impl FnOnce() -> T) -> T {
    /// Puts it back after a panic too.
    struct Before(Option<RequestId>);
    impl Drop for Before {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }
    let _before = Before(CURRENT.replace(id));
    job()
}

/// What a future comes to; whatever it logs is about that request.
pub async fn all_about<T>(id: RequestId, mut future: Pin<&mut impl Future<Output = T>>) -> T {
    poll_fn(|cx| about(Some(id), || future.as_mut().poll(cx))).await
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The names of one connection's requests: a random number, and a count that is mixed with it, so that a
/// request costs a few instructions. Two are alike as seldom as random ones.
#[derive(Debug)]
pub struct RequestIds {
    /// Where the next one comes from. Nobody else writes to it, but those whose requests come at once on
    /// one connection.
    next: AtomicU64,
}

impl RequestIds {
    /// Those of a connection.
    #[must_use]
    pub fn of_connection() -> Self {
        // The system is asked once a thread.
        Self { next: AtomicU64::new(RandomState::new().hash_one(())) }
    }

    /// The next one.
    #[must_use]
    pub fn next(&self) -> RequestId {
        RequestId(mixed(self.next.fetch_add(STEP, Ordering::Relaxed)))
    }
}

/// Each number becomes another, and neighbours become strangers (the finish of SplitMix64).
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_another_on_every_connection_and_is_written_alike_everywhere() {
        let mut seen = std::collections::HashSet::new();
        for connection in [RequestIds::of_connection(), RequestIds::of_connection()] {
            for _ in 0..1000 {
                let id = connection.next();
                assert!(seen.insert(id));
                assert_eq!(id.header().to_str().unwrap(), id.to_string());
                assert_eq!(id.to_string().len(), 16);
            }
        }
        assert_eq!(RequestId(0xa1).header(), "00000000000000a1");
    }

    #[test]
    fn a_thread_is_about_a_request_until_its_job_is_over_however_it_ends() {
        let (outer, inner) = (Some(RequestId(1)), Some(RequestId(2)));
        about(outer, || {
            about(inner, || assert_eq!(current(), inner));
            assert_eq!(current(), outer);
            let panicked = std::panic::catch_unwind(|| about(inner, || panic!("on purpose")));
            assert!(panicked.is_err());
            assert_eq!(current(), outer);
        });
        assert_eq!(current(), None);
    }

    #[tokio::test]
    async fn a_future_is_about_its_request_whenever_it_is_polled_and_nobody_else_is() {
        let ask = async |id| {
            let future = async {
                tokio::task::yield_now().await;
                current()
            };
            all_about(id, std::pin::pin!(future)).await
        };
        let (one, other, none) =
            tokio::join!(ask(RequestId(1)), ask(RequestId(2)), async { current() });
        assert_eq!((one, other, none), (Some(RequestId(1)), Some(RequestId(2)), None));
    }
}
