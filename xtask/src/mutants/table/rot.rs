//! What a disk does to bytes that lie there, and when it is full.

use super::{Mutant, mutant};

const INDEX: &str = "server/src/store/disk/index.rs";
const INDEX_OPEN: &str = "server/src/store/disk/index/open.rs";
const READER: &str = "server/src/store/disk/reader.rs";
const ROT: &str = "server/src/store/disk/rot.rs";
const ROW: &str = "server/src/store/disk/row.rs";
const SCRUB: &str = "server/src/store/disk/scrub.rs";
const SWEEP: &str = "server/src/store/disk/sweep.rs";
const VERIFIED: &str = "server/src/store/disk/verified.rs";

pub(super) const ROWS: &[Mutant] = &[
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
];
