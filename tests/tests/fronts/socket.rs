//! Who may open a Unix socket: a proxy runs as a user of its own.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use longhaul_tests::files::Folder;
use longhaul_tests::server::{Options, Server};
use tokio::process::Command;

/// Nobody's, and a group's that need not be there.
const NOBODY: u32 = 65_534;
const GROUP: u32 = 54_321;

/// What a user finds at a socket: a status, or nothing that he may open.
async fn finds(user: u32, group: u32, socket: &Path) -> String {
    let mut curl = Command::new("curl");
    curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "20"]);
    curl.arg("--unix-socket").arg(socket).arg("http://localhost/healthz");
    let output = curl.uid(user).gid(group).current_dir("/").output().await.unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_of_the_group_of_its_folder_opens_a_socket_and_nobody_else_does() {
    if !rustix::process::geteuid().is_root() {
        println!("left out: only root can be somebody else");
        return;
    }
    let folder = Folder::new();
    chown(folder.path(), None, Some(GROUP)).unwrap();
    // Everybody may pass; what is made in it is of its group.
    set_permissions(folder.path(), Permissions::from_mode(0o2755)).unwrap();
    let socket = folder.path().join("longhaul.sock");
    let mut options = Options { unix_socket: Some(socket.clone()), ..Options::default() };
    let mut server = Server::start(options.clone()).await;
    assert_eq!(finds(NOBODY, GROUP, &socket).await, "200");
    assert_eq!(finds(NOBODY, NOBODY, &socket).await, "000");
    server.kill().await;
    options.more = ["--unix-socket-mode", "666"].map(str::to_owned).to_vec();
    server.restart_with(options).await;
    assert_eq!(finds(NOBODY, NOBODY, &socket).await, "200");
}
