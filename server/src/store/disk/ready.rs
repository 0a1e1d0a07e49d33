//! Whether an upload could begin, and what the store has just now.

use std::io;
use std::time::{Duration, Instant};

use super::{Inner, disk_error, live};
use crate::store::{Figures, Lack, Result, StoreError};

/// How often the disk is asked whether uploads can begin: more often than anybody who watches does anything about it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What there is for an upload to begin.
#[derive(Clone, Copy, Debug)]
pub(super) enum Room {
    Enough,
    None,
    Unreachable(io::ErrorKind),
}

impl Inner {
    pub(super) fn figures(&self) -> Result<Figures> {
        Ok(Figures {
            disk_free_bytes: self.free_bytes()?,
            disk_free_min_bytes: self.config.disk_free_min,
            unsynced_bytes: self.syncer.unsynced_bytes(),
            events_waiting: self.index.events_waiting()?,
            ..self.space.figures()
        })
    }

    /// Whether an upload of nothing could begin. The disk is asked no more than once in [`LOOK_EVERY`].
    pub(super) fn check_room(&self) -> Result<()> {
        let mut looked = live::lock(&self.looked_at);
        let room = match *looked {
            Some((at, room)) if at.elapsed() < LOOK_EVERY => room,
            _ => {
                let room = self.look_for_room();
                *looked = Some((Instant::now(), room));
                room
            }
        };
        match room {
            Room::Enough => Ok(()),
            Room::None => Err(StoreError::NoSpace { needed: 0, of: Lack::Disk }),
            Room::Unreachable(kind) => Err(disk_error("looking at the data folder")(kind.into())),
        }
    }

    fn look_for_room(&self) -> Room {
        let blobs = self.layout.blobs();
        let free = self.disk.check_writable(&blobs).and_then(|()| self.disk.free_bytes(&blobs));
        match free {
            Err(error) => {
                tracing::error!(%error, path = %blobs.display(), "no upload can begin");
                Room::Unreachable(error.kind())
            }
            Ok(free) if self.space.has_room(self.bounds(), free) => Room::Enough,
            Ok(_) => Room::None,
        }
    }
}
