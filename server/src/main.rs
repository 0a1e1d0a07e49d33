//! The `longhaul-server` program: what it is told on the command line, and what it says when it
//! cannot start.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use http::Uri;
use longhaul_protocol::plan::{CHUNK_LEN_DEFAULT, CHUNK_LEN_MAX, CHUNK_LEN_MIN};
use longhaul_server::Config;
use longhaul_server::listen::{App, ListenError, bind, serve};
use longhaul_server::store::disk::{self, DiskStore, OpenError};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// How often expired uploads are looked for: they cost disk space, and live for an hour at least.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30 * 60);

/// Takes uploads of any size, keeps them through crashes, and serves them back.
///
/// It listens on loopback addresses only: everybody who reaches it is the same user. SIGTERM or
/// Ctrl-C lets requests in flight finish, and stops it; nothing is lost by killing it either.
#[derive(Debug, Parser)]
#[command(name = "longhaul-server", version)]
struct Args {
    /// Keep uploads and files in this folder; it is made if it is not there.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,

    /// Serve the files of this folder at `/`: the page that uploads.
    #[arg(long, value_name = "DIR")]
    www: Option<PathBuf>,

    /// The address to listen on; port 0 is any free port, told on standard output.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// Let pages of this origin use the server, such as `http://127.0.0.1:8000`. Can be repeated.
    #[arg(long, value_name = "ORIGIN", value_parser = parse_origin)]
    allow_origin: Vec<String>,

    /// Answer to this host name too, beside `localhost` and the loopback addresses. Can be repeated.
    #[arg(long, value_name = "NAME", value_parser = parse_host_name)]
    host_name: Vec<String>,

    /// The chunk size of uploads that ask for none. Small ones are for tests.
    #[arg(long, value_name = "BYTES", default_value_t = CHUNK_LEN_DEFAULT,
          value_parser = clap::value_parser!(u64).range(CHUNK_LEN_MIN..=CHUNK_LEN_MAX))]
    chunk_size: u64,

    /// What to log on standard error, such as `warn` or `longhaul_server=debug`. At `info` there is
    /// a line for each request.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    log: EnvFilter,
}

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("the data folder {0}")]
    Data(#[from] OpenError),
    #[error("--www {}: there is no such folder. Build the page first, or leave --www out.", .dir.display())]
    Www { dir: PathBuf },
    #[error("the system: {0}")]
    System(#[from] io::Error),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("longhaul-server: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), StartError> {
    tracing_subscriber::fmt()
        .with_env_filter(args.log)
        .with_writer(io::stderr)
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
        .init();
    if let Some(dir) = args.www.as_ref().filter(|dir| !dir.is_dir()) {
        return Err(StartError::Www { dir: dir.clone() });
    }
    let stop = stop_signal()?;
    let listener = bind(args.listen).await?;
    let disk_config = disk::Config { chunk_len: args.chunk_size, ..disk::Config::default() };
    let clock = disk_config.clock.clone();
    let store = Arc::new(DiskStore::open(&args.data, disk_config)?);
    let config = Config {
        chunk_len: args.chunk_size,
        host_names: args.host_name,
        allow_origins: args.allow_origin,
        www: args.www,
        ..Config::default()
    };
    println!("longhaul-server listening on http://{}", listener.local_addr()?);
    let sweeping = tokio::spawn(sweep(Arc::clone(&store), clock));
    serve(listener, Arc::new(App::new(Arc::clone(&store), config)), stop).await;
    sweeping.abort();
    store.shutdown().await;
    Ok(())
}

/// Done at the first SIGTERM or SIGINT. Both are caught from now on, not from the first poll.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: requests in flight may finish");
    })
}

/// Removes expired uploads, now and then.
async fn sweep(store: Arc<DiskStore>, clock: disk::Clock) {
    let mut interval = tokio::time::interval(SWEEP_INTERVAL);
    loop {
        interval.tick().await;
        if let Err(error) = store.sweep(clock.now()).await {
            tracing::error!("the sweep failed, the next one tries again: {error}");
        }
    }
}

/// An origin as browsers write it: scheme, host, and port where it is not the scheme's own.
fn parse_origin(text: &str) -> Result<String, String> {
    let shape = "an origin is `https://example.org` or `http://127.0.0.1:8000`, without a path";
    let uri: Uri = text.parse().map_err(|_| shape.to_owned())?;
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(authority)) if text == format!("{scheme}://{authority}") => {
            Ok(text.to_ascii_lowercase())
        }
        _ => Err(shape.to_owned()),
    }
}

fn parse_host_name(text: &str) -> Result<String, String> {
    match text.parse::<http::uri::Authority>() {
        Ok(authority) if authority.host() == text => Ok(text.to_owned()),
        _ => Err("a host name is `files.example.org`, without a scheme or a port".to_owned()),
    }
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
    fn an_origin_has_no_path() {
        for origin in ["https://example.org", "http://127.0.0.1:8000", "http://[::1]:8000"] {
            assert_eq!(parse_origin(origin).as_deref(), Ok(origin));
        }
        for other in
            ["example.org", "https://example.org/", "https://example.org/x", "*", "null", ""]
        {
            assert!(parse_origin(other).is_err(), "{other}");
        }
    }

    #[test]
    fn a_host_name_has_no_port() {
        assert!(parse_host_name("files.example.org").is_ok());
        for other in ["files.example.org:80", "http://x", "", "a b"] {
            assert!(parse_host_name(other).is_err(), "{other}");
        }
    }
}
