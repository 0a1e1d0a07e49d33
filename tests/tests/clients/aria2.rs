//! aria2: eight connections at once, and the `Digest` that it checks by itself.

use longhaul_protocol::Digest;
use longhaul_tests::files::{MIB, sha256};
use longhaul_tests::proxy::{Harm, Proxy};

use crate::fetched::{Fetched, run, said};

/// What aria2 ends with when a file does not have its digest.
const CHECKSUM_FAILED: i32 = 32;

async fn aria2(fetched: &Fetched, url: &str, more: &[&str]) -> (Option<i32>, String) {
    let eight = ["-x8", "-s8", "-k1M", "-o", "file", "--max-tries=1", "--allow-overwrite=true"];
    let quiet = ["--console-log-level=notice", "--summary-interval=0", "--file-allocation=none"];
    let arguments = [&eight[..], &quiet, more, &[url]].concat();
    let output = run("aria2c", fetched.folder(), &arguments).await;
    (output.status.code(), said(&output).1)
}

/// A proxy that changes one bit of what comes down.
async fn corrupting(fetched: &Fetched) -> (Proxy, String) {
    fetched.through([(700_000, Harm::Corrupt)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn aria2_fetches_over_eight_connections_and_checks_our_digest() {
    let fetched = Fetched::new().await;
    let (proxy, url) = fetched.through([]).await;
    let (code, said) = aria2(&fetched, &url, &[]).await;
    assert_eq!(code, Some(0), "{said}");
    fetched.assert_whole("file");
    assert!(proxy.connections().len() >= 8, "{:?}", proxy.connections());
    assert!(said.contains("Verification finished successfully"), "nothing was checked: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_that_changed_on_the_way_makes_aria2_fail_by_our_digest_alone() {
    let fetched = Fetched::new().await;
    let (_proxy, url) = corrupting(&fetched).await;
    let (code, said) = aria2(&fetched, &url, &[]).await;
    assert_eq!(code, Some(CHECKSUM_FAILED), "{said}");
    // Who asks for another is told none, and notices nothing: it was our digest that told.
    let (_proxy, url) = corrupting(&fetched).await;
    let (code, said) = aria2(&fetched, &url, &["--header=Want-Digest: MD5"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert_ne!(sha256(&fetched.file("file")), Digest::of(&fetched.bytes), "nothing was corrupted");
}

#[tokio::test(flavor = "multi_thread")]
async fn aria2_goes_on_after_it_was_cut_off() {
    let fetched = Fetched::new().await;
    let (_proxy, url) = fetched.through([(MIB, Harm::Close)]).await;
    let (code, said) = aria2(&fetched, &url, &["-x1", "-s1"]).await;
    assert_ne!(code, Some(0), "it was cut off: {said}");
    let (code, said) = aria2(&fetched, &fetched.url(), &["-c"]).await;
    assert_eq!(code, Some(0), "{said}");
    fetched.assert_whole("file");
}
