//! The proxy by hand: `longhaul-proxy --help`.

use std::future::pending;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use longhaul_proxy::{Control, Early, Fault, Harm, Hold, Line, Lines, Proxy, Way};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

/// A TCP proxy that spoils what goes through it, to try a client by hand.
///
/// Open the server's page by the proxy's address. Offsets count the bytes of a connection one way,
/// heads included. While it runs it takes commands, a line each: `close`, `reset` and `silence` are
/// done to every connection that there is, `refuse N` answers the next N requests with 503, `count`
/// tells what went each way, `mend` ends what the options ordered.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// The server.
    #[arg(long, default_value = "127.0.0.1:8080")]
    upstream: SocketAddr,
    /// How long each byte is under way to the server, like `80ms`.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "0s")]
    delay_up: Duration,
    /// And from it.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "0s")]
    delay_down: Duration,
    /// Bytes a second, on each connection and each way.
    #[arg(long)]
    rate: Option<u64>,
    /// Close a connection when so many bytes have gone up on it.
    #[arg(long, value_name = "BYTES")]
    close_after: Option<u64>,
    /// Reset it.
    #[arg(long, value_name = "BYTES")]
    reset_after: Option<u64>,
    /// Let it go silent; 0 accepts connections and never answers.
    #[arg(long, value_name = "BYTES")]
    silence_after: Option<u64>,
    /// Pass so many bytes of answers on, and then go silent.
    #[arg(long, value_name = "BYTES")]
    silence_answers_after: Option<u64>,
    /// Turn a bit of this byte on its way up.
    #[arg(long, value_name = "OFFSET")]
    corrupt_up: Option<u64>,
    /// Turn a bit of this byte on its way down.
    #[arg(long, value_name = "OFFSET")]
    corrupt_down: Option<u64>,
    /// On so many connections, those that come to it first; on every one if it is not given.
    #[arg(long)]
    times: Option<u32>,
    /// Reset all connections whenever so many bytes have gone up on all of them together.
    #[arg(long, value_name = "BYTES")]
    reset_all_every: Option<u64>,
    /// Lets the demo page break its network: where that is listened for.
    #[arg(long, value_name = "ADDRESS")]
    control: Option<SocketAddr>,
    /// An origin whose pages may do that, beside the proxy's own.
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// Seconds in the `Retry-After` of the 503 that `refuse` gives.
    #[arg(long, default_value_t = 5)]
    retry_after: u32,
}

impl Options {
    fn lines(&self) -> Lines {
        let line = |delay| Line { delay, bytes_per_second: self.rate };
        Lines { up: line(self.delay_up), down: line(self.delay_down) }
    }

    fn faults(&self) -> impl Iterator<Item = Fault> {
        let times = self.times;
        [
            (Way::Up, self.close_after, Harm::Close),
            (Way::Up, self.reset_after, Harm::Reset),
            (Way::Up, self.silence_after, Harm::Silence),
            (Way::Down, self.silence_answers_after, Harm::Silence),
            (Way::Up, self.corrupt_up, Harm::Corrupt),
            (Way::Down, self.corrupt_down, Harm::Corrupt),
        ]
        .into_iter()
        .filter_map(move |(way, at, harm)| Some(Fault { way, at: at?, harm, times }))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let proxy = Arc::new(Proxy::listen(options.listen, options.upstream, Hold::Nothing).await);
    proxy.set_lines(options.lines());
    options.faults().for_each(|fault| proxy.add(fault));
    if let Some(bytes) = options.reset_all_every {
        proxy.harm_all_every(bytes, Harm::Reset);
    }
    let control = match options.control {
        Some(addr) => Some(Control::listen(addr, Arc::clone(&proxy), &options.allow_origin).await),
        None => None,
    };
    println!("longhaul-proxy listening on {} for http://{}", proxy.origin(), options.upstream);
    let mut lines = BufReader::new(stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        obey(&proxy, &line, options.retry_after);
    }
    // Whoever gives orders by the page need not be at a terminal.
    if control.is_some() {
        pending::<()>().await;
    }
    ExitCode::SUCCESS
}

fn obey(proxy: &Proxy, line: &str, retry_after: u32) {
    let words: Vec<_> = line.split_whitespace().collect();
    match words.as_slice() {
        [] => {}
        ["close"] => proxy.harm_all(Harm::Close),
        ["reset"] => proxy.harm_all(Harm::Reset),
        ["silence"] => proxy.harm_all(Harm::Silence),
        ["mend"] => proxy.mend(),
        ["count"] => count(proxy),
        ["refuse", count] if count.parse::<usize>().is_ok() => {
            let early = Early { retry_after: Some(retry_after), ..Early::of_proxy(503) };
            proxy.answer_next(count.parse().unwrap_or(0), &early);
        }
        _ => eprintln!("`{line}` is none of: close, reset, silence, refuse N, count, mend"),
    }
}

fn count(proxy: &Proxy) {
    for (number, connection) in proxy.connections().iter().enumerate() {
        let (up, down) = (connection.up.passed, connection.down.passed);
        let stands = match (connection.harmed, connection.over) {
            (Some(harm), _) => format!(", {harm:?}"),
            (None, true) => ", over".to_owned(),
            (None, false) => String::new(),
        };
        println!("connection {number}: {up} bytes up, {down} bytes down{stands}");
    }
}
