//! The command line of `longhaul`: to send, or to fetch.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use longhaul_cli::endpoint::{Endpoint, Remote};
use longhaul_cli::send::STDIN;
use longhaul_protocol::Digest;
use longhaul_protocol::plan::{LANES_MAX, RATE_MIN};

/// How it ends, for `--help`.
const ENDINGS: &str = "\
Exit codes:
  0    everything is through and verified
  1    the server refused it
  2    the command line is wrong
  3    this machine is at fault: a file that is not there, not readable, changed, without room; an output that is full
  4    the token is missing, refused, or does not allow it
  5    no server was reached, or not for long enough; the same command goes on later
  6    what came is damaged or contradicts itself
  130  Ctrl-C; the same command goes on
  143  SIGTERM; the same command goes on

Environment:
  LONGHAUL_TOKEN  the token that the server's owner gave you; never on the command line, where others see it
  XDG_STATE_HOME  where what is under way is noted if it cannot be beside what is sent; ~/.local/state without it
  SSL_CERT_FILE   certificates to trust instead of the system's";

/// Sends files and folders to a Longhaul server and fetches them back, verified, and goes on where it
/// ended.
#[derive(Debug, Parser)]
#[command(name = "longhaul", version, after_help = ENDINGS)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Send files and folders.
    ///
    /// Prints the address of each file that is through. Beside what is sent lies NAME.longhaul while it is
    /// under way (in $XDG_STATE_HOME/longhaul, or ~/.local/state/longhaul, where nothing can lie beside it): after a
    /// kill the same command sends only what is missing. A file that was changed since is noticed, and never mixed
    /// with what it was.
    #[command(after_help = ENDINGS)]
    Send(SendArgs),

    /// Fetch a file and verify it.
    ///
    /// Prints where it is.
    /// Every chunk is compared with the file's manifest; what is damaged or breaks off is fetched again.
    /// Until all of it is here it is called NAME.part, with NAME.part.json beside it: after a kill the same
    /// command fetches only what is missing. What has these names and is not of an unfinished fetch of yours stays as it
    /// is, and so does one of another file, unless --force gives it up.
    #[command(after_help = ENDINGS)]
    Fetch(FetchArgs),
}

/// How to fetch.
#[derive(Debug, clap::Args)]
pub struct FetchArgs {
    /// The file's address, as `longhaul send` prints it, or a link to it (which has a `&`: put it in
    /// quotes).
    #[arg(value_name = "URL")]
    pub url: Remote,

    /// Where to: a file, or a folder, where it gets the name that it has there. Without it, here.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Replace what has that name, with its mode at most, and give up an unfinished fetch of another file to it.
    #[arg(long, short)]
    pub force: bool,

    /// The root that the file has to have, base64, as `--json` tells it, or hexadecimal: what came by another way than the
    /// bytes guards against a server that lies.
    #[arg(long, value_name = "DIGEST", value_parser = parse_root)]
    pub root: Option<Digest>,

    /// How it goes and how it is told.
    #[command(flatten)]
    pub common: CommonArgs,
}

impl FetchArgs {
    /// What is wrong with them.
    pub fn fault(&self) -> Option<&'static str> {
        let is_pipe = self.output.as_ref().is_some_and(|output| output.as_os_str() == STDIN);
        is_pipe.then_some(
            "chunks are verified and written in any order, so `-o -` has no standard output to go to; name a file (./- if it is to be called so)",
        )
    }
}

/// How to send.
#[derive(Debug, clap::Args)]
pub struct SendArgs {
    /// What to send. A folder is sent with everything below it; links are passed over. `-` is what comes
    /// through a pipe.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// What `-` is called, and where it is kept until it is through: a pipe cannot be read again. After a
    /// kill, once all of it has come, sending this file goes on.
    #[arg(long, value_name = "FILE")]
    pub name: Option<PathBuf>,

    /// The server, such as `https://files.example.org`.
    #[arg(long, value_name = "URL")]
    pub to: Endpoint,

    /// How it goes and how it is told.
    #[command(flatten)]
    pub common: CommonArgs,
}

impl SendArgs {
    /// What is wrong with them together.
    pub fn fault(&self) -> Option<&'static str> {
        let pipes = self.files.iter().filter(|file| file.as_os_str() == STDIN).count();
        match (pipes, &self.name) {
            (0, None) | (1, Some(_)) => None,
            (0, Some(_)) => Some("--name is for `-`, what comes through a pipe"),
            (_, None) => Some("`-` needs a name: --name film.mp4"),
            (_, Some(_)) => Some("there is one pipe: give `-` once"),
        }
    }
}

/// How it goes and how it is told.
#[derive(Debug, clap::Args)]
pub struct CommonArgs {
    /// Connections that carry bytes at once, 1 to 5.
    #[arg(long, short, value_name = "N", default_value_t = JOBS_DEFAULT, value_parser = parse_jobs)]
    pub jobs: u32,

    /// The most bytes a second, such as `500K`, `2M` or `1G` (of 1024); at least 64K.
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub limit_rate: Option<u64>,

    /// How long to wait for a server that went away. One that never answered is not waited for.
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = parse_time)]
    pub patience: Duration,

    /// Tell what happens as JSON, one object a line on standard output.
    #[arg(long)]
    pub json: bool,

    /// Tell nothing but results and what is wrong, also as JSON.
    #[arg(long, short)]
    pub quiet: bool,
}

/// As many as a browser uses.
const JOBS_DEFAULT: u32 = 5;

fn parse_root(text: &str) -> Result<Digest, String> {
    let shape =
        "a root is 32 bytes in base64, as `longhaul send --json` tells it, or in hexadecimal";
    let root = Digest::from_base64(text).ok().or_else(|| hexadecimal(text));
    root.ok_or_else(|| shape.to_owned())
}

fn hexadecimal(text: &str) -> Option<Digest> {
    let digits = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<Vec<_>>>()?;
    let byte = |two: &[u32]| two.iter().fold(0, |byte, digit| byte << 4 | digit).try_into().ok();
    let bytes = digits.chunks(2).map(byte).collect::<Option<Vec<u8>>>()?;
    (digits.len() == 64).then_some(bytes)?.try_into().ok().map(Digest)
}

fn parse_jobs(text: &str) -> Result<u32, String> {
    let shape = || format!("a number from 1 to {LANES_MAX}");
    let jobs: u32 = text.parse().map_err(|_| shape())?;
    if (1..=LANES_MAX).contains(&u64::from(jobs)) { Ok(jobs) } else { Err(shape()) }
}

fn parse_rate(text: &str) -> Result<u64, String> {
    let shape = || {
        "a rate is a whole number of bytes a second, with K, M or G behind it for 1024 of the one before, such as `500K`; at least 64K".to_owned()
    };
    let upper = text.to_ascii_uppercase();
    let (number, factor) = match upper.strip_suffix(['K', 'M', 'G']) {
        Some(number) if upper.ends_with('K') => (number, 1 << 10),
        Some(number) if upper.ends_with('M') => (number, 1 << 20),
        Some(number) => (number, 1 << 30),
        None => (upper.as_str(), 1),
    };
    let number: u64 = number.parse().map_err(|_| shape())?;
    number.checked_mul(factor).filter(|rate| *rate >= RATE_MIN).ok_or_else(shape)
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let shape = "a time is a number and a unit, such as `30s`, `15m` or `12h`";
    humantime::parse_duration(text).map_err(|_| shape.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_make_sense_to_clap() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_rate_is_written_as_curl_takes_it() {
        assert_eq!(parse_rate("500K"), Ok(500 << 10));
        assert_eq!(parse_rate("2m"), Ok(2 << 20));
        assert_eq!(parse_rate("1G"), Ok(1 << 30));
        assert_eq!(parse_rate("65536"), Ok(65_536));
        for wrong in ["", "K", "1.5M", "63K", "-1", "99999999999G", "2MB"] {
            assert!(parse_rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_root_is_read_in_base64_and_in_hexadecimal_of_either_case_and_in_nothing_else() {
        let root = Digest::of(b"root");
        let hexadecimal = root.to_string();
        for text in [root.to_base64(), hexadecimal.to_uppercase(), hexadecimal.clone()] {
            assert_eq!(parse_root(&text), Ok(root), "{text}");
        }
        let (short, odd) = (&hexadecimal[2..], &hexadecimal[1..]);
        let signs = "+f".repeat(32);
        for text in ["", short, odd, &signs, &format!("{hexadecimal}00"), &"ü".repeat(32)] {
            assert!(parse_root(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_help_tells_how_many_connections_there_may_be() {
        let mut command = Args::command();
        let send = command.find_subcommand_mut("send").unwrap();
        assert!(send.render_help().to_string().contains(&format!("1 to {LANES_MAX}")));
    }

    #[test]
    fn a_wrong_value_is_answered_with_its_option_and_an_example() {
        for (option, value, example) in [
            ("--jobs", "9", "from 1 to 5"),
            ("--jobs", "0", "from 1 to 5"),
            ("--limit-rate", "fast", "`500K`"),
            ("--patience", "long", "`15m`"),
            ("--to", "example.org", "https://files.example.org"),
        ] {
            let mut words = vec!["longhaul", "send", "f", option, value];
            if option != "--to" {
                words.extend(["--to", "http://127.0.0.1:1"]);
            }
            let text = Args::try_parse_from(words).expect_err("it is wrong").to_string();
            for part in [option, value, example] {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
    }
}
