//! A real Caddy before the server, by the sample in `docs/front/Caddyfile`.

use longhaul_tests::proxy::Harm;
use tokio::process::Command;

use crate::curl::curl;
use crate::front::{Front, Over, Place, sample, written};

async fn caddy(edits: &[(&str, &str)]) -> Front {
    Front::start(|place| ("caddy", command(place, edits))).await
}

/// Its certificate is not to be got anywhere, and nobody is to tell it anything while it runs.
fn command(place: &Place<'_>, edits: &[(&str, &str)]) -> Command {
    let Place { folder, certified, listen, upstream, socket } = place;
    let upstream = match socket {
        Some(socket) => format!("unix/{}", socket.display()),
        None => upstream.to_string(),
    };
    let (certificate, key) = (certified.certificate.display(), certified.key.display());
    let site = format!("https://{listen} {{\n\ttls {certificate} {key}\n");
    let global = "{\n\tadmin off\n\tauto_https disable_redirects\n\tservers {";
    let own = [
        ("127.0.0.1:8080", &*upstream),
        ("files.example.org {\n", &site),
        ("{\n\tservers {", global),
    ];
    let text = sample("Caddyfile", &[&own[..], edits].concat());
    let file = written(folder, "Caddyfile", &text);
    let mut command = Command::new("caddy");
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
    command.env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder).env("HOME", folder);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_through_caddy_as_the_sample_has_it() {
    let front = caddy(&[]).await;
    front.carries_files().await;
    front.carries_what_waits_to_be_asked_for().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_through_caddy_by_http_2() {
    let front = caddy(&[("protocols h1\n", "protocols h1 h2\n")]).await;
    let health = curl(&front.authority.file(), &["--http2", &front.origin]).await;
    assert_eq!((&*health.status, &*health.version), ("200", "2"), "{health:?}");
    front.carries_files().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_through_caddy_over_a_unix_socket() {
    let front = Front::start_over(Over::Unix, |place| ("caddy", command(place, &[]))).await;
    front.carries_files().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_waits_while_caddy_waits_in_vain_for_its_server() {
    let patience =
        "flush_interval -1\n\t\ttransport http {\n\t\t\tresponse_header_timeout 2s\n\t\t}\n";
    let front = caddy(&[("flush_interval -1\n", patience)]).await;
    front.waits_for_a_server_that_does_not_answer().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_goes_on_that_is_cut_behind_caddy() {
    for how in [Harm::Close, Harm::Reset] {
        let start = |place: &Place<'_>| ("caddy", command(place, &[]));
        let front = Front::start_over(Over::Line, start).await;
        front.a_download_goes_on_that_is_cut_behind_it(how).await;
    }
}
