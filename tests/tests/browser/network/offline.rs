//! The browser says that the network is back.

use longhaul_tests::browser::in_every_engine;
use longhaul_tests::proxy::Early;

use super::{CHUNK, FINISHED, Stage};

/// Longer than the test waits for the end.
const HOURS: u32 = 36_000;

/// The event is the page's own: no engine lets WebDriver take its network away.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_goes_on_at_once_when_the_browser_is_online_again() {
    in_every_engine(async |browser| {
        let stage = Stage::new(browser, 48 * CHUNK, 84).await;
        let for_hours = Early { retry_after: Some(HOURS), ..Early::of_proxy(503) };
        stage.proxy.answer_next_chunk(for_hours);
        stage.page.pick(&stage.file).await;
        stage.page.comes_to(&["waiting"], FINISHED).await;
        browser.run("dispatchEvent(new Event('online'))", &[]).await;
        let sent = stage.finishes().await;
        println!("online again: {sent:?}");
        assert_eq!(sent.twice, 0);
    })
    .await;
}
