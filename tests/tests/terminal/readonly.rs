//! What is on a disk that nothing can be written to any more, or for a while.

use std::fs;
use std::path::Path;

use longhaul_tests::proxy::{Hold, Proxy};
use longhaul_tests::small_disk::SmallDisk;
use longhaul_tests::terminal::{longhaul, start_as};
use longhaul_tests::wait::until;
use tokio::process::Command;

use super::PATIENCE;
use super::again::{Begun, EACH, until_made};
use super::guests::{open_server, token};

/// What a guest has begun to send from a disk of its own.
async fn begun_on_a_disk() -> (Begun, SmallDisk) {
    let begun = Begun::new().await;
    fs::create_dir(begun.path("disk")).unwrap();
    let disk = SmallDisk::mount_on(&begun.path("disk"), 16 << 20);
    begun.kill("disk/a").await;
    (begun, disk)
}

async fn remount(disk: &Path, how: &str) {
    let mut mount = Command::new("mount");
    let done = mount.args(["-o", how]).arg(disk).status().await.unwrap();
    assert!(done.success(), "{how}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_nothing_can_be_added_to_counts_all_the_same() {
    let (begun, _disk) = begun_on_a_disk().await;
    remount(&begun.path("disk"), "remount,ro").await;
    let said = begun.sends(&["disk/a"]).await;
    begun.has(&said, EACH).await;
    let told = |note: &serde_json::Value| note.to_string().contains("what is noted there counts");
    assert!(said.events("note").iter().any(told), "{said:?}");
    remount(&begun.path("disk"), "remount,rw").await;
    begun.has(&begun.sends(&["disk/a"]).await, EACH).await;
    assert!(!begun.path("disk/a.longhaul").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_noted_elsewhere_is_found_once_it_could_be_beside_the_file() {
    let (begun, _disk) = begun_on_a_disk().await;
    remount(&begun.path("disk"), "remount,ro").await;
    let other = open_server().await;
    let proxy = Proxy::start(other.addr(), Hold::ButBodiesAfter(3)).await;
    let mut send = longhaul(["send", "--json", "--to", &proxy.origin()]);
    send.arg(begun.path("disk/a")).env("XDG_STATE_HOME", begun.path("state"));
    let running = start_as(&mut send);
    until_made(&other, 3).await;
    running.kill().await;
    remount(&begun.path("disk"), "remount,rw").await;
    // Nor does a run that ends before it has begun anything make it forgotten.
    let before = other.requests().len();
    let running = start_as(&mut send);
    let has_asked = async || (other.requests().len() > before).then_some(());
    until("a request of the next run", PATIENCE, has_asked).await;
    let busy = start_as(&mut send).ends().await;
    assert!(busy.code == Some(3) && busy.out.contains("another program"), "{busy:?}");
    running.kill().await;
    proxy.release_when_left().await;
    let said = start_as(&mut send).ends().await;
    said.good();
    let mine = other.api().bearing(&token(&said)).files().await;
    assert_eq!((mine.len() as u64, other.api().files().await.len()), (EACH, 0), "{said:?}");
    assert_eq!(fs::read_dir(begun.path("state/longhaul")).unwrap().count(), 0);
    assert!(begun.path("disk/a.longhaul").exists(), "it is of the first server");
}
