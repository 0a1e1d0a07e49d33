//! What went each way on each connection.

use crate::fault::{Harm, Way};

/// The bytes of one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Read from the one end.
    pub taken: u64,
    /// Given to the other end.
    pub passed: u64,
}

/// One of the client's connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// From the client to the server.
    pub up: Count,
    /// From the server to the client.
    pub down: Count,
    /// Whether it is over, but for one that went silent.
    pub over: bool,
    /// What was done to it last: what ended it, or made it silent.
    pub harmed: Option<Harm>,
    /// Whether it went silent.
    pub silenced: bool,
}

impl Connection {
    pub(crate) fn way(&mut self, way: Way) -> &mut Count {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }
}
