//! Folders and names: as they are now, as they are durable, and what each name was in between.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path};

use fastrand::Rng;

use super::pages::{Kept, Pages};

pub(super) type Ino = u64;
const ROOT: Ino = 0;

#[derive(Clone, Debug)]
enum Node {
    Dir(Names),
    File(Pages),
}

#[derive(Clone, Debug, Default)]
struct Names {
    now: BTreeMap<String, Ino>,
    durable: BTreeMap<String, Ino>,
    /// What each name has meant since the last sync.
    unsynced: BTreeMap<String, Vec<Option<Ino>>>,
    /// Renames since the last sync: from, to, what.
    renames: Vec<(String, String, Ino)>,
}

impl Names {
    fn set(&mut self, name: &str, ino: Option<Ino>) {
        self.unsynced.entry(name.to_owned()).or_default().push(ino);
        put(&mut self.now, name, ino);
    }

    fn sync(&mut self) {
        self.durable = self.now.clone();
        self.unsynced.clear();
        self.renames.clear();
    }

    fn survivor(&self, kept: Kept, rng: &mut Rng) -> BTreeMap<String, Ino> {
        let mut left = self.durable.clone();
        for (name, meanings) in &self.unsynced {
            let before = left.get(name).copied();
            let at = match kept {
                Kept::Nothing => 0,
                Kept::Everything => meanings.len(),
                Kept::Pages | Kept::Sectors => rng.usize(..=meanings.len()),
            };
            put(&mut left, name, at.checked_sub(1).map_or(before, |at| meanings[at]));
        }
        for (from, to, ino) in &self.renames {
            let is_done = left.get(to) == Some(ino);
            put(&mut left, from, (!is_done).then_some(*ino));
        }
        left
    }
}

fn put(names: &mut BTreeMap<String, Ino>, name: &str, ino: Option<Ino>) {
    match ino {
        Some(ino) => drop(names.insert(name.to_owned(), ino)),
        None => drop(names.remove(name)),
    }
}

/// A file system without its bounds.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    nodes: BTreeMap<Ino, Node>,
    next: Ino,
}

impl Tree {
    pub(super) fn new() -> Self {
        Self { nodes: BTreeMap::from([(ROOT, Node::Dir(Names::default()))]), next: ROOT + 1 }
    }

    /// Makes a folder, and those above it that are missing.
    pub(super) fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        let mut at = ROOT;
        for name in names(path) {
            at = match self.dir(at)?.now.get(name) {
                Some(&ino) => ino,
                None => self.add(at, name, Node::Dir(Names::default()))?,
            };
        }
        self.dir(at).map(drop)
    }

    pub(super) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        let ino = self.find(path)?;
        self.dir(ino)?.sync();
        Ok(())
    }

    pub(super) fn open(&mut self, path: &Path, create: bool) -> io::Result<Ino> {
        match self.find(path) {
            Err(error) if create && error.kind() == io::ErrorKind::NotFound => {
                let (dir, name) = self.parent(path)?;
                self.add(dir, name, Node::File(Pages::default()))
            }
            other => other,
        }
    }

    pub(super) fn unlink(&mut self, path: &Path) -> io::Result<()> {
        self.find(path)?;
        let (dir, name) = self.parent(path)?;
        self.dir(dir)?.set(name, None);
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let ino = self.find(from)?;
        let ((dir, from), (_, to)) = (self.parent(from)?, self.parent(to)?);
        let names = self.dir(dir)?;
        names.set(to, Some(ino));
        names.set(from, None);
        names.renames.push((from.to_owned(), to.to_owned(), ino));
        Ok(())
    }

    pub(super) fn file(&mut self, ino: Ino) -> io::Result<&mut Pages> {
        match self.nodes.get_mut(&ino) {
            Some(Node::File(pages)) => Ok(pages),
            _ => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<Ino> {
        let mut at = ROOT;
        for name in names(path) {
            at = match self.nodes.get(&at) {
                Some(Node::Dir(dir)) => *dir.now.get(name).ok_or(io::ErrorKind::NotFound)?,
                _ => return Err(io::ErrorKind::NotADirectory.into()),
            };
        }
        Ok(at)
    }

    /// Every file below a folder: its name and its number.
    pub(super) fn files(&self, path: &Path) -> Vec<(String, Ino)> {
        let mut files = Vec::new();
        let mut todo: Vec<_> = self.find(path).into_iter().collect();
        while let Some(ino) = todo.pop() {
            let Some(Node::Dir(dir)) = self.nodes.get(&ino) else { continue };
            for (name, &ino) in &dir.now {
                match self.nodes.get(&ino) {
                    Some(Node::File(_)) => files.push((name.clone(), ino)),
                    _ => todo.push(ino),
                }
            }
        }
        files.sort();
        files
    }

    /// How much room the files take that have a name or that `is_open` says are open.
    pub(super) fn room(&self, is_open: impl Fn(Ino) -> bool) -> u64 {
        let named: Vec<_> = self.files(Path::new("/")).into_iter().map(|(_, ino)| ino).collect();
        let counts = |ino: &Ino| named.contains(ino) || is_open(*ino);
        let room = |(ino, node): (&Ino, &Node)| match node {
            Node::File(pages) if counts(ino) => pages.room().max(pages.len()),
            _ => 0,
        };
        self.nodes.iter().map(room).sum()
    }

    /// What is left of it after a crash; files that no name leads to are gone.
    pub(super) fn survivor(&self, kept: Kept, rng: &mut Rng) -> Self {
        let mut left = Self { nodes: BTreeMap::new(), next: self.next };
        let mut todo = vec![ROOT];
        while let Some(ino) = todo.pop() {
            let node = match self.nodes.get(&ino) {
                Some(Node::File(pages)) => Node::File(pages.survivor(kept, rng)),
                Some(Node::Dir(dir)) => {
                    let now = dir.survivor(kept, rng);
                    todo.extend(now.values().copied());
                    Node::Dir(Names { durable: now.clone(), now, ..Names::default() })
                }
                None => continue,
            };
            left.nodes.insert(ino, node);
        }
        left
    }

    fn add(&mut self, dir: Ino, name: &str, node: Node) -> io::Result<Ino> {
        let ino = self.next;
        self.next += 1;
        self.dir(dir)?.set(name, Some(ino));
        self.nodes.insert(ino, node);
        Ok(ino)
    }

    fn dir(&mut self, ino: Ino) -> io::Result<&mut Names> {
        match self.nodes.get_mut(&ino) {
            Some(Node::Dir(names)) => Ok(names),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn parent<'a>(&self, path: &'a Path) -> io::Result<(Ino, &'a str)> {
        let name = names(path).last().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((self.find(path.parent().ok_or(io::ErrorKind::InvalidInput)?)?, name))
    }
}

fn names(path: &Path) -> impl Iterator<Item = &str> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => name.to_str(),
        _ => None,
    })
}

#[test]
fn a_name_lasts_only_once_its_folder_is_synced() {
    let mut tree = Tree::new();
    tree.create_dir(Path::new("/a/b")).unwrap();
    tree.open(Path::new("/a/b/c"), true).unwrap();
    tree.sync_dir(Path::new("/a/b")).unwrap();
    let rng = &mut Rng::with_seed(1);
    assert!(tree.survivor(Kept::Nothing, rng).files(Path::new("/")).is_empty(), "its folder");
    tree.sync_dir(Path::new("/a")).unwrap();
    tree.sync_dir(Path::new("/")).unwrap();
    tree.unlink(Path::new("/a/b/c")).unwrap();
    assert_eq!(tree.survivor(Kept::Nothing, rng).files(Path::new("/")).len(), 1);
    assert_eq!(tree.survivor(Kept::Everything, rng).files(Path::new("/")).len(), 0);
    tree.sync_dir(Path::new("/a/b")).unwrap();
    assert_eq!(tree.survivor(Kept::Nothing, rng).files(Path::new("/")).len(), 0);
}
