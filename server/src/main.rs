//! The `longhaul-server` program: from what it is told on the command line (`args`) to a server that
//! runs, or to what it says when it cannot.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::CommandFactory as _;
use clap::error::ErrorKind;
use longhaul_server::access::Access;
use longhaul_server::admin::Ask;
use longhaul_server::admin::socket::AdminSocket;
use longhaul_server::channel::Scheme;
use longhaul_server::config::Limits;
use longhaul_server::hooks::{Hooks, Program, Way, Web, deliver};
use longhaul_server::key::{self, KeyError};
use longhaul_server::link::LinkKey;
use longhaul_server::listen::{Listener, Reach, bind};
use longhaul_server::log;
use longhaul_server::store::disk::layout::Layout;
use longhaul_server::store::disk::{self, DiskStore, Ending};
use longhaul_server::tls::{Offer, Tls, TlsError, keep_fresh};
use longhaul_server::token::{KEYS_MAX, Keys, TokenKey};
use longhaul_server::unix::Bound;
use longhaul_server::{App, Config, serve};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

mod args;
mod check;
mod data_folder;
mod make;
mod manage;
mod manager;
mod settings;
mod start_error;
mod warnings;

use args::{Args, Command, HookArgs, LimitArgs, ServeArgs};
use manage::manage;
use settings::{SettingsError, usage_error};
use start_error::StartError;

/// How often expired uploads are looked for: they cost disk space, and live for an hour at least.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30 * 60);

const NO_DATA: &str = "where to keep uploads and files is not said: --data DIR";

fn main() -> ExitCode {
    let settings =
        match settings::read(std::env::args_os().collect(), |name| std::env::var_os(name)) {
            Ok(settings) => settings,
            Err(SettingsError::Clap(error)) => error.exit(),
            Err(error) => {
                eprintln!("longhaul-server: {error}");
                return usage_error();
            }
        };
    let Args { command, serve, limits, hook } = settings.args;
    let done = match (command, serve) {
        (Some(Command::Key(args)), _) => make::key(&args),
        (Some(Command::Token(args)), _) => make::token(&args),
        (Some(Command::Uploads(args)), _) => return manage(&args.folder, args.ask()),
        (Some(Command::Files(args)), _) => return manage(&args.folder, args.ask()),
        (Some(Command::Sweep(args)), _) => {
            return manage(&args.folder, Ask::Sweep { is_dry: args.dry_run });
        }
        (Some(Command::Verify(args)), _) => {
            return manage(&args.folder, Ask::Verify { rate: args.rate });
        }
        (None, Some(args)) if args.check_config => {
            return check::report(&args, &limits, &hook, &settings.listing);
        }
        (None, Some(args)) => run_and_end(args, &limits, &hook),
        (None, None) => Args::command().error(ErrorKind::MissingRequiredArgument, NO_DATA).exit(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("longhaul-server: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The index is closed with the last of what runs, and only then it is known how.
fn run_and_end(args: ServeArgs, limits: &LimitArgs, hook: &HookArgs) -> Result<(), StartError> {
    // The connections have threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ending = runtime.block_on(run(args, limits, hook))?;
    drop(runtime);
    if ending.is_clean() { Ok(()) } else { Err(StartError::Unclean) }
}

/// Serves until it is told to stop.
async fn run(
    args: ServeArgs,
    limits: &LimitArgs,
    hook: &HookArgs,
) -> Result<Arc<Ending>, StartError> {
    log::start(args.log.clone(), args.log_format.into());
    for told in settings::unknown(std::env::vars_os().map(|(name, _)| name)) {
        tracing::warn!("{told}");
    }
    for doubtful in warnings::of(&args, hook) {
        tracing::warn!("{doubtful}");
    }
    check_www(args.www.as_deref())?;
    check_strangers(&args, limits)?;
    data_folder::check(&args.data)?;
    keep_apart(args.www.as_deref(), &args.data)?;
    let stop = stop_signal()?;
    let keys = read_keys(&args.token_key)?;
    let tls = read_tls(&args)?;
    let listener = listen(&args).await?;
    let disk_config = disk::Config {
        chunk_len: args.chunk_size,
        bytes_per_owner_max: args.owner_bytes_max,
        uploads_per_owner_max: limits.owner_uploads_max,
        bytes_guests_max: args.guest_bytes_max,
        bytes_total_max: args.total_bytes_max,
        disk_free_min: args.disk_free_min,
        reuse: args.reuse.into(),
        tells: hook.tells(),
        ..disk::Config::default()
    };
    let hooks = way(hook)?.map(|way| Hooks::new(way, hook.asks(), hook.hook_timeout.into()));
    let hooks = hooks.map(Arc::new);
    let clock = disk_config.clock.clone();
    let store = Arc::new(DiskStore::open(&args.data, disk_config)?);
    let links = LinkKey::new(&key::read_or_make(&Layout::new(&args.data).link_key())?);
    let config = Config {
        chunk_len: args.chunk_size,
        access: access(keys, args.allow_anonymous, &args.data)?,
        host_names: args.host_name,
        allow_origins: args.allow_origin,
        www: args.www,
        places: limits.places(),
        file_bytes_max: limits.file_bytes_max,
        proxies: limits.proxies.proxies(),
        hooks: hooks.clone(),
        limits: Limits {
            content_wait: args.content_wait.into(),
            drain_delay: args.drain_delay,
            shutdown_timeout: args.stop_timeout,
            ..limits.connection()
        },
        tls: tls.clone(),
        hsts: args.hsts,
        ..Config::new(links)
    };
    let admin = listen_for_admin(&args.data);
    let scheme = if tls.is_some() { Scheme::Https } else { Scheme::Http };
    match &listener {
        Listener::Tcp(tcp) => {
            println!("longhaul-server listening on {scheme}://{}", tcp.local_addr()?);
        }
        Listener::Unix(bound) => {
            println!("longhaul-server listening on unix:{}", bound.path().display());
        }
    }
    manager::ready();
    let mut beside = JoinSet::new();
    beside.spawn(sweep(Arc::clone(&store), clock));
    if let Some(socket) = admin {
        beside.spawn(socket.serve(DiskStore::clone(&store)));
    }
    if let Some(hooks) = hooks {
        // What was not heard yet is in the queue.
        beside.spawn(deliver(DiskStore::clone(&store), hooks));
    }
    match tls {
        Some(tls) => drop(beside.spawn(renew(tls))),
        None => drop(beside.spawn(hear_of_nothing(signal(SignalKind::hangup())?))),
    }
    serve(listener, Arc::new(App::new(Arc::clone(&store), config)), stop).await?;
    beside.shutdown().await;
    store.shutdown().await;
    Ok(store.ending())
}

/// A server works without as well.
fn listen_for_admin(data: &Path) -> Option<AdminSocket> {
    let socket = AdminSocket::listen(data).inspect_err(|error| {
        tracing::warn!(
            %error,
            "`longhaul-server uploads`, `files`, `sweep` and `verify` work only while this server is stopped"
        );
    });
    socket.ok()
}

/// Whom to tell. Nothing is started yet, nor asked for.
fn way(args: &HookArgs) -> Result<Option<Way>, StartError> {
    Ok(match (&args.hook_url, &args.hook_secret_file, &args.hook_command) {
        (Some(url), Some(secret), _) => {
            let web = Web::new(url.clone(), key::read_hook_secrets(secret)?)?;
            Some(Way::Web(Box::new(web)))
        }
        (_, _, Some(program)) => Some(Way::Program(Program::find(program)?)),
        _ => None,
    })
}

/// A proxy is on this machine, and who comes through it need not be.
fn check_strangers(args: &ServeArgs, limits: &LimitArgs) -> Result<(), StartError> {
    match (args.reach(), limits.proxies.trusted_proxy.is_empty()) {
        (Reach::Loopback, false) => Err(StartError::Strangers),
        _ if limits.proxies.proxies().unix && args.unix_socket.is_none() => {
            Err(StartError::NoUnixSocket)
        }
        _ => Ok(()),
    }
}

fn check_www(www: Option<&Path>) -> Result<(), StartError> {
    match www.filter(|dir| !dir.is_dir()) {
        Some(dir) => Err(StartError::Www { dir: dir.to_owned() }),
        None => Ok(()),
    }
}

/// What lies below `--www` is anybody's. Looked at before anything is made there.
fn keep_apart(www: Option<&Path>, data: &Path) -> Result<(), StartError> {
    let Some(www) = www.filter(|www| www.is_dir()) else { return Ok(()) };
    let (page, bytes) = (www.canonicalize()?, data_folder::meant(data)?);
    if page.starts_with(&bytes) || bytes.starts_with(&page) {
        return Err(StartError::WwwIsData { www: www.to_owned(), data: data.to_owned() });
    }
    Ok(())
}

async fn listen(args: &ServeArgs) -> Result<Listener, StartError> {
    if let Some(path) = &args.unix_socket {
        return Ok(Listener::Unix(Bound::new(path, args.unix_socket_mode)?));
    }
    Ok(Listener::Tcp(bind(args.listen, args.reach()).await?))
}

fn read_tls(args: &ServeArgs) -> Result<Option<Arc<Tls>>, TlsError> {
    let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) else { return Ok(None) };
    let offer = if args.http2 { Offer::Http2 } else { Offer::Http1 };
    Tls::load(certificate, key, offer).map(Arc::new).map(Some)
}

fn read_keys(paths: &[PathBuf]) -> Result<Vec<TokenKey>, StartError> {
    if paths.len() > KEYS_MAX {
        return Err(StartError::Keys { given: paths.len() });
    }
    Ok(paths.iter().map(|path| key::read(path)).collect::<Result<_, _>>()?)
}

/// Whom to let in. A key of its own is made only by who has the data directory to itself, and where guests
/// are let in without a key that signs.
fn access(mut keys: Vec<TokenKey>, guests: bool, data: &Path) -> Result<Access, StartError> {
    if !guests {
        return Ok(if keys.is_empty() { Access::Local } else { Access::Tokens(Keys::new(keys)) });
    }
    let guests = match keys.iter().find(|key| key.signs()) {
        Some(key) => key.clone(),
        None => {
            let path = Layout::new(data).token_key();
            let bad = |source| KeyError::Bad { path: path.clone(), source };
            let key = TokenKey::new(&key::read_or_make(&path)?).map_err(bad)?;
            keys.push(key.clone());
            key
        }
    };
    Ok(Access::Guests { keys: Keys::new(keys), guests: Box::new(guests) })
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
        manager::stopping();
    })
}

async fn renew(tls: Arc<Tls>) {
    if let Err(error) = keep_fresh(tls).await {
        tracing::error!("a certificate that is renewed is taken at the next start only: {error}");
    }
}

/// Without TLS there is nothing to read again. Unheard, the signal would end the process, which service managers send to have it
/// go on.
async fn hear_of_nothing(mut told: Signal) {
    while told.recv().await.is_some() {
        tracing::info!(
            "SIGHUP: there is no certificate to read again, and all else is read at a start"
        );
    }
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
