//! The manifest, page by page, and whether it holds together: nothing of it is believed before its
//! digests make the root that it tells.

use thiserror::Error;

use crate::digest::{Digest, root};
use crate::plan::{ChunkIndex, Plan, PlanError};
use crate::wire::ids::FileId;
use crate::wire::{FileInfo, Manifest};

/// How a manifest contradicts itself, or what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// It is another file's.
    #[error("the server answered with file {told} when file {asked} was asked for")]
    OtherFile {
        /// Which was asked for.
        asked: FileId,
        /// Which it is.
        told: FileId,
    },
    /// Its numbers make no plan.
    #[error("the server's manifest makes no sense: {0}; update this program or the server")]
    Plan(#[from] PlanError),
    /// A page has other chunks than were asked for.
    #[error(
        "the server's manifest makes no sense: {got} digests from chunk {start} on, where chunk {wanted} of {count} comes next; update this program or the server"
    )]
    Page {
        /// The chunk that comes next.
        wanted: ChunkIndex,
        /// How many chunks there are.
        count: u64,
        /// Where the page starts.
        start: ChunkIndex,
        /// How many digests it has.
        got: u64,
    },
    /// One page tells of another file than those before.
    #[error("the server's manifest tells of another file on its next page; begin again")]
    Changed,
    /// The digests do not make the root.
    #[error(
        "the server's manifest contradicts itself: its digests make the root {computed}, and it tells {told}; nothing was fetched, tell the server's owner"
    )]
    Root {
        /// What it tells.
        told: Digest,
        /// What its digests make.
        computed: Digest,
    },
    /// It is not the file that the user wants.
    #[error("the server has a file with the root {told} there, and the one wanted has {wanted}")]
    Unwanted {
        /// The root that the user gave.
        wanted: Digest,
        /// The root of the file there.
        told: Digest,
    },
}

/// What has come of a manifest.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathering {
    file: Option<Box<FileInfo>>,
    digests: Vec<Digest>,
}

/// A manifest that is whole and holds together.
#[derive(Clone, Debug)]
pub(super) struct Gathered {
    pub(super) file: Box<FileInfo>,
    pub(super) plan: Plan,
    digests: Vec<Digest>,
}

impl Gathering {
    /// The first chunk of the next page.
    pub(super) fn next(&self) -> ChunkIndex {
        ChunkIndex(self.digests.len() as u64)
    }

    /// Takes in a page; the whole, with the last one.
    pub(super) fn add(
        &mut self,
        asked: FileId,
        wanted: Option<Digest>,
        page: Manifest,
    ) -> Result<Option<Gathered>, ManifestError> {
        let Manifest { file, digests: run, .. } = page;
        if file.id != asked {
            return Err(ManifestError::OtherFile { asked, told: file.id });
        }
        let plan = Plan::new(file.size, file.chunk_size)?;
        let is_same = |first: &FileInfo| {
            (first.size, first.chunk_size, first.root) == (file.size, file.chunk_size, file.root)
        };
        if !self.file.as_deref().is_none_or(is_same) {
            return Err(ManifestError::Changed);
        }
        let (next, count, got) = (self.next(), plan.chunk_count(), run.digests.len() as u64);
        let is_next = run.start == next && got <= count - next.0 && (got > 0 || count == 0);
        if !is_next || file.chunk_count != count {
            let (wanted, start) = (next, run.start);
            return Err(ManifestError::Page { wanted, count, start, got });
        }
        self.digests.extend(run.digests);
        self.file = Some(Box::new(file));
        self.whole(plan, wanted)
    }

    fn whole(
        &mut self,
        plan: Plan,
        wanted: Option<Digest>,
    ) -> Result<Option<Gathered>, ManifestError> {
        if self.next().0 < plan.chunk_count() {
            return Ok(None);
        }
        let Some(file) = self.file.take() else { return Ok(None) };
        let digests = std::mem::take(&mut self.digests);
        let (told, computed) = (file.root, root(digests.iter().copied()));
        if told != computed {
            return Err(ManifestError::Root { told, computed });
        }
        match wanted {
            Some(wanted) if wanted != told => Err(ManifestError::Unwanted { wanted, told }),
            _ => Ok(Some(Gathered { file, plan, digests })),
        }
    }
}

impl Gathered {
    /// Whether these are the chunk's bytes.
    pub(super) fn is(&self, chunk: ChunkIndex, digest: Digest) -> bool {
        let at = usize::try_from(chunk.0).ok();
        at.and_then(|at| self.digests.get(at)) == Some(&digest)
    }
}
