//! Time as an argument.

use std::ops::Add;

use serde::{Deserialize, Serialize};

/// A point in time or a span of it, in milliseconds.
///
/// As a point it counts from whatever the caller's clock starts at: a state machine only compares
/// and subtracts. On the wire it counts from 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// The later of two points, less the earlier one; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

impl Add for Millis {
    type Output = Self;

    fn add(self, span: Self) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}
