//! A virtual screen, and a keyboard at it: what no driver reaches are the browser's own dialogs.
//!
//! There is no window manager: a window has the keys once it was given them.

use std::time::Duration;

use tokio::process::Command;

use crate::process::Process;

/// How long the display may take to start on a busy machine.
const START: Duration = Duration::from_secs(60);

/// One for one browser.
#[derive(Debug)]
pub struct Screen {
    display: String,
    _process: Process,
}

impl Screen {
    /// A virtual display of that width and height, on a number that it chooses and tells.
    pub async fn start(size: (u32, u32)) -> Self {
        let screen = format!("{}x{}x24", size.0, size.1);
        let mut command = Command::new("Xvfb");
        command.args(["-displayfd", "1", "-screen", "0", &screen, "-nolisten", "tcp"]);
        let mut process = Process::start("Xvfb", &mut command);
        let number = process.said(0, START, |line| line.trim().parse::<u32>().ok()).await;
        Self { display: format!(":{number}"), _process: process }
    }

    /// What programs call it.
    #[must_use]
    pub fn display(&self) -> &str {
        &self.display
    }

    /// A window that is seen and has that in its title.
    pub async fn window(&self, title: &str) -> Option<Window<'_>> {
        let found = self.xdotool(&["search", "--onlyvisible", "--name", title]).await?;
        let id = found.lines().next()?.to_owned();
        Some(Window { screen: self, id })
    }

    /// What it prints; `None` if it fails, as at a window that is not there any more.
    async fn xdotool(&self, args: &[&str]) -> Option<String> {
        let mut command = Command::new("xdotool");
        command.args(args).env("DISPLAY", &self.display);
        let output = command.output().await.expect("xdotool: Debian has it in the package xdotool");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// A window on it.
#[derive(Debug)]
pub struct Window<'a> {
    screen: &'a Screen,
    id: String,
}

impl Window<'_> {
    /// Presses keys in it one after the other, called as X does: `Return`, `alt+s`.
    pub async fn press(&self, keys: &[&str]) {
        self.enter(&[&["key", "--delay", "100"], keys].concat()).await;
    }

    /// Types a text into it.
    pub async fn write(&self, text: &str) {
        self.enter(&["type", "--delay", "20", text]).await;
    }

    /// Not into another window if this one is gone meanwhile; whoever asks looks at what has become of it.
    async fn enter(&self, keys: &[&str]) {
        if self.screen.xdotool(&["windowfocus", &self.id]).await.is_some() {
            self.screen.xdotool(keys).await;
        }
    }
}
