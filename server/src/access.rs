//! Who asks, and how a guest is let in.
//!
//! Under `Guests` a caller without a token is a guest whom nobody has met: nothing is his, so he
//! lists nothing and finds nothing, and what he begins is his alone. The answer to that has the
//! token that makes him the same guest next time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::HeaderName;
use http::header::AUTHORIZATION;
use http::request::Parts;
use longhaul_protocol::ProblemCode;
use longhaul_protocol::wire::header::read_bearer;

use crate::outcome::{Beside, Refusal};
use crate::permits::{Permits, Scope, Scopes};
use crate::store::Owner;
use crate::token::{Grant, Keys, TokenError, TokenKey};

/// How long a guest's token lasts: a year from the last upload that was begun with it. What is a
/// guest's is out of everybody's reach once his token is over, so it has to last as long as anybody
/// comes back.
pub const GUEST_TOKEN_LASTS: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Whom a server lets in.
#[derive(Clone, Debug, Default)]
pub enum Access {
    /// Everybody who reaches it, as one owner, `local`. For loopback only.
    #[default]
    Local,
    /// Those with a token.
    Tokens(Keys),
    /// Those with a token, and guests.
    Guests {
        /// What tokens are judged by, those of guests too.
        keys: Keys,
        /// What the tokens of guests are signed with.
        guests: Box<TokenKey>,
    },
}

impl Access {
    /// Who sends a request; `is_believed` where it comes by a proxy that the server was told of. `untold` has the log say
    /// once that there are others.
    ///
    /// # Errors
    /// [`Refusal`] when it has to say so, with a valid token, and does not. A token that is not
    /// valid never makes a guest: its owner would not find his files and not know why. Also when nobody has to, and a proxy
    /// has passed it on that nobody told of: whoever is behind that is not on this machine.
    pub fn caller(
        &self,
        head: &Parts,
        is_believed: bool,
        untold: &UntoldProxies,
    ) -> Result<Grant, Refusal> {
        let keys = match self {
            Self::Local => match told_by_proxy(head).filter(|_| !is_believed) {
                Some(header) => return Err(untold.refuse(header)),
                None => return Ok(local()),
            },
            Self::Tokens(keys) | Self::Guests { keys, .. } => keys,
        };
        match (token(head)?, self) {
            (Some(token), _) => self.known(keys, token),
            (None, Self::Guests { .. }) => {
                let owner = Owner::new_guest().map_err(|error| Refusal::internal(&error))?;
                Ok(Grant::of(owner))
            }
            (None, _) => Err(refused(NO_TOKEN, Challenge::Missing)),
        }
    }

    /// The token that a guest takes with him who begins something. Where he came with one that allows less than a guest's
    /// own does, there is none: it would allow more.
    ///
    /// # Errors
    /// As [`TokenKey::sign`].
    pub fn token_to_keep(
        &self,
        owner: &Owner,
        permits: &Permits,
    ) -> Result<Option<String>, Refusal> {
        match self {
            Self::Guests { guests, .. } if owner.is_guest() && *permits == Permits::of_owner() => {
                let token = guests.sign(&Grant::of(owner.clone()), GUEST_TOKEN_LASTS);
                token.map(Some).map_err(|error| Refusal::internal(&error))
            }
            _ => Ok(None),
        }
    }

    fn known(&self, keys: &Keys, token: &str) -> Result<Grant, Refusal> {
        let grant = keys.judge(token)?;
        if grant.owner.is_guest() && !matches!(self, Self::Guests { .. }) {
            return Err(refused(NO_GUESTS, Challenge::Invalid));
        }
        Ok(grant)
    }
}

/// Who reaches a server that asks nobody may do everything there.
fn local() -> Grant {
    let permits = Permits { scopes: Scopes::from_iter(Scope::ALL), ..Permits::of_owner() };
    Grant { owner: Owner::local(), permits }
}

/// The header by which a proxy tells that it has passed a request on. Not all of them tell.
fn told_by_proxy(head: &Parts) -> Option<&str> {
    head.headers.keys().map(HeaderName::as_str).find(|name| {
        matches!(
            *name,
            "forwarded"
                | "via"
                | "x-forwarded-for"
                | "x-forwarded-host"
                | "x-forwarded-proto"
                | "x-real-ip"
        )
    })
}

/// The proxies that nobody told a running server of: its log says once that they are there.
#[derive(Debug, Default)]
pub struct UntoldProxies {
    is_told: AtomicBool,
}

impl UntoldProxies {
    fn refuse(&self, header: &str) -> Refusal {
        let detail = format!(
            "A proxy has passed the request on (`{header}`), and this server asks nobody who they are: everybody behind the \
             proxy would be its one owner. Whoever runs it starts it with --trusted-proxy and the proxy's address, and with \
             --token-key FILE or --allow-anonymous."
        );
        if self.is_news() {
            tracing::warn!("{detail} It is refused; further ones are not told.");
        }
        refused(detail, Challenge::Missing)
    }

    fn is_news(&self) -> bool {
        !self.is_told.swap(true, Ordering::Relaxed)
    }
}

/// What a 401 or 403 says in its `WWW-Authenticate` (RFC 6750, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// There was no token; no error is named then.
    Missing,
    /// There was one, and it is not valid.
    Invalid,
    /// It is valid, and this scope is not among its own.
    Scope(Scope),
}

const NO_TOKEN: &str = "No token came with the request.";
const NO_GUESTS: &str = "The token is a guest's, and this server lets no guests in any more.";
const NO_BEARER: &str = "The header `authorization` is not `Bearer`, a space and a token.";
const TWO_TOKENS: &str = "There is more than one `authorization` header.";

/// The token that came, if one did.
fn token(head: &Parts) -> Result<Option<&str>, Refusal> {
    let mut lines = head.headers.get_all(AUTHORIZATION).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(refused(TWO_TOKENS, Challenge::Invalid)),
        (Some(line), None) => {
            let token = line.to_str().ok().and_then(read_bearer);
            token.map(Some).ok_or_else(|| refused(NO_BEARER, Challenge::Invalid))
        }
    }
}

fn refused(detail: impl Into<String>, challenge: Challenge) -> Refusal {
    Refusal::new(ProblemCode::Unauthorized, detail).beside(Beside::Challenge(challenge))
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        refused(crate::outcome::sentence(&error), Challenge::Invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_says_for_itself_and_once_that_there_are_proxies_that_it_does_not_know() {
        let [one, other] = [UntoldProxies::default(), UntoldProxies::default()];
        assert_eq!(
            [&one, &one, &other, &other].map(UntoldProxies::is_news),
            [true, false, true, false]
        );
    }
}
