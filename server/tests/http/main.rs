//! The native API over real sockets, in front of the real disk store.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "this is all tests"
)]

mod admin;
mod attacks;
mod bad_input;
mod behind_a_proxy;
mod broken_off;
mod certificates;
mod checked;
mod coming;
mod cross_site;
mod document;
mod downloads;
mod early_answers;
mod from_files;
mod guests;
mod hooks;
mod http2;
mod kept;
mod limits;
mod links;
mod matrix;
mod metrics;
mod openapi;
mod owners;
mod probing;
mod program;
mod retried;
mod reuse;
mod secure;
mod space;
mod support;
mod tokens;
mod told;
mod traversal;
mod unread;
mod untaken;
mod uploads;
