//! `--limit-rate`. That it is not faster than it may be, no slow machine can belie.

use std::time::{Duration, Instant};

use longhaul_tests::files::{Folder, sha256};
use longhaul_tests::terminal::run;

use super::{CHUNK, only_file, server};

/// How many chunks are moved at one chunk a second.
const CHUNKS: u64 = 4;
/// The first goes at once; each other waits for those before.
const AT_LEAST: Duration = Duration::from_secs(CHUNKS - 1);
/// That rate, bytes a second.
const RATE: &str = "1M";

#[tokio::test(flavor = "multi_thread")]
async fn no_more_a_second_is_sent_or_fetched_than_was_allowed() {
    let (server, folder) = (server().await, Folder::new());
    let sent = folder.random("film.mp4", CHUNKS * CHUNK, 23);
    let began = Instant::now();
    let to = ["send", sent.to_str().unwrap(), "--to", &server.origin(), "--limit-rate", RATE];
    let address = run(to).await.good().to_owned();
    let took = began.elapsed();
    assert!(took >= AT_LEAST, "sent within {took:?}");
    assert_eq!(only_file(&server).await.1, sha256(&sent));

    let fetched = folder.path().join("fetched.mp4");
    let began = Instant::now();
    run(["fetch", &address, "-o", fetched.to_str().unwrap(), "--limit-rate", RATE]).await.good();
    let took = began.elapsed();
    assert!(took >= AT_LEAST, "fetched within {took:?}");
    assert_eq!(sha256(&fetched), sha256(&sent));
}
