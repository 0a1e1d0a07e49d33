//! The options about hooks.

use std::path::PathBuf;

use http::Uri;
use longhaul_server::hooks::{HOOK_TIMEOUT, HOOK_TIMEOUT_MAX};
use longhaul_server::store::event::Tells;

/// Who is told of what happens to uploads.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Hooks")]
pub struct HookArgs {
    /// Tell this address what happens to uploads, by a signed `POST` each (see docs/hooks.md). Redirects are
    /// not followed.
    #[arg(long, value_name = "URL", value_parser = parse_address, requires = "hook_secret_file",
          group = "hook", conflicts_with = "hook_command")]
    pub hook_url: Option<Uri>,

    /// What those are signed with: `whsec_` and base64 on a line, in a file that nobody else can read. `longhaul-server
    /// key --algorithm webhook` makes one. With several lines each signs, for a change of secrets.
    #[arg(long, value_name = "FILE", requires = "hook_url")]
    pub hook_secret_file: Option<PathBuf>,

    /// Start this program for what happens to uploads, with the event in JSON on its standard input. It takes no
    /// arguments here. A path that does not begin with a slash is one from the folder that the server is started in, and a
    /// name without any slash is looked for in `PATH`.
    #[arg(long, value_name = "PROGRAM", group = "hook")]
    pub hook_command: Option<PathBuf>,

    /// What to tell. `sealed` and `expired` are told afterwards, until they were heard. With `created` each upload has to
    /// be allowed before it begins: while nobody answers, none does.
    #[arg(
        long,
        value_name = "EVENT,…",
        value_enum,
        value_delimiter = ',',
        requires = "hook",
        default_value = "sealed,expired"
    )]
    pub hook_events: Vec<HookEvent>,

    /// How long an answer, or the program, may take, such as `10s`.
    #[arg(long, value_name = "TIME", default_value_t = HOOK_TIMEOUT.into(),
          value_parser = parse_timeout, requires = "hook")]
    pub hook_timeout: humantime::Duration,
}

/// What a hook can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum HookEvent {
    /// An upload is about to begin; it can be refused, with a reason that its sender is told.
    Created,
    /// An upload is complete, and a file.
    Sealed,
    /// An upload is gone, because nothing came for too long.
    Expired,
}

impl HookArgs {
    /// Whether anybody is told anything.
    pub fn is_there(&self) -> bool {
        self.hook_url.is_some() || self.hook_command.is_some()
    }

    /// Whether uploads that are about to begin have to be allowed.
    pub fn asks(&self) -> bool {
        self.is_there() && self.hook_events.contains(&HookEvent::Created)
    }

    /// What is to be told afterwards.
    pub fn tells(&self) -> Tells {
        let has = |event| self.is_there() && self.hook_events.contains(&event);
        Tells { sealed: has(HookEvent::Sealed), expired: has(HookEvent::Expired) }
    }
}

fn parse_address(text: &str) -> Result<Uri, String> {
    let shape = "an address is `https://example.org/hook` or `http://127.0.0.1:9000/`";
    text.parse().map_err(|_| shape.to_owned())
}

fn parse_timeout(text: &str) -> Result<humantime::Duration, String> {
    let time = super::parse::parse_time(text)?;
    let max = HOOK_TIMEOUT_MAX.as_secs();
    if time.is_zero() || time > HOOK_TIMEOUT_MAX {
        return Err(format!(
            "whoever uploads waits for it, so it is at most {max} s, such as `10s`"
        ));
    }
    Ok(time.into())
}
