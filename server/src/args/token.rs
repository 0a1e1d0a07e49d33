//! Making keys, and the tokens that are signed with them.

use std::path::PathBuf;
use std::time::Duration;

use longhaul_server::permits::{Permits, Scope, TypePattern};
use longhaul_server::store::Owner;
use longhaul_server::token::Grant;

use super::parse::{parse_bytes, parse_time};

/// For `token --help`.
pub(super) const TOKEN_EXAMPLES: &str = "\
Examples:
  longhaul-server token --key token.key --owner alice --expires 30d
  longhaul-server token --key token.key --owner form-7 --expires 1h \\
      --scope upload --max-size 104857600 --type 'image/*' --type application/pdf";

/// What to put into a token.
#[derive(Debug, clap::Args)]
pub struct TokenArgs {
    /// Sign it with the key in this file: the server's `--token-key`, or the private half of it.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,

    /// Whose uploads and files it opens: 1 to 255 visible ASCII characters.
    #[arg(long, value_name = "NAME", value_parser = Owner::named)]
    pub owner: Owner,

    /// How long it is valid, such as `12h` or `30d`. There is no way to take it back before, but a
    /// new key.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub expires: Duration,

    /// What it allows: `upload` (to begin, send and cancel), `read` (files, and links to them), `delete`, or
    /// `admin` (what concerns the whole server and nobody's files). Can be repeated. Without it, all of
    /// them but `admin`.
    #[arg(long, value_name = "SCOPE", value_parser = parse_scope)]
    pub scope: Vec<Scope>,

    /// The largest file that may be begun with it. Without it, any.
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub max_size: Option<u64>,

    /// The type of files that may be begun with it, such as `image/png` or `image/*`. Can be repeated.
    /// Without it, any. It is what the sender says it is.
    #[arg(long = "type", value_name = "TYPE", value_parser = parse_type)]
    pub types: Vec<TypePattern>,
}

impl TokenArgs {
    /// What it is to grant.
    pub fn grant(&self) -> Grant {
        let mut permits = Permits::of_owner();
        if !self.scope.is_empty() {
            permits.scopes = self.scope.iter().copied().collect();
        }
        permits.size_max = self.max_size;
        permits.types = Some(self.types.clone()).filter(|types| !types.is_empty());
        Grant { owner: self.owner.clone(), permits }
    }
}

/// What key to make.
#[derive(Debug, clap::Args)]
pub struct KeyArgs {
    /// Where it is written; nothing may be there yet.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,

    /// What it is for.
    #[arg(long, value_name = "ALGORITHM", value_enum, default_value_t = KeyKind::Ed25519)]
    pub algorithm: KeyKind,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum KeyKind {
    /// EdDSA: one half signs, the other only judges.
    Ed25519,
    /// HMAC with SHA-256: one secret does both.
    Hs256,
    /// No key for tokens: a secret that webhooks are signed with, for `--hook-secret-file`.
    Webhook,
}

fn parse_scope(text: &str) -> Result<Scope, String> {
    Scope::named(text).ok_or_else(|| "a scope is `upload`, `read`, `delete` or `admin`".to_owned())
}

fn parse_type(text: &str) -> Result<TypePattern, String> {
    let shape = "a type is `image/png`, `image/*` for all of a kind, or `*/*`";
    TypePattern::parse(text).ok_or_else(|| shape.to_owned())
}
