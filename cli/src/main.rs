//! The `longhaul` program: from what it is told on the command line (`args`) to an exit code.
#![deny(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "they panic where nothing can be written"
)]

use std::process::ExitCode;
use std::sync::Arc;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser};
use longhaul_cli::ending::{Ending, Trouble};
use longhaul_cli::http::Client;
use longhaul_cli::report::{Event, Printed, Report, Style, say};
use longhaul_cli::{fetch, send};
use longhaul_protocol::Millis;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

mod args;

use args::{Args, Command, CommonArgs, FetchArgs, SendArgs};

/// Where the token comes from: what is on a command line, others on the machine can read.
const TOKEN: &str = "LONGHAUL_TOKEN";

fn main() -> ExitCode {
    let args = Args::parse();
    let fault = match &args.command {
        Command::Send(send) => send.fault(),
        Command::Fetch(fetch) => fetch.fault(),
    };
    if let Some(fault) = fault {
        Args::command().error(ErrorKind::InvalidValue, fault).exit();
    }
    let ended = match tokio::runtime::Runtime::new() {
        Ok(runtime) => {
            let ended = runtime.block_on(run(args.command));
            // A read of a disk that hangs is not waited for.
            runtime.shutdown_background();
            ended
        }
        Err(error) => {
            complain(&format!("the system gives no threads: {error}"));
            Err(Ending::Local)
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(ending) => ExitCode::from(ending.code()),
    }
}

async fn run(command: Command) -> Result<(), Ending> {
    let stop = match stop_signal() {
        Ok(stop) => stop,
        Err(error) => {
            complain(&format!("the system gives no signals: {error}"));
            return Err(Ending::Local);
        }
    };
    match command {
        Command::Send(args) => run_send(args, stop).await,
        Command::Fetch(args) => run_fetch(args, stop).await,
    }
}

async fn run_send(args: SendArgs, stop: watch::Receiver<Option<Ending>>) -> Result<(), Ending> {
    let is_one = args.files.len() == 1 && args.files.iter().all(|path| !path.is_dir());
    let result = if is_one { Printed::Url } else { Printed::UrlAndPath };
    let report = Arc::new(Report::new(style(&args.common, result)));
    let client = Client::new(args.to, token(&report)?)
        .map_err(|error| fails(&report, &Trouble::new(Ending::Local, error.to_string())))?;
    let order = send::Order {
        paths: args.files,
        stdin_as: args.name,
        jobs: args.common.jobs,
        rate_max: args.common.limit_rate,
        patience: patience(&args.common),
    };
    let ended = send::send(order, client, Arc::clone(&report), stop).await;
    written(&report, ended)
}

async fn run_fetch(args: FetchArgs, stop: watch::Receiver<Option<Ending>>) -> Result<(), Ending> {
    let report = Arc::new(Report::new(style(&args.common, Printed::Path)));
    let endpoint = args.url.endpoint.clone();
    let client = match &args.url.link {
        Some(query) => Client::by_link(endpoint, query),
        None => Client::new(endpoint, token(&report)?),
    };
    let client =
        client.map_err(|error| fails(&report, &Trouble::new(Ending::Local, error.to_string())))?;
    let order = fetch::Order {
        remote: args.url,
        output: args.output,
        root: args.root,
        force: args.force,
        jobs: args.common.jobs,
        rate_max: args.common.limit_rate,
        patience: patience(&args.common),
    };
    let ended = fetch::fetch(order, client, Arc::clone(&report), stop).await;
    written(&report, ended)
}

/// A script that has not got its results has to know.
fn written(report: &Report, ended: Result<(), Ending>) -> Result<(), Ending> {
    let Some(error) = report.unwritten() else { return ended };
    complain(&format!("results could not be written to standard output: {error}"));
    ended.and(Err(Ending::Local))
}

fn complain(what: &str) {
    // Where nobody can be told, the exit code says it.
    drop(say(&format!("longhaul: {what}")));
}

fn style(common: &CommonArgs, result: Printed) -> Style {
    let quiet = common.quiet;
    if common.json { Style::Json { quiet } } else { Style::Person { quiet, result } }
}

fn patience(common: &CommonArgs) -> Millis {
    Millis(u64::try_from(common.patience.as_millis()).unwrap_or(u64::MAX))
}

/// An empty one is none: that is how a script unsets it.
fn token(report: &Report) -> Result<Option<String>, Ending> {
    let Some(token) = std::env::var_os(TOKEN).filter(|token| !token.is_empty()) else {
        return Ok(None);
    };
    let token = token.into_string().ok().map(|token| token.trim().to_owned());
    let is_one =
        |token: &String| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    match token.filter(is_one) {
        Some(token) => Ok(Some(token)),
        None => {
            let wrong = format!("{TOKEN} holds something that is no token");
            Err(fails(report, &Trouble::new(Ending::NotAllowed, wrong)))
        }
    }
}

fn fails(report: &Report, trouble: &Trouble) -> Ending {
    report.tell(Event::Failed { path: "", trouble });
    trouble.ending
}

/// Says how to end at the first Ctrl-C or SIGTERM. At the second the program ends at once: what it
/// leaves is as good as after a kill.
fn stop_signal() -> std::io::Result<watch::Receiver<Option<Ending>>> {
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (stop, stopped) = watch::channel(None);
    tokio::spawn(async move {
        loop {
            let ending = tokio::select! {
                _ = interrupt.recv() => Ending::Interrupted,
                _ = terminate.recv() => Ending::Terminated,
            };
            if stop.send_replace(Some(ending)).is_some() {
                std::process::exit(i32::from(ending.code()));
            }
        }
    });
    Ok(stopped)
}
