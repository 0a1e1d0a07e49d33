//! What others are told of uploads.

use super::{Mutant, mutant};

const FILES: &str = "server/src/store/disk/index/files.rs";
const SCHEDULE: &str = "server/src/hooks/schedule.rs";

pub(super) const ROWS: &[Mutant] = &[
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
];
