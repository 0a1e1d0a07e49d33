//! wget: it goes on by itself, and from what an earlier run left.

use longhaul_tests::files::MIB;
use longhaul_tests::proxy::{Fault, Harm, Way};

use crate::fetched::{Fetched, LEN, run, said};

async fn wget(fetched: &Fetched, arguments: &[&str]) -> (bool, String) {
    let arguments = [&["--no-verbose", "--waitretry=0"], arguments].concat();
    said(&run("wget", fetched.folder(), &arguments).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn wget_goes_on_each_time_that_it_is_cut_off() {
    let fetched = Fetched::new().await;
    let (proxy, url) = fetched.through([]).await;
    proxy.add(Fault::each(Way::Down, 3 * MIB, Harm::Close));
    let (is_content, said) = wget(&fetched, &["-c", "-O", "file", &url]).await;
    assert!(is_content, "{said}");
    fetched.assert_whole("file");
    assert!(proxy.connections().len() > 4, "{:?}", proxy.connections());
}

#[tokio::test(flavor = "multi_thread")]
async fn wget_goes_on_from_what_an_earlier_run_left() {
    let fetched = Fetched::new().await;
    for had in [1, MIB as usize, LEN as usize - 1] {
        fetched.begun("file", had);
        let (is_content, said) = wget(&fetched, &["-c", "-O", "file", &fetched.url()]).await;
        assert!(is_content, "{had}: {said}");
        fetched.assert_whole("file");
        assert!(fetched.server.requests().iter().any(|request| request.status == Some(206)));
    }
    // All of it is there already, which a 416 tells.
    let (is_content, said) = wget(&fetched, &["-c", "-O", "file", &fetched.url()]).await;
    assert!(is_content, "{said}");
    fetched.assert_whole("file");
}

#[tokio::test(flavor = "multi_thread")]
async fn wget_saves_under_the_name_that_it_is_told() {
    let fetched = Fetched::new().await;
    let (is_content, said) = wget(&fetched, &["--content-disposition", &fetched.url()]).await;
    assert!(is_content, "{said}");
    let names = std::fs::read_dir(fetched.folder()).unwrap().flatten();
    let names: Vec<_> =
        names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let name = names
        .iter()
        .find(|name| name.starts_with("fetched"))
        .unwrap_or_else(|| panic!("{names:?}"));
    fetched.assert_whole(name);
}
