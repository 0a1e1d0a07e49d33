//! The command line of `longhaul-server`: to serve, or to make keys and tokens.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use clap::{Parser, Subcommand};
use http::Uri;
use longhaul_protocol::plan::{CHUNK_LEN_DEFAULT, CHUNK_LEN_MAX, CHUNK_LEN_MIN};
use longhaul_server::config::Limits;
use longhaul_server::listen::Reach;
use longhaul_server::log::Format;
use longhaul_server::store::disk::{DISK_FREE_MIN, Reuse};
use tracing_subscriber::EnvFilter;

mod folder;
mod hook;
mod limits;
mod proxies;
mod token;

pub use folder::{FilesArgs, FolderArgs, SweepArgs, UploadsArgs, VerifyArgs};
pub use hook::HookArgs;
pub use limits::LimitArgs;
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

/// How to serve.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// Take what is not said here, nor by the environment (`LONGHAUL_LISTEN` is `--listen`, and so on), from
    /// this file. It is TOML, and its keys are these options without their dashes: `listen = "0.0.0.0:8080"`,
    /// `token-key = ["new.pub", "old.pub"]`, `allow-anonymous = true`.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Say what holds and who says so, what is wrong with that and what to do, instead of serving: the exit
    /// code is 2 then. Nothing is changed, and a server may run meanwhile.
    #[arg(long)]
    pub check_config: bool,

    /// Keep uploads and files in this folder; it is made if it is not there.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,

    /// Serve the files of this folder at `/`: the page that uploads. Not what begins with a dot, but for `.well-known`, nor
    /// what links out of the folder.
    #[arg(long, value_name = "DIR")]
    pub www: Option<PathBuf>,

    /// The address to listen on; port 0 is any free port, told on standard output. One that other
    /// machines reach, also through a proxy, needs `--token-key` or `--allow-anonymous`.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Listen on a Unix socket at this path instead, for a proxy on the same machine. It goes when the server ends; what one
    /// left there that was killed is replaced.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["listen", "tls_cert"])]
    pub unix_socket: Option<PathBuf>,

    /// Who may open it: its permission bits. Its group is that of the server, or of its folder if that is setgid.
    #[arg(long, value_name = "MODE", default_value = "660", value_parser = parse_mode)]
    pub unix_socket_mode: u32,

    /// Encrypt with the certificate in this file, in PEM: the server's own first, then those that vouch for it
    /// (certbot's fullchain.pem). When the file changes, and at SIGHUP, it is read again; if it cannot
    /// be used then, that is logged and the old one stays.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The private key of the certificate, in PEM, without a password; nobody else can read the file.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Offer HTTP/2 too, which browsers take then: one connection for all requests of a page, and for its uploads
    /// as well, which are faster and steadier over several.
    #[arg(long, requires = "tls_cert")]
    pub http2: bool,

    /// Tell browsers to come by TLS only for so long, such as `365d` (HSTS). It counts for everything that is
    /// served under the same name, on every port, and cannot be taken back before, so it is not told by default.
    #[arg(long, value_name = "TIME", value_parser = parse_time, requires = "tls_cert")]
    pub hsts: Option<Duration>,

    /// Let in those who have a token signed with the key in this file, a JWT with the owner as `sub` and
    /// an `exp`: a public key of Ed25519, or a secret of at least 32 bytes that nobody else can read.
    /// `longhaul-server key` makes either. Can be repeated, for a change of keys.
    #[arg(long, value_name = "FILE")]
    pub token_key: Vec<PathBuf>,

    /// Let in anybody without a token too, as a guest who sees only what is their own. Guests get
    /// tokens of their own; without `--token-key` they are signed with a key made in `--data`.
    #[arg(long)]
    pub allow_anonymous: bool,

    /// Let pages of this origin use the server, such as `http://127.0.0.1:8000`. Can be repeated.
    #[arg(long, value_name = "ORIGIN", value_parser = parse_origin)]
    pub allow_origin: Vec<String>,

    /// Answer to this host name or address too, beside `localhost` and the loopback addresses. Can be
    /// repeated.
    #[arg(long, value_name = "NAME", value_parser = parse_host_name)]
    pub host_name: Vec<String>,

    /// The chunk size of uploads that ask for none. Small ones are for tests.
    #[arg(long, value_name = "BYTES", default_value_t = CHUNK_LEN_DEFAULT,
          value_parser = parse_chunk_size)]
    pub chunk_size: u64,

    /// How much one owner may keep, uploads begun and files together: their bytes, and for each 2 KiB and four times its
    /// name and metadata, which is what the index takes at most. Without it there is no limit.
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub owner_bytes_max: Option<u64>,

    /// How much all guests together may keep: `--owner-bytes-max` does not hold them, because whoever comes without a token
    /// is another owner each time. Without it there is no limit.
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub guest_bytes_max: Option<u64>,

    /// How much all owners together may keep. Without it there is no limit but the disk.
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub total_bytes_max: Option<u64>,

    /// Whose chunks an upload may take instead of its own being sent.
    #[arg(long, value_name = "SCOPE", value_enum, default_value_t = ReuseScope::Owner)]
    pub reuse: ReuseScope,

    /// How much of the disk new uploads leave free.
    #[arg(long, value_name = "BYTES", default_value_t = DISK_FREE_MIN, value_parser = parse_bytes)]
    pub disk_free_min: u64,

    /// How long who reads an upload that is still coming waits for its next bytes.
    #[arg(long, value_name = "TIME", default_value_t = Limits::default().content_wait.into(),
          value_parser = humantime::Duration::from_str)]
    pub content_wait: humantime::Duration,

    /// How long to go on serving after SIGTERM, while `/readyz` already answers 503: for a load balancer to
    /// notice and to send new senders elsewhere.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_time)]
    pub drain_delay: Duration,

    /// How long requests in flight may take after that. What is cut off then is sent again by its
    /// sender.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_time)]
    pub stop_timeout: Duration,

    /// What to log on standard error, such as `warn` or `longhaul_server=debug`. At `info` there is
    /// a line for each request.
    #[arg(long, value_name = "FILTER", default_value = "info", value_parser = EnvFilter::from_str)]
    pub log: EnvFilter,

    /// How to log: lines for people, or JSON for programs, one object a line.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

impl ServeArgs {
    /// From where the server may be reached: only one that asks who one is from anywhere.
    pub fn reach(&self) -> Reach {
        let asks = !self.token_key.is_empty() || self.allow_anonymous;
        if asks { Reach::Anywhere } else { Reach::Loopback }
    }
}

/// How to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// An object a line, with `timestamp`, `level`, `target`, `fields` and, where it is about a request,
    /// `requestId`, which its answer has in `Request-Id`.
    Json,
}

impl From<LogFormat> for Format {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => Self::Text,
            LogFormat::Json => Self::Json,
        }
    }
}

/// Whose chunks an upload may take.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum ReuseScope {
    /// Every chunk is sent.
    Off,
    /// Chunks that the same owner has here are not sent again.
    Owner,
    /// Chunks that anybody has here are not sent again by those who prove that they have their bytes.
    /// It tells whoever knows the digest of a chunk that somebody has it here.
    Everyone,
}

impl From<ReuseScope> for Reuse {
    fn from(scope: ReuseScope) -> Self {
        match scope {
            ReuseScope::Off => Self::Off,
            ReuseScope::Owner => Self::Owner,
            ReuseScope::Everyone => Self::Everyone,
        }
    }
}

/// An origin as browsers write it: scheme, host, and port where it is not the scheme's own.
fn parse_origin(text: &str) -> Result<String, String> {
    let shape = "an origin is `https://example.org` or `http://127.0.0.1:8000`, without a path";
    let uri: Uri = text.parse().map_err(|_| shape.to_owned())?;
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(authority)) if text == format!("{scheme}://{authority}") => {
            Ok(text.to_ascii_lowercase())
        }
        _ => Err(shape.to_owned()),
    }
}

/// As a `Host` header has it: an IPv6 address in brackets, in the one way that browsers write it.
fn parse_host_name(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse::<Ipv6Addr>() {
        return Ok(format!("[{address}]"));
    }
    match text.parse::<http::uri::Authority>() {
        Ok(authority) if authority.host() == text => Ok(text.to_owned()),
        _ => Err(
            "a host name is `files.example.org`, `192.0.2.7` or `fe80::1`, without a scheme, a \
                  port or a zone"
                .to_owned(),
        ),
    }
}

fn parse_bytes(text: &str) -> Result<u64, String> {
    let shape = "bytes are a whole number without a unit, such as `107374182400` for 100 GiB";
    text.parse().map_err(|_| shape.to_owned())
}

fn parse_rate(text: &str) -> Result<u64, String> {
    match parse_bytes(text)? {
        0 => Err("at no byte a second it would never end; leave it out for no limit".to_owned()),
        rate => Ok(rate),
    }
}

fn parse_mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| "permission bits are three octal digits, such as `660`".to_owned())
}

fn parse_chunk_size(text: &str) -> Result<u64, String> {
    let bytes = parse_bytes(text)?;
    if (CHUNK_LEN_MIN..=CHUNK_LEN_MAX).contains(&bytes) {
        return Ok(bytes);
    }
    Err(format!(
        "a chunk has {CHUNK_LEN_MIN} to {CHUNK_LEN_MAX} bytes, such as `{CHUNK_LEN_DEFAULT}` for 8 MiB"
    ))
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let shape = "a time is a number and a unit, such as `12h`, `30d` or `1h 30m`";
    humantime::parse_duration(text).map_err(|_| shape.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_make_sense_to_clap() {
        Args::command().debug_assert();
    }

    #[test]
    fn an_origin_has_no_path() {
        for origin in ["https://example.org", "http://127.0.0.1:8000", "http://[::1]:8000"] {
            assert_eq!(parse_origin(origin).as_deref(), Ok(origin));
        }
        for other in
            ["example.org", "https://example.org/", "https://example.org/x", "*", "null", ""]
        {
            assert!(parse_origin(other).is_err(), "{other}");
        }
    }

    #[test]
    fn a_host_name_has_no_port() {
        assert!(parse_host_name("files.example.org").is_ok());
        for other in ["files.example.org:80", "http://x", "", "a b", "[fe80::1]:80", "fe80::1%eth0"]
        {
            assert!(parse_host_name(other).is_err(), "{other}");
        }
    }

    #[test]
    fn an_address_is_a_host_name_with_or_without_its_brackets() {
        for text in ["fe80::1", "[fe80::1]", "FE80:0::0:1"] {
            assert_eq!(parse_host_name(text).as_deref(), Ok("[fe80::1]"), "{text}");
        }
        assert_eq!(parse_host_name("192.0.2.7").as_deref(), Ok("192.0.2.7"));
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
