//! What is printed, for a person and for a script, whatever the names are and wherever it goes.

use std::fs::{self, OpenOptions};
use std::process::Stdio;

use longhaul_tests::files::Folder;
use longhaul_tests::terminal::{longhaul, run, start_as};

use super::{only_file, server};

#[tokio::test(flavor = "multi_thread")]
async fn a_name_commands_no_terminal_and_begins_no_line() {
    let (server, folder) = (server().await, Folder::new());
    let trip = folder.path().join("trip");
    fs::create_dir(&trip).unwrap();
    fs::write(trip.join("a\u{1b}]0;x\u{7}\nhttp:file"), "hello").unwrap();
    let said = run(["send", trip.to_str().unwrap(), "--to", &server.origin()]).await;
    assert_eq!(said.good().lines().count(), 1, "{said:?}");
    assert!(said.out.contains(r"a\u{1b}]0;x\u{7}\nhttp:file"), "{said:?}");
    let missing = trip.join("\u{1b}[2J");
    let said = run(["send", missing.to_str().unwrap(), "--to", &server.origin()]).await;
    assert!(!said.err.contains('\u{1b}') && said.err.contains("u{1b}[2J"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_cannot_be_written_are_no_success() {
    let (server, folder) = (server().await, Folder::new());
    let file = folder.random("x", 5, 1);
    for more in [&[][..], &["--json"]] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = longhaul(["send", file.to_str().unwrap(), "--to", &server.origin()]);
        let said = start_as(command.args(more).stdout(full)).ends().await;
        assert_eq!(said.code, Some(3), "{said:?}");
        assert!(said.err.contains("results could not be written"), "{said:?}");
    }
    // Who closes the pipe has what they want.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = longhaul(["send", file.to_str().unwrap(), "--to", &server.origin()]);
    let said = start_as(command.stdout(writer)).ends().await;
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fetch_tells_a_program_how_much_there_is() {
    let (server, folder) = (server().await, Folder::new());
    let file = folder.random("x", 5, 1);
    let url = run(["send", file.to_str().unwrap(), "--to", &server.origin()]).await;
    for at in 0..5 {
        let target = folder.path().join(format!("{at}"));
        let said = run(["fetch", url.good(), "-o", target.to_str().unwrap(), "--json"]).await;
        said.good();
        assert_eq!(said.events("begins")[0]["bytes"], 5, "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_files_of_one_name_are_told_as_they_were_given() {
    let (server, folder) = (server().await, Folder::new());
    let given = ["a", "b"].map(|part| {
        fs::create_dir(folder.path().join(part)).unwrap();
        folder.random(&format!("{part}/x"), 5, 1).to_str().unwrap().to_owned()
    });
    let said = run(["send", &given[0], &given[1], "--to", &server.origin()]).await;
    let mut told: Vec<_> =
        said.good().lines().map(|line| line.split('\t').nth(1).unwrap()).collect();
    told.sort_unstable();
    assert_eq!(told, given);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_told_which_argument_failed() {
    let (server, folder) = (server().await, Folder::new());
    let missing = folder.path().join("missing");
    let missing = missing.to_str().unwrap();
    let said = run(["send", missing, "--to", &server.origin(), "--json"]).await;
    assert_eq!(said.events("failed")[0]["path"], missing, "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_as_long_as_they_may_be_go_there_and_come_back() {
    let (server, folder) = (server().await, Folder::new());
    let name = "ü".repeat(127) + "x";
    let file = folder.random(&name, 5, 1);
    let said = run(["send", file.to_str().unwrap(), "--to", &server.origin()]).await;
    assert_eq!(said.err, "", "{said:?}");
    let (info, _) = only_file(&server).await;
    let back = Folder::new();
    let target = back.path().join(&name);
    run(["fetch", said.good(), "-o", target.to_str().unwrap()]).await.good();
    assert_eq!(fs::read(target).unwrap(), fs::read(file).unwrap());
    assert_eq!(fs::read_dir(back.path()).unwrap().count(), 1);
    assert_eq!(info.meta.name, name);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_others_chose_hide_nothing_and_fit_a_disk() {
    let (server, folder) = (server().await, Folder::new());
    let here = folder.path().join("here");
    fs::create_dir(&here).unwrap();
    for (name, given) in [
        (".bashrc".to_owned(), "_bashrc".to_owned()),
        ("-rf".to_owned(), "_rf".to_owned()),
        ("日".repeat(200) + ".txt", "日".repeat(83) + ".txt"),
    ] {
        let reply = server.api().create(&name, 0).await.unwrap();
        let upload: longhaul_protocol::wire::UploadStatus = reply.json();
        let root = longhaul_protocol::digest::root([]);
        server.api().seal(upload.id, root).await.unwrap();
        let files = server.api().files().await;
        let file = files.iter().find(|file| file.meta.name == name).unwrap();
        let url = format!("{}/v1/files/{}", server.origin(), file.id);
        let said = run(["fetch", &url, "-o", here.to_str().unwrap()]).await;
        assert_eq!(said.good(), here.join(&given).to_str().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_not_there_is_told_before_the_first_byte() {
    let (server, folder) = (server().await, Folder::new());
    let file = folder.random("x", 5, 1);
    let url = run(["send", file.to_str().unwrap(), "--to", &server.origin()]).await;
    for output in ["new/", "new/x", "x/"] {
        let target = format!("{}/{output}", folder.path().display());
        let before = server.requests().len();
        let said = run(["fetch", url.good(), "-o", &target]).await;
        assert!(said.code == Some(3) && said.err.contains("is no folder"), "{said:?}");
        assert_eq!(server.requests().len(), before, "{output}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standard_error_that_takes_nothing_ends_no_run() {
    let (server, folder) = (server().await, Folder::new());
    let (file, empty) = (folder.random("x", 5, 1), folder.path().join("empty"));
    fs::create_dir(&empty).unwrap();
    let (file, empty) = (file.to_str().unwrap(), empty.to_str().unwrap());
    let full = || Stdio::from(OpenOptions::new().write(true).open("/dev/full").unwrap());
    let unread = || Stdio::from(std::io::pipe().unwrap().1);
    for mute in [full, unread] {
        let to = ["--to".to_owned(), server.origin()];
        // There is something to say of the empty folder, and of what is missing.
        let said = start_as(longhaul(["send", file, empty]).args(&to).stderr(mute())).ends().await;
        assert_eq!(said.good().lines().count(), 1, "{said:?}");
        let mut command = longhaul(["send", file, "/missing"]);
        let said = start_as(command.args(&to).stderr(mute())).ends().await;
        assert!(said.code == Some(3) && said.out.contains("/v1/files/"), "{said:?}");
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = longhaul(["send", file]);
        let said = start_as(command.args(&to).stdout(full).stderr(mute())).ends().await;
        assert_eq!(said.code, Some(3), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_may_be_told_results_only() {
    let (server, folder) = (server().await, Folder::new());
    let file = folder.random("x", 5, 1);
    let args =
        ["send", file.to_str().unwrap(), "/missing", "--to", &server.origin(), "-q", "--json"];
    let said = run(args).await;
    assert_eq!((said.code, said.out.lines().count()), (Some(3), 2), "{said:?}");
    assert!(!said.events("done").is_empty() && !said.events("failed").is_empty(), "{said:?}");
}
