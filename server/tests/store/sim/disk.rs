//! The disk as the store sees it: it counts what is done to it, fails and goes off when it is told
//! to, and lies when a test wants to see the alarm ring.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use fastrand::Rng;
use longhaul_server::store::disk::medium::{Disk, DiskFile, OpenHow};

use super::pages::Kept;
use super::stage;
use super::tree::{Ino, Tree};

/// What a disk says that is not so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Lie {
    /// That a blob was synced.
    Blobs,
    /// The same; it is, after the index was synced the next time: a commit before its sync.
    LateBlobs,
    /// That the index was synced.
    Index,
    /// That a folder was synced.
    Folders,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Fault {
    /// `EIO`; some of what was to be done is done.
    Io,
    /// `ENOSPC`; some of what was to be written is written.
    Full,
    /// `EIO` for reads only.
    Read,
}

impl Fault {
    fn error(self) -> io::Error {
        io::Error::from_raw_os_error(if self == Self::Full { 28 } else { 5 })
    }
}

/// Clones are the same disk.
#[derive(Clone, Debug)]
pub(in crate::store) struct SimDisk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    tree: Tree,
    rng: Rng,
    room: u64,
    open: BTreeMap<Ino, u32>,
    /// Files whose sync comes late, and those of them whose time has come.
    late: Vec<Ino>,
    due: Vec<Ino>,
    lie: Option<Lie>,
    /// Calls that change something.
    ops: u64,
    /// A digest of them all, in their order.
    trace: u64,
    off_at: Option<u64>,
    is_off: bool,
    fault: Option<(Range<u64>, Fault)>,
    /// Whether calls to the index do not fail, and whether this is one.
    fault_spares_index: bool,
    is_index: bool,
    failures: u64,
}

/// How a call goes on.
enum Go {
    On,
    /// Half-way only.
    Fail(Fault),
    /// It is begun, nobody knows how far it comes.
    Off,
}

impl SimDisk {
    pub(in crate::store) fn new(seed: u64) -> Self {
        Self::of(Tree::new(), Rng::with_seed(seed))
    }

    fn of(tree: Tree, rng: Rng) -> Self {
        Self(Arc::new(Mutex::new(State {
            tree,
            rng,
            room: 1 << 34,
            open: BTreeMap::new(),
            late: Vec::new(),
            due: Vec::new(),
            lie: None,
            ops: 0,
            trace: 0,
            off_at: None,
            is_off: false,
            fault: None,
            fault_spares_index: false,
            is_index: false,
            failures: 0,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.lock().unwrap();
        state.is_index = false;
        state
    }

    pub(in crate::store) fn lie(&self, lie: Option<Lie>) {
        self.state().lie = lie;
    }

    /// Goes off at the nth change from now on.
    pub(in crate::store) fn turn_off_after(&self, changes: u64) {
        let mut state = self.state();
        state.off_at = Some(state.ops + changes);
    }

    pub(in crate::store) fn turn_off(&self) {
        self.state().is_off = true;
    }

    pub(in crate::store) fn is_off(&self) -> bool {
        self.state().is_off
    }

    /// Fails for some changes from now on.
    pub(in crate::store) fn fail(&self, changes: Range<u64>, fault: Fault) {
        let mut state = self.state();
        let ops = state.ops;
        state.fault = Some((ops + changes.start..ops + changes.end, fault));
    }

    /// The same, but for calls to the index.
    pub(in crate::store) fn fail_blobs(&self, changes: Range<u64>, fault: Fault) {
        self.fail(changes, fault);
        self.state().fault_spares_index = true;
    }

    pub(in crate::store) fn failures(&self) -> u64 {
        self.state().failures
    }

    pub(in crate::store) fn trace(&self) -> u64 {
        self.state().trace
    }

    /// The disk of the same computer after its power came back.
    pub(in crate::store) fn survivor(&self, kept: Kept, rng: &mut Rng) -> Self {
        let state = self.state();
        let left = Self::of(state.tree.survivor(kept, rng), rng.fork());
        left.lie(state.lie);
        left
    }

    /// Another disk with the same on it.
    pub(in crate::store) fn copy(&self) -> Self {
        let state = self.state();
        let copy = Self::of(state.tree.clone(), state.rng.clone());
        copy.lie(state.lie);
        copy
    }

    /// The names of the files below a folder.
    pub(in crate::store) fn files(&self, path: &Path) -> Vec<String> {
        self.state().tree.files(path).into_iter().map(|(name, _)| name).collect()
    }
}

impl State {
    /// Counts a change and says how it goes on.
    fn change(&mut self, what: &str, detail: (u64, u64)) -> io::Result<Go> {
        if self.is_off {
            return Err(off());
        }
        self.ops += 1;
        for part in what.bytes().map(u64::from).chain([detail.0, detail.1]) {
            self.trace = (self.trace.rotate_left(5) ^ part).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
        if self.off_at == Some(self.ops) {
            self.is_off = true;
            return Ok(Go::Off);
        }
        for late in std::mem::take(&mut self.due) {
            self.tree.file(late)?.sync();
        }
        match self.fault() {
            Some(fault) if fault != Fault::Read => {
                self.failures += 1;
                Ok(Go::Fail(fault))
            }
            _ => Ok(Go::On),
        }
    }

    /// A change that is done whole or not at all.
    fn whole(
        &mut self,
        what: &str,
        detail: (u64, u64),
        act: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        match self.change(what, detail)? {
            Go::On => act(self),
            Go::Fail(fault) => Err(fault.error()),
            Go::Off => act(self).and(Err(off())),
        }
    }

    fn read(&mut self) -> io::Result<()> {
        if self.is_off {
            return Err(off());
        }
        match self.fault() {
            Some(Fault::Read) => {
                self.failures += 1;
                Err(Fault::Read.error())
            }
            _ => Ok(()),
        }
    }

    fn fault(&self) -> Option<Fault> {
        let is_spared = self.is_index && self.fault_spares_index;
        let now = self.fault.as_ref().filter(|(when, _)| when.contains(&self.ops) && !is_spared);
        now.map(|(_, fault)| *fault)
    }

    fn sync_file(&mut self, ino: Ino, is_index: bool) -> io::Result<()> {
        match self.lie {
            Some(Lie::Blobs) if !is_index => return Ok(()),
            Some(Lie::LateBlobs) if !is_index => {
                self.late.push(ino);
                return Ok(());
            }
            Some(Lie::Index) if is_index => return Ok(()),
            _ => {}
        }
        self.tree.file(ino)?.sync();
        if is_index {
            self.due.append(&mut self.late);
        }
        Ok(())
    }
}

fn off() -> io::Error {
    io::Error::other("the computer is off")
}

fn number(path: &Path) -> u64 {
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes.iter().fold(0, |sum, &byte| sum.rotate_left(7) ^ u64::from(byte))
}

impl Disk for SimDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        if state.tree.find(path).is_ok() && !state.is_off {
            return Ok(());
        }
        state.whole("mkdir", (number(path), 0), |state| state.tree.create_dir(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        match state.change("sync folder", (number(path), 0))? {
            Go::On if state.lie == Some(Lie::Folders) => Ok(()),
            Go::On => state.tree.sync_dir(path),
            // Names are in the journal: they stay to be written, unlike the pages of a file.
            Go::Fail(fault) => Err(fault.error()),
            Go::Off => Err(off()),
        }
    }

    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        let is_index = path.to_string_lossy().contains("index.redb");
        state.is_index = is_index;
        let creates = how == OpenHow::Create && state.tree.find(path).is_err();
        if creates {
            let make = |state: &mut State| state.tree.open(path, true).map(drop);
            state.whole("create", (number(path), 0), make)?;
        } else {
            state.read()?;
        }
        let ino = state.tree.open(path, false)?;
        state.tree.file(ino)?;
        *state.open.entry(ino).or_default() += 1;
        Ok(Arc::new(SimFile { disk: self.clone(), ino, is_index }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let rename = |state: &mut State| state.tree.rename(from, to);
        self.state().whole("rename", (number(from), number(to)), rename)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        stage::pause();
        let unlinked =
            self.state().whole("unlink", (number(path), 0), |state| state.tree.unlink(path));
        stage::pause();
        unlinked
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        let mut state = self.state();
        state.read()?;
        let used = state.tree.room(|ino| state.open.contains_key(&ino));
        Ok(state.room.saturating_sub(used))
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    ino: Ino,
    is_index: bool,
}

impl SimFile {
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.disk.state();
        state.is_index = self.is_index;
        state
    }

    /// Does something to the file. Where it is a blob, others may have their turn before and after:
    /// the store promises to hold no lock over that. Over the index's file it has to.
    fn act<T>(&self, act: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        if !self.is_index {
            stage::pause();
        }
        let done = act(&mut self.state());
        if !self.is_index {
            stage::pause();
        }
        done
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if let Some(count) = state.open.get_mut(&self.ino) {
            *count -= 1;
        }
        state.open.retain(|_, count| *count > 0);
    }
}

impl DiskFile for SimFile {
    fn size(&self) -> io::Result<u64> {
        let mut state = self.state();
        state.read()?;
        state.tree.file(self.ino).map(|file| file.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let resize = |state: &mut State| state.tree.file(self.ino).map(|file| file.set_len(len));
        self.state().whole("set length", (self.ino, len), resize)
    }

    /// It has no holes: `free_bytes` counts a file's whole length.
    fn allocated(&self) -> io::Result<u64> {
        self.size()
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        let grow = |state: &mut State| {
            let file = state.tree.file(self.ino)?;
            file.set_len(len.max(file.len()));
            Ok(())
        };
        self.state().whole("reserve", (self.ino, len), grow)
    }

    fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.act(|state| {
            state.read()?;
            let read = state.tree.file(self.ino)?.read(offset, out);
            read.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
        })
    }

    fn write_all_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.act(|state| {
            let go = state.change("write", (self.ino ^ (offset << 20), bytes.len() as u64))?;
            let half = bytes.len() / 2;
            let file = state.tree.file(self.ino)?;
            match go {
                Go::On => file.write(offset, bytes),
                Go::Fail(fault) => {
                    file.write(offset, &bytes[..half]);
                    return Err(fault.error());
                }
                Go::Off => {
                    file.write(offset, bytes);
                    return Err(off());
                }
            }
            Ok(())
        })
    }

    /// Sometimes, as file systems differ.
    fn copy_from(&self, from: &dyn DiskFile, at: u64, to: u64, len: u64) -> bool {
        if self.disk.state().rng.bool() {
            return false;
        }
        let mut bytes = vec![0; usize::try_from(len).expect("a chunk")];
        let read = from.read_exact_at(at, &mut bytes);
        read.and_then(|()| self.write_all_at(to, &bytes)).is_ok()
    }

    fn sync_data(&self) -> io::Result<()> {
        self.act(|state| match state.change("sync", (self.ino, 0))? {
            Go::On => state.sync_file(self.ino, self.is_index),
            Go::Fail(fault) => {
                let mut rng = state.rng.fork();
                state.tree.file(self.ino)?.fail_to_sync(&mut rng);
                Err(fault.error())
            }
            Go::Off => Err(off()),
        })
    }
}
