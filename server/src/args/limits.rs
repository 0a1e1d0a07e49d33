//! How much strangers may take of the server.

use longhaul_server::config::{Limits, PlaceLimits};
use longhaul_server::descriptors::{self, Shared};
use longhaul_server::store::disk;

use super::proxies::ProxyArgs;

/// How much strangers may take of the server. An address is one of IPv4, or 64 bits of one of IPv6; who is
/// refused is told when to come back, and Longhaul's own senders do.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// How many connections one address may have: a browser has up to six, and many may share one
    /// address. 0 is no limit.
    #[arg(long, value_name = "COUNT", default_value_t = PlaceLimits::default().place_connections_max)]
    pub address_connections_max: u32,

    /// How many chunks, and other request bodies, one address may be sending at once: a browser sends up
    /// to five, and each takes 1.3 MB of memory. 0 is no limit.
    #[arg(long, value_name = "COUNT", default_value_t = PlaceLimits::default().place_bodies_max)]
    pub address_chunks_max: u32,

    /// How many requests a second one address may make for long. 0 is no limit.
    #[arg(long, value_name = "COUNT", default_value_t = PlaceLimits::default().place_requests_per_second)]
    pub address_requests_max: u32,

    /// How many requests one address may make at once, beyond which it is `--address-requests-max`: a folder of
    /// small files is a request for each.
    #[arg(long, value_name = "COUNT", default_value_t = PlaceLimits::default().place_requests_burst)]
    pub address_burst_max: u32,

    /// How slowly a body may come in the long run, bytes a second: what is slower is answered 408, and what
    /// came of it is kept. 0 is no limit; one that is silent for 30 s is cut off in any case.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().body_rate_min)]
    pub body_rate_min: u32,

    /// How many connections there may be in all. Fewer are taken where the system allows the server fewer
    /// open files (`ulimit -n`), of which a quarter is left for files.
    #[arg(long, value_name = "COUNT", default_value_t = PlaceLimits::default().connections_max)]
    pub connections_max: u32,

    /// The largest file that may be begun. Without it there is no limit but 64 TiB, and room.
    #[arg(long, value_name = "BYTES", value_parser = super::parse::parse_bytes)]
    pub file_bytes_max: Option<u64>,

    /// How many uploads one owner may have open.
    #[arg(long, value_name = "COUNT", default_value_t = disk::Config::default().uploads_per_owner_max)]
    pub owner_uploads_max: u64,

    /// Whose they are behind a proxy.
    #[command(flatten)]
    pub proxies: ProxyArgs,
}

impl LimitArgs {
    /// What one connection may cost.
    pub fn connection(&self) -> Limits {
        Limits { body_rate_min: self.body_rate_min, ..Limits::default() }
    }

    /// What one address may have, and all together as far as the system allows it.
    pub fn places(&self) -> PlaceLimits {
        let Shared { connections, files } = descriptors::share_out(self.connections_max);
        let limits = PlaceLimits::default();
        PlaceLimits {
            place_connections_max: self.address_connections_max,
            place_bodies_max: self.address_chunks_max,
            place_requests_per_second: self.address_requests_max,
            place_requests_burst: self.address_burst_max,
            place_answers_max: limits.place_answers_max.min(files),
            site_files_max: limits.site_files_max.min(files),
            connections_max: connections,
        }
    }
}
