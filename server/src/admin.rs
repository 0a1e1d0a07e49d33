//! What whoever looks after a server asks: what is there, of all owners, whether it is still what it was, and to
//! clean up now.
//!
//! Nobody asks it over the network. It takes who can reach the data folder: where no server runs on it the folder
//! is opened (`reach`), and only looked at unless something is to change; where one runs, it answers on a socket in
//! the folder (`socket`), because the index is its own. Either way the same code answers (`answer`), in lines
//! (`said`), and they are shown as a table or as they are (`table`).

pub mod answer;
pub mod reach;
pub mod said;
pub mod socket;
pub mod table;

pub use said::{Ask, Said};
