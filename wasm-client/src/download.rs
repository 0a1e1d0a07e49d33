//! Downloading in a browser: everything but the showing runs in one worker for each file.
//!
//! The receiver's state machine of `longhaul-protocol` decides; [`driver`] turns its actions into requests
//! ([`request`], [`body`]), buffers ([`buffers`]), and what is written where ([`target`], [`storage`]). [`event`] is
//! what the page is told, [`js`] what the worker's script calls. The page itself loads no wasm for it:
//! `longhaul-downloader.js` starts the worker and passes messages.
//!
//! It is a wasm of its own, built from this crate with the feature `download` alone, because a page that
//! uploads is to load nothing of it.
//!
//! One worker and not one for each lane: a file in a browser's own storage has one exclusive handle, and
//! whoever has it writes. The browser hashes and receives on threads of its own, so that further workers
//! would only hand bytes over.

mod body;
mod buffers;
mod driver;
mod event;
mod hash;
mod js;
mod request;
mod storage;
mod target;
