//! A certificate that is replaced while the server runs.

use std::time::Duration;

use longhaul_tests::authority::{Authority, Certified};
use longhaul_tests::files::{Folder, MIB, replace_unnoticed, sha256};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::terminal::{longhaul, start_as};
use longhaul_tests::wait;
use rustix::process::{Pid, Signal, kill_process};

use crate::curl::{curl, only_file};
use crate::tls::{encrypting, trusting};

/// Longer than a renewal takes that nobody was told of.
const SOON: Duration = Duration::from_secs(30);

fn hang_up(server: &Server) {
    kill_process(Pid::from_raw(server.pid()).unwrap(), Signal::HUP).unwrap();
}

/// Whether a new connection gets this certificate.
async fn shows(authority: &Authority, server: &Server, certified: &Certified) -> bool {
    let url = format!("{}/healthz", server.origin());
    let answer = curl(&authority.file(), &["-w", "%{stderr}%{certs}", &url]).await;
    assert_eq!(answer.code, 0, "{answer:?}");
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    bare(&answer.error).contains(&bare(&certified.pem))
}

async fn comes_to_show(authority: &Authority, server: &Server, certified: &Certified) {
    wait::until("the new certificate", SOON, async || {
        shows(authority, server, certified).await.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_while_the_certificate_is_renewed() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let first = authority.certify("server");
    let server = Server::start(encrypting(&first, Options::default())).await;
    assert!(shows(&authority, &server, &first).await);
    let file = folder.random("film.bin", 12 * MIB, 62);
    let args = ["send", file.to_str().unwrap(), "--to", &server.origin(), "--limit-rate", "4M"];
    let mut sending = start_as(longhaul(args).env("SSL_CERT_FILE", authority.file()));
    wait::until("a chunk is through", SOON, async || {
        (!server.chunk_requests().is_empty()).then_some(())
    })
    .await;
    let second = authority.certify("server");
    hang_up(&server);
    comes_to_show(&authority, &server, &second).await;
    assert!(sending.has_ended().is_none(), "it was to be under way");
    let address = sending.ends().await.good().to_owned();
    let fetched = folder.path().join("fetched.bin");
    trusting(&authority, &["fetch", &address, "-o", fetched.to_str().unwrap()]).await.good();
    assert_eq!(sha256(&fetched), sha256(&file));
    assert_eq!(only_file(&authority.file(), &server.origin()).await.size, 12 * MIB);
    server.assert_no_fault();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_replaced_is_noticed_and_one_that_cannot_be_used_is_told_and_left() {
    let authority = Authority::new();
    let first = authority.certify("server");
    let server = Server::start(encrypting(&first, Options::default())).await;
    let second = authority.certify("server");
    comes_to_show(&authority, &server, &second).await;

    std::fs::write(&second.certificate, &first.pem).unwrap();
    hang_up(&server);
    let complaint = "the certificate stays the one it was";
    let told = wait::until("a word of it", SOON, async || {
        server.lines().into_iter().find(|line| line.contains(complaint))
    })
    .await;
    assert!(told.contains("ERROR") && told.contains("is not the key of"), "{told}");
    assert!(shows(&authority, &server, &second).await);

    let third = authority.certify("server");
    comes_to_show(&authority, &server, &third).await;
    let complaints = server.lines().iter().filter(|line| line.contains(complaint)).count();
    assert_eq!(complaints, 1, "{:?}", server.lines());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_so_has_the_files_read_that_nobody_else_could_notice() {
    let authority = Authority::new();
    let first = authority.certify("server");
    let server = Server::start(encrypting(&first, Options::default())).await;
    let key_len = std::fs::metadata(&first.key).unwrap().len();
    // A signature may be a byte longer than another.
    let second = (0..1000).map(|_| authority.certify("second")).find(|second| {
        let key = std::fs::metadata(&second.key).unwrap();
        second.pem.len() == first.pem.len() && key.len() == key_len
    });
    let second = second.expect("one as long");
    replace_unnoticed(&first.certificate, &second.pem);
    replace_unnoticed(&first.key, &std::fs::read_to_string(&second.key).unwrap());
    hang_up(&server);
    comes_to_show(&authority, &server, &second).await;
}
