//! A computer to try the store on: a disk that keeps what was synced and of the rest anything, and
//! threads that take turns as a seed says.

mod disk;
mod pages;
mod stage;
mod tree;

pub(super) use disk::{Fault, Lie, SimDisk};
pub(super) use pages::Kept;
pub(super) use stage::Stage;
