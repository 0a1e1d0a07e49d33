//! Makes keys and tokens, and says what they are for.

use std::path::Path;

use longhaul_server::key as keys;

use crate::args::{KeyArgs, KeyKind, TokenArgs};
use crate::start_error::StartError;

pub fn token(args: &TokenArgs) -> Result<(), StartError> {
    println!("{}", keys::read(&args.key)?.sign(&args.grant(), args.expires)?);
    Ok(())
}

pub fn key(args: &KeyArgs) -> Result<(), StartError> {
    let signs = args.out.display();
    let judges = match args.algorithm {
        KeyKind::Ed25519 => keys::make_pair(&args.out)?.public,
        KeyKind::Hs256 => {
            keys::make_secret(&args.out)?;
            args.out.clone()
        }
        KeyKind::Webhook => return hook_secret(&args.out),
    };
    println!(
        "Whoever has {signs} can be anybody: keep it where tokens are made.\n\
         To make one:      longhaul-server token --key {signs} --owner NAME --expires 30d\n\
         To believe them:  longhaul-server --token-key {} --data DIR",
        judges.display()
    );
    Ok(())
}

fn hook_secret(path: &Path) -> Result<(), StartError> {
    keys::make_hook_secret(path)?;
    let signs = path.display();
    println!(
        "Whoever has {signs} can speak in this server's name: give it to who listens, and to nobody else.\n\
         To sign with it:  longhaul-server --hook-url URL --hook-secret-file {signs} --data DIR"
    );
    Ok(())
}
