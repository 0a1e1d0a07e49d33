//! What is acknowledged stays.

use super::{Mutant, mutant};

const BEGIN: &str = "server/src/store/disk/begin.rs";
const CLAIMS: &str = "server/src/store/disk/claims.rs";
const CREATE: &str = "server/src/store/disk/create.rs";
const INDEX: &str = "server/src/store/disk/index.rs";
const OPEN: &str = "server/src/store/disk/open.rs";
const SWEEP: &str = "server/src/store/disk/sweep.rs";
const SYNCER: &str = "server/src/store/disk/syncer.rs";
const WRITER: &str = "server/src/store/disk/writer.rs";

pub(super) const ROWS: &[Mutant] = &[
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
        BEGIN,
        "                    if self.remove_row(live, chunk.index, digest).await? {\n",
        "                    if @M {\n                        live.change(|state| state.chunks.end_removal(chunk.index, true));\n                        return Ok(Some(claim));\n                    }\n                    if self.remove_row(live, chunk.index, digest).await? {\n",
    ),
    mutant(
        "a chunk held after a commit that may have removed it",
        "faults::",
        BEGIN,
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
];
