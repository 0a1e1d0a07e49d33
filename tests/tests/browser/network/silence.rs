//! Connections that stay and say nothing more.

use std::time::Duration;

use longhaul_protocol::plan::LANES_MAX;
use longhaul_tests::browser::in_every_engine;
use longhaul_tests::files::MIB;
use longhaul_tests::proxy::{Fault, Harm, Line, Lines, Way};

use super::{CHUNK, FINISHED, IN_A_BODY, Stage};
use crate::stage::holds;

/// A browser keeps six connections to a host, and on a busy machine opens more of them than it has requests: each that came about
/// in the silence is found out by one try of its own, of 15 s and a wait that grows.
const CONNECTIONS_TRIED: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_goes_silent_in_a_body_costs_no_more_than_its_chunk() {
    in_every_engine(async |browser| {
        let stage = Stage::new(browser, 80 * CHUNK, 80).await;
        stage.proxy.add(Fault::once(Way::Up, IN_A_BODY, Harm::Silence));
        stage.page.pick(&stage.file).await;
        let sent = stage.finishes().await;
        println!("one connection silent: {sent:?}");
        assert!(sent.twice <= CHUNK, "{sent:?}");
        assert_eq!(stage.proxy.silenced(), 1, "it was to go silent");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_is_gone_costs_no_more_than_what_was_under_way() {
    in_every_engine(async |browser| {
        let stage = Stage::new(browser, 96 * CHUNK, 86).await;
        let slow = Line { bytes_per_second: Some(6 * MIB), ..Line::default() };
        stage.proxy.set_lines(Lines { up: slow, down: Line::default() });
        stage.proxy.harm_all(Harm::Close);
        stage.page.pick(&stage.file).await;
        holds(&stage.server, 3, FINISHED).await;
        stage.proxy.harm_all(Harm::Silence);
        stage.proxy.set_lines(Lines::default());
        let sent = stage.finishes().await;
        println!("all connections silent: {sent:?}");
        assert!(sent.twice <= LANES_MAX * CHUNK, "{sent:?}");
        assert!(stage.proxy.silenced() > 0, "they were to go silent");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_accepts_and_never_answers_is_waited_for() {
    in_every_engine(async |browser| {
        let stage = Stage::new(browser, 3 * CHUNK, 81).await;
        let hole = Fault::each(Way::Up, 0, Harm::Silence);
        stage.proxy.add(hole);
        stage.proxy.harm_all(Harm::Close);
        stage.page.pick(&stage.file).await;
        stage.page.has_been("waiting", FINISHED).await;
        stage.proxy.mend();
        let sent = stage.finishes_within(CONNECTIONS_TRIED).await;
        println!("accepted and never answered: {sent:?}");
        assert_eq!(sent.twice, 0);
    })
    .await;
}
