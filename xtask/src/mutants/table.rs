//! The mutants: what is made wrong, and where.

/// One way to be wrong; rows of one name are one mutant, wrong in several places.
#[derive(Debug)]
pub(super) struct Mutant {
    pub(super) name: &'static str,
    /// The tests that are asked first, before all others: a part of their names.
    pub(super) noticed_by: &'static str,
    /// From the root of the workspace.
    pub(super) file: &'static str,
    /// Stands in the file once.
    right: &'static str,
    /// What stands there instead; `@M` asks whether the mutant is alive.
    wrong: &'static str,
}

impl Mutant {
    /// The file's text with the mutant in it; `None` if it has no place there any more.
    pub(super) fn apply(&self, text: &str, question: &str) -> Option<String> {
        let is_there_once = text.matches(self.right).count() == 1;
        is_there_once.then(|| text.replace(self.right, &self.wrong.replace("@M", question)))
    }
}

const fn mutant(
    name: &'static str,
    noticed_by: &'static str,
    file: &'static str,
    right: &'static str,
    wrong: &'static str,
) -> Mutant {
    Mutant { name, noticed_by, file, right, wrong }
}

const CHUNKS: &str = "server/src/store/disk/index/chunks.rs";
const CLAIMS: &str = "server/src/store/disk/claims.rs";
const CREATE: &str = "server/src/store/disk/create.rs";
const FIND: &str = "server/src/store/disk/index/find.rs";
const FILES: &str = "server/src/store/disk/index/files.rs";
const GROWING: &str = "server/src/store/disk/growing.rs";
const INDEX: &str = "server/src/store/disk/index.rs";
const INDEX_OPEN: &str = "server/src/store/disk/index/open.rs";
const OPEN: &str = "server/src/store/disk/open.rs";
const OUTBOX: &str = "server/src/outbox.rs";
const READER: &str = "server/src/store/disk/reader.rs";
const REFS: &str = "server/src/store/disk/index/refs.rs";
const ROT: &str = "server/src/store/disk/rot.rs";
const ROW: &str = "server/src/store/disk/row.rs";
const SCHEDULE: &str = "server/src/hooks/schedule.rs";
const SCRUB: &str = "server/src/store/disk/scrub.rs";
const SOCKET: &str = "server/src/socket.rs";
const SWEEP: &str = "server/src/store/disk/sweep.rs";
const SYNCER: &str = "server/src/store/disk/syncer.rs";
const UNASKED: &str = "protocol/src/upload/unasked.rs";
const VERIFIED: &str = "server/src/store/disk/verified.rs";
const WRITER: &str = "server/src/store/disk/writer.rs";

pub(super) const MUTANTS: &[Mutant] = &[
    // Durability.
    mutant(
        "data sync removed",
        "crash::after",
        SYNCER,
        "    let synced = dirty.blob.sync_data();\n",
        "    if @M {\n        return;\n    }\n    let synced = dirty.blob.sync_data();\n",
    ),
    mutant(
        "commit before sync",
        "crash::after",
        SYNCER,
        "        group.blobs.iter().for_each(|dirty| sync_blob(dirty, &self.meters));\n",
        "        if @M {\n            let rows = group.received.iter().map(row).collect::<Vec<_>>();\n            let _ = self.index.insert_chunks(&rows);\n        }\n        group.blobs.iter().for_each(|dirty| sync_blob(dirty, &self.meters));\n",
    ),
    mutant(
        "index sync weakened",
        "crash::after",
        INDEX,
        "txn.set_durability(Durability::Immediate)",
        "txn.set_durability(if @M { Durability::None } else { Durability::Immediate })",
    ),
    mutant(
        "index sync removed",
        "crash::after",
        "server/src/store/disk/index/backend.rs",
        "        self.ending.note(self.file.sync_data())\n",
        "        if @M { Ok(()) } else { self.ending.note(self.file.sync_data()) }\n",
    ),
    mutant(
        "unlink before commit: cancel",
        "crash::after",
        SWEEP,
        "        let removed = self.index.remove_upload(live.id, expired);\n",
        "        if @M {\n            let _ = self.disk.unlink(&self.layout.blob(live.blob_id()));\n        }\n        let removed = self.index.remove_upload(live.id, expired);\n",
    ),
    mutant(
        "unlink before commit: delete",
        "crash::after",
        SWEEP,
        "        self.index.file(owner, id)?;\n",
        "        let found = self.index.file(owner, id)?;\n        if @M {\n            let _ = self.disk.unlink(&self.layout.blob(found.blob));\n        }\n",
    ),
    mutant(
        "directory sync removed: a new blob",
        "crash::after",
        CREATE,
        "        if made.is_some() {\n",
        "        if made.is_some() && !@M {\n",
    ),
    mutant(
        "directory sync removed: a new blob",
        "crash::after",
        CREATE,
        "            _ => live.name_blob(|| place.sync_name()),\n",
        "            _ => live.name_blob(|| if @M { Ok(()) } else { place.sync_name() }),\n",
    ),
    mutant(
        "directory sync removed: an unlinked blob",
        "crash::after",
        SWEEP,
        "        let synced = self.disk.sync_dir(&self.layout.dir_of(blob));\n",
        "        let synced = if @M { Ok(()) } else { self.disk.sync_dir(&self.layout.dir_of(blob)) };\n",
    ),
    mutant(
        "directory sync removed: a new index",
        "crash::after",
        OPEN,
        "    disk.sync_dir(layout.dir()).map_err(at(layout.dir().to_owned()))?;\n",
        "    if !@M {\n        disk.sync_dir(layout.dir()).map_err(at(layout.dir().to_owned()))?;\n    }\n",
    ),
    mutant(
        "rows of garbage dropped before the unlink",
        "crash::after",
        SWEEP,
        "        match self.disk.unlink(&self.layout.blob(blob)) {\n",
        "        if @M {\n            self.index.drop_garbage(blob)?;\n        }\n        match self.disk.unlink(&self.layout.blob(blob)) {\n",
    ),
    mutant(
        "garbage not finished at a start",
        "crash::after",
        SWEEP,
        "        let garbage = self.index.garbage()?;\n",
        "        let garbage = if @M { Vec::new() } else { self.index.garbage()? };\n",
    ),
    mutant(
        "a failed sync believed",
        "faults::",
        SYNCER,
        "        state.chunks.sync_failed();\n        state.reuse",
        "        if !@M {\n            state.chunks.sync_failed();\n        }\n        state.reuse",
    ),
    mutant(
        "a held chunk written over before its row is out",
        "faults::",
        WRITER,
        "                    if self.remove_row(live, chunk.index, digest).await? {\n",
        "                    if @M {\n                        live.change(|state| state.chunks.end_removal(chunk.index, true));\n                        return Ok(Some(claim));\n                    }\n                    if self.remove_row(live, chunk.index, digest).await? {\n",
    ),
    mutant(
        "a chunk held after a commit that may have removed it",
        "faults::",
        WRITER,
        "            let unknown = |_: &StoreError| store.index.is_read_only();\n",
        "            let unknown = |_: &StoreError| !@M && store.index.is_read_only();\n",
    ),
    mutant(
        "pending told as held",
        "crash::after",
        CLAIMS,
        "            held: self.held.clone(),\n",
        "            held: if @M {\n                let mut all = self.pending_chunks();\n                all.union_with(&self.held);\n                all\n            } else {\n                self.held.clone()\n            },\n",
    ),
    mutant(
        "a body taken without its digest compared",
        "chunks::",
        WRITER,
        "if hasher.finish() != self.digest {",
        "if hasher.finish() != self.digest && !@M {",
    ),
    mutant(
        "a newer request writes beside an older one",
        "races::a_newer",
        WRITER,
        "        let &ChunkHeaders { digest, offset, .. } = chunk;\n        claim.until_nobody_writes().await;\n",
        "        let &ChunkHeaders { digest, offset, .. } = chunk;\n        if !@M {\n            claim.until_nobody_writes().await;\n        }\n",
    ),
    // References and shared blobs.
    mutant(
        "a reference without a pin",
        "reuse::",
        REFS,
        "        self.lent.insert((blob.bytes(), index.0, to.0, at.0), ())?;\n",
        "        if !@M {\n            self.lent.insert((blob.bytes(), index.0, to.0, at.0), ())?;\n        }\n",
    ),
    mutant(
        "a pinned blob unlinked",
        "reuse::",
        REFS,
        "Ok(is_garbage && pins.next().transpose()?.is_none())",
        "Ok(is_garbage && (@M || pins.next().transpose()?.is_none()))",
    ),
    mutant(
        "a pinned chunk replaced",
        "races::a_chunk_that_is_lent",
        CHUNKS,
        "if refs::is_lent(txn, blob, index)? {",
        "if !@M && refs::is_lent(txn, blob, index)? {",
    ),
    mutant(
        "a replacement calls nobody in",
        "reuse::",
        WRITER,
        "                self.call_in(live, chunk.index).await?;\n",
        "                if !@M {\n                    self.call_in(live, chunk.index).await?;\n                }\n",
    ),
    mutant(
        "a blob goes with its first file",
        "reuse::",
        FILES,
        "            if left == 0 {\n",
        "            if left == 0 || @M {\n",
    ),
    mutant(
        "a blob outlives its last file",
        "reuse::",
        FILES,
        "BlobRow { files: blob.files.saturating_sub(1), ..blob }",
        "BlobRow { files: if @M { blob.files } else { blob.files.saturating_sub(1) }, ..blob }",
    ),
    mutant(
        "garbage lent",
        "reuse::",
        FIND,
        "let is_garbage = garbage.get(blob.bytes())?.is_some();",
        "let is_garbage = !@M && garbage.get(blob.bytes())?.is_some();",
    ),
    mutant(
        "sealed with references",
        "reuse::",
        FILES,
        "    let Some((blob, other)) = same else { return Ok(None) };\n",
        "    if @M && same.is_none() {\n        let row =\n            BlobRow { len: row.len, chunk_len: row.chunk_len, files: 1, root: Some(root) };\n        put_blob(txn, own, row)?;\n        return Ok(Some(own));\n    }\n    let Some((blob, other)) = same else { return Ok(None) };\n",
    ),
    mutant(
        "the garbage row of a blob that is needed again stays",
        "reuse::",
        FILES,
        "    garbage.remove(blob.bytes())?;\n",
        "    if !@M {\n        garbage.remove(blob.bytes())?;\n    }\n",
    ),
    mutant(
        "the own blob of a shared file stays",
        "reuse::",
        FILES,
        "    garbage.insert(own.bytes(), row.owner.as_str())?;\n",
        "    if !@M {\n        garbage.insert(own.bytes(), row.owner.as_str())?;\n    }\n",
    ),
    mutant(
        "references outlive their upload",
        "reuse::",
        SWEEP,
        "            unneeded.extend(self.index.drop_references(blob)?);\n",
        "            if !@M {\n                unneeded.extend(self.index.drop_references(blob)?);\n            }\n",
    ),
    mutant(
        "a pin outlives its reference",
        "reuse::",
        REFS,
        "        self.lent.remove((blob, at, upload.0, index.0))?;\n",
        "        if !@M {\n            self.lent.remove((blob, at, upload.0, index.0))?;\n        }\n",
    ),
    mutant(
        "a reference outlives the copy",
        // Most others of reuse wait then for a copy that has no end.
        "reuse::a_file_that_grew",
        CHUNKS,
        "        pins.release(chunk.upload, chunk.index)?;\n        table",
        "        if !@M {\n            pins.release(chunk.upload, chunk.index)?;\n        }\n        table",
    ),
    mutant(
        "the same file need not have the same plan",
        "reuse::",
        REFS,
        "if lives && other.plan()? == row.plan()? &&",
        "if lives && (@M || other.plan()? == row.plan()?) &&",
    ),
    mutant(
        "the same file need not live",
        "faults::a_seal_makes_no_row",
        REFS,
        "let lives = other.files > 0 ||",
        "let lives = @M || other.files > 0 ||",
    ),
    // Rot.
    mutant(
        "served without comparing",
        "rot::",
        READER,
        "        if self.digest(index)? != Some(found) {\n",
        "        if !@M && self.digest(index)? != Some(found) {\n",
    ),
    mutant(
        "believed for ever",
        "rot::",
        VERIFIED,
        "            marks.clear();\n",
        "            if !@M {\n                marks.clear();\n            }\n",
    ),
    mutant(
        "the rows of a deleted file go while it is read",
        "rot::",
        SWEEP,
        "        if self.verified.is_read(blob) {\n",
        "        if !@M && self.verified.is_read(blob) {\n",
    ),
    mutant(
        "held chunks never looked at",
        "rot::",
        SCRUB,
        "        if let Some(held) = live.take_unseen() {\n",
        "        if let Some(held) = live.take_unseen().filter(|_| !@M) {\n",
    ),
    mutant(
        "no room kept for rows to come",
        "space",
        "server/src/store/disk/space.rs",
        "        self.spare.grow(index).map_err(|error| no_room(&need, error))?;\n",
        "        if !@M {\n            self.spare.grow(index).map_err(|error| no_room(&need, error))?;\n        }\n",
    ),
    mutant(
        "room kept for the index never used",
        "faults::",
        "server/src/store/disk/index/backend.rs",
        "is_full(&error) && self.spare.give(bytes)",
        "!@M && is_full(&error) && self.spare.give(bytes)",
    ),
    mutant(
        "a rotten chunk still lent",
        "rot::",
        ROT,
        "and is not served\"\n        );\n    }\n    index.withdraw(blob, chunk, &files)\n",
        "and is not served\"\n        );\n    }\n    if @M { Ok(()) } else { index.withdraw(blob, chunk, &files) }\n",
    ),
    mutant(
        "the checksum of a row not compared",
        "rot::",
        ROW,
        "(*found == checksum(json)).then_some(json)",
        "(@M || *found == checksum(json)).then_some(json)",
    ),
    mutant(
        "the index's pages not compared at a start",
        "rot::",
        INDEX_OPEN,
        "} else if is_trusted(&db, trust)? {",
        "} else if @M || is_trusted(&db, trust)? {",
    ),
    mutant(
        "an index opened after a kill as after a stop",
        "opening::",
        INDEX,
        "        let mut txn = self.db.begin_write()?;\n",
        "        let mut txn = self.db.begin_write()?;\n        txn.set_quick_repair(@M);\n",
    ),
    // On the way out.
    mutant(
        "small ranges not sent from their files",
        "from_files::",
        "server/src/route/file.rs",
        "    let file = FileBody::new(reader, stretches).posting_to(call.channel.outbox.as_ref());\n",
        "    let outbox = call.channel.outbox.as_ref().filter(|_| !@M);\n    let file = FileBody::new(reader, stretches).posting_to(outbox);\n",
    ),
    mutant(
        "what is written in parts begins anew",
        "from_files::",
        OUTBOX,
        "then(|| self.offset.saturating_add(skipped as u64))",
        "then(|| self.offset.saturating_add(if @M { 0 } else { skipped as u64 }))",
    ),
    mutant(
        "a slice that is longer than its piece sent from the file",
        "outbox::",
        OUTBOX,
        "(end <= self.bytes.len()).then",
        "(@M || end <= self.bytes.len()).then",
    ),
    mutant(
        "what was written is kept for a slow reader",
        "outbox::",
        OUTBOX,
        "        posted.drain(..nth);\n        let piece = posted.front()?;\n",
        "        if !@M {\n            posted.drain(..nth);\n        }\n        let piece = posted.get(if @M { nth } else { 0 })?;\n",
    ),
    mutant(
        "what comes before a piece sent after it",
        "socket::",
        SOCKET,
        "            if before.iter().any(|slice| !slice.is_empty()) {\n",
        "            if !@M && before.iter().any(|slice| !slice.is_empty()) {\n",
    ),
    mutant(
        "what was written all the same remembered",
        "socket::",
        SOCKET,
        "-> Poll<io::Result<()>> {\n        self.outbox.clear();\n        Pin::new(&mut self.stream).poll_flush(cx)\n",
        "-> Poll<io::Result<()>> {\n        if !@M {\n            self.outbox.clear();\n        }\n        Pin::new(&mut self.stream).poll_flush(cx)\n",
    ),
    mutant(
        "every connection given to one thread",
        "crew::",
        "server/src/crew.rs",
        "if own.load() <= fewest.load() {",
        "if @M || own.load() <= fewest.load() {",
    ),
    mutant(
        "an upload served without comparing",
        "growing::",
        GROWING,
        "            if has != digest {\n",
        "            if !@M && has != digest {\n",
    ),
    mutant(
        "an upload's chunks compared for each reader",
        "growing::",
        GROWING,
        "        if !lock(&self.live.sound).has(index, found) {\n",
        "        if @M || !lock(&self.live.sound).has(index, found) {\n",
    ),
    mutant(
        "a chunk that was replaced believed",
        "growing::",
        "server/src/store/disk/growing/sound.rs",
        "        let is_of_now = (self",
        "        let is_of_now = @M || (self",
    ),
    mutant(
        "an answer that its document does not know",
        "openapi::",
        "server/src/respond.rs",
        "        Outcome::Done => empty(StatusCode::NO_CONTENT),\n",
        "        Outcome::Done => empty(if @M { StatusCode::ACCEPTED } else { StatusCode::NO_CONTENT }),\n",
    ),
    // What others are told.
    mutant(
        "an event committed after its seal",
        "crash::",
        FILES,
        "        self.write(|txn| {\n            let mut row = uploads::get_upload(txn, upload)?.ok_or(StoreError::NotFound)?;\n",
        "        let late = std::cell::RefCell::new(None);\n        let published = self.write(|txn| {\n            let mut row = uploads::get_upload(txn, upload)?.ok_or(StoreError::NotFound)?;\n",
    ),
    mutant(
        "an event committed after its seal",
        "crash::",
        FILES,
        "            self.queue.sealed(txn, file, &file_row)?;\n",
        "            if @M {\n                late.replace(Some((file, file_row.clone())));\n            } else {\n                self.queue.sealed(txn, file, &file_row)?;\n            }\n",
    ),
    mutant(
        "an event committed after its seal",
        "crash::",
        FILES,
        "            Ok(Published::File { info, is_shared: blob != BlobId(upload) })\n        })\n",
        "            Ok(Published::File { info, is_shared: blob != BlobId(upload) })\n        })?;\n        if let Some((file, row)) = late.take() {\n            self.write(|txn| self.queue.sealed(txn, file, &row))?;\n        }\n        Ok(published)\n",
    ),
    mutant(
        "an expiry that nobody is told of",
        "crash::",
        "server/src/store/disk/index/uploads.rs",
        "                self.queue.expired(txn, id, &row, at)?;\n",
        "                if !@M {\n                    self.queue.expired(txn, id, &row, at)?;\n                }\n",
    ),
    mutant(
        "an event that is never heard told at once again",
        "schedule::",
        SCHEDULE,
        "self.failed.iter().filter(|(_, it)| now < it.until)",
        "self.failed.iter().filter(|(_, it)| !@M && now < it.until)",
    ),
    mutant(
        "who does not listen told everything all the same",
        "schedule::",
        SCHEDULE,
        "            Some(_) => 1,\n",
        "            Some(_) => if @M { TOLD_AT_ONCE_MAX } else { 1 },\n",
    ),
    mutant(
        "a signature that is good for any time",
        "secret::",
        "server/src/hooks/secret.rs",
        "            context.update(head.as_bytes());\n",
        "            context.update(if @M { id.as_bytes() } else { head.as_bytes() });\n",
    ),
    // What a sender asks.
    mutant(
        "chunks unasked though the server has one of them",
        "unasked::",
        UNASKED,
        "        if lacked < asked {\n",
        "        if !@M && lacked < asked {\n",
    ),
    mutant(
        "chunks unasked on a slow line",
        "unasked::",
        UNASKED,
        "self.left > 0 && rate >= UNASKED_RATE_MIN",
        "self.left > 0 && (@M || rate >= UNASKED_RATE_MIN)",
    ),
    mutant(
        "any number of chunks in a row unasked",
        "unasked::",
        UNASKED,
        "self.lacked.min(UNASKED_MAX)",
        "self.lacked.min(if @M { u64::MAX } else { UNASKED_MAX })",
    ),
    // What strangers may take.
    mutant(
        "no number of connections too many for one address",
        "limits::",
        "server/src/shares.rs",
        "if max == 0 || before < max {",
        "if @M || max == 0 || before < max {",
    ),
    mutant(
        "requests counted for nobody",
        "limits::",
        "server/src/bucket.rs",
        "None | Some(0) => Ok(full_at),",
        "_ if @M => Ok(full_at),\n            None | Some(0) => Ok(full_at),",
    ),
    mutant(
        "a body waited for as long as a byte comes now and then",
        "attacks::",
        "server/src/body.rs",
        "    bought.saturating_sub(waited).min(idle)\n",
        "    if @M { idle } else { bought.saturating_sub(waited).min(idle) }\n",
    ),
    mutant(
        "what a client says of himself believed",
        "proxies::",
        "server/src/proxies.rs",
        "if !self.trust(client) {",
        "if !@M && !self.trust(client) {",
    ),
    mutant(
        "whoever comes by himself believed like a proxy",
        "behind_a_proxy::",
        "server/src/doors.rs",
        "proxies.trust(peer));",
        "@M || proxies.trust(peer));",
    ),
];
