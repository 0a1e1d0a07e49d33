//! For a person: a bar, and lines above it.

use std::io;

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use longhaul_protocol::progress::Progress;

use super::output::{Output, say};
use super::{Event, Printed};

/// Drawn over the whole line.
const BAR: &str = "{bar:24} {percent:>3}%  {prefix}";
const BAR_CHARACTERS: &str = "█▉▊▋▌▍▎▏ ";

/// A terminal, or a file that stands for one.
#[derive(Debug)]
pub struct Terminal {
    bar: ProgressBar,
    quiet: bool,
    result: Printed,
    pub(super) output: Output,
}

impl Terminal {
    pub(super) fn new(bar: bool, quiet: bool, result: Printed) -> Self {
        let target = if bar { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        if let Ok(style) = ProgressStyle::with_template(BAR) {
            bar.set_style(style.progress_chars(BAR_CHARACTERS));
        }
        Self { bar, quiet, result, output: Output::default() }
    }

    pub(super) fn tell(&self, event: Event<'_>) {
        match event {
            Event::Begins { bytes, .. } => self.bar.set_length(bytes),
            Event::Progress(progress) => self.show(progress),
            Event::Waits { path, why, next_ms } => {
                let seconds = next_ms.div_ceil(1000);
                self.say(&format!("longhaul: {path}: {why}; trying again in {seconds} s"));
            }
            Event::Note(note) => self.say(&format!("longhaul: {note}")),
            Event::Failed { trouble, .. } => {
                // The exit code says it where this cannot.
                drop(self.write(&format!("longhaul: {}", trouble.message)));
            }
            Event::Done { path, url, .. } => match self.result {
                Printed::Path => self.print(&shown(path)),
                Printed::Url => self.print(url),
                Printed::UrlAndPath => self.print(&format!("{url}\t{}", shown(path))),
            },
        }
    }

    /// Whether it could be told.
    pub(super) fn tell_guest(&self, token: &str) -> bool {
        let told = format!(
            "longhaul: you are a guest there; this gets at what you sent: LONGHAUL_TOKEN={token}"
        );
        self.write(&told).is_ok()
    }

    fn show(&self, progress: &Progress) {
        self.bar.set_prefix(words(progress));
        self.bar.set_position(progress.acknowledged.saturating_add(progress.in_flight));
    }

    fn say(&self, line: &str) {
        if !self.quiet {
            // Nobody hears it, and nothing depends on it.
            drop(self.write(line));
        }
    }

    fn write(&self, line: &str) -> io::Result<()> {
        self.bar.suspend(|| say(&shown(line)))
    }

    fn print(&self, line: &str) {
        self.bar.suspend(|| self.output.write(&format!("{line}\n")));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A name may hold what commands a terminal, begins a line, or turns the direction of what is written: it is
/// shown as Rust writes it. `--json` has it as it is.
fn shown(text: &str) -> String {
    let is_command =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match is_command(c) {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    shown
}

/// `1.2 GiB of 4.0 GiB, 31.5 MiB/s, 2 minutes left`.
fn words(progress: &Progress) -> String {
    let moved = progress.acknowledged.saturating_add(progress.in_flight);
    let mut words = format!("{} of {}", HumanBytes(moved), HumanBytes(progress.total));
    if progress.rate > 0 {
        words.push_str(&format!(", {}/s", HumanBytes(progress.rate)));
    }
    if let Some(left) = progress.left_ms.filter(|left| *left > 0) {
        let left = std::time::Duration::from_millis(left);
        words.push_str(&format!(", {} left", HumanDuration(left)));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_commands_no_terminal() {
        assert_eq!(shown("a\n\u{1b}[2Jb\u{202e}c"), "a\\n\\u{1b}[2Jb\\u{202e}c");
        assert_eq!(shown("Übung 1.mp4"), "Übung 1.mp4");
    }

    #[test]
    fn progress_is_told_with_its_rate_and_the_time_left() {
        let progress = Progress::new(4 << 30, 1 << 30, 0, 0, 32 << 20);
        assert_eq!(words(&progress), "1.00 GiB of 4.00 GiB, 32.00 MiB/s, 2 minutes left");
        let unknown = Progress::new(5, 0, 0, 0, 0);
        assert_eq!(words(&unknown), "0 B of 5 B");
    }
}
