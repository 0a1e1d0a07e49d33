//! The claims of a token, and what they grant.
//!
//! | claim | says |
//! | --- | --- |
//! | `sub` | the owner |
//! | `exp`, `nbf` | until when and from when on it is good, seconds since 1970 (RFC 7519, section 4.1) |
//! | `scope` | what its owner may do, names with a space between; without it everything but `admin` |
//! | `max_size` | the largest file that he may begin, bytes; without it any |
//! | `types` | the media types of the files that he may begin; without it all |

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Grant, TokenError};
use crate::permits::{Permits, Scopes, TypePattern};
use crate::store::Owner;

/// What a token says, as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    /// Empty where it is not there, which the check of what is required finds.
    #[serde(default)]
    sub: String,
    /// Read and judged by the library.
    #[serde(skip_deserializing)]
    exp: u64,
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    max_size: Option<u64>,
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    types: Option<Vec<String>>,
    /// For whom it is, in whatever form. The library lets a form pass that is none (a number).
    #[serde(default, skip_serializing)]
    aud: Option<IgnoredAny>,
}

/// A claim that is there has a value: `null` was meant to say something, and would grant most.
fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(claim: D) -> Result<Option<T>, D::Error> {
    T::deserialize(claim).map(Some)
}

impl Claims {
    /// The claims that grant this until then.
    pub(super) fn of(grant: &Grant, exp: u64) -> Self {
        let Permits { scopes, size_max, types } = &grant.permits;
        let names =
            |types: &Vec<TypePattern>| types.iter().map(|it| it.as_str().to_owned()).collect();
        Self {
            sub: grant.owner.0.clone(),
            exp,
            scope: (*scopes != Scopes::of_owner()).then(|| scopes.names()),
            max_size: *size_max,
            types: types.as_ref().map(names),
            aud: None,
        }
    }

    /// What they grant.
    pub(super) fn grant(self) -> Result<Grant, TokenError> {
        if self.aud.is_some() {
            return Err(TokenError::Audience);
        }
        let scopes = self.scope.map_or(Some(Scopes::of_owner()), |names| Scopes::parse(&names));
        let types = self.types.map(|types| patterns(&types).ok_or(TokenError::Types));
        let permits = Permits {
            scopes: scopes.ok_or(TokenError::Scope)?,
            size_max: self.max_size,
            types: types.transpose()?,
        };
        Ok(Grant { owner: Owner::parse(&self.sub)?, permits })
    }
}

fn patterns(types: &[String]) -> Option<Vec<TypePattern>> {
    types.iter().map(|text| TypePattern::parse(text)).collect()
}
