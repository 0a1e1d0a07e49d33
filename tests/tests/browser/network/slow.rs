//! Late and slow, and nothing wrong.

use std::time::Duration;

use longhaul_tests::browser::in_every_engine;
use longhaul_tests::files::MIB;
use longhaul_tests::proxy::{Harm, Line, Lines};

use super::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_late_and_slow_line_carries_each_chunk_once() {
    in_every_engine(async |browser| {
        let stage = Stage::new(browser, 40 * MIB + 1, 83).await;
        let up = Line { delay: Duration::from_millis(80), bytes_per_second: Some(4 * MIB) };
        let down = Line { delay: Duration::from_millis(80), bytes_per_second: None };
        stage.proxy.set_lines(Lines { up, down });
        stage.proxy.harm_all(Harm::Close);
        stage.page.pick(&stage.file).await;
        let sent = stage.finishes().await;
        println!("80 ms each way, 4 MiB/s a connection: {sent:?}");
        assert_eq!((sent.twice, sent.requests), (0, sent.chunks));
    })
    .await;
}
