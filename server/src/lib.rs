//! The Longhaul server: hyper in front, a store behind.
//!
//! The way of a request: `listen` accepts the connection, `doors` lets it in or not, `converse` speaks HTTP on it, through `tls` or not, `handle` has each request answered: `gate` checks from where one may ask,
//! `access` who does (by a `token`) and whether his `permits` allow it, or what a `link` lets anybody read, `route` finds the verb (one file each), the verb calls the `store` and returns an `outcome`, `respond` turns the
//! outcome into HTTP, `cors` says which pages may read it, `log` writes its line. Beside all this `admin` answers who can reach the
//! data folder itself.

pub mod access;
pub mod admin;
pub mod app;
pub mod arriving;
pub mod body;
pub mod bucket;
pub mod channel;
pub mod config;
mod converse;
pub mod cors;
pub mod crew;
pub mod descriptors;
pub mod doors;
pub mod forwarded;
pub mod gate;
mod handle;
pub mod hooks;
mod http2;
pub mod http_date;
pub mod key;
pub mod link;
pub mod listen;
pub mod log;
pub mod metrics;
pub mod multipart;
pub mod outbox;
pub mod outcome;
pub mod owner;
pub mod permits;
pub mod place;
pub mod precondition;
pub mod proxies;
pub mod query;
pub mod request_id;
pub mod respond;
pub mod route;
pub mod served;
pub mod shares;
pub mod socket;
pub mod store;
pub mod stream;
pub mod tls;
pub mod token;
pub mod told;
pub mod tries;
pub mod unix;
pub mod wanted;

pub use app::App;
pub use config::Config;
pub use listen::serve;
