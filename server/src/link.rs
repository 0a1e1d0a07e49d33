//! Links to files: an address that lets whoever has it read one file until some time, without a token.
//!
//! ```text
//! /v1/files/<id>?expires=<ms since 1970>&name=<name>&signature=<base64url of an HMAC>
//! ```
//!
//! The signature is made with a key that only this server has, over what the link allows: `GET` and `HEAD`
//! of that file and of its manifest, until then, under that name. Nothing is kept of a link, so none can be
//! taken back before its time but by deleting the file, or all of them with the key.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64ct::{Base64UrlUnpadded as Base64Url, Encoding as _};
use http::Method;
use longhaul_protocol::Millis;
use longhaul_protocol::ProblemCode;
use longhaul_protocol::name::check_name;
use longhaul_protocol::wire::ids::FileId;
use longhaul_protocol::wire::link::SIGNATURE;

use crate::outcome::{Refusal, sentence};
use crate::route::Target;

/// The longest that a link may be good, seconds: a month. Whoever wants a file for longer is better let in
/// by a token, for a link that got into wrong hands cannot be taken back.
pub const LINK_LASTS_SECONDS_MAX: u64 = 31 * 24 * 60 * 60;

/// What is signed begins with this, so that a signature never means anything else: a link of this kind, for
/// the methods that only read.
const WHAT: &[u8] = b"longhaul link 1: GET and HEAD of the file and its manifest\0";
const EXPIRES: &str = "expires";
const NAME: &str = "name";

/// Why a link is not followed. None of it tells whether there is such a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Without all of its parameters, or with one that is none.
    #[error(
        "the link is not whole: `expires`, `name` or `signature` is missing, comes twice or is none"
    )]
    Malformed,
    /// Another file, time or name than was signed, or another server's.
    #[error("the link was changed, or this server has not made it, or has another key by now")]
    Signature,
    /// Its time is over.
    #[error("the link has expired")]
    Expired,
    /// For something that links are not for.
    #[error("a link is good for reading one file and its manifest, and nothing else")]
    Use,
}

impl From<LinkError> for Refusal {
    fn from(error: LinkError) -> Self {
        Self::new(ProblemCode::LinkRefused, sentence(&error))
    }
}

/// What a link allows to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The file.
    pub file: FileId,
    /// Until when, since 1970.
    pub expires_at: Millis,
    /// What it is called for who follows it, if that is something else than its name.
    pub name: Option<String>,
}

/// The key that links are signed with. Its `Debug` shows nothing of it.
#[derive(Clone, Debug)]
pub struct LinkKey(hmac::Key);

impl LinkKey {
    /// The key of these random bytes.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The query of a link.
    #[must_use]
    pub fn sign(&self, link: &Link) -> String {
        let tag = hmac::sign(&self.0, &said(link));
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair(EXPIRES, &link.expires_at.0.to_string());
        if let Some(name) = &link.name {
            query.append_pair(NAME, name);
        }
        query.append_pair(SIGNATURE, &Base64Url::encode_string(tag.as_ref())).finish()
    }

    /// What a link allows that somebody uses now. The signature is looked at before anything that it says,
    /// in the same time whatever it is.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn judge(
        &self,
        target: Target,
        method: &Method,
        query: &str,
        now: Millis,
    ) -> Result<Link, LinkError> {
        let file = match target {
            Target::File(file) | Target::Manifest(file) => file,
            _ => return Err(LinkError::Use),
        };
        if ![Method::GET, Method::HEAD].contains(method) {
            return Err(LinkError::Use);
        }
        let (link, signature) = read(file, query).ok_or(LinkError::Malformed)?;
        hmac::verify(&self.0, &said(&link), &signature).map_err(|_| LinkError::Signature)?;
        if link.expires_at <= now {
            return Err(LinkError::Expired);
        }
        Ok(link)
    }
}

/// The time, since 1970.
#[must_use]
pub fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Whether a request came by a link, whatever else it carries, or by what is left of one where links lead: that is told to be broken, and not
/// passed over, whoever asks.
#[must_use]
pub fn came_by_link(target: Target, query: &str) -> bool {
    let may_be_broken = matches!(target, Target::File(_) | Target::Manifest(_));
    let is_part = |key: &str| key == SIGNATURE || may_be_broken && [EXPIRES, NAME].contains(&key);
    form_urlencoded::parse(query.as_bytes()).any(|(key, _)| is_part(&key))
}

/// What the signature vouches for: each part has one length, or ends the whole.
fn said(link: &Link) -> Vec<u8> {
    let expires_at = link.expires_at.0.to_be_bytes();
    let (has_name, name) = match &link.name {
        Some(name) => ([1], name.as_bytes()),
        None => ([0], &[][..]),
    };
    [WHAT, &link.file.0, &expires_at, &has_name, name].concat()
}

/// The parts of a link, each at most once; what else is in the query belongs to others.
fn read(file: FileId, query: &str) -> Option<(Link, Vec<u8>)> {
    let (mut expires, mut name, mut signature) = (None, None, None);
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        let part = match key.as_ref() {
            EXPIRES => &mut expires,
            NAME => &mut name,
            SIGNATURE => &mut signature,
            _ => continue,
        };
        if part.replace(value.into_owned()).is_some() {
            return None;
        }
    }
    let expires = expires.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    let expires_at = Millis(expires.parse().ok()?);
    if name.as_ref().is_some_and(|name| check_name(name).is_err()) {
        return None;
    }
    let signature = Base64Url::decode_vec(&signature?).ok()?;
    Some((Link { file, expires_at, name }, signature))
}

#[cfg(test)]
mod tests;
