//! The receiver's half of the pair: what a server promises, without a disk.

use std::collections::{BTreeMap, BTreeSet};

use longhaul_protocol::plan::{CHUNK_LEN_SHORT, ChunkIndex, Plan};
use longhaul_protocol::retry::RetryPolicy;
use longhaul_protocol::upload::{Answer, Call};
use longhaul_protocol::wire::header::{ChunkHeaders, StoreHeaders};
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::proof::{Challenge, Nonce, Proof, ProofRequest};
use longhaul_protocol::wire::{
    CreateRequest, DifferingChunk, DigestRun, DigestsAnswer, FileInfo, FileMeta, Holding,
    PartialChunk, UploadStatus,
};
use longhaul_protocol::{ChunkSet, Digest, Millis, Problem, ProblemCode, digest};

#[derive(Default)]
pub struct Receiver {
    pub uploads: BTreeMap<UploadId, Open>,
    keys: BTreeMap<String, UploadId>,
    pub chunk_len: Option<u64>,
    /// Digests that some other file of the owner has.
    pub known: BTreeSet<Digest>,
    /// Digests that some other owner has.
    pub of_others: BTreeSet<Digest>,
    /// Whether what is known is held at once, by reference, and copied then.
    pub lends: bool,
    /// Digests whose copy will not verify.
    pub rotten: BTreeSet<Digest>,
    /// Bodies of chunks that were held or pending already.
    pub bodies_wasted: u64,
    next_id: u8,
    nonces: u64,
}

pub struct Open {
    pub plan: Plan,
    pub held: BTreeMap<ChunkIndex, Digest>,
    pub pending: BTreeMap<ChunkIndex, Digest>,
    pub filling: BTreeMap<ChunkIndex, Digest>,
    /// Those of the held ones that are references, and whether they are being copied.
    pub borrowed: BTreeMap<ChunkIndex, Digest>,
    pub is_copied: bool,
    pub partial: BTreeMap<ChunkIndex, PartialChunk>,
    /// What is to be proved, and how often something else was.
    pub challenged: BTreeMap<ChunkIndex, (Digest, Nonce)>,
    pub wrong_proofs: u32,
    pub file: Option<FileInfo>,
}

impl Receiver {
    /// Puts an upload there as an earlier session left it.
    pub fn seed(&mut self, plan: Plan, held: BTreeMap<ChunkIndex, Digest>) -> UploadId {
        let id = self.new_id();
        let (pending, filling, borrowed, partial, challenged) = Default::default();
        let (is_copied, wrong_proofs, file) = Default::default();
        let open = Open {
            plan,
            held,
            pending,
            filling,
            borrowed,
            is_copied,
            partial,
            challenged,
            wrong_proofs,
            file,
        };
        self.uploads.insert(id, open);
        id
    }

    pub fn answer(&mut self, call: &Call) -> Result<Answer, Problem> {
        match call {
            Call::List => Ok(Answer::Uploads(self.listed())),
            Call::Create { request, key } => {
                let id = match self.keys.get(key) {
                    Some(id) => *id,
                    None => self.create(request.size, key),
                };
                let run = request
                    .digests
                    .clone()
                    .filter(|_| Some(self.uploads[&id].plan.chunk_len()) == request.chunk_size);
                let offered =
                    run.map_or(Ok(DigestsAnswer::default()), |run| self.offer(id, &run))?;
                let mut answer = self.status(id)?;
                if let Answer::Upload(status) = &mut answer {
                    status.challenge = offered.challenge;
                    let is_lendable = !(self.known.is_empty() && self.of_others.is_empty());
                    status.reusable = Some(is_lendable || self.uploads.len() > 1);
                }
                Ok(answer)
            }
            Call::Status(id) => self.status(*id),
            Call::Offer(id, run) => self.offer(*id, run).map(Answer::Digests),
            Call::Prove(id, request) => self.prove(*id, request).map(Answer::Digests),
            Call::Seal(id, request) => self.seal(*id, request.root),
            Call::Cancel(id) => {
                let gone = self.uploads.remove(id).map(|_| Answer::Gone);
                self.keys.retain(|_, upload| upload != id);
                gone.ok_or_else(|| ProblemCode::NotFound.problem(""))
            }
        }
    }

    /// Every upload is of a file of that name here.
    fn listed(&mut self) -> Vec<UploadStatus> {
        let ids: Vec<_> = self.uploads.keys().copied().collect();
        let statuses = ids.into_iter().filter_map(|id| match self.status(id) {
            Ok(Answer::Upload(status)) => Some(*status),
            _ => None,
        });
        let meta = || FileMeta { name: "take.wav".to_owned(), ..FileMeta::default() };
        statuses.map(|status| UploadStatus { meta: meta(), ..status }).collect()
    }

    pub fn chunk(
        &mut self,
        id: UploadId,
        headers: &ChunkHeaders,
        body: Digest,
    ) -> Result<(), Problem> {
        let open = self.open(id)?;
        let index = headers.index;
        if open.file.is_some() {
            return Err(ProblemCode::Sealed.problem(""));
        }
        let has = open.held.get(&index).or(open.pending.get(&index)).copied();
        match has {
            Some(digest) if digest == headers.digest => {
                self.bodies_wasted += 1;
                return Ok(());
            }
            Some(digest) if headers.replace == Some(digest) => {
                open.held.remove(&index);
                open.borrowed.remove(&index);
                open.pending.remove(&index);
            }
            Some(_) => return Err(ProblemCode::ChunkHeld.problem("")),
            None => {}
        }
        let kept = open.partial.get(&index).filter(|kept| kept.digest == headers.digest);
        if headers.offset > 0 && kept.is_none_or(|kept| kept.offset != headers.offset) {
            return Err(ProblemCode::OffsetMismatch.problem(""));
        }
        open.partial.remove(&index);
        if body != headers.digest {
            return Err(ProblemCode::DigestMismatch.problem(""));
        }
        open.filling.remove(&index);
        open.pending.insert(index, body);
        Ok(())
    }

    /// A whole file in one request: what does not come to its end leaves nothing behind.
    pub fn store(
        &mut self,
        headers: &StoreHeaders,
        body: Digest,
    ) -> Result<Box<FileInfo>, Problem> {
        let request = CreateRequest::from_header(&headers.create).unwrap();
        let call = Call::Create { request: Box::new(request), key: headers.key.clone() };
        let Answer::Upload(status) = self.answer(&call)? else { panic!("a create is answered so") };
        let id = status.id;
        if let Some(file) = status.file {
            return Ok(Box::new(file));
        }
        let chunk =
            ChunkHeaders { index: ChunkIndex(0), offset: 0, digest: headers.digest, replace: None };
        let taken = match status.chunk_count {
            1 => self.chunk(id, &chunk, body),
            _ => Err(ProblemCode::TooLarge.problem("")),
        };
        match taken.and_then(|()| self.seal(id, digest::root([headers.digest]))) {
            Ok(Answer::File(file)) => Ok(file),
            Ok(_) => panic!("a seal is answered with a file"),
            Err(problem) => self.answer(&Call::Cancel(id)).and(Err(problem)),
        }
    }

    /// The request broke off after some bytes: they are kept, under the digest they came with.
    pub fn break_off(&mut self, id: UploadId, headers: &ChunkHeaders, bytes: u64) {
        let Ok(open) = self.open(id) else { return };
        let (index, digest) = (headers.index, headers.digest);
        if open.held.contains_key(&index) || open.pending.contains_key(&index) {
            return;
        }
        let kept = open.partial.get(&index).filter(|kept| kept.digest == digest);
        if kept.map_or(0, |kept| kept.offset) == headers.offset {
            let offset =
                headers.offset + bytes.min(open.plan.chunk_bytes(index) - headers.offset - 1);
            open.partial.insert(index, PartialChunk { index, offset, digest });
        }
    }

    /// Everything pending is synced, everything being filled is copied, or is not.
    pub fn sync(&mut self) {
        for open in self.uploads.values_mut() {
            open.held.append(&mut open.pending);
            let rotten = &self.rotten;
            for (index, digest) in std::mem::take(&mut open.borrowed) {
                if rotten.contains(&digest) {
                    open.held.remove(&index);
                }
            }
            let filled = std::mem::take(&mut open.filling);
            open.pending.extend(filled.into_iter().filter(|(_, digest)| !rotten.contains(digest)));
        }
    }

    pub fn restart(&mut self) {
        for open in self.uploads.values_mut() {
            open.pending.clear();
            open.filling.clear();
            open.is_copied = false;
            open.challenged.clear();
            open.partial.retain(|chunk, _| chunk.0 % 2 == 0);
        }
    }

    pub fn vanish(&mut self) {
        self.uploads.retain(|_, open| open.file.is_some());
        self.keys.clear();
    }

    fn new_id(&mut self) -> UploadId {
        self.next_id += 1;
        UploadId([self.next_id; 16])
    }

    fn create(&mut self, size: u64, key: &str) -> UploadId {
        let plan = Plan::new(size, self.chunk_len.unwrap_or(CHUNK_LEN_SHORT)).unwrap();
        let id = self.seed(plan, BTreeMap::new());
        self.keys.insert(key.to_owned(), id);
        id
    }

    fn open(&mut self, id: UploadId) -> Result<&mut Open, Problem> {
        self.uploads.get_mut(&id).ok_or_else(|| ProblemCode::NotFound.problem(""))
    }

    fn offer(&mut self, id: UploadId, run: &DigestRun) -> Result<DigestsAnswer, Problem> {
        let known = std::mem::take(&mut self.known);
        let lends = self.lends;
        let of_others = std::mem::take(&mut self.of_others);
        self.nonces += 1;
        let nonce = Nonce(Digest::of(&self.nonces.to_le_bytes()));
        let mut challenged = ChunkSet::new();
        let open = self.open(id)?;
        let mut differs = Vec::new();
        for (index, digest) in run.iter() {
            match open.held.get(&index).or(open.pending.get(&index)) {
                Some(has) if *has != digest => differs.push(DifferingChunk { index, digest: *has }),
                Some(_) => {}
                None if known.contains(&digest) && lends => {
                    open.held.insert(index, digest);
                    open.borrowed.insert(index, digest);
                    // References may be enough, as far as is known now.
                    open.is_copied |= index.0 % 3 == 0;
                }
                None if known.contains(&digest) => {
                    open.filling.insert(index, digest);
                }
                None if of_others.contains(&digest) && open.wrong_proofs < 3 => {
                    open.challenged.insert(index, (digest, nonce));
                    challenged.insert(index);
                }
                None => {}
            }
        }
        let holding = open.holding();
        (self.known, self.of_others) = (known, of_others);
        let challenge = (!challenged.is_empty()).then_some(Challenge { nonce, chunks: challenged });
        Ok(DigestsAnswer { holding, differs, challenge })
    }

    /// The bytes of a chunk are here only by their digest, so that is what is hashed.
    fn prove(&mut self, id: UploadId, request: &ProofRequest) -> Result<DigestsAnswer, Problem> {
        let rotten = self.rotten.clone();
        let open = self.open(id)?;
        let mut all_right = true;
        for &Proof { index, proof } in &request.proofs {
            let Some((digest, nonce)) = open.challenged.remove(&index) else { continue };
            let has = open.held.contains_key(&index) || open.pending.contains_key(&index);
            if proof_of(nonce, digest) != proof {
                open.wrong_proofs += 1;
                all_right = false;
            } else if !has && !rotten.contains(&digest) {
                open.pending.insert(index, digest);
            }
        }
        let holding = open.holding();
        let answer = DigestsAnswer { holding, ..DigestsAnswer::default() };
        if all_right { Ok(answer) } else { Err(ProblemCode::WrongProof.problem("")) }
    }

    fn seal(&mut self, id: UploadId, root: Digest) -> Result<Answer, Problem> {
        let open = self.open(id)?;
        if let Some(file) = &open.file {
            return Ok(Answer::File(Box::new(file.clone())));
        }
        open.held.append(&mut open.pending);
        let holding = open.holding();
        if !holding.held.is_complete(open.plan) {
            let mut problem = ProblemCode::ChunksMissing.problem("");
            problem.facts.missing = Some(ChunkSet::all(open.plan).without(&holding.held));
            return Err(problem);
        }
        if digest::root(open.held.values().copied()) != root {
            return Err(ProblemCode::RootMismatch.problem(""));
        }
        if !open.borrowed.is_empty() {
            open.is_copied = true;
            return Err(ProblemCode::StillFilling.problem(""));
        }
        let digests: Vec<_> = open.held.values().copied().collect();
        open.file = Some(FileInfo {
            id: FileId(id.0),
            meta: FileMeta::default(),
            size: open.plan.len(),
            root,
            chunk_size: open.plan.chunk_len(),
            chunk_count: open.plan.chunk_count(),
            sealed_at: Millis(0),
            sha256: None,
        });
        self.known.extend(digests);
        self.seal(id, root)
    }

    fn status(&mut self, id: UploadId) -> Result<Answer, Problem> {
        let open = self.open(id)?;
        let holding = open.holding();
        Ok(Answer::Upload(Box::new(UploadStatus {
            id,
            meta: FileMeta::default(),
            size: open.plan.len(),
            chunk_size: open.plan.chunk_len(),
            chunk_count: open.plan.chunk_count(),
            digest_algorithm: digest::ALGORITHM.to_owned(),
            lanes: open.plan.lanes(),
            retry: RetryPolicy::default(),
            transport_encryption: "none".to_owned(),
            created_at: Millis(0),
            last_activity: Millis(0),
            expires_at: Millis(0),
            sealable: false,
            holding,
            file: open.file.clone(),
            digests: None,
            challenge: None,
            reusable: None,
        })))
    }
}

pub fn proof_of(nonce: Nonce, bytes: Digest) -> Digest {
    let mut hasher = nonce.hasher();
    hasher.update(&bytes.0);
    hasher.finish()
}

impl Open {
    fn holding(&self) -> Holding {
        let set = |chunks: &BTreeMap<ChunkIndex, Digest>| chunks.keys().copied().collect();
        Holding {
            held: set(&self.held),
            pending: set(&self.pending),
            filling: {
                let mut filling = set(&self.filling);
                if self.is_copied {
                    filling.union_with(&set(&self.borrowed));
                }
                filling
            },
            partial: self.partial.values().copied().collect(),
        }
    }
}
