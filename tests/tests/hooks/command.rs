//! A program as a hook.

use std::time::Duration;

use longhaul_protocol::ProblemCode;
use longhaul_tests::files::Folder;
use longhaul_tests::process::descendants;
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;
use serde_json::Value;

use longhaul_tests::files::runnable;

use super::{send, text};

const SOON: Duration = Duration::from_secs(30);

fn running(folder: &Folder, script: &str, more: &[&str]) -> Options {
    let program = runnable(&folder.path().join("hook.sh"), script);
    let mut all = vec!["--hook-command".to_owned(), text(&program)];
    all.extend(more.iter().map(|&it| it.to_owned()));
    Options { more: all, ..Options::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_told_on_its_standard_input_and_gets_nothing_of_the_servers_environment() {
    let folder = Folder::new();
    let (told, env) = (folder.path().join("told"), folder.path().join("env"));
    let script = format!("env > {}; cat > {1}.new; mv {1}.new {1}", text(&env), text(&told));
    let server = Server::start(running(&folder, &script, &[])).await;
    let (upload, file) = send(&server.api(), "film.mp4", b"moving").await;
    let json: Value = wait::until("the program has run", SOON, async || {
        serde_json::from_slice(&std::fs::read(&told).ok()?).ok()
    })
    .await;
    assert_eq!(json["type"], "upload.sealed");
    assert_eq!(json["data"]["file"], file.id.to_string());
    let env = std::fs::read_to_string(&env).unwrap();
    let names: Vec<_> = env.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    let known = ["PATH", "TZ", "LANG", "LC_ALL", "LONGHAUL_EVENT", "LONGHAUL_EVENT_ID"];
    // What a shell sets by itself.
    let of_shell = ["PWD", "OLDPWD", "SHLVL", "_"];
    assert!(names.iter().all(|it| known.contains(it) || of_shell.contains(it)), "{env}");
    assert!(env.contains(&format!("LONGHAUL_EVENT_ID=sealed_{}", upload.id)), "{env}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_fails_is_run_again_until_it_does_not() {
    let folder = Folder::new();
    let (tries, done) = (folder.path().join("tries"), folder.path().join("done"));
    let script =
        format!("echo x >> {0}; [ $(wc -l < {0}) -ge 3 ] && touch {1}", text(&tries), text(&done));
    let server = Server::start(running(&folder, &script, &[])).await;
    send(&server.api(), "film.mp4", b"moving").await;
    wait::until("it is heard", SOON, async || done.exists().then_some(())).await;
    wait::until("it is forgotten", SOON, async || {
        let waiting = super::counted(&server.api(), "longhaul_hook_events_waiting").await;
        (waiting == 0).then_some(())
    })
    .await;
    assert_eq!(std::fs::read_to_string(&tries).unwrap().lines().count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_refuses_by_its_exit_code_and_says_why_on_its_standard_output() {
    let folder = Folder::new();
    let script = "cat > /dev/null; echo secret >&2; echo 'No films on Sundays.'; echo more; exit 3";
    let server = Server::start(running(&folder, script, &["--hook-events", "created"])).await;
    let problem = server.api().create("film.mp4", 5).await.unwrap().problem();
    assert_eq!(problem.code, ProblemCode::UploadRefused.code());
    assert_eq!(problem.detail, "No films on Sundays.");
    assert!(server.lines().iter().any(|line| line.contains("secret")), "the log has what it said");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_says_much_and_reads_nothing_is_heard_all_the_same() {
    let folder = Folder::new();
    let script = "yes | head -c 3000000; yes | head -c 3000000 >&2";
    let server = Server::start(running(&folder, script, &["--hook-events", "created"])).await;
    assert_eq!(server.api().create("film.mp4", 5).await.unwrap().status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_does_not_end_is_ended_with_what_it_has_started_and_nothing_begins() {
    let folder = Folder::new();
    let more = ["--hook-events", "created", "--hook-timeout", "1s"];
    let server = Server::start(running(&folder, "sleep 1000 & sleep 1000", &more)).await;
    let asking = tokio::spawn({
        let api = server.api();
        async move { api.create("film.mp4", 5).await.unwrap() }
    });
    let (pid, mut started) = (server.pid(), Vec::new());
    wait::until("it has started others", SOON, async || {
        started = descendants(pid);
        (started.len() >= 3).then_some(())
    })
    .await;
    let problem = asking.await.unwrap().problem();
    assert_eq!(problem.code, ProblemCode::Unavailable.code());
    wait::until("all of them are gone", SOON, async || {
        let is_gone = |pid: &i32| match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(stat) => stat.contains(") Z "),
            Err(_) => true,
        };
        started.iter().all(is_gone).then_some(())
    })
    .await;
    assert!(server.api().uploads().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_has_ended_is_heard_whatever_it_has_left_behind() {
    let folder = Folder::new();
    let (left, asked) = (folder.path().join("left"), folder.path().join("asked"));
    // What is left has all that the program had: its input and its two outputs.
    let script = format!(
        "cat > /dev/null; echo x >> {1}; sleep 100 & echo $! > {0}; echo 'Not on Sundays.'; \
         [ $(wc -l < {1}) = 1 ]",
        text(&left),
        text(&asked)
    );
    let more = ["--hook-events", "created", "--hook-timeout", "10s"];
    let server = Server::start(running(&folder, &script, &more)).await;
    let mut pids = Vec::new();
    let began = server.api().create("film.mp4", 5).await.unwrap();
    pids.push(std::fs::read_to_string(&left).unwrap());
    let problem = server.api().create("other.mp4", 5).await.unwrap();
    pids.push(std::fs::read_to_string(&left).unwrap());
    let pids = pids.iter().map(|pid| pid.trim().to_owned()).collect::<Vec<_>>();
    let lives = |pid: &String| std::path::Path::new("/proc").join(pid).exists();
    let alive: Vec<_> = pids.iter().map(lives).collect();
    let _ = std::process::Command::new("kill").args(&pids).status();
    assert_eq!(began.status, 201);
    assert_eq!(problem.problem().code, ProblemCode::UploadRefused.code());
    assert_eq!(problem.problem().detail, "Not on Sundays.");
    assert_eq!(alive, [true, true], "what is left may go on");
    assert_eq!(std::fs::read_to_string(&asked).unwrap().lines().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_gone_by_now_allows_nothing() {
    let folder = Folder::new();
    let server = Server::start(running(&folder, "exit 0", &["--hook-events", "created"])).await;
    std::fs::remove_file(folder.path().join("hook.sh")).unwrap();
    let problem = server.api().create("film.mp4", 5).await.unwrap().problem();
    assert_eq!(problem.code, ProblemCode::Unavailable.code());
    assert!(!problem.detail.contains("hook.sh"), "{}", problem.detail);
    assert!(server.lines().iter().any(|line| line.contains("hook.sh")));
}
