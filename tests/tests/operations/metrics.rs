//! What the server tells at `/metrics`, read by a real Prometheus, and the dashboard that asks it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use longhaul_protocol::digest::root;
use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::{DigestRun, UploadStatus, path};
use longhaul_protocol::{ChunkIndex, Digest};
use longhaul_tests::api::Api;
use longhaul_tests::artefacts;
use longhaul_tests::files::Folder;
use longhaul_tests::process::Process;
use longhaul_tests::server::{Options, Server};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// How long a Prometheus may take to start and to have read twice.
const WATCHED: Duration = Duration::from_secs(60);

/// A server that wants tokens, and its key.
async fn server(keys: &Folder) -> Server {
    let key = keys.path().join("key");
    command(["key", "--algorithm", "hs256", "--out"], &key).await;
    let more = vec!["--token-key".to_owned(), key.display().to_string()];
    Server::start(Options { more, ..Options::default() }).await
}

/// What the server's program prints.
async fn command<const N: usize>(args: [&str; N], path: &Path) -> String {
    let output = Command::new(artefacts::server()).args(args).arg(path).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn token(keys: &Folder, scope: &str) -> String {
    let args = ["token", "--owner", "anna", "--expires", "1h", "--scope", scope, "--key"];
    command(args, &keys.path().join("key")).await
}

/// An upload that is sent, one that is known, and a chunk that is damaged.
async fn keep_busy(api: &Api) {
    let bytes = vec![7; 300_000];
    let digest = Digest::of(&bytes);
    let headers = |digest| ChunkHeaders { index: ChunkIndex(0), digest, offset: 0, replace: None };
    for is_known in [false, true] {
        let begun = api.create("film.mp4", bytes.len() as u64).await.unwrap();
        let upload: UploadStatus = begun.json();
        if is_known {
            let run = DigestRun { start: ChunkIndex(0), digests: vec![digest] };
            assert!(api.post(&path::digests(upload.id), &run).await.unwrap().status.is_success());
        } else {
            let damaged = headers(Digest::of(b"others"));
            let reply = api.chunk(upload.id, damaged, bytes.clone()).await.unwrap();
            assert_eq!(reply.status, 400);
            let reply = api.chunk(upload.id, headers(digest), bytes.clone()).await.unwrap();
            assert_eq!(reply.status, 204);
        }
        assert_eq!(api.status(upload.id).await.unwrap().status, 200);
        assert_eq!(api.seal(upload.id, root([digest])).await.unwrap().status, 201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_is_what_promtool_calls_good() {
    let keys = Folder::new();
    let server = server(&keys).await;
    keep_busy(&server.api().bearing(&token(&keys, "upload").await)).await;
    let told = server.api().bearing(&token(&keys, "admin").await);
    let text = told.get(path::METRICS).await.unwrap().body;
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped());
    promtool.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool.spawn().expect("`cargo xtask test` installs promtool");
    let mut stdin = promtool.stdin.take().unwrap();
    stdin.write_all(&text).await.unwrap();
    drop(stdin);
    let output = promtool.wait_with_output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert_eq!(String::from_utf8_lossy(&said), "", "it finds fault");
    assert!(output.status.success());
    server.assert_no_fault();
}

/// A Prometheus that reads a server.
struct Prometheus {
    api: Api,
    process: Process,
}

impl Prometheus {
    async fn start(folder: &Folder, server: &Server, token: &str) -> Self {
        let config = folder.path().join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 1s}}\n\
             scrape_configs:\n\
             - job_name: longhaul\n  \
               authorization: {{credentials: {token}}}\n  \
               static_configs: [{{targets: [\"{}\"]}}]\n",
            server.addr()
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("tsdb").display()));
        command.arg("--web.listen-address=127.0.0.1:0").arg("--log.level=info");
        let mut process = Process::start("prometheus", &mut command);
        let port = process
            .said(0, WATCHED, |line| {
                let (_, address) = line.split_once("\"Listening on\" address=127.0.0.1:")?;
                address.trim().parse().ok()
            })
            .await;
        Self { api: Api::new(SocketAddr::from((Ipv4Addr::LOCALHOST, port))), process }
    }

    /// The samples that answer a query.
    async fn asks(&self, query: &str) -> Vec<f64> {
        let query = url::form_urlencoded::byte_serialize(query.as_bytes()).collect::<String>();
        let reply = self.api.get(&format!("/api/v1/query?query={query}")).await;
        let Ok(reply) = reply else { return Vec::new() };
        let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        assert!(answer["error"].is_null(), "{query}: {answer}");
        let samples = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        let value = |sample: Value| sample["value"][1].as_str().unwrap().parse().unwrap();
        samples.into_iter().map(value).collect()
    }
}

/// Every query of the dashboard, with the name of its panel, as Grafana would ask it.
fn queries() -> Vec<(String, String)> {
    let file = artefacts::workspace().join("docs/grafana/longhaul.json");
    let dashboard: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let query = target["expr"].as_str().unwrap();
            let query = query.replace("$__rate_interval", "20s").replace("$instance", ".*");
            assert!(!query.contains('$'), "{query}");
            queries.push((panel["title"].as_str().unwrap().to_owned(), query));
        }
    }
    queries
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_of_the_dashboard_is_answered_by_a_prometheus_that_watches() {
    let (keys, folder) = (Folder::new(), Folder::new());
    let server = server(&keys).await;
    let admin = token(&keys, "admin").await;
    let prometheus = Prometheus::start(&folder, &server, &admin).await;
    let api = server.api().bearing(&token(&keys, "upload").await);
    let queries = queries();
    assert!(queries.len() > 15);
    let reused = &queries.iter().find(|(panel, _)| panel == "Reused").unwrap().1;
    let (mut unanswered, mut share, mut up) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..WATCHED.as_secs() {
        keep_busy(&api).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        unanswered.clear();
        for (panel, query) in &queries {
            let samples = prometheus.asks(query).await;
            if samples.is_empty() || samples.iter().all(|sample| sample.is_nan()) {
                unanswered.push((panel, query));
            }
        }
        share = prometheus.asks(reused).await;
        up = prometheus.asks("up").await;
        if unanswered.is_empty() && is_half(&share) && up == [1.0] {
            break;
        }
    }
    assert!(unanswered.is_empty(), "{unanswered:#?}\n{:?}", prometheus.process);
    assert!(is_half(&share), "each file comes once and is known once: {share:?}");
    assert_eq!(up, [1.0], "{:?}", prometheus.process);
}

/// About: it may have read between a file that comes and the same that is known.
fn is_half(share: &[f64]) -> bool {
    matches!(share, [share] if (0.4..0.6).contains(share))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_without_the_scope_learns_nothing_although_it_is_on_the_same_machine() {
    let keys = Folder::new();
    let server = server(&keys).await;
    assert_eq!(server.api().get(path::METRICS).await.unwrap().status, 401);
    let reader = server.api().bearing(&token(&keys, "read").await);
    let reply = reader.get(path::METRICS).await.unwrap();
    assert_eq!(reply.status, 403);
    assert!(!String::from_utf8_lossy(&reply.body).contains("longhaul_"));
}
