//! Requests that a browser sends again by itself.
//!
//! When a kept connection breaks before any of an answer has come, a browser may send the request once
//! more without telling the page. A chunk would come from its first byte again, however much of it is
//! here, and take over from what it was. So a sender names each try, and one that comes twice is told
//! so at once; the sender then asks how much is here and goes on from there.

use std::collections::hash_map::RandomState;
use std::collections::{HashSet, VecDeque};
use std::hash::BuildHasher as _;
use std::sync::{Mutex, PoisonError};

use longhaul_protocol::wire::ids::UploadId;

/// How many tries are remembered: a browser repeats one within a second, and a thousand lanes begin
/// fewer in that time. 100 KB.
pub const TRIES_MAX: usize = 4096;

/// The latest tries.
#[derive(Debug, Default)]
pub struct Tries {
    /// Keyed by a random secret of this process: nobody can make two tries collide.
    hasher: RandomState,
    latest: Mutex<Latest>,
}

#[derive(Debug, Default)]
struct Latest {
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Tries {
    /// Whether this is the first time that this try is seen. It is known from now on.
    pub fn is_first(&self, upload: UploadId, name: &str) -> bool {
        let hash = self.hasher.hash_one((upload.0, name));
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).remember(hash)
    }
}

impl Latest {
    fn remember(&mut self, hash: u64) -> bool {
        let is_first = self.known.insert(hash);
        if is_first {
            self.order.push_back(hash);
        }
        if self.order.len() > TRIES_MAX {
            self.order.pop_front().map(|oldest| self.known.remove(&oldest));
        }
        is_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_try_is_known_when_it_comes_again_until_many_others_have_come() {
        let (tries, upload) = (Tries::default(), UploadId([1; 16]));
        assert!(tries.is_first(upload, "a-1"));
        assert!(!tries.is_first(upload, "a-1"));
        assert!(tries.is_first(UploadId([2; 16]), "a-1"), "that is another upload's");
        let others = (0..TRIES_MAX).all(|at| tries.is_first(upload, &format!("b-{at}")));
        assert!(others);
        assert!(tries.is_first(upload, "a-1"), "nothing grows without an end");
        assert_eq!(tries.latest.lock().unwrap().known.len(), TRIES_MAX);
    }
}
