//! `--check-config`: everything that would keep a server from starting as it is told, found without
//! starting it, and without touching what one that runs has open. No secret that is read is shown.

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::args::{HookArgs, LimitArgs, ServeArgs};
use crate::settings::{Line, table, unknown, usage_error};
use crate::start_error::StartError;
use crate::{
    Bound, check_strangers, check_www, data_folder, keep_apart, read_keys, read_tls, warnings, way,
};

/// Says what holds and who says so, and then what is wrong, or that nothing is.
pub fn report(args: &ServeArgs, limits: &LimitArgs, hook: &HookArgs, listing: &[Line]) -> ExitCode {
    say(&table(listing));
    for told in unknown(std::env::vars_os().map(|(name, _)| name)) {
        eprintln!("longhaul-server: {told}");
    }
    for doubtful in warnings::of(args, hook) {
        eprintln!("longhaul-server: {doubtful}");
    }
    let wrong = wrong(args, limits, hook);
    for error in &wrong {
        eprintln!("longhaul-server: {error}");
    }
    if !wrong.is_empty() {
        return usage_error();
    }
    let lets_in = match (args.token_key.is_empty(), args.allow_anonymous) {
        (true, false) => "everybody who reaches it, as one owner",
        (true, true) => "guests",
        (false, false) => "those with a token",
        (false, true) => "those with a token, and guests",
    };
    say(&format!(
        "Nothing is wrong. It would listen on {}, keep files in {} and let in {lets_in}.",
        args.unix_socket.as_ref().map_or_else(
            || args.listen.to_string(),
            |path| format!("the Unix socket {}", path.display())
        ),
        args.data.display()
    ));
    ExitCode::SUCCESS
}

/// Whoever reads may have enough of it before all is said (`| head`).
fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

fn wrong(args: &ServeArgs, limits: &LimitArgs, hook: &HookArgs) -> Vec<StartError> {
    let checks = [
        data_folder::check(&args.data),
        keep_apart(args.www.as_deref(), &args.data),
        check_www(args.www.as_deref()),
        check_strangers(args, limits),
        read_keys(&args.token_key).map(drop),
        match args.unix_socket {
            Some(ref path) => Bound::check(path).map_err(StartError::from),
            None => args.reach().check(args.listen).map_err(StartError::from),
        },
        read_tls(args).map(drop).map_err(StartError::from),
        way(hook).map(drop),
    ];
    checks.into_iter().filter_map(Result::err).collect()
}
