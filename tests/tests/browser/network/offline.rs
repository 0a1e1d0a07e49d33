//! The browser says that the network is back.

use longhaul_tests::browser::{Browser, in_every_engine};
use longhaul_tests::proxy::{Early, Fault, Harm, Way};
use longhaul_tests::wait::until;

use super::{CHUNK, FINISHED, IN_A_BODY, Stage};

/// Longer than the test waits for the end, seconds.
const HOURS: u32 = 36_000;
/// Says that the network is back while an upload waits, and notes which states it comes to by that alone. The
/// event is the page's own: no engine lets WebDriver take its network away.
const ONLINE_ONCE_IT_WAITS: &str = "
    const upload = document.querySelector('longhaul-upload');
    let states = [];
    upload.addEventListener('longhaul-state', ({ detail }) => {
      states.push(detail.state);
      setTimeout(() => {
        // On a slow machine it may have been its time meanwhile.
        if (states.at(-1) !== 'waiting' || Date.now() > detail.retryAt - 50) return;
        states = [];
        dispatchEvent(new Event('online'));
        document.body.dataset.cameTo ??= states.join(' ');
      });
    });";

/// What it came to.
async fn came_to(browser: &Browser) -> String {
    until("an upload waits, and the network is back", FINISHED, async || {
        let said = browser.run("return document.body.dataset.cameTo", &[]).await;
        said.as_str().map(str::to_owned)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_the_network_goes_on_at_once_when_the_browser_is_online_again() {
    in_every_engine(async |browser| {
        let stage = Stage::new(browser, 8 * CHUNK, 84).await;
        stage.proxy.add(Fault::each(Way::Up, IN_A_BODY, Harm::Reset));
        browser.run(ONLINE_ONCE_IT_WAITS, &[]).await;
        stage.page.pick(&stage.file).await;
        assert_ne!(came_to(browser).await, "");
        stage.proxy.mend();
        stage.finishes().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_asked_to_wait_for_is_waited_for_though_the_network_came_back() {
    in_every_engine(async |browser| {
        let stage = Stage::new(browser, 8 * CHUNK, 85).await;
        let for_hours = Early { retry_after: Some(HOURS), ..Early::of_proxy(503) };
        stage.proxy.answer_next_chunk(for_hours);
        browser.run(ONLINE_ONCE_IT_WAITS, &[]).await;
        stage.page.pick(&stage.file).await;
        assert_eq!(came_to(browser).await, "");
        stage.page.press("resume").await;
        stage.page.comes_to(&["done"], FINISHED).await;
    })
    .await;
}
