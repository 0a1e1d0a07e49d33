//! What a caller may do with what is his own: the scopes of his token, and what he may begin.
//!
//! None of it opens what is another's. It is looked at before the store is asked, so that what is not
//! allowed is refused alike whether there is something or not.

use longhaul_protocol::ProblemCode;
use longhaul_protocol::media_type::is_media_type;
use longhaul_protocol::wire::FileMeta;

use crate::access::Challenge;
use crate::outcome::{Beside, Refusal};
use crate::served::{essence, media_type};

/// One thing that a token may allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// To begin, send, seal, list and cancel uploads.
    Upload,
    /// To list and read files, uploads that still come too, and to hand out links to files.
    Read,
    /// To delete files.
    Delete,
    /// What concerns the whole server and nobody's files.
    Admin,
}

impl Scope {
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::Upload, Self::Read, Self::Delete, Self::Admin];

    /// As a token names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Read => "read",
            Self::Delete => "delete",
            Self::Admin => "admin",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Any of them together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// What an owner may do with his own: everything but [`Scope::Admin`]. A token that names no scopes
    /// has these.
    #[must_use]
    pub fn of_owner() -> Self {
        [Scope::Upload, Scope::Read, Scope::Delete].into_iter().collect()
    }

    /// Whether a scope is among them.
    #[must_use]
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// As a token has them: names with a space between (RFC 8693, section 4.2).
    #[must_use]
    pub fn names(self) -> String {
        let names = Scope::ALL.into_iter().filter(|scope| self.has(*scope)).map(Scope::name);
        names.collect::<Vec<_>>().join(" ")
    }

    /// Reads what [`Scopes::names`] writes; `None` if one of them is unknown, or there is none. A scope
    /// of a later server may take something away, so a token that has one is believed as a whole or not.
    #[must_use]
    pub fn parse(names: &str) -> Option<Self> {
        names.split(' ').map(Scope::named).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

/// Some media types: `image/png`, all of a kind by `image/*`, or all by `*/*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypePattern(String);

impl TypePattern {
    /// Reads one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, subtype) = text.split_once('/')?;
        // A `*` may be in the name of a type (RFC 9110, section 5.6.2), and would be taken for more here.
        let has_star = |part: &str| part.contains('*') && part != "*";
        let is_one = is_media_type(text) && !text.contains([';', ' ', '\t']);
        let is_clear = !has_star(kind) && !has_star(subtype) && (kind != "*" || subtype == "*");
        (is_one && is_clear).then(|| Self(text.to_ascii_lowercase()))
    }

    /// As a token has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a media type is one of these. Its parameters do not count.
    fn takes(&self, media_type: &str) -> bool {
        let essence = essence(media_type).to_ascii_lowercase();
        match self.0.strip_suffix('*') {
            Some("*/") => true,
            // With its slash.
            Some(kind) => essence.starts_with(kind),
            None => essence == self.0,
        }
    }
}

/// What a caller may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permits {
    /// Which verbs.
    pub scopes: Scopes,
    /// The largest file that he may begin, bytes.
    pub size_max: Option<u64>,
    /// The types of files that he may begin.
    pub types: Option<Vec<TypePattern>>,
}

impl Permits {
    /// Whatever an owner may do with his own.
    #[must_use]
    pub fn of_owner() -> Self {
        Self { scopes: Scopes::of_owner(), size_max: None, types: None }
    }

    /// Only what these scopes are for.
    #[must_use]
    pub fn only(scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self { scopes: scopes.into_iter().collect(), size_max: None, types: None }
    }

    /// Refuses what a scope is needed for that is not there.
    ///
    /// # Errors
    /// [`Refusal`], which names the scope.
    pub fn check_scope(&self, scope: Scope) -> Result<(), Refusal> {
        if self.scopes.has(scope) {
            return Ok(());
        }
        let (needed, has) = (scope.name(), self.scopes.names());
        let detail = format!("This needs the scope `{needed}`; the token has `{has}`.");
        let refusal = Refusal::new(ProblemCode::InsufficientScope, detail);
        Err(refusal.beside(Beside::Challenge(Challenge::Scope(scope))))
    }

    /// Refuses to begin a file that is too large or of a type that is not allowed. The type is what its
    /// sender calls it; it is served as that or as less.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn check_file(&self, meta: &FileMeta, size: u64) -> Result<(), Refusal> {
        if let Some(max) = self.size_max.filter(|max| size > *max) {
            let detail = format!("The file has {size} bytes; the token allows {max}.");
            return Err(Refusal::too_large(max, detail));
        }
        let Some(types) = &self.types else { return Ok(()) };
        let of_file = media_type(meta);
        if types.iter().any(|allowed| allowed.takes(of_file)) {
            return Ok(());
        }
        let names: Vec<_> = types.iter().map(TypePattern::as_str).collect();
        let detail = format!("The file is `{of_file}`; the token allows `{}`.", names.join("`, `"));
        Err(Refusal::new(ProblemCode::TypeNotAllowed, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_they_are_written_and_nothing_else_is() {
        for bits in 1..16 {
            assert_eq!(Scopes::parse(&Scopes(bits).names()), Some(Scopes(bits)));
        }
        assert_eq!(Scopes::parse("read upload read"), Scopes::parse("upload read"));
        for other in ["", " ", "read ", "Read", "read,upload", "read  upload", "read write", "*"] {
            assert_eq!(Scopes::parse(other), None, "{other:?}");
        }
        assert!(!Scopes::of_owner().has(Scope::Admin));
    }

    #[test]
    fn a_type_is_taken_by_its_name_or_its_kind() {
        for (pattern, media_type, takes) in [
            ("image/png", "image/png", true),
            ("image/png", "IMAGE/PNG; q=1", true),
            ("Image/PNG", "image/png", true),
            ("image/png", "image/png2", false),
            ("image/png", "image/pn", false),
            ("image/*", "image/svg+xml", true),
            ("image/*", "imagesque/png", false),
            ("image/*", "text/html;image/png", false),
            ("*/*", "application/octet-stream", true),
        ] {
            let pattern = TypePattern::parse(pattern).unwrap();
            assert_eq!(pattern.takes(media_type), takes, "{pattern:?} {media_type}");
        }
        for other in
            ["", "*", "image", "image/", "*/png", "im*/png", "image/p*", "image/png;a=b", "a b/c"]
        {
            assert_eq!(TypePattern::parse(other), None, "{other}");
        }
    }

    #[test]
    fn what_may_be_begun_is_as_large_and_of_such_types_as_allowed() {
        let of =
            |media_type: &str| FileMeta { media_type: media_type.into(), ..FileMeta::default() };
        let types =
            ["image/*", "application/octet-stream"].map(|text| TypePattern::parse(text).unwrap());
        let permits =
            Permits { size_max: Some(10), types: Some(types.into()), ..Permits::of_owner() };
        let code =
            |meta: &FileMeta, size| permits.check_file(meta, size).map_err(|refusal| refusal.code);
        assert_eq!(code(&of("image/png"), 10), Ok(()));
        assert_eq!(code(&of("image/png"), 11), Err(ProblemCode::TooLarge));
        assert_eq!(code(&of("text/html"), 1), Err(ProblemCode::TypeNotAllowed));
        // What has no type is served as bytes, and allowed as bytes.
        assert_eq!(code(&of(""), 1), Ok(()));
        let none = Permits { types: Some(Vec::new()), ..Permits::of_owner() };
        assert!(none.check_file(&of("image/png"), 1).is_err(), "no type is none");
    }
}
