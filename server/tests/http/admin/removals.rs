use longhaul_protocol::wire::path;

use super::folder::{Folder, said, told};
use crate::program::{command, start, terminate};
use crate::support::{Connection, Request};

#[test]
fn one_is_removed_only_with_a_yes_beside_a_server_and_without_one() {
    let folder = Folder::new();
    let (half, film) = (folder.half.to_string(), folder.film.id.to_string());
    for args in [["uploads", "--cancel", &half], ["files", "--delete", &film]] {
        let asked = folder.ask(&args);
        assert_eq!(asked.status.code(), Some(2), "{asked:?}");
        assert!(said(&asked).contains("--yes"), "{asked:?}");
        let shown = String::from_utf8(asked.stdout).unwrap();
        assert!(shown.contains(args[2]) && shown.lines().count() == 1, "it is shown: {shown}");
    }
    let (server, address) = start(command(folder.path()));
    let asked = folder.ask(&["uploads", "--cancel", &half]);
    assert_eq!(asked.status.code(), Some(2), "{asked:?}");
    let mut connection = Connection::to(address);
    assert_eq!(connection.send(Request::new("GET", &path::upload(folder.half))).status, 200);
    let gone = folder.told(&["uploads", "--cancel", &half, "--yes"]);
    assert_eq!((&gone[0]["state"], &gone[0]["name"]), (&"removed".into(), &"half.bin".into()));
    assert_eq!(connection.send(Request::new("GET", &path::upload(folder.half))).status, 404);
    assert!(!folder.blob(folder.half).exists());
    terminate(server);

    let gone = folder.told(&["files", "--delete", &film, "--yes"]);
    assert_eq!((&gone[0]["state"], &gone[0]["owner"]), (&"removed".into(), &"alice".into()));
    assert!(!folder.blob(folder.film_blob).exists());
    assert_eq!(folder.told(&["files"]).len(), 1);
    assert_eq!(folder.told(&["uploads"]).len(), 1);
}

#[test]
fn what_cannot_be_removed_is_said_with_what_to_do() {
    let folder = Folder::new();
    let none = "00".repeat(16);
    let missing = folder.ask(&["uploads", "--cancel", &none, "--yes"]);
    assert_eq!(told(&missing, 1).len(), 0);
    assert!(said(&missing).contains("`uploads` and `files` list"), "{missing:?}");
    let sealed = folder.ask(&["uploads", "--cancel", &folder.film_blob.to_string(), "--yes"]);
    assert_eq!(sealed.status.code(), Some(1));
    let next = format!("files --delete {}", folder.film.id);
    assert!(said(&sealed).contains(&next), "{sealed:?}");
    assert_eq!(folder.told(&["files"]).len(), 2);
    let no_id = folder.ask(&["files", "--delete", "film.mp4"]);
    assert_eq!(no_id.status.code(), Some(2));
    assert!(said(&no_id).contains("32 lower-case hexadecimal digits"), "{no_id:?}");
}
