//! How to serve: the options of a server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use longhaul_protocol::plan::CHUNK_LEN_DEFAULT;
use longhaul_server::config::Limits;
use longhaul_server::listen::Reach;
use longhaul_server::log::Format;
use longhaul_server::store::disk::{DISK_FREE_MIN, Reuse};
use tracing_subscriber::EnvFilter;

use super::parse::{
    parse_bytes, parse_chunk_size, parse_host_name, parse_mode, parse_origin, parse_time,
};

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
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, requires = "allow_anonymous")]
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
