//! The command line of `longhaul-server`: to serve, or to make keys and tokens.

use clap::{Parser, Subcommand};

mod folder;
mod hook;
mod limits;
mod parse;
mod proxies;
mod serve;
mod token;

pub use folder::{FilesArgs, FolderArgs, SweepArgs, UploadsArgs, VerifyArgs};
pub use hook::HookArgs;
pub use limits::LimitArgs;
pub use serve::ServeArgs;
use token::TOKEN_EXAMPLES;
pub use token::{KeyArgs, KeyKind, TokenArgs};

/// Takes uploads of any size, keeps them through crashes, and serves them back.
///
/// Told no more than where to keep them, it listens on loopback addresses only, and everybody who
/// reaches it is the same user. SIGTERM or Ctrl-C lets requests in flight finish, and stops it;
/// nothing is lost by killing it either.
#[derive(Debug, Parser)]
#[command(name = "longhaul-server", version)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// How to serve. Always there without a command, for `--data` is required then.
    #[command(flatten)]
    pub serve: Option<ServeArgs>,

    /// How much strangers may take. Not among those of `serve`, which clap finds by its own arguments.
    #[command(flatten)]
    pub limits: LimitArgs,

    /// Who is told of what happens; here for the same reason.
    #[command(flatten)]
    pub hook: HookArgs,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a key for tokens, or a secret for webhooks.
    ///
    /// It is written to FILE, for you alone to read, and with `ed25519` its public half to FILE.pub. Tokens are
    /// signed with FILE; a server started with `--token-key FILE.pub` believes them and cannot make any.
    /// With `hs256` there is one secret, FILE, which both need. To change keys, start the server with the
    /// new one and the old one (`--token-key NEW --token-key OLD`), and leave the old one out when the
    /// last token of it has expired.
    Key(KeyArgs),

    /// Make a token and print it.
    ///
    /// Whoever has it is that owner until it expires: send it as `Authorization: Bearer TOKEN`, give it to
    /// the page's element, or put it into LONGHAUL_TOKEN for `longhaul`. Any JWT library makes the same; the
    /// claims are `sub`, `exp`, `scope`, `max_size` and `types`.
    #[command(after_help = TOKEN_EXAMPLES)]
    Token(TokenArgs),

    /// List the open uploads of all owners, or end one.
    ///
    /// It works while a server runs on the folder, which answers then, and while none does: then nothing in the
    /// folder changes, and it may be a backup. STATE is `empty`, `idle`, `active` (something is on its way now),
    /// `complete` (all is there, and it is not sealed) or `expired` (the next sweep removes it); LEFT is how long until that.
    #[command(after_help = UPLOADS_EXAMPLES)]
    Uploads(UploadsArgs),

    /// List the files of all owners, or delete one.
    ///
    /// It works while a server runs on the folder, which answers then, and while none does: then nothing in the
    /// folder changes, and it may be a backup. STATE is `sealed`, or `ROTTEN` if the server has found that some of it is.
    #[command(after_help = FILES_EXAMPLES)]
    Files(FilesArgs),

    /// Remove expired uploads now, and what a deletion has left on the disk.
    ///
    /// A server does this every half hour by itself. Asked to do it now, it still keeps what ran out while it was
    /// away for some hours, for its sender to come back. Where no server runs, whatever has run out goes:
    /// `--dry-run` tells before.
    Sweep(SweepArgs),

    /// Read every byte again, compare every chunk with its digest, and name what has rotten.
    ///
    /// Each line names the file or the upload, the chunk, and where in the blob it begins. It works while a server
    /// runs on the folder, which goes on serving all that is sound, lends what is damaged to nobody and asks the senders of open
    /// uploads for it again; and while none does: then nothing in the folder changes, and it may be a backup.
    /// No server starts on the folder meanwhile.
    #[command(after_help = VERIFY_CODES)]
    Verify(VerifyArgs),
}

const UPLOADS_EXAMPLES: &str = "\
Examples:
  longhaul-server uploads --data /srv/longhaul --owner alice
  longhaul-server uploads --data /srv/longhaul --json | jq 'select(.state == \"empty\") | .id'
  longhaul-server uploads --data /srv/longhaul --cancel 5f0c0d2b6a7e41c89d3e2f1a0b4c5d6e --yes";

const FILES_EXAMPLES: &str = "\
Examples:
  longhaul-server files --data /srv/longhaul --owner alice
  longhaul-server files --data /srv/longhaul --json | jq -s 'map(.size) | add'
  longhaul-server files --data /srv/longhaul --delete 5f0c0d2b6a7e41c89d3e2f1a0b4c5d6e --yes";

const VERIFY_CODES: &str = "\
Exit codes:
  0  everything was looked at, and is what it was
  1  not everything could be looked at
  3  what the lines name is damaged, or the disk does not give it: restore it from a backup, or have it sent again";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_make_sense_to_clap() {
        Args::command().debug_assert();
    }

    /// What is said to these arguments.
    fn said(arguments: &[&str]) -> String {
        Args::try_parse_from(arguments).expect_err("they are wrong").to_string()
    }

    #[test]
    fn a_wrong_value_is_answered_with_its_option_and_an_example() {
        for (option, value, example) in [
            ("--owner-bytes-max", "10GB", "107374182400"),
            ("--total-bytes-max", "-", "107374182400"),
            ("--disk-free-min", "1e9", "107374182400"),
            ("--chunk-size", "8M", "107374182400"),
            ("--chunk-size", "1", "8388608"),
            ("--host-name", "http://x", "files.example.org"),
            ("--hook-url", "http://a b", "https://example.org/hook"),
            ("--hook-timeout", "1h", "`10s`"),
            ("--hook-events", "deleted", "expired"),
            ("--trusted-proxy", "10.0.0.0/33", "10.0.0.0/8"),
            ("--trusted-proxy", "proxy.example", "127.0.0.1"),
        ] {
            let text = said(&["longhaul-server", "--data", "d", option, value]);
            for part in [option, value, example] {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
        for (option, value, example) in [
            ("--expires", "soon", "`30d`"),
            ("--scope", "write", "`upload`"),
            ("--type", "image", "`image/*`"),
            ("--max-size", "1G", "107374182400"),
        ] {
            let token = ["longhaul-server", "token", "--key", "k", "--owner", "o"];
            let text = said(&[&token[..], &[option, value]].concat());
            for part in [option, value, example] {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
    }
}
