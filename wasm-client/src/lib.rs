//! The Longhaul client in a browser.
//!
//! The sender's state machine of `longhaul-protocol` decides; this crate carries out what it asks
//! for and tells it what came of that. Nothing here branches on the state of a transfer, on time or
//! on a status code.
//!
//! On the page: [`uploader`] takes files in and gives each a [`driver`], which turns the machine's
//! actions into calls ([`transport`]), orders to lanes ([`pool`]) and a record in `localStorage`
//! ([`persist`]); [`page`] is what all uploaders share, the lanes and the [`queue`]; [`event`] is what
//! listeners are told. In a worker: [`lane`] reads, hashes and
//! sends one buffer at a time, as [`order`] says. [`token`] has what says who asks, [`log`] what is
//! written to the console.
//! [`js`] is the API for JavaScript and only converts.
//!
//! `download` is the receiver, built as a wasm of its own: of the features `upload` and `download` each
//! makes one, and whatever its API does not reach is not in it.

#![cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "natively only its tests run"))]
#![cfg_attr(
    not(all(feature = "upload", feature = "download")),
    allow(dead_code, reason = "each wasm has only what its own API reaches")
)]

mod clock;
#[cfg(feature = "download")]
mod download;
mod driver;
mod endpoint;
mod event;
#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod in_browser;
#[cfg(feature = "upload")]
mod js;
mod json;
mod lane;
mod lock;
mod log;
mod number;
mod order;
mod page;
mod panic;
mod persist;
mod pool;
mod promise;
mod queue;
mod tab_lock;
mod thrown;
mod token;
mod total;
mod transport;
mod uploader;
