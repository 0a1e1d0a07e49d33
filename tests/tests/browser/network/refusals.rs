//! Answers of somebody between the page and the server.

use longhaul_tests::browser::in_every_engine;
use longhaul_tests::proxy::{Early, Harm};
use longhaul_tests::wait;

use super::{CHUNK, FINISHED, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_503_with_retry_after_cost_no_byte_twice() {
    in_every_engine(async |browser| {
        let stage = Stage::new(browser, 80 * CHUNK, 82).await;
        stage.page.pick(&stage.file).await;
        wait::until("chunks are being sent", FINISHED, async || {
            (stage.proxy.chunks_seen().len() >= 2).then_some(())
        })
        .await;
        stage.proxy.answer_next(4, &Early { retry_after: Some(1), ..Early::of_proxy(503) });
        let sent = stage.finishes().await;
        assert_eq!(stage.proxy.answers_left(), 0, "they were to be given");
        println!("503 to four requests: {sent:?}");
        assert_eq!(sent.twice, 0);
        assert_eq!(stage.proxy.harmed(Harm::Reset), 0);
    })
    .await;
}
