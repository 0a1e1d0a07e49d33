//! What a server is told when it starts, how it ends, and what who looks after it may do.

use super::{Mutant, mutant};

pub(super) const ROWS: &[Mutant] = &[
    mutant(
        "requests in flight cut off at the word to stop",
        "program::",
        "server/src/listen.rs",
        "if tokio::time::timeout(app.config.limits.shutdown_timeout, done).await.is_err() {",
        "if @M || tokio::time::timeout(app.config.limits.shutdown_timeout, done).await.is_err() {",
    ),
    mutant(
        "the environment not less than the command line",
        "told::",
        "server/src/settings.rs",
        "for arg in variables.filter(|arg| !is_spoken(arg.get_id().as_str())) {",
        "for arg in variables.filter(|arg| @M || !is_spoken(arg.get_id().as_str())) {",
    ),
    mutant(
        "the file not less than the environment",
        "told::",
        "server/src/settings.rs",
        "said.iter().all(|other| other.id != it.id)",
        "(@M || said.iter().all(|other| other.id != it.id))",
    ),
    mutant(
        "wrong options found to be right",
        "told::",
        "server/src/check.rs",
        "if !wrong.is_empty() {",
        "if !@M && !wrong.is_empty() {",
    ),
    mutant(
        "a rotten chunk passed over by who verifies",
        "admin::",
        "server/src/store/disk/verify.rs",
        "Ok(found) if found == digest => return",
        "Ok(found) if @M || found == digest => return",
    ),
    mutant(
        "a chunk that is replaced meanwhile taken for a rotten one",
        "at_rest::",
        "server/src/store/disk/verify.rs",
        "if row == digest && now == removals {",
        "if @M || row == digest && now == removals {",
    ),
    mutant(
        "a folder changed by who only looks",
        "admin::",
        "server/src/store/disk/still.rs",
        "            Some(file) if how == OpenHow::Read => Ok(file),\n",
        "            Some(_) if @M => RealDisk.open(path, how),\n            Some(file) if how == OpenHow::Read => Ok(file),\n",
    ),
    mutant(
        "what has expired spared by a sweep at rest",
        // Another of admin's sweeps until all is gone.
        "sweeps::what_expired",
        "server/src/store/disk/config.rs",
        "if !self.is_sparing {",
        "if !@M && !self.is_sparing {",
    ),
    mutant(
        "nobody told of what expires in a sweep at rest",
        "at_rest::",
        "server/src/store/disk/index/events.rs",
        "if self.is_as_before {",
        "if !@M && self.is_as_before {",
    ),
    mutant(
        "a removal without a yes",
        "admin::",
        "server/src/admin/answer.rs",
        "if is_sure { store.cancel_any(id).await? }",
        "if @M || is_sure { store.cancel_any(id).await? }",
    ),
    mutant(
        "a row at the end of a page listed twice",
        "admin::",
        "server/src/store/disk/index/walk.rs",
        "        Some(spot) => Bound::Excluded(",
        "        Some(spot) if @M => Bound::Included((spot.owner.as_str(), spot.order, spot.id)),\n        Some(spot) => Bound::Excluded(",
    ),
];
