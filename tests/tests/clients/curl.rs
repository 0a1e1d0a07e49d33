//! curl: ranges, going on, and entity tags.

use longhaul_tests::files::MIB;
use longhaul_tests::proxy::Harm;

use crate::fetched::{Fetched, LEN, run, said};

async fn curl(fetched: &Fetched, arguments: &[&str]) -> (bool, String) {
    let arguments = [&["-sS", "-w", "%{http_code} %{size_download}"], arguments].concat();
    said(&run("curl", fetched.folder(), &arguments).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_gets_the_whole_and_every_kind_of_range() {
    let fetched = Fetched::new().await;
    let (url, len) = (fetched.url(), LEN as usize);
    assert_eq!(curl(&fetched, &["-o", "whole", &url]).await, (true, format!("200 {LEN}")));
    fetched.assert_whole("whole");
    for (range, first, end) in [
        ("0-0", 0, 1),
        ("1048570-1048580", 1_048_570, 1_048_581),
        ("5000000-", 5_000_000, len),
        ("-77", len - 77, len),
        ("100-99999999999", 100, len),
    ] {
        let said = curl(&fetched, &["-r", range, "-o", "range", &url]).await;
        assert_eq!(said, (true, format!("206 {}", end - first)), "{range}");
        let came = std::fs::read(fetched.file("range")).unwrap();
        assert!(came == fetched.bytes[first..end], "{range}");
    }
    let past = curl(&fetched, &["-r", "99999999999-", "-o", "past", &url]).await;
    assert!(past.1.starts_with("416 "), "{past:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_puts_a_file_together_from_forty_ranges() {
    let fetched = Fetched::new().await;
    let (url, step) = (fetched.url(), LEN.div_ceil(40));
    let mut whole = Vec::new();
    for at in (0..LEN).step_by(step as usize) {
        let range = format!("{at}-{}", (at + step).min(LEN) - 1);
        let (is_content, said) = curl(&fetched, &["-r", &range, "-o", "piece", &url]).await;
        assert!(is_content && said.starts_with("206 "), "{said}");
        whole.extend(std::fs::read(fetched.file("piece")).unwrap());
    }
    std::fs::write(fetched.file("whole"), whole).unwrap();
    fetched.assert_whole("whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_gets_many_ranges_in_one_answer() {
    let fetched = Fetched::new().await;
    let ranges = "-9,0-99,2000000-2999999";
    let (is_content, said) =
        curl(&fetched, &["-r", ranges, "-D", "head", "-o", "parts", &fetched.url()]).await;
    assert!(is_content && said.starts_with("206 "), "{said}");
    let head = std::fs::read_to_string(fetched.file("head")).unwrap().to_lowercase();
    let boundary = head.split("multipart/byteranges; boundary=").nth(1).unwrap();
    let boundary = boundary.lines().next().unwrap().trim();
    let mut expected = Vec::new();
    for (first, last) in [(LEN - 9, LEN - 1), (0, 99), (2_000_000, 2_999_999)] {
        let line = if expected.is_empty() { "" } else { "\r\n" };
        let head = format!(
            "{line}--{boundary}\r\nContent-Type: application/octet-stream\r\n\
             Content-Range: bytes {first}-{last}/{LEN}\r\n\r\n"
        );
        expected.extend_from_slice(head.as_bytes());
        expected.extend_from_slice(&fetched.bytes[first as usize..=last as usize]);
    }
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    assert!(std::fs::read(fetched.file("parts")).unwrap() == expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_goes_on_where_a_connection_broke() {
    let fetched = Fetched::new().await;
    let (_proxy, url) = fetched.through([(5 * MIB, Harm::Close)]).await;
    let (is_content, said) = curl(&fetched, &["-o", "file", &url]).await;
    assert!(!is_content, "it was cut off: {said}");
    let had = fetched.file("file").metadata().unwrap().len();
    assert!(had > 0 && had < LEN, "{had}");
    let said = curl(&fetched, &["-C", "-", "-o", "file", &fetched.url()]).await;
    assert_eq!(said, (true, format!("206 {}", LEN - had)));
    fetched.assert_whole("file");
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_goes_on_from_the_last_byte_and_from_the_first() {
    let fetched = Fetched::new().await;
    for had in [0, 1, LEN as usize - 1] {
        fetched.begun("file", had);
        let (is_content, said) = curl(&fetched, &["-C", "-", "-o", "file", &fetched.url()]).await;
        assert!(is_content, "{had}: {said}");
        fetched.assert_whole("file");
    }
    // All of it is there: told by a 416, which curl takes as that.
    fetched.begun("file", LEN as usize);
    let (_, said) = curl(&fetched, &["-C", "-", "-o", "file", &fetched.url()]).await;
    assert!(said.contains("416 "), "{said}");
    fetched.assert_whole("file");
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_fetches_nothing_twice_by_its_entity_tag_or_its_date() {
    let fetched = Fetched::new().await;
    let url = fetched.url();
    let save = ["--etag-save", "etag", "-o", "file", &url];
    assert_eq!(curl(&fetched, &save).await, (true, format!("200 {LEN}")));
    let compare = ["--etag-compare", "etag", "-o", "again", &url];
    assert_eq!(curl(&fetched, &compare).await, (true, "304 0".to_owned()));
    std::fs::write(fetched.file("etag"), "\"another\"").unwrap();
    assert_eq!(curl(&fetched, &compare).await, (true, format!("200 {LEN}")));
    fetched.assert_whole("again");
    // `-R` gives the file the date of the server's, `-z` asks by it.
    assert!(curl(&fetched, &["-R", "-o", "dated", &url]).await.0);
    let since = curl(&fetched, &["-z", "dated", "-o", "newer", &url]).await;
    assert_eq!(since, (true, "304 0".to_owned()));
}
