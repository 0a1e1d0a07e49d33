//! The unit tests of the client that need a browser: a page runs them all, see `cargo xtask glue`.

use std::time::Duration;

use longhaul_tests::artefacts;
use longhaul_tests::browser::in_every_engine;
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;
use serde_json::{Value, json};

/// They are many and small; filling a `localStorage` takes longest.
const RUN: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn the_unit_tests_of_the_client_pass() {
    in_every_engine(async |browser| {
        let www = Some(artefacts::glue());
        let server = Server::start(Options { www, ..Options::default() }).await;
        browser.open(&server.origin()).await;
        let result = wait::until("the unit tests are over", RUN, async || {
            let result = browser.run("return window.result ?? null", &[]).await;
            (result != Value::Null).then_some(result)
        })
        .await;
        let output = browser.run("return document.getElementById('output').textContent", &[]).await;
        println!("{}", output.as_str().unwrap_or_default());
        assert_eq!(result["passed"], json!(true), "in {:?}", browser.engine());
        assert!(result["count"].as_u64() > Some(0), "none was found");
    })
    .await;
}
