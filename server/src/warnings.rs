//! What keeps no server from starting and is seldom meant: a start says it, and `--check-config` does.

use longhaul_server::hooks::Web;
use longhaul_server::listen::Reach;

use crate::args::{HookArgs, ServeArgs};
use crate::settings::without_secret;

/// What is doubtful, each with what to do about it.
pub fn of(args: &ServeArgs, hook: &HookArgs) -> Vec<String> {
    let readable = hook.hook_url.iter().filter(|url| Web::is_readable(url)).map(|url| {
        let url = without_secret(&url.to_string());
        format!("{url} is plain HTTP: whoever is on the way can read what is told")
    });
    readable.chain(of_listening(args)).collect()
}

/// One that anybody may reach, as far as it does not refuse to start.
fn of_listening(args: &ServeArgs) -> Vec<String> {
    let is_near = args.unix_socket.is_some() || args.listen.ip().is_loopback();
    if is_near || matches!(args.reach(), Reach::Loopback) {
        return Vec::new();
    }
    let (mut told, listen) = (Vec::new(), args.listen);
    if args.tls_cert.is_none() {
        told.push(format!(
            "{listen} is plain HTTP: whoever is on the way can read tokens and files. Give it a certificate \
             (--tls-cert and --tls-key), or put a proxy that ends TLS in front of it."
        ));
    }
    if args.host_name.is_empty() {
        told.push(format!(
            "{listen} is reached by other machines, and there is no --host-name: only who calls it `localhost` or by a \
             loopback address is answered. Give --host-name NAME for each name or address that others know it by."
        ));
    }
    told
}
