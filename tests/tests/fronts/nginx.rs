//! A real nginx before the server, by the sample in `docs/front/nginx.conf`.

use std::time::Duration;

use longhaul_tests::files::{Folder, MIB};
use longhaul_tests::proxy::Harm;
use tokio::process::Command;

use crate::front::{BACK, Front, Over, Place, lines, sample, written};

/// With edits of its own of the sample.
async fn nginx(edits: &[(&str, &str)]) -> Front {
    Front::start(|place| ("nginx", command(place, edits))).await
}

fn command(place: &Place<'_>, edits: &[(&str, &str)]) -> Command {
    let Place { folder, certified, listen, upstream, socket } = place;
    let upstream = match socket {
        Some(socket) => format!("unix:{}", socket.display()),
        None => upstream.to_string(),
    };
    let (certificate, key) =
        (certified.certificate.display().to_string(), certified.key.display().to_string());
    let listen = format!("listen {listen} ssl;");
    let letsencrypt = "/etc/letsencrypt/live/files.example.org";
    let own = [
        ("listen 443 ssl;", &*listen),
        ("127.0.0.1:8080", &upstream),
        (&*format!("{letsencrypt}/fullchain.pem"), &certificate),
        (&*format!("{letsencrypt}/privkey.pem"), &key),
        ("files.example.org", "127.0.0.1"),
    ];
    let server = sample("nginx.conf", &[&own[..], edits].concat());
    let folder = folder.display();
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let folders = kinds.map(|kind| format!("{kind}_temp_path {folder}/{kind};"));
    // One process: whoever kills that leaves none behind.
    let text = format!(
        "daemon off;\nmaster_process off;\nuser root;\npid {folder}/pid;\nevents {{}}\n\
         http {{\naccess_log off;\n{}\n{server}\n}}\n",
        lines(&folders)
    );
    let conf = written(place.folder, "nginx.conf", &text);
    let mut command = Command::new("nginx");
    command.arg("-p").arg(place.folder).arg("-c").arg(conf).args(["-e", "stderr"]);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_through_nginx_as_the_sample_has_it() {
    let front = nginx(&[]).await;
    front.carries_files().await;
    front.carries_what_waits_to_be_asked_for().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_through_nginx_that_keeps_back_what_comes_and_what_goes() {
    let own = ["proxy_request_buffering off;", "proxy_buffering off;"].map(|line| (line, ""));
    let front = nginx(&own).await;
    front.carries_files().await;
    front.carries_what_waits_to_be_asked_for().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_through_nginx_over_a_unix_socket_also_when_its_server_was_killed() {
    let mut front = Front::start_over(Over::Unix, |place| ("nginx", command(place, &[]))).await;
    front.carries_files().await;
    front.server.kill().await;
    front.server.restart().await;
    front.carries_what_waits_to_be_asked_for().await;
    front.server.tell_to_stop();
    let status = front.server.ends(BACK).await;
    assert!(status.success(), "{status}");
    assert!(!front.socket().exists(), "it is left there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_and_a_terminal_say_which_setting_of_nginx_takes_no_chunk() {
    let front = nginx(&[("client_max_body_size 64m;", "")]).await;
    let folder = Folder::new();
    let file = folder.random("film.bin", 200 * MIB, 74);
    let row = front.page_sends(&file).await;
    assert_eq!(row.state, "failed", "{row:?}");
    let terminal = front.terminal_sends(&file).await;
    assert_ne!(terminal.code, Some(0));
    for told in [&row.error, &terminal.err] {
        assert!(told.contains("client_max_body_size") && told.contains("nginx"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_waits_while_nginx_finds_no_server_and_goes_on_when_it_is_back() {
    let mut front = nginx(&[]).await;
    let folder = Folder::new();
    let mut sending = front.sending_slowly(&folder.random("film.bin", 24 * MIB, 75)).await;
    front.server.kill().await;
    assert_eq!(front.health().await, "502");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(sending.has_ended().is_none(), "it was to wait");
    front.server.restart().await;
    sending.ends().await.good();
    let stored = front.only_file().await;
    assert_eq!(stored.size, 24 * MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_waits_while_nginx_waits_in_vain_for_its_server() {
    let front =
        nginx(&[("proxy_read_timeout 200s;", "proxy_read_timeout 2s; proxy_send_timeout 2s;")])
            .await;
    front.waits_for_a_server_that_does_not_answer().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_goes_on_that_is_cut_behind_nginx() {
    for (edits, how) in
        [(&[][..], Harm::Close), (&[("proxy_buffering off;", "proxy_buffering on;")], Harm::Reset)]
    {
        let start = |place: &Place<'_>| ("nginx", command(place, edits));
        let front = Front::start_over(Over::Line, start).await;
        front.a_download_goes_on_that_is_cut_behind_it(how).await;
    }
}
