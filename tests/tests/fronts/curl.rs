//! curl, which speaks whatever it is asked to.

use std::path::Path;

use longhaul_protocol::wire::FileInfo;
use tokio::process::Command;

/// What an answer was.
#[derive(Debug)]
pub(crate) struct Answer {
    /// curl's own number for what went wrong; 0 is well.
    pub(crate) code: i32,
    pub(crate) status: String,
    /// `1.1` or `2`.
    pub(crate) version: String,
    /// The head, with names in lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) error: String,
}

/// Asks, and trusts this authority and no other.
pub(crate) async fn curl(authority: &Path, arguments: &[&str]) -> Answer {
    let folder = longhaul_tests::files::Folder::new();
    let [head, body] = ["head", "body"].map(|name| folder.path().join(name));
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "60", "-w", "%{http_code} %{http_version}"]);
    command.arg("--cacert").arg(authority).arg("-D").arg(&head).arg("-o").arg(&body);
    let said = command.args(arguments).kill_on_drop(true).output().await.expect("curl runs");
    let read = |path| std::fs::read(path).unwrap_or_default();
    let told = String::from_utf8_lossy(&said.stdout).into_owned();
    let (status, version) = told.split_once(' ').unwrap_or_default();
    Answer {
        code: said.status.code().unwrap_or(-1),
        status: status.to_owned(),
        version: version.to_owned(),
        head: lower_names(&String::from_utf8_lossy(&read(&head))),
        body: read(&body),
        error: String::from_utf8_lossy(&said.stderr).into_owned(),
    }
}

fn lower_names(head: &str) -> String {
    let lines = head.lines().map(|line| match line.split_once(": ") {
        Some((name, value)) => format!("{}: {value}\n", name.to_lowercase()),
        None => format!("{line}\n"),
    });
    lines.collect()
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The only file that a server has.
pub(crate) async fn only_file(authority: &Path, origin: &str) -> FileInfo {
    only_of(&curl(authority, &[&format!("{origin}/v1/files")]).await)
}

/// The only file of a list.
pub(crate) fn only_of(files: &Answer) -> FileInfo {
    let mut list: longhaul_protocol::wire::FileList = files.json();
    assert_eq!(list.files.len(), 1, "{list:?}");
    list.files.remove(0)
}
