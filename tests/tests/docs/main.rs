//! The manual, followed: every block of code in README.md, npm/README.md and docs/ does what the page says.
//!
//! Each page is followed from its top in a folder of its own. What a block does is said by its language:
//!
//! | language | |
//! | --- | --- |
//! | `sh` | is run by bash, and ends with exit code 0 |
//! | `text` | is what the block before has printed; `…` stands for anything |
//! | `html`, `js` | are shown to Chromium, where a file is uploaded (or fetched, if there is nothing to upload with); what they write to the console comes, and the browser complains of nothing |
//! | `tsx`, `jsx` | are built by Vite and shown likewise; TypeScript takes them, and `ts` |
//! | `http` | are the headers that the pages after it come with |
//! | `toml` | is what `longhaul-server --check-config` finds nothing wrong with |
//! | `json`, `mermaid` | are read |
//!
//! What else has to be there or to be done is said by a comment before it, see [`steps`].
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's panic is its report"
)]

mod follow;
mod links;
mod markdown;
mod react;
mod reference;
mod said;
mod scene;
mod shown;
mod steps;
