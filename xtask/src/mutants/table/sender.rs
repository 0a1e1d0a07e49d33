//! What a sender asks.

use super::{Mutant, mutant};

const UNASKED: &str = "protocol/src/upload/unasked.rs";

pub(super) const ROWS: &[Mutant] = &[
    mutant(
        "chunks unasked though the server has one of them",
        "unasked::",
        UNASKED,
        "        if lacked < asked {\n",
        "        if !@M && lacked < asked {\n",
    ),
    mutant(
        "chunks unasked on a slow line",
        "unasked::",
        UNASKED,
        "self.left > 0 && rate >= UNASKED_RATE_MIN",
        "self.left > 0 && (@M || rate >= UNASKED_RATE_MIN)",
    ),
    mutant(
        "any number of chunks in a row unasked",
        "unasked::",
        UNASKED,
        "self.lacked.min(UNASKED_MAX)",
        "self.lacked.min(if @M { u64::MAX } else { UNASKED_MAX })",
    ),
];
