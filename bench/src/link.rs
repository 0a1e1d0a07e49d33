//! A link between two network namespaces that loses packets, takes its time and is only so fast: two
//! TUN devices and what carries packets from one to the other. The kernel's own emulator, netem, is not
//! in every kernel.

use std::fs::File;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tun_rs::{DeviceBuilder, SyncDevice};

use crate::error::{Result, io};
use crate::process;

/// The client's address and the server's, each at its end.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The server's.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// The names of the namespaces, and of the device in each.
const CLIENT_SPACE: &str = "longhaul-bench-c";
const SERVER_SPACE: &str = "longhaul-bench-s";
const CLIENT_DEVICE: &str = "lhbenchc";
const SERVER_DEVICE: &str = "lhbenchs";
/// The largest packet, bytes: Ethernet's.
const MTU: u16 = 1500;
/// What most clients have; a machine that measures may have been given another.
const CONGESTION_CONTROL: &str = "cubic";

/// What a packet meets on its way, the same in both directions.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// The time there.
    pub delay: Duration,
    /// The share of packets that are lost, 0 to 1.
    pub loss: f64,
    /// Bytes a second.
    pub bytes_per_s: f64,
    /// For how long packets queue before the narrow place; what would wait longer is lost.
    pub queue: Duration,
}

/// Two namespaces and the link between them, gone when it is dropped.
#[derive(Debug)]
pub struct Link {
    dropped: Arc<AtomicU64>,
    carried: Arc<AtomicU64>,
}

impl Link {
    /// Makes the namespaces and moves this thread into the client's: what it starts from now on, threads
    /// and programs, is at that end.
    ///
    /// # Errors
    /// [`Error::Command`], [`Error::Io`]: only root may.
    pub fn between(way: Way, seed: u64) -> Result<Self> {
        let link = Self { dropped: Arc::default(), carried: Arc::default() };
        // Those of a run that was killed.
        remove_spaces();
        for space in [CLIENT_SPACE, SERVER_SPACE] {
            ip(&["netns", "add", space])?;
            ip(&["-n", space, "link", "set", "lo", "up"])?;
        }
        enter(CLIENT_SPACE)?;
        let (client, server) = (device(CLIENT_DEVICE)?, device(SERVER_DEVICE)?);
        ip(&["link", "set", SERVER_DEVICE, "netns", SERVER_SPACE])?;
        configure(CLIENT_SPACE, CLIENT_DEVICE, CLIENT, SERVER)?;
        configure(SERVER_SPACE, SERVER_DEVICE, SERVER, CLIENT)?;
        link.carry(&client, &server, way, seed);
        link.carry(&server, &client, way, seed.wrapping_add(1));
        Ok(link)
    }

    /// The command that runs a program at the server's end; its arguments follow.
    #[must_use]
    pub fn at_server(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", SERVER_SPACE]).arg(program);
        command
    }

    /// The share of packets that were lost so far.
    #[must_use]
    pub fn lost(&self) -> f64 {
        let dropped = self.dropped.load(Ordering::Relaxed) as f64;
        let carried = self.carried.load(Ordering::Relaxed) as f64;
        dropped / (dropped + carried).max(1.0)
    }

    /// The threads end with the devices, which end with their namespaces.
    fn carry(&self, from: &Arc<SyncDevice>, to: &Arc<SyncDevice>, way: Way, seed: u64) {
        let (sender, receiver) = channel();
        let (from, to) = (Arc::clone(from), Arc::clone(to));
        let (dropped, carried) = (Arc::clone(&self.dropped), Arc::clone(&self.carried));
        thread::spawn(move || take_in(&from, &mut Narrow::new(way, seed), &sender, &dropped));
        thread::spawn(move || put_out(&to, &receiver, &carried));
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        remove_spaces();
    }
}

/// One direction: what becomes of each packet that comes to it.
struct Narrow {
    way: Way,
    rng: Rng,
    /// When the last packet has passed the narrow place.
    free_at: Option<Instant>,
}

impl Narrow {
    fn new(way: Way, seed: u64) -> Self {
        Self { way, rng: Rng::with_seed(seed), free_at: None }
    }

    /// When a packet that comes now arrives; `None` if it is lost. Packets keep their order.
    fn arrival(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        let begins = self.free_at.map_or(now, |free_at| free_at.max(now));
        if self.rng.f64() < self.way.loss || begins - now > self.way.queue {
            return None;
        }
        let passed = begins + Duration::from_secs_f64(bytes as f64 / self.way.bytes_per_s);
        self.free_at = Some(passed);
        Some(passed + self.way.delay)
    }
}

type Packet = (Instant, Vec<u8>);

fn take_in(from: &SyncDevice, way: &mut Narrow, to: &Sender<Packet>, dropped: &AtomicU64) {
    let mut buffer = [0; MTU as usize];
    while let Ok(count) = from.recv(&mut buffer) {
        let Some(packet) = buffer.get(..count) else { continue };
        match way.arrival(Instant::now(), count) {
            Some(due) if to.send((due, packet.to_vec())).is_err() => return,
            Some(_) => {}
            None => _ = dropped.fetch_add(1, Ordering::Relaxed),
        }
    }
}

fn put_out(to: &SyncDevice, from: &Receiver<Packet>, carried: &AtomicU64) {
    while let Ok((due, packet)) = from.recv() {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        // While a namespace goes, its device refuses.
        if to.send(&packet).is_ok() {
            carried.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn device(name: &str) -> Result<Arc<SyncDevice>> {
    let built = DeviceBuilder::new().name(name).mtu(MTU).build_sync();
    built.map(Arc::new).map_err(io(format!("making the TUN device {name}, which root may")))
}

fn configure(space: &str, device: &str, own: Ipv4Addr, peer: Ipv4Addr) -> Result<()> {
    let (own, peer) = (own.to_string(), peer.to_string());
    ip(&["-n", space, "address", "add", &own, "dev", device])?;
    ip(&["-n", space, "link", "set", device, "up"])?;
    // By its route, since a namespace may not choose it where the machine does not let it.
    ip(&["-n", space, "route", "add", &peer, "dev", device, "congctl", CONGESTION_CONTROL])
}

fn enter(space: &str) -> Result<()> {
    let path = format!("/var/run/netns/{space}");
    let file = File::open(&path).map_err(io(format!("opening {path}")))?;
    move_into_link_name_space(rustix::fd::AsFd::as_fd(&file), Some(LinkNameSpaceType::Network))
        .map_err(|error| io(format!("entering {path}"))(error.into()))
}

fn remove_spaces() {
    for space in [CLIENT_SPACE, SERVER_SPACE] {
        let _: Result<()> = ip(&["netns", "delete", space]);
    }
}

fn ip(arguments: &[&str]) -> Result<()> {
    process::output(Command::new("ip").args(arguments)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAY: Way = Way {
        delay: Duration::from_millis(40),
        loss: 0.0,
        bytes_per_s: 1e6,
        queue: Duration::from_millis(10),
    };

    #[test]
    fn a_packet_takes_its_length_and_the_delay() {
        let (now, mut narrow) = (Instant::now(), Narrow::new(WAY, 1));
        assert_eq!(narrow.arrival(now, 1000), Some(now + Duration::from_millis(41)));
        assert_eq!(narrow.arrival(now, 1000), Some(now + Duration::from_millis(42)));
    }

    #[test]
    fn what_would_queue_for_too_long_is_lost() {
        let (now, mut narrow) = (Instant::now(), Narrow::new(WAY, 1));
        let arrived = (0..100).filter_map(|_| narrow.arrival(now, 1000)).count();
        assert_eq!(arrived, 11);
    }

    #[test]
    fn as_many_are_lost_as_was_said_and_the_same_ones_each_time() {
        let way = Way { loss: 0.01, bytes_per_s: 1e12, ..WAY };
        let lost = |seed| {
            let (now, mut narrow) = (Instant::now(), Narrow::new(way, seed));
            (0..100_000).filter(|_| narrow.arrival(now, 1000).is_none()).collect::<Vec<_>>()
        };
        assert_eq!(lost(7), lost(7));
        assert!((900..1100).contains(&lost(7).len()), "{}", lost(7).len());
    }
}
