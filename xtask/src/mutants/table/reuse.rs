//! References and shared blobs.

use super::{Mutant, mutant};

const CHUNKS: &str = "server/src/store/disk/index/chunks.rs";
const FIND: &str = "server/src/store/disk/index/find.rs";
const FILES: &str = "server/src/store/disk/index/files.rs";
const REFS: &str = "server/src/store/disk/index/refs.rs";
const SWEEP: &str = "server/src/store/disk/sweep.rs";
const BEGIN: &str = "server/src/store/disk/begin.rs";

pub(super) const ROWS: &[Mutant] = &[
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
        BEGIN,
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
];
