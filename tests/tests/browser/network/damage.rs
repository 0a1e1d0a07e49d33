//! Bytes that arrive as others.

use longhaul_tests::browser::in_every_engine;
use longhaul_tests::proxy::{Fault, Harm, Way};

use super::{CHUNK, IN_A_BODY, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_with_one_wrong_bit_is_sent_once_more_and_no_other() {
    in_every_engine(async |browser| {
        let stage = Stage::new(browser, 80 * CHUNK, 63).await;
        stage.proxy.add(Fault::once(Way::Up, IN_A_BODY, Harm::Corrupt));
        stage.page.pick(&stage.file).await;
        let sent = stage.finishes().await;
        println!("one wrong bit on the way up: {sent:?}");
        assert_eq!((sent.twice, sent.requests), (CHUNK, sent.chunks + 1));
        let refused = stage.server.requests().into_iter().filter(|one| one.status == Some(400));
        assert_eq!(refused.count(), 1, "the server did not notice");
    })
    .await;
}

/// Bytes of the first answers on new connections: the status, the end of the status line, headers, JSON.
const IN_AN_ANSWER: [u64; 8] = [9, 17, 40, 120, 250, 330, 400, 480];

#[tokio::test(flavor = "multi_thread")]
async fn answers_with_a_wrong_bit_do_not_harm_a_file() {
    in_every_engine(async |browser| {
        for at in IN_AN_ANSWER {
            let stage = Stage::new(browser, 3 * CHUNK, 64 + at).await;
            // A page that is not whole has no uploader to spoil anything of.
            stage.page.is_loaded().await;
            // What the page has open already is beyond these bytes.
            stage.proxy.harm_all(Harm::Close);
            stage.proxy.add(Fault::once(Way::Down, at, Harm::Corrupt));
            stage.page.pick(&stage.file).await;
            let sent = stage.finishes().await;
            println!("one wrong bit at {at} of an answer: {sent:?}");
            assert!(sent.twice <= CHUNK, "one chunk's answer was spoilt at most: {sent:?}");
        }
    })
    .await;
}
