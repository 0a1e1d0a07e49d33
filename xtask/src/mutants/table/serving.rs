//! On the way out.

use super::{Mutant, mutant};

const GROWING: &str = "server/src/store/disk/growing.rs";
const OUTBOX: &str = "server/src/outbox.rs";
const SOCKET: &str = "server/src/socket.rs";

pub(super) const ROWS: &[Mutant] = &[
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
];
