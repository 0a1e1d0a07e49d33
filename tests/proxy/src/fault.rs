//! What goes wrong, and at which byte. Nothing here does it.

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// A bit of the byte is turned.
    Corrupt,
    /// Both ends are closed; what was passed on arrives.
    Close,
    /// Both ends are reset (RST); what was passed on may not arrive.
    Reset,
    /// Both ends stay connected, nothing more is taken and nothing more comes.
    Silence,
}

/// One thing that goes wrong on connections that come to a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// On bytes that go this way.
    pub way: Way,
    /// At this byte of a connection, from 0, heads included: it is spoilt, or the first that is not
    /// passed on.
    pub at: u64,
    /// What.
    pub harm: Harm,
    /// On so many connections, those that come to it first; on every one if it is not given.
    pub times: Option<u32>,
}

impl Fault {
    /// On every connection.
    #[must_use]
    pub fn each(way: Way, at: u64, harm: Harm) -> Self {
        Self { way, at, harm, times: None }
    }

    /// On the first connection that comes to it.
    #[must_use]
    pub fn once(way: Way, at: u64, harm: Harm) -> Self {
        Self { way, at, harm, times: Some(1) }
    }
}

/// All that is to go wrong.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What happens first to a connection that has passed `from` bytes this way and is to pass more up
    /// to `to`, and at which. Of a limited fault it takes one.
    pub(crate) fn due(&mut self, way: Way, from: u64, to: u64) -> Option<(u64, Harm)> {
        let ahead = |fault: &&mut Fault| {
            fault.way == way && fault.times != Some(0) && (from..to).contains(&fault.at)
        };
        self.take(ahead)
    }

    /// What ends a connection that has passed so many bytes this way, before another comes.
    pub(crate) fn end_due(&mut self, way: Way, passed: u64) -> Option<Harm> {
        let ends = |fault: &&mut Fault| {
            fault.way == way
                && fault.times != Some(0)
                && fault.at == passed
                && fault.harm != Harm::Corrupt
        };
        self.take(ends).map(|(_, harm)| harm)
    }

    fn take(&mut self, wanted: impl FnMut(&&mut Fault) -> bool) -> Option<(u64, Harm)> {
        let fault = self.0.iter_mut().filter(wanted).min_by_key(|fault| fault.at)?;
        fault.times = fault.times.map(|times| times - 1);
        Some((fault.at, fault.harm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_that_is_reached_decides() {
        let mut faults = Faults::default();
        faults.add(Fault::each(Way::Up, 20, Harm::Close));
        faults.add(Fault::once(Way::Up, 10, Harm::Corrupt));
        assert_eq!(faults.due(Way::Up, 0, 10), None, "10 are passed, the one at 10 is not");
        assert_eq!(faults.due(Way::Down, 0, 100), None);
        assert_eq!(faults.due(Way::Up, 0, 100), Some((10, Harm::Corrupt)));
        assert_eq!(faults.due(Way::Up, 0, 100), Some((20, Harm::Close)), "it was for one only");
        assert_eq!(faults.due(Way::Up, 0, 100), Some((20, Harm::Close)), "it is for each");
        assert_eq!(faults.end_due(Way::Up, 19), None);
        assert_eq!(faults.end_due(Way::Up, 20), Some(Harm::Close));
        assert_eq!(faults.due(Way::Up, 21, 100), None, "that connection is beyond it");
    }
}
