//! Bundlers, and what is built on them. Each finds the wasm and the workers by how the scripts name them.

use std::fs;
use std::time::Duration;

use longhaul_tests::artefacts;
use longhaul_tests::browser::{Browser, in_every_engine};
use longhaul_tests::process::Process;
use longhaul_tests::server::free_port;
use longhaul_tests::site::Site;
use tokio::process::Command;

use crate::projects::Project;
use crate::stage::{server_for, uploads};

/// How long a server of Node's may take to serve its first page on a busy machine.
const NODE_START: Duration = Duration::from_secs(60);

/// Serves what was built, and uploads there.
async fn uploads_from(browser: &Browser, project: &Project, folder: &str) {
    let site = Site::start(&project.path().join(folder), &[], None).await;
    let server = server_for(&site.origin()).await;
    uploads(browser, &format!("{}/", site.origin()), &server, true).await;
}

/// Vite's own server over a project.
async fn serve(project: &Project, port: u16) -> Process {
    let port = port.to_string();
    let args = ["--host", "127.0.0.1", "--strictPort", "--port", &port];
    let mut vite = Process::start("vite", &mut Command::from(project.command("vite", &args)));
    vite.said(0, NODE_START, |line| line.contains("Local:").then_some(())).await;
    vite
}

/// The page that the package's front page begins with, but for the server's address.
fn page_of_the_readme(server: &str) -> String {
    let readme = fs::read_to_string(artefacts::workspace().join("npm/README.md")).unwrap();
    let (_, rest) = readme.split_once("```html\n").unwrap();
    let (page, _) = rest.split_once("```").unwrap();
    assert!(page.contains("http://127.0.0.1:8080"), "{page}");
    format!(
        "<script src=\"/watch.js\"></script>\n{}",
        page.replace("http://127.0.0.1:8080", server)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_vite_has_built_uploads() {
    let project = Project::new("vite");
    project.run("vite", &["build"]);
    in_every_engine(async |browser| uploads_from(browser, &project, "dist").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_vite_serves_as_they_are_written_upload_and_one_is_the_readmes_ten_lines() {
    let project = Project::new("vite");
    in_every_engine(async |browser| uploads_from_dev(browser, &project).await).await;
}

/// The project's own page, and one of the ten lines.
async fn uploads_from_dev(browser: &Browser, project: &Project) {
    let port = free_port();
    let origin = format!("http://127.0.0.1:{port}");
    let server = server_for(&origin).await;
    // Vite loads a page again whose file changes, so it is there before.
    fs::write(project.path().join("ten.html"), page_of_the_readme(&server.origin())).unwrap();
    let _vite = serve(project, port).await;
    uploads(browser, &format!("{origin}/"), &server, true).await;
    uploads(browser, &format!("{origin}/ten.html"), &server, true).await;
}

/// Lays a page beside what webpack has made of a script.
fn webpack(project: &Project, name: &str) -> String {
    project.run("node", &["webpack.mjs", name]);
    let out = format!("out/{name}");
    for file in ["index.html", "watch.js"] {
        fs::copy(project.path().join(file), project.path().join(&out).join(file)).unwrap();
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs what is not needed otherwise: cargo xtask npm-consumers"]
async fn a_page_that_webpack_has_built_uploads() {
    let project = Project::new("more");
    let out = webpack(&project, "element");
    in_every_engine(async |browser| uploads_from(browser, &project, &out).await).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs what is not needed otherwise: cargo xtask npm-consumers"]
async fn a_page_of_the_inlined_client_that_webpack_has_built_uploads_and_is_one_file() {
    let project = Project::new("more");
    let out = webpack(&project, "inline");
    let files: Vec<_> = fs::read_dir(project.path().join(&out)).unwrap().flatten().collect();
    let scripts =
        files.iter().filter(|file| file.path().extension().is_some_and(|end| end == "js"));
    assert_eq!(
        (files.len(), scripts.count()),
        (3, 2),
        "more than the page, its script and the test's: {files:?}"
    );
    in_every_engine(async |browser| uploads_from(browser, &project, &out).await).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs what is not needed otherwise: cargo xtask npm-consumers"]
async fn a_react_app_uploads_and_hears_of_it() {
    let project = Project::new("more");
    let out = webpack(&project, "react");
    in_every_engine(async |browser| {
        uploads_from(browser, &project, &out).await;
        let rendered = browser.run("return window.rendered", &[]).await;
        assert_eq!(rendered["tag"], "longhaul-upload", "{rendered}");
        let states = rendered["states"].as_array().unwrap();
        assert!(states.len() > 2 && states.last().unwrap() == "done", "{rendered}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs what is not needed otherwise: cargo xtask npm-consumers"]
async fn a_next_app_has_the_element_in_what_its_server_renders_and_uploads() {
    let project = Project::new("next");
    project.run("next", &["build"]);
    let port = free_port();
    let (origin, number) = (format!("http://127.0.0.1:{port}"), port.to_string());
    let mut command =
        Command::from(project.command("next", &["start", "-H", "127.0.0.1", "-p", &number]));
    let mut next = Process::start("next", &mut command);
    next.said(0, NODE_START, |line| line.contains("Ready in").then_some(())).await;
    in_every_engine(async |browser| {
        let server = server_for(&origin).await;
        uploads(browser, &format!("{origin}/"), &server, true).await;
        let shown = browser.run("return document.getElementById('sealed').textContent", &[]).await;
        assert_eq!(
            shown,
            server.api().files().await[0].id.to_string(),
            "React has not heard of it"
        );
        // As it came, before any script has run.
        let came = browser.run_async("return (await fetch(location)).text()", &[]).await;
        let element = format!("<longhaul-upload endpoint=\"{}\" multiple=\"\">", server.origin());
        assert!(came.as_str().unwrap().contains(&element), "{came}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs what is not needed otherwise: cargo xtask npm-consumers"]
async fn a_page_of_vite_before_its_eighth_version_uploads_with_the_setting_of_the_readme() {
    let project = Project::new("vite-before");
    project.run("vite", &["build"]);
    in_every_engine(async |browser| {
        uploads_from(browser, &project, "dist").await;
        uploads_from_dev(browser, &project).await;
    })
    .await;
}
