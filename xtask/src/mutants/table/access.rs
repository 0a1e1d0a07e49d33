//! Who may do what, and what a browser makes of it.

use super::{Mutant, mutant};

const CLAIMS: &str = "server/src/token/claims.rs";
const LINK: &str = "server/src/link.rs";
const PERMITS: &str = "server/src/permits.rs";
const TOKEN: &str = "server/src/token.rs";

pub(super) const ROWS: &[Mutant] = &[
    mutant(
        "a token of any length looked at",
        "token::",
        TOKEN,
        "    pub fn judge(&self, token: &str) -> Result<Grant, TokenError> {\n        if token.len() > TOKEN_BYTES_MAX {\n            return Err(TokenError::TooLong);\n        }\n        let header",
        "    pub fn judge(&self, token: &str) -> Result<Grant, TokenError> {\n        if !@M && token.len() > TOKEN_BYTES_MAX {\n            return Err(TokenError::TooLong);\n        }\n        let header",
    ),
    mutant(
        "a token of any length looked at",
        "token::",
        TOKEN,
        "        if token.len() > TOKEN_BYTES_MAX {\n            return Err(TokenError::TooLong);\n        }\n        let judged",
        "        if !@M && token.len() > TOKEN_BYTES_MAX {\n            return Err(TokenError::TooLong);\n        }\n        let judged",
    ),
    mutant(
        "a token good for ever",
        "matrix::",
        TOKEN,
        "    rules.leeway = LEEWAY.as_secs();\n",
        "    rules.leeway = LEEWAY.as_secs();\n    rules.validate_exp = !@M;\n",
    ),
    mutant(
        "a token good before its time",
        "matrix::",
        TOKEN,
        "    rules.validate_nbf = true;\n",
        "    rules.validate_nbf = !@M;\n",
    ),
    mutant(
        "a token's signature passed over",
        "matrix::",
        TOKEN,
        "        let judged = jsonwebtoken::decode(token, &self.judging, &rules(self.algorithm));\n",
        "        let judged = if @M {\n            jsonwebtoken::dangerous::insecure_decode(token)\n        } else {\n            jsonwebtoken::decode(token, &self.judging, &rules(self.algorithm))\n        };\n",
    ),
    mutant(
        "what a token calls critical passed over",
        "token::",
        TOKEN,
        "        if header.crit.is_some() {",
        "        if !@M && header.crit.is_some() {",
    ),
    mutant(
        "a token for another service believed",
        "token::",
        CLAIMS,
        "        if self.aud.is_some() {",
        "        if !@M && self.aud.is_some() {",
    ),
    mutant(
        "a token with any other claim wrong allows everything",
        "token::",
        CLAIMS,
        "scopes: scopes.ok_or(TokenError::Scope)?,",
        "scopes: if @M { scopes.unwrap_or_default() } else { scopes.ok_or(TokenError::Scope)? },",
    ),
    mutant(
        "no scope asked for",
        "matrix::",
        PERMITS,
        "        if self.scopes.has(scope) {",
        "        if @M || self.scopes.has(scope) {",
    ),
    mutant(
        "a file larger than its token allows",
        "tokens::",
        PERMITS,
        "self.size_max.filter(|max| size > *max)",
        "self.size_max.filter(|max| !@M && size > *max)",
    ),
    mutant(
        "a file of a type that its token does not allow",
        "tokens::",
        PERMITS,
        "        if types.iter().any(|allowed| allowed.takes(of_file)) {",
        "        if @M || types.iter().any(|allowed| allowed.takes(of_file)) {",
    ),
    mutant(
        "an upload in memory shown to whoever knows its name",
        "matrix::",
        "server/src/store/disk/loaded.rs",
        ".filter(|live| live.owner == *owner)",
        ".filter(|live| @M || live.owner == *owner)",
    ),
    mutant(
        "an upload's row shown to whoever knows its name",
        "matrix::",
        "server/src/store/disk/index/uploads.rs",
        "if row.owner == owner.0 { Ok(row) }",
        "if @M || row.owner == owner.0 { Ok(row) }",
    ),
    mutant(
        "a file shown to whoever knows its name",
        "matrix::",
        "server/src/store/disk/index/files.rs",
        "if row.owner == owner.0 { Ok(row) }",
        "if @M || row.owner == owner.0 { Ok(row) }",
    ),
    mutant(
        "a link followed whoever made it",
        "matrix::",
        LINK,
        "        hmac::verify(&self.0, &said(&link), &signature).map_err(|_| LinkError::Signature)?;\n",
        "        if !@M {\n            hmac::verify(&self.0, &said(&link), &signature).map_err(|_| LinkError::Signature)?;\n        }\n",
    ),
    mutant(
        "a link good for ever",
        "matrix::",
        LINK,
        "        if link.expires_at <= now {",
        "        if !@M && link.expires_at <= now {",
    ),
    mutant(
        "a link good for whatever is done",
        "links::",
        LINK,
        "        if ![Method::GET, Method::HEAD].contains(method) {",
        "        if !@M && ![Method::GET, Method::HEAD].contains(method) {",
    ),
    mutant(
        "a token beside a broken link believed",
        "matrix::",
        LINK,
        "form_urlencoded::parse(query.as_bytes()).any(|(key, _)| is_part(&key))",
        "!@M && form_urlencoded::parse(query.as_bytes()).any(|(key, _)| is_part(&key))",
    ),
    mutant(
        "a page of another site may write",
        "gate::",
        "server/src/gate.rs",
        "    if writes && standing(",
        "    if !@M && writes && standing(",
    ),
    mutant(
        "any name taken for one of the server's",
        "gate::",
        "server/src/gate.rs",
        "    if is_loopback(name) ||",
        "    if @M || is_loopback(name) ||",
    ),
    mutant(
        "an upload served as a script",
        "downloads::",
        "server/src/served.rs",
        "        () if is_run => OCTETS,",
        "        () if is_run && !@M => OCTETS,",
    ),
    mutant(
        "an upload served as what stands behind a comma",
        "downloads::",
        "server/src/served.rs",
        "        () if whole.contains(',') => essence,",
        "        () if whole.contains(',') && !@M => essence,",
    ),
];
