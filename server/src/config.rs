//! What the HTTP side is told when it starts: a plain struct, so that a test can say what it needs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use longhaul_protocol::plan::{CHUNK_LEN_DEFAULT, CHUNK_LEN_MAX};

use crate::access::Access;
use crate::hooks::Hooks;
use crate::link::LinkKey;
use crate::proxies::Proxies;
use crate::tls::Tls;

/// What the HTTP side is told when it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// The chunk size that the store gives to an upload that wishes for none, bytes.
    pub chunk_len: u64,
    /// Whom it lets in.
    pub access: Access,
    /// What links to files are signed with.
    pub links: LinkKey,
    /// Who is told what happens to uploads.
    pub hooks: Option<Arc<Hooks>>,
    /// The names it answers to beside those of the loopback interface, without a port.
    pub host_names: Vec<String>,
    /// The origins beside its own whose pages may use it, such as `https://example.org`.
    pub allow_origins: Vec<String>,
    /// The largest file that may be begun, bytes.
    pub file_bytes_max: Option<u64>,
    /// The folder with the page it serves at `/`.
    pub www: Option<PathBuf>,
    /// What connections are encrypted with, if they are.
    pub tls: Option<Arc<Tls>>,
    /// For how long browsers are told to come by nothing else (RFC 6797).
    pub hsts: Option<Duration>,
    /// What one connection may cost.
    pub limits: Limits,
    /// What one address may have.
    pub places: PlaceLimits,
    /// Who is believed about whom requests are from.
    pub proxies: Proxies,
}

impl Config {
    /// What it is told unless somebody says otherwise. The key of the links has no default: a known one
    /// would open every file.
    #[must_use]
    pub fn new(links: LinkKey) -> Self {
        Self {
            chunk_len: CHUNK_LEN_DEFAULT,
            access: Access::default(),
            links,
            hooks: None,
            host_names: Vec::new(),
            allow_origins: Vec::new(),
            file_bytes_max: None,
            www: None,
            tls: None,
            hsts: None,
            limits: Limits::default(),
            places: PlaceLimits::default(),
            proxies: Proxies::default(),
        }
    }
}

/// What one connection may cost.
///
/// Its memory is bounded by `buffer_bytes_max` in each direction and a JSON body (`JSON_BYTES_MAX` of the wire).
/// What it has of a file on its way out counts there if it was copied, and one frame more
/// ([`crate::stream::FRAME_BYTES`]); mostly it is memory of the system's, which has the file.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a request's head may take, and how long a kept connection may idle.
    pub header_timeout: Duration,
    /// The most bytes a request's head may have.
    pub header_bytes_max: usize,
    /// The most bytes read from, or waiting to be written to, one connection.
    pub buffer_bytes_max: usize,
    /// How long a body may go without a byte.
    pub idle_body_timeout: Duration,
    /// How fast a body has to come in the long run, bytes a second; 0 is no limit. What it is behind by may be
    /// [`Limits::idle_body_timeout`] at most.
    pub body_rate_min: u32,
    /// How long an answer may go without its reader taking a byte. Linux counts it; elsewhere the
    /// system has its own idea of it.
    pub idle_answer_timeout: Duration,
    /// How long who reads an upload that is still coming waits for its next bytes.
    pub content_wait: Duration,
    /// How long an answer is held back while the rest of a body nobody wants is discarded.
    pub drain_timeout: Duration,
    /// How long the rest of such a body is discarded after the answer.
    pub linger_timeout: Duration,
    /// The most bytes of such a body that are discarded.
    pub drain_bytes_max: u64,
    /// How long everything is still served once the server is told to stop, while `/readyz` says so.
    pub drain_delay: Duration,
    /// How long requests in flight may take once it accepts no more.
    pub shutdown_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A head is a few packets; half a minute is a lossy line, more is somebody holding on.
            header_timeout: Duration::from_secs(30),
            // `Upload-Create` carries a name, a path and 16 KiB of metadata in base64.
            header_bytes_max: 128 * 1024,
            // A body moves in pieces of this size at most; larger ones were measured no faster.
            buffer_bytes_max: 256 * 1024,
            // Longer than a Wi-Fi handover, shorter than a person's patience.
            idle_body_timeout: Duration::from_secs(30),
            // Five lanes of the slowest line that anybody sends by, 20 kbit/s.
            body_rate_min: 500,
            // As long: who reads slowly takes a byte now and then, who has paused asks again by range.
            idle_answer_timeout: Duration::from_secs(30),
            // As long: a sender who lost his network is back by then, or it is a pause.
            content_wait: Duration::from_secs(30),
            // One chunk at 7 Mbit/s. See `body` for why it is read at all.
            drain_timeout: Duration::from_secs(10),
            // nginx's `lingering_time`: a slower line has the answer in its buffer by then.
            linger_timeout: Duration::from_secs(30),
            // The largest chunk there is: nothing honest has more left.
            drain_bytes_max: CHUNK_LEN_MAX,
            // Nobody else takes over where there is one server: each second would be one more without.
            drain_delay: Duration::from_secs(0),
            // One chunk at 7 Mbit/s, and less than the patience of a service manager.
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}

/// What one place may have ([`crate::place`]), and all of them together. 0 of the first three is no limit.
///
/// So many connections, each with what [`Limits`] says, and so many chunks, each with two blocks of 512 KiB, is what
/// a stranger can take of the server's memory. Behind one address may be an office: a browser has six
/// connections and sends five chunks.
#[derive(Clone, Copy, Debug)]
pub struct PlaceLimits {
    /// The most connections of one place.
    pub place_connections_max: u32,
    /// The most bodies of requests that may be coming from one place: chunks, mostly.
    pub place_bodies_max: u32,
    /// How many requests a second may come from one place for long.
    pub place_requests_per_second: u32,
    /// How many may come at once.
    pub place_requests_burst: u32,
    /// The most answers to one place that are on their way over HTTP/2, where a connection has a hundred.
    pub place_answers_max: u32,
    /// The most connections of all places together.
    pub connections_max: u32,
    /// The most files of the site that are on their way out to all of them.
    pub site_files_max: u32,
}

impl Default for PlaceLimits {
    fn default() -> Self {
        Self {
            // 170 browsers.
            place_connections_max: 1024,
            // 50 browsers that send with all of their lanes; 320 MiB.
            place_bodies_max: 256,
            // Six browsers that send small files as fast as they can; a hundredth of what a processor answers.
            place_requests_per_second: 1000,
            // A folder of 10,000 small files, and as much again for what is asked beside them.
            place_requests_burst: 20_000,
            // Forty browsers with all that one asks at once; 64 MiB while there is room for none of it, 320 MiB where
            // whoever made room takes nothing.
            place_answers_max: 4096,
            // 200 MB while nothing moves.
            connections_max: 16_384,
            // Each is an open file: as many as one address may have answers.
            site_files_max: 4096,
        }
    }
}
