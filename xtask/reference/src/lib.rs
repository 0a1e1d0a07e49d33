//! The pages of docs/reference, made of what they are about: the elements' manifest, the client's types, the OpenAPI
//! document, and what the programs say of their own options.
//!
//! `cargo xtask docs` writes them. Tests compare what is written with what would be (`tests/tests/docs`,
//! `server/tests/architecture.rs`), so that no page tells of what was.
#![allow(
    clippy::indexing_slicing,
    reason = "of JSON, which is null where nothing is, and of text, at places that were found in it"
)]

mod elements;
mod help;
mod http;
mod markdown;
mod schema;
mod types;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use thiserror::Error;

use crate::help::Help;

/// What every page begins with, so that nobody mends it in vain.
const WRITTEN: &str = "<!-- Written by `cargo xtask docs`. -->\n";

/// Why a page could not be made.
#[derive(Debug, Error)]
pub enum Error {
    /// What it is made of could not be read.
    #[error("{} cannot be read: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A program did not say what it can do.
    #[error("`{} --help` says nothing: {reason}", program.display())]
    Program {
        /// Which.
        program: PathBuf,
        /// How it ended, or what the system said.
        reason: String,
    },
    /// It is not of the form that is known here.
    #[error("{what} is not as it was known, so no page can be made of it; mend xtask/reference")]
    Form {
        /// What.
        what: String,
    },
}

/// What a page is made of, and what it is called.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// In `docs/reference`.
    pub name: &'static str,
    /// Markdown.
    pub text: String,
}

impl Page {
    fn new(name: &'static str, text: &str) -> Self {
        Self { name, text: format!("{WRITTEN}{}\n", text.trim()) }
    }

    /// Where it lies, in the repository's root.
    #[must_use]
    pub fn path(&self, root: &Path) -> PathBuf {
        root.join("docs/reference").join(self.name)
    }
}

/// Where everything is that pages are made of.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The repository's root.
    pub root: PathBuf,
    /// The built site, for the types of the client.
    pub site: PathBuf,
    /// The server's program.
    pub server: PathBuf,
    /// The terminal's.
    pub cli: PathBuf,
}

impl Sources {
    /// Every page.
    ///
    /// # Errors
    /// When one cannot be made.
    pub fn pages(&self) -> Result<Vec<Page>, Error> {
        Ok(vec![
            self.elements()?,
            self.client()?,
            http_page(&read(&self.root.join("server/openapi.json"))?)?,
            server_page(&self.server)?,
            terminal_page(&self.cli)?,
        ])
    }

    fn elements(&self) -> Result<Page, Error> {
        let manifest = read(&self.root.join("npm/custom-elements.json"))?;
        let words = read(&self.root.join("www/longhaul-words.js"))?;
        Ok(Page::new("elements.md", &elements::page(&manifest, &words)?))
    }

    fn client(&self) -> Result<Page, Error> {
        let own = |name: &str| read(&self.root.join("npm/types").join(name));
        let built = |name: &str| read(&self.site.join(name));
        let text = types::page(&types::Texts {
            front: &own("longhaul-client.d.ts")?,
            client: &built("longhaul.d.ts")?,
            upload: &own("longhaul-upload.d.ts")?,
            downloader: &built("longhaul-downloader.d.ts")?,
            words: &own("longhaul-words.d.ts")?,
        })?;
        Ok(Page::new("client.md", &text))
    }
}

/// The page of the HTTP API, of its OpenAPI document.
///
/// # Errors
/// When that is not of the form that is known here.
pub fn http_page(openapi: &str) -> Result<Page, Error> {
    Ok(Page::new("http.md", &http::page(openapi)?))
}

/// The page of the server's options, of that program.
///
/// # Errors
/// When it does not say them.
pub fn server_page(program: &Path) -> Result<Page, Error> {
    let helps = helps(program)?;
    Ok(Page::new("server.md", &help::server(&helps)))
}

/// The page of the terminal's commands, of that program.
///
/// # Errors
/// When it does not say them.
pub fn terminal_page(program: &Path) -> Result<Page, Error> {
    let helps = helps(program)?;
    Ok(Page::new("terminal.md", &help::terminal(&helps)))
}

/// What a program says of itself, and then of each command that it says it has.
fn helps(program: &Path) -> Result<Vec<Help>, Error> {
    let own = help(program, None)?;
    let commands = own.commands();
    if commands.is_empty() {
        return Err(Error::Form { what: format!("the list of commands of {}", program.display()) });
    }
    let of_commands: Vec<_> =
        commands.iter().map(|name| help(program, Some(name))).collect::<Result<_, _>>()?;
    Ok([vec![own], of_commands].concat())
}

fn help(program: &Path, command: Option<&str>) -> Result<Help, Error> {
    let failed = |reason: String| Error::Program { program: program.to_owned(), reason };
    let mut asked = Command::new(program);
    // No variable of the caller's is to be told as a default.
    asked.args(command).arg("--help").env_clear();
    let output = asked.output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    Ok(Help::parse(&String::from_utf8_lossy(&output.stdout)))
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })
}
