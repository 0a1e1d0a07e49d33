//! What strangers may take.

use super::{Mutant, mutant};

pub(super) const ROWS: &[Mutant] = &[
    mutant(
        "no number of connections too many for one address",
        "limits::",
        "server/src/shares.rs",
        "if max == 0 || before.saturating_add(more) <= max {",
        "if @M || max == 0 || before.saturating_add(more) <= max {",
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
        "self.admit_one(peer, proxies.trust(peer))",
        "self.admit_one(peer, @M || proxies.trust(peer))",
    ),
    mutant(
        "uploads to which nothing comes kept in memory, however many",
        "rot::",
        "server/src/store/disk/loaded.rs",
        "        if uploads.len() >= self.live_looked_at.load(Ordering::Relaxed) {",
        "        if !@M && uploads.len() >= self.live_looked_at.load(Ordering::Relaxed) {",
    ),
    mutant(
        "uploads let go of to which something has just come",
        "rot::",
        "server/src/store/disk/loaded.rs",
        "is_unused(live) && is_idle(live)",
        "is_unused(live) && (@M || is_idle(live))",
    ),
    mutant(
        "a page of a listing as long as its rows' metadata",
        "lists::",
        "server/src/store/disk/index/pages.rs",
        "told >= LIST_BYTES_MAX &&",
        "!@M && told >= LIST_BYTES_MAX &&",
    ),
    mutant(
        "guests held by no bound together",
        "space::",
        "server/src/store/disk/space/promised.rs",
        "() if need.is_guests() && has_no_room(",
        "() if !@M && need.is_guests() && has_no_room(",
    ),
    mutant(
        "rows of an upload and a file counted for nobody",
        "metrics::",
        "server/src/store/disk/row.rs",
        "KEPT_ROWS_BYTES.saturating_add(",
        "if @M { 0 } else { KEPT_ROWS_BYTES }.saturating_add(",
    ),
    mutant(
        "one address asked about as often as it wants",
        "hooks::one_address",
        "server/src/shares.rs",
        "Thing::Question => QUESTIONS_MAX,",
        "Thing::Question => if @M { 0 } else { QUESTIONS_MAX },",
    ),
    mutant(
        "hidden files shown beside the page",
        "program::",
        "server/src/route/site.rs",
        "if !is_shown(path) ||",
        "if (!@M && !is_shown(path)) ||",
    ),
    mutant(
        "links out of the page's folder followed",
        "program::",
        "server/src/route/site.rs",
        "|| is_no_file_of(www, path).await {",
        "|| (!@M && is_no_file_of(www, path).await) {",
    ),
    mutant(
        "everybody behind an unknown proxy taken for the one owner",
        "behind_a_proxy::",
        "server/src/access.rs",
        "filter(|_| !is_believed)",
        "filter(|_| !@M && !is_believed)",
    ),
];
