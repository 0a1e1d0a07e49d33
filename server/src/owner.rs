//! Owners: whose the rows are. An owner is a name and nothing else; it is never a path.

use crate::store::Owner;

/// Everybody who reaches a server that asks nobody who he is.
const LOCAL: &str = "local";
/// What the names of guests begin with. No token can be made for such a name but by the server
/// itself, so no name that somebody chose is ever a guest's.
const GUEST: &str = "guest:";
/// The longest name, bytes: what OpenID Connect Core, section 2, allows for a `sub`.
pub const OWNER_BYTES_MAX: usize = 255;

/// Why a text names no owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnerError {
    /// Empty, too long, or with a character that could fool whoever reads it.
    #[error("an owner is 1 to {OWNER_BYTES_MAX} visible ASCII characters")]
    NotAName,
    /// A guest's name, which only the server gives.
    #[error("names that begin with `{GUEST}` are for guests, to whom the server gives them")]
    Guest,
}

impl Owner {
    /// The one owner of everything on a server that asks nobody who he is.
    #[must_use]
    pub fn local() -> Self {
        Self(LOCAL.to_owned())
    }

    /// Whom nothing belongs to, and nothing ever can: for what is everybody's to read.
    #[must_use]
    pub fn nobody() -> Self {
        Self(String::new())
    }

    /// A guest whom nobody has met: 128 random bits.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn new_guest() -> Result<Self, getrandom::Error> {
        let mut id = [0; 16];
        getrandom::fill(&mut id)?;
        Ok(Self(format!("{GUEST}{:032x}", u128::from_be_bytes(id))))
    }

    /// An owner whose name somebody chose, or a guest.
    ///
    /// # Errors
    /// [`OwnerError::NotAName`].
    pub fn parse(name: &str) -> Result<Self, OwnerError> {
        let is_name = (1..=OWNER_BYTES_MAX).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_graphic());
        if is_name { Ok(Self(name.to_owned())) } else { Err(OwnerError::NotAName) }
    }

    /// An owner whose name somebody chose.
    ///
    /// # Errors
    /// [`OwnerError`].
    pub fn named(name: &str) -> Result<Self, OwnerError> {
        let owner = Self::parse(name)?;
        if owner.is_guest() { Err(OwnerError::Guest) } else { Ok(owner) }
    }

    /// Whether this is a guest.
    #[must_use]
    pub fn is_guest(&self) -> bool {
        is_guests(&self.0)
    }
}

/// Whether an owner of this name is a guest.
pub(crate) fn is_guests(name: &str) -> bool {
    name.starts_with(GUEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_identity_providers_give_are_taken() {
        for name in ["a", "auth0|5f7c8ec7c33c6c004bbafe82", "jo+x@example.org", &"x".repeat(255)] {
            assert_eq!(Owner::named(name).map(|owner| owner.0).as_deref(), Ok(name));
        }
    }

    #[test]
    fn names_that_could_fool_somebody_are_not() {
        for name in ["", "a b", "a\nb", "jürgen", "a\0", &"x".repeat(256)] {
            assert_eq!(Owner::named(name), Err(OwnerError::NotAName), "{name:?}");
        }
    }

    #[test]
    fn a_guest_is_new_every_time_and_nobody_can_be_named_like_one() {
        let (one, other) = (Owner::new_guest().unwrap(), Owner::new_guest().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.0.len(), "guest:".len() + 32);
        assert_eq!(Owner::parse(&one.0), Ok(one.clone()));
        assert_eq!(Owner::named(&one.0), Err(OwnerError::Guest));
        assert!(one.is_guest() && !Owner::local().is_guest());
    }
}
