//! What strangers may take.

use super::{Mutant, mutant};

pub(super) const ROWS: &[Mutant] = &[
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
        "self.admit_one(peer, proxies.trust(peer))",
        "self.admit_one(peer, @M || proxies.trust(peer))",
    ),
];
