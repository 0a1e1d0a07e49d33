//! What a hook refuses, as the person sees it who picked the file.

use longhaul_tests::browser::in_every_engine;
use longhaul_tests::files::{Folder, MIB, runnable};
use longhaul_tests::page::{Page, SOON};
use longhaul_tests::server::{Options, Server};

#[tokio::test(flavor = "multi_thread")]
async fn the_reason_why_a_file_is_refused_stands_in_its_row() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let script = "echo 'No films on Sundays.'; exit 1";
        let program = runnable(&folder.path().join("hook.sh"), script);
        let program = program.to_str().unwrap().to_owned();
        let more = ["--hook-command", &program, "--hook-events", "created"];
        let more = more.map(str::to_owned).into();
        let server = Server::start(Options { more, ..Options::demo() }).await;
        let page = Page::open(browser, &server.origin()).await;
        for (name, len) in [("film.mp4", 3 * MIB), ("short.mp4", 5)] {
            page.pick(&folder.random(name, len, 31)).await;
            page.comes_to(&["failed"], SOON).await;
            let rows = page.rows().await;
            let row = rows.iter().find(|row| row.name == name).unwrap();
            assert!(row.error.contains("No films on Sundays."), "{row:?}");
            page.reload().await;
        }
        assert!(server.api().uploads().await.is_empty());
    })
    .await;
}
