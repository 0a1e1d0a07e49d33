//! The Longhaul server: hyper in front, a store behind.
//!
//! The way of a request: `listen` accepts the connection, `gate` checks who may ask, `route` finds
//! the verb (one file each), the verb calls the `store` and returns an outcome, `respond` turns the
//! outcome into HTTP.

pub mod store;
