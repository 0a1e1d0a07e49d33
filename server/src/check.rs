//! `--check-config`: everything that would keep a server from starting as it is told, found without
//! starting it, and without touching what one that runs has open. No secret that is read is shown.

use std::process::ExitCode;

use crate::args::{HookArgs, ServeArgs};
use crate::settings::{Line, table, usage_error};
use crate::{StartError, check_www, hooks, keep_apart, read_keys, read_tls};

/// Says what holds and who says so, and then what is wrong, or that nothing is.
pub fn report(args: &ServeArgs, hook: &HookArgs, listing: &[Line]) -> ExitCode {
    println!("{}", table(listing));
    let wrong = wrong(args, hook);
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
    println!(
        "Nothing is wrong. It would listen on {}, keep files in {} and let in {lets_in}.",
        args.unix_socket.as_ref().map_or_else(
            || args.listen.to_string(),
            |path| format!("the Unix socket {}", path.display())
        ),
        args.data.display()
    );
    ExitCode::SUCCESS
}

fn wrong(args: &ServeArgs, hook: &HookArgs) -> Vec<StartError> {
    let is_there = args.data.exists();
    let data = match (is_there, args.data.is_dir()) {
        (true, false) => Err(StartError::NoFolder { path: args.data.clone() }),
        (true, true) => keep_apart(args.www.as_deref().filter(|dir| dir.is_dir()), &args.data),
        (false, _) => Ok(()),
    };
    let checks = [
        data,
        check_www(args.www.as_deref()),
        read_keys(&args.token_key).map(drop),
        match args.unix_socket {
            Some(_) => Ok(()),
            None => args.reach().check(args.listen).map_err(StartError::from),
        },
        read_tls(args).map(drop).map_err(StartError::from),
        hooks(hook).map(drop),
    ];
    checks.into_iter().filter_map(Result::err).collect()
}
