//! What a comment beside a block can say: `<!-- try: STEP -->`, or several between `<!-- try` and `-->`, one a line.
//!
//! | of the next block | |
//! | --- | --- |
//! | `not run: REASON` | it is only read |
//! | `save as PATH` | it becomes that file, and is not run |
//! | `as a server` | it goes on, once it has said that it listens |
//! | `fails` | it ends with an exit code that is not 0 |
//! | `with HTML` | what the page of a script has beside it |
//! | `picks FILE` | what is uploaded on its page instead of a film; a folder where that ends with `/` |
//!
//! | by itself | |
//! | --- | --- |
//! | `run COMMAND` | a line for the shell that no reader has to type |
//! | `server COMMAND` | the same, `as a server` |
//! | `open ADDRESS`, `pick FILE`, `reload` | what a reader does in the browser |
//! | `has been STATE`, `comes to STATE` | what he sees there |
//! | `stop the server` | Ctrl-C where it runs |

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    NotRun(String),
    SaveAs(String),
    AsServer,
    Fails,
    With(String),
    Picks(String),
    Run(String),
    Server(String),
    Open(String),
    Pick(String),
    Reload,
    HasBeen(String),
    ComesTo(String),
    StopServer,
}

/// One that goes on after its name, and what it becomes.
type WithText = (&'static str, fn(String) -> Step);

impl Step {
    /// `None` of what is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let named: [WithText; 10] = [
            ("not run: ", Self::NotRun),
            ("save as ", Self::SaveAs),
            ("with ", Self::With),
            ("picks ", Self::Picks),
            ("run ", Self::Run),
            ("server ", Self::Server),
            ("open ", Self::Open),
            ("pick ", Self::Pick),
            ("has been ", Self::HasBeen),
            ("comes to ", Self::ComesTo),
        ];
        match text {
            "as a server" => Some(Self::AsServer),
            "fails" => Some(Self::Fails),
            "reload" => Some(Self::Reload),
            "stop the server" => Some(Self::StopServer),
            _ => named
                .iter()
                .find_map(|(name, step)| Some(step(text.strip_prefix(name)?.to_owned()))),
        }
    }
}

/// What the next block is told.
#[derive(Debug, Default)]
pub(crate) struct Setting {
    pub(crate) not_run: Option<String>,
    pub(crate) save_as: Option<String>,
    pub(crate) as_server: bool,
    pub(crate) fails: bool,
    pub(crate) with: Option<String>,
    pub(crate) picks: Option<String>,
}

impl Setting {
    /// Takes in a step of the next block; any other comes back.
    pub(crate) fn take(&mut self, step: Step) -> Option<Step> {
        match step {
            Step::NotRun(reason) => self.not_run = Some(reason),
            Step::SaveAs(path) => self.save_as = Some(path),
            Step::AsServer => self.as_server = true,
            Step::Fails => self.fails = true,
            Step::With(html) => self.with = Some(html),
            Step::Picks(file) => self.picks = Some(file),
            other => return Some(other),
        }
        None
    }
}
