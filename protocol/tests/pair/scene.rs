//! What a run is about.

use super::chance::Faults;

/// All that a run is told; nothing of it happens by default.
#[derive(Clone, Copy, Default)]
pub struct Scene {
    pub chunks: u64,
    /// The file fits into one request.
    pub small: bool,
    pub faults: Faults,
    /// Share of the chunks that another file has.
    pub known: f64,
    /// Share of the chunks that another owner has.
    pub of_others: f64,
    /// Share of the proofs that are wrong, do not come about, or never end.
    pub proofs_wrong: f64,
    /// Share of the known ones, and of those of others, whose copy does not verify.
    pub fills_fail: f64,
    /// Share of the chunks that are held from an earlier session.
    pub held_before: f64,
    /// Share of those whose bytes in the file are others by now.
    pub changed: f64,
    /// It was another device's session.
    pub elsewhere: bool,
    /// Every chunk is read once more before the seal.
    pub verifies: bool,
    /// Share of the bodies whose chunk another sender of the same file takes over, half of the
    /// times for good.
    pub taken_over: f64,
    pub chunk_len_of_receiver: Option<u64>,
    pub pauses: bool,
    pub reloads: bool,
    pub cancel_at: Option<u64>,
    pub vanish_at: Option<u64>,
}
