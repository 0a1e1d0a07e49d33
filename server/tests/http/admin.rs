//! `longhaul-server uploads | files | sweep | verify`, as processes: on a folder at rest and beside a server that runs
//! on it.

mod folder;
mod lists;
mod removals;
mod sweeps;
mod unreached;
mod verifies;
