//! The project's own commands: `cargo xtask help` lists them.

mod bench;
mod demo;
mod docs;
mod error;
mod fuzz;
mod glue;
mod mutants;
mod npm;
mod programs;
mod purity;
mod room;
mod run;
mod schemathesis;
mod tally;
mod test;
mod wasm;
mod workspace;

use std::process::ExitCode;

use error::Error;

const HELP: &str = "\
cargo xtask <command>

  demo            Build the client and the server, and keep them running on http://127.0.0.1:8080 until
                  ctrl-c, behind a network that the page can break. The data is kept in target/demo-data.
  test            Everything that has to hold: format, lints, what `protocol` may depend on,
                  the client, the server, all tests, those in a real browser too.
                  Installs what it drives (README.md lists Debian's packages) where it is missing and it may, and
                  schemathesis by pip, into target/.
  soak            The tests that `test` leaves out, because they take minutes each or answer
                  Chromium's own dialogs by keys, in every engine that LONGHAUL_ENGINES names;
                  and the store's, if LONGHAUL_SHARING_DIR names a folder on XFS or Btrfs.
                  Installs Debian's xvfb and xdotool too.
    uploads         only that of a thousand uploads at once for ten minutes
  bench [NAME…]   Measure the server beside others; target/bench-peers keeps those.
    --help          what can be told to it
  fuzz [TARGET]   Feed the parsers what nobody would think of, from fuzz/corpus, and keep there what
                  reaches further. Needs rustup's nightly and cargo-fuzz.
    --minutes N     for each target; 10 if it is not said
  schemathesis    Ask the server whatever its OpenAPI document allows, and what it does not, as an owner,
                  as a guest and as nobody, and hold every answer to it. `test` does so for about a minute.
    --minutes N     for so long in all; 15 if it is not said
    --cases N       instead: so many requests for each operation, the same on every machine
    --seed N        ask what was asked with this number before; something else if it is not said
  mutants [NAME…] Make the code wrong in one named way after the other (xtask/src/mutants/table),
                  and fail if the tests that its row names do not notice. All of them take half an hour.
    --histories N   how many of each kind; 400 if it is not said
  glue            Build the client's unit tests that need a browser, as a page in target/glue/.
  wasm            Build the site (client, element, demo page) into dist/.
    --dev           without optimising: seconds instead of a minute, and ten times the size
    --out DIR       into another folder, which is not cleared first
    --trunk         for `trunk serve`, which calls this whenever a file has changed
  npm             Build the npm package of that, unpacked in target/npm/longhaul and packed beside it.
                  Needs Node.js and npm.
  npm-consumers   Use the packed package as others do: webpack, React, Next.js, an older Vite, TypeScript, a server that renders;
                  and have publint and attw look at it. `test` has the rest of these tests.
  screenshots     Take the pictures in docs/screenshots anew, to which `test` holds the page.
  docs            Write the pages of docs/reference, of what is built now. Tests compare them with that.
  help            This page.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<(), Error> {
    let (command, rest) =
        arguments.split_first().map_or(("help", arguments), |(first, rest)| (first.as_str(), rest));
    match (command, rest) {
        ("wasm", rest) => wasm::build(&wasm::Options::parse(rest)?),
        ("npm", []) => npm::build(),
        ("npm-consumers", []) => test::run_npm_consumers(),
        ("screenshots", []) => test::run_screenshots(),
        ("glue", []) => glue::build(),
        ("demo", []) => demo::run_demo(),
        ("docs", []) => docs::write(),
        ("test", []) => test::run_tests(),
        ("soak", []) => test::run_soak(),
        ("soak", [part]) if part == "uploads" => test::run_soak_of_uploads(),
        ("bench", rest) => bench::run_bench(rest),
        ("fuzz", rest) => fuzz::run_fuzz(&fuzz::Options::parse(rest)?),
        ("schemathesis", rest) => {
            programs::ensure()?;
            schemathesis::run_schemathesis(schemathesis::Options::parse(rest)?)
        }
        ("mutants", rest) => mutants::run_mutants(&mutants::Options::parse(rest)?),
        ("help" | "--help" | "-h", _) => {
            print!("{HELP}");
            Ok(())
        }
        _ => Err(Error::Usage { given: arguments.join(" ") }),
    }
}
