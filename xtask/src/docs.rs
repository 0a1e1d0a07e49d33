//! `cargo xtask docs`: the pages of docs/reference, of what is built now.

use std::fs;

use longhaul_reference::Sources;

use crate::error::Error;
use crate::run::heading;
use crate::test::build_programs;
use crate::wasm::{self, at};
use crate::workspace::{cli, dist, root, server};

/// Builds what they are made of, and writes them.
pub(crate) fn write() -> Result<(), Error> {
    heading("client");
    wasm::build(&wasm::Options::default())?;
    build_programs()?;
    heading("pages");
    let sources = Sources { root: root(), site: dist(), server: server(), cli: cli() };
    for page in sources.pages()? {
        let path = page.path(&root());
        fs::write(&path, page.text).map_err(at(&path))?;
        println!("{}", path.display());
    }
    Ok(())
}
