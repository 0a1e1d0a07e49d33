//! Pages without a bundler.

use longhaul_tests::browser::in_every_engine;
use longhaul_tests::site::Site;
use serde_json::json;

use crate::stage::{
    downloads, server_for, site_with_package, under_policy, uploads, violations, write_page,
};

/// How the README has it.
const IMPORT_MAP: &str = r#"<script type="importmap">
{ "imports": {
  "longhaul": "FROM/node_modules/longhaul/longhaul-client.js",
  "longhaul/upload": "FROM/node_modules/longhaul/longhaul-upload.js",
  "longhaul/downloader": "FROM/node_modules/longhaul/longhaul-downloader.js"
} }
</script>"#;

/// Uploads a file of its own by the client alone.
const BARE: &str = r#"
    const { load, Uploader } = await import("longhaul");
    await load();
    const uploader = new Uploader({ endpoint: arguments[0] });
    return new Promise((resolve) => {
        uploader.addEventListener("complete", ({ detail }) => resolve(detail.file.name));
        uploader.addEventListener("error", ({ detail }) => resolve(detail.message));
        uploader.add(new File([new Uint8Array(9_000_000)], "bare.bin"));
    });
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_page_with_an_import_map_uploads_and_downloads() {
    in_every_engine(async |browser| {
        let folder = site_with_package();
        write_page(&folder, &IMPORT_MAP.replace("FROM", ""), "import \"longhaul/upload\";");
        let site = Site::start(folder.path(), &[], None).await;
        let server = server_for(&site.origin()).await;
        uploads(browser, &site.origin(), &server, true).await;
        assert_eq!(browser.run_async(BARE, &[json!(server.origin())]).await, json!("bare.bin"));
        downloads(browser, &server, "longhaul/downloader").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_has_the_package_from_another_origin_uploads_and_downloads() {
    in_every_engine(async |browser| {
        let package = site_with_package();
        let open = [("access-control-allow-origin", "*")];
        let elsewhere = Site::start(package.path(), &open, None).await;
        let folder = site_with_package();
        let map = IMPORT_MAP.replace("FROM", &elsewhere.origin());
        write_page(&folder, &map, "import \"longhaul/upload\";");
        let site = Site::start(folder.path(), &[], None).await;
        let server = server_for(&site.origin()).await;
        uploads(browser, &site.origin(), &server, true).await;
        downloads(browser, &server, "longhaul/downloader").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_with_the_strict_policy_of_the_readme_uploads() {
    in_every_engine(async |browser| {
        let folder = site_with_package();
        write_page(&folder, "", "import \"./node_modules/longhaul/longhaul-upload.js\";");
        let (site, server) = under_policy(&folder, |server| {
            format!(
                "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; \
                 connect-src 'self' {server}; style-src 'self'; img-src 'self'"
            )
        })
        .await;
        uploads(browser, &site.origin(), &server, true).await;
        assert_eq!(violations(browser).await, Vec::<String>::new());
    })
    .await;
}
