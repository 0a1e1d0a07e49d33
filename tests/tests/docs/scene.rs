//! Where a page's commands are run: a folder of its own, the names and addresses of the manual made real ones, and a
//! shell that remembers its variables and its folder from one block to the next, as a terminal does.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use longhaul_tests::artefacts;
use longhaul_tests::authority::Authority;
use longhaul_tests::files::{Folder, runnable};
use longhaul_tests::process::{Process, descendants};
use longhaul_tests::server::free_port;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

/// How long one block may take, or a server to listen.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a server says when it can be reached.
const LISTENS: &str = "listening on";
/// The port that the manual's servers listen on.
const SERVER_PORTS: [&str; 2] = ["8080", "443"];
/// Those that its pages come from.
const SITE_PORTS: [&str; 2] = ["5173", "8000"];
/// What begins the names of loopback in an address.
const HOSTS: [&str; 3] = ["127.0.0.1:", "localhost:", "0.0.0.0:"];
/// Folders of the system that lie in the scene's.
const SYSTEM: [&str; 4] = ["/etc/", "/var/lib/", "/usr/local/", "/usr/share/"];
/// The server where a page says nothing of one.
const PLAIN_SERVER: &str =
    "longhaul-server --data plain --listen 127.0.0.1:8080 --allow-origin http://localhost:5173";
/// What a page's commands are begun with, and what tells of the shell that they leave behind.
const BEFORE: &str = "set -euo pipefail\nset -a\nexec 2>&1\n";
const AFTER: &str = "\n{ pwd; env -0; } > \"$SCENE/after\"\n";

/// One page's.
#[derive(Debug)]
pub(crate) struct Scene {
    folder: Folder,
    cwd: PathBuf,
    variables: BTreeMap<String, String>,
    /// By the ports of the manual.
    ports: BTreeMap<String, u16>,
    server: Option<Process>,
    others: Vec<Process>,
    // Its files go with it.
    _authority: Authority,
}

impl Scene {
    /// What a clone has after the builds, beside the programs on `PATH`.
    pub(crate) fn new() -> Self {
        let folder = Folder::new();
        let path = fs::canonicalize(folder.path()).unwrap();
        let programs = path.join("programs");
        for folder in [&programs, &path.join("etc"), &path.join("home/target/release")] {
            fs::create_dir_all(folder).unwrap();
        }
        for (name, program) in
            [("longhaul", artefacts::cli()), ("longhaul-server", artefacts::server())]
        {
            symlink(program, programs.join(name)).unwrap();
        }
        // Whoever runs the tests need not be root, nor have the users of other packages.
        for (name, script) in [("sudo", "exec \"$@\""), ("chown", "test -e \"$2\"")] {
            let _ = runnable(&programs.join(name), script);
        }
        let cwd = path.join("home");
        let mut copy = std::process::Command::new("cp");
        copy.arg("-r").arg(artefacts::dist()).arg(cwd.join("dist"));
        assert!(copy.status().unwrap().success(), "{copy:?}");
        symlink(artefacts::workspace().join("docs"), cwd.join("docs")).unwrap();
        let (site, server) = (free_port(), free_port());
        let ports = SITE_PORTS.map(|port| (port.to_owned(), site)).into_iter();
        let ports = ports.chain(SERVER_PORTS.map(|port| (port.to_owned(), server))).collect();
        let path_variable =
            format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
        let here = path.display().to_string();
        let variables = [
            ("PATH", path_variable),
            ("HOME", here.clone()),
            ("SCENE", here),
            // Of a server that is told nothing else.
            ("LONGHAUL_LISTEN", format!("127.0.0.1:{server}")),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
        let authority = certify(&path);
        Self { folder, cwd, variables, ports, server: None, others: vec![], _authority: authority }
    }

    /// Where its commands are now.
    pub(crate) fn cwd(&self) -> &Path {
        &self.cwd
    }

    /// The folder that its pages are served from, where none of its servers does.
    pub(crate) fn site(&self) -> PathBuf {
        self.folder.path().join("site")
    }

    pub(crate) fn variable(&self, name: &str) -> Option<&String> {
        self.variables.get(name)
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn port(&mut self, of_the_manual: &str) -> u16 {
        *self.ports.entry(of_the_manual.to_owned()).or_insert_with(free_port)
    }

    /// A text of the manual with names and addresses that are there.
    pub(crate) fn real(&mut self, text: &str) -> String {
        let mut text = self.with_ports(text);
        let server = format!("127.0.0.1:{}", self.port("8080"));
        for folder in SYSTEM {
            let there = format!("{}{folder}", self.variables["SCENE"]);
            text = text.replace(folder, &there);
        }
        // As Node.js has it.
        let listen = format!("listen({},", self.port("3000"));
        text = text.replace("listen(3000,", &listen);
        let site = format!("http://127.0.0.1:{}", self.port("5173"));
        text = text.replace("https://your.page", &site);
        text = text.replace("https://files.example.org", &format!("http://{server}"));
        text = text.replace("files.example.org", "127.0.0.1");
        match self.variable("FILE_ID") {
            Some(id) => text.replace("5f0c...", id).replace("/files/ID", &format!("/files/{id}")),
            None => text,
        }
    }

    fn with_ports(&mut self, text: &str) -> String {
        HOSTS.iter().fold(text.to_owned(), |text, host| {
            let mut parts = text.split(host);
            let mut real = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                let digits = part.chars().take_while(char::is_ascii_digit).count();
                let (port, rest) = part.split_at(digits);
                match port {
                    "" => real.extend([host, rest]),
                    // It was made real already.
                    _ if self.ports.values().any(|real| real.to_string() == port) => {
                        real.extend([host, port, rest]);
                    }
                    _ => real.extend(["127.0.0.1:", &self.port(port).to_string(), rest]),
                }
            }
            real
        })
    }

    fn shell(&mut self, text: &str) -> Command {
        let script = format!("{BEFORE}{}{AFTER}", self.real(text));
        let mut command = Command::new("bash");
        command.arg("-c").arg(script).current_dir(&self.cwd).env_clear().envs(&self.variables);
        command.kill_on_drop(true).stdin(Stdio::null());
        command
    }

    /// Runs commands to their end; what they have printed, and whether all was well.
    pub(crate) async fn run(&mut self, text: &str) -> (String, bool) {
        let output = tokio::time::timeout(PATIENCE, self.shell(text).output()).await;
        let output = output.unwrap_or_else(|_| panic!("it goes on and on: {text}")).unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            self.remember();
        }
        (said, output.status.success())
    }

    /// Takes over what the shell has left behind.
    fn remember(&mut self) {
        let after = fs::read_to_string(self.folder.path().join("after")).unwrap();
        let (cwd, variables) = after.split_once('\n').unwrap();
        let variables = variables.split('\0').filter_map(|variable| variable.split_once('='));
        self.variables =
            variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.cwd = cwd.into();
    }

    /// Runs what is there to go on, until it listens. One of Longhaul's servers takes the place of the one before.
    pub(crate) async fn serve(&mut self, text: &str) {
        let is_ours = text.contains("longhaul-server");
        if is_ours {
            self.stop().await;
        }
        let mut process = Process::start("the manual's server", &mut self.shell(text));
        process.said(0, PATIENCE, |line| line.contains(LISTENS).then_some(())).await;
        if is_ours {
            self.server = Some(process);
        } else {
            self.others.push(process);
        }
    }

    /// The server where the page has said nothing of one.
    pub(crate) async fn is_served(&mut self) {
        if self.server.is_none() {
            self.serve(PLAIN_SERVER).await;
        }
    }

    /// SIGKILL, if it runs. Its shell ends when all of it is gone, and its port and its folder are free for the next.
    pub(crate) async fn stop(&mut self) {
        let Some(server) = self.server.take() else { return };
        for pid in descendants(server.pid()).into_iter().filter_map(Pid::from_raw) {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::KILL);
        }
        server.ends(PATIENCE).await;
    }
}

/// A certificate where certbot has it.
fn certify(folder: &Path) -> Authority {
    let authority = Authority::new();
    let certified = authority.certify("manual");
    let there = folder.join("etc/letsencrypt/live/127.0.0.1");
    fs::create_dir_all(&there).unwrap();
    for (from, name) in [(&certified.certificate, "fullchain.pem"), (&certified.key, "privkey.pem")]
    {
        fs::copy(from, there.join(name)).unwrap();
    }
    authority
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_remembers_its_folder_and_its_variables_and_addresses_are_made_real() {
    let mut scene = Scene::new();
    assert!(scene.run("mkdir within; cd within; A=1").await.1);
    assert_eq!(scene.run("echo $A $(basename $PWD)").await.0, "1 within\n");
    assert!(!scene.run("false").await.1);
    assert!(!scene.run("echo $NEVER").await.1, "a variable that nobody has set");
    let (port, site) = (scene.port("8080"), scene.port("5173"));
    let real = scene.real(
        "http://localhost:5173 0.0.0.0:8080 https://files.example.org/a files.example.org /etc/a",
    );
    let folder = scene.variable("SCENE").unwrap();
    assert_eq!(
        real,
        format!(
            "http://127.0.0.1:{site} 127.0.0.1:{port} http://127.0.0.1:{port}/a 127.0.0.1 {folder}/etc/a"
        )
    );
}
