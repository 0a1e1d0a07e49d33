//! Pictures of the page in each of its states, held to those in `docs/screenshots`, which the README shows.
//!
//! Nothing on them depends on a clock, a network or the fonts of a machine: the client is one that tells what is to be
//! seen (`tests/npm/pictures`), and the fonts are a project's. `cargo xtask screenshots` takes them anew.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ImageFormat, RgbImage};
use image_compare::rgb_hybrid_compare;
use longhaul_tests::artefacts;
use longhaul_tests::browser::{Browser, Engine, Setup};
use longhaul_tests::files::Folder;
use longhaul_tests::site::Site;
use serde_json::{Value, json};

use crate::projects::Project;
use crate::stage::project;

/// Set to anything, the pictures in the repository are replaced.
const WRITE_VARIABLE: &str = "LONGHAUL_SCREENSHOTS";
/// From how much on a pixel is another, of 255: in what it and its neighbours are like, as below is how letters' edges
/// are smoothed, and in each of the two that its colour is.
const OTHER_MIN: [u8; 3] = [76, 10, 10];
/// So many may be others. A word that is another has more.
const OTHERS_MAX: usize = 150;
/// All of them are not larger, bytes: whoever clones the repository gets them.
const ALL_BYTES_MAX: u64 = 1_500_000;

/// What takes a picture.
#[derive(Clone, Copy)]
struct Picture {
    name: &'static str,
    /// In `tests/npm/pictures/states.js`.
    state: &'static str,
    /// Of which part of the page; of all of it if it is `html`.
    part: &'static str,
    /// How wide and how high the window is, CSS pixels.
    window: (u32, u32),
    dark: bool,
    /// What is done to the page before.
    before: &'static str,
}

impl Picture {
    /// The uploads in that state.
    const fn of(state: &'static str) -> Self {
        Self { name: state, state, part: "#upload", window: (900, 900), dark: false, before: "" }
    }

    /// The whole page, while a file moves over a network that was cut.
    const fn page(name: &'static str, window: (u32, u32)) -> Self {
        Self { name, part: "html", window, ..Self::of("cut") }
    }

    const fn dark(self) -> Self {
        Self { dark: true, ..self }
    }

    const fn before(self, before: &'static str) -> Self {
        Self { before, ..self }
    }
}

const CHINESE: &str = "document.getElementById('language').click()";
const RIGHT_TO_LEFT: &str = "document.documentElement.dir = 'rtl'";
const WIDE: (u32, u32) = (1280, 900);
const PHONE: (u32, u32) = (390, 844);

const PICTURES: [Picture; 16] = [
    Picture::of("empty"),
    Picture::of("dragging"),
    Picture::of("uploading"),
    Picture::of("paused"),
    Picture::of("offline"),
    Picture::of("retrying"),
    Picture::of("error"),
    Picture::of("instant"),
    Picture::of("done"),
    Picture::of("many"),
    Picture::page("page", WIDE),
    Picture::page("page-dark", WIDE).dark(),
    Picture::page("page-chinese", WIDE).before(CHINESE),
    Picture::page("page-right-to-left", WIDE).before(RIGHT_TO_LEFT),
    Picture::page("phone", PHONE),
    Picture::page("phone-dark", PHONE).dark(),
];

fn kept() -> PathBuf {
    artefacts::workspace().join("docs/screenshots")
}

/// The built page with a client that does nothing, in fonts that are the same everywhere.
fn site() -> Folder {
    const FONTS: [&str; 2] = ["inter", "noto-sans-sc"];
    const STYLE: &str = "body, code { font-family: 'Inter Variable', 'Noto Sans SC Variable', sans-serif !important; }";
    let fonts = Project::new("pictures").path().join("node_modules/@fontsource-variable");
    let site = Folder::new();
    copy(&artefacts::dist(), site.path());
    for name in FONTS {
        copy(&fonts.join(name).join("files"), &site.path().join(name).join("files"));
        let sheet = format!("{name}/index.css");
        fs::copy(fonts.join(&sheet), site.path().join(&sheet)).unwrap();
    }
    fs::write(site.path().join("fonts.css"), STYLE).unwrap();
    for (from, to) in [("client", "longhaul-client"), ("still", "still"), ("states", "states")] {
        let from = project(&format!("pictures/{from}.js"));
        fs::copy(from, site.path().join(format!("{to}.js"))).unwrap();
    }
    let sheets =
        FONTS.map(|name| format!("{name}/index.css")).join("\"><link rel=\"stylesheet\" href=\"");
    let more = format!(
        "<script src=\"still.js\"></script><script src=\"states.js\"></script>\
         <link rel=\"stylesheet\" href=\"{sheets}\"><link rel=\"stylesheet\" href=\"fonts.css\"></head>"
    );
    let page = site.path().join("index.html");
    let text = fs::read_to_string(&page).unwrap().replace("</head>", &more);
    fs::write(&page, text).unwrap();
    site
}

/// The files of a folder, into another.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

async fn take(browser: &Browser, origin: &str, picture: &Picture) -> RgbImage {
    const STATE: &str = r#"
        const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
        const [state, before, part] = args;
        await customElements.whenDefined('longhaul-map');
        await document.querySelector('longhaul-upload').authorization();
        new Function(before)();
        await states[state]();
        for (let at = 0; at < 4; at += 1) await frame();
        await document.fonts.ready;
        for (let at = 0; at < 4; at += 1) await frame();
        const { x, y, width, height } = document.querySelector(part).getBoundingClientRect();
        // With some air around what is not all of the page.
        const air = part === 'html' ? 0 : 16;
        return { x: x - air, y: y - air, width: Math.ceil(width) + 2 * air, height: Math.ceil(height) + 2 * air, scale: 1 };
    "#;
    let (width, height) = picture.window;
    let window =
        json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
    browser.devtools("Emulation.setDeviceMetricsOverride", window).await;
    let scheme = if picture.dark { "dark" } else { "light" };
    let features = json!({ "features": [
        { "name": "prefers-color-scheme", "value": scheme },
        { "name": "prefers-reduced-motion", "value": "reduce" },
    ] });
    browser.devtools("Emulation.setEmulatedMedia", features).await;
    browser.open(&format!("{origin}/?network={origin}")).await;
    browser.run("localStorage.clear()", &[]).await;
    browser.open(&format!("{origin}/?network={origin}")).await;
    let args = [picture.state, picture.before, picture.part].map(Value::from);
    let clip = browser.run_async(STATE, &args).await;
    let shot = json!({ "format": "png", "clip": clip, "captureBeyondViewport": true });
    let shot = browser.devtools("Page.captureScreenshot", shot).await;
    let png = STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
    image::load_from_memory_with_format(&png, ImageFormat::Png).unwrap().into_rgb8()
}

/// Without a filter, which areas of one colour are smaller without.
fn write(path: &Path, picture: &RgbImage) {
    let mut png = Vec::new();
    let encoder =
        PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::NoFilter);
    picture.write_with_encoder(encoder).unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, png).unwrap();
}

/// What is wrong with a picture, and where it can be looked at; nothing if nothing is.
fn difference(name: &str, taken: &RgbImage) -> Option<String> {
    let (kept, out) = (kept().join(format!("{name}.png")), artefacts::target().join("screenshots"));
    let [new, other] = ["", "-difference"].map(|end| out.join(format!("{name}{end}.png")));
    let _ = (fs::remove_file(&new), fs::remove_file(&other));
    let old = image::open(&kept).ok().map(image::DynamicImage::into_rgb8);
    let told = match old {
        None => "there was none before".to_owned(),
        Some(old) if old.dimensions() != taken.dimensions() => {
            format!("it was {:?} and is {:?} pixels", old.dimensions(), taken.dimensions())
        }
        Some(old) => {
            let compared =
                rgb_hybrid_compare(&old, taken).unwrap().image.to_color_map().into_rgb8();
            let others = compared
                .pixels()
                .filter(|pixel| pixel.0.iter().zip(OTHER_MIN).any(|(&by, min)| by >= min));
            let others = others.count();
            println!("{name}: {others} pixels are others");
            if others <= OTHERS_MAX {
                return None;
            }
            write(&other, &compared);
            format!("{others} pixels are others, which {} shows", other.display())
        }
    };
    write(&new, taken);
    Some(format!(
        "{name}: {told}; {} is the new one, {} the old one",
        new.display(),
        kept.display()
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_state_looks_as_on_its_picture() {
    if !Engine::wanted().contains(&Engine::Chromium) {
        return;
    }
    let setup = Setup {
        chromium_args: &[
            "--font-render-hinting=none",
            "--disable-lcd-text",
            "--hide-scrollbars",
            "--lang=en-US",
        ],
        ..Setup::default()
    };
    let site = site();
    let site = Site::start(site.path(), &[], None).await;
    let browser = Browser::start_with(Engine::Chromium, &setup).await;
    browser.devtools("Emulation.setTimezoneOverride", json!({ "timezoneId": "UTC" })).await;
    browser.devtools("Emulation.setLocaleOverride", json!({ "locale": "en-US" })).await;
    let is_written = std::env::var_os(WRITE_VARIABLE).is_some();
    let mut wrong = vec![];
    for picture in &PICTURES {
        let taken = take(&browser, &site.origin(), picture).await;
        match is_written {
            true => write(&kept().join(format!("{}.png", picture.name)), &taken),
            false => wrong.extend(difference(picture.name, &taken)),
        }
    }
    browser.close().await;
    assert!(
        wrong.is_empty(),
        "{}\nIf that is as it is to be: cargo xtask screenshots",
        wrong.join("\n")
    );
}

#[test]
fn the_pictures_are_those_that_are_taken_and_stay_light() {
    let mut names: Vec<_> =
        PICTURES.iter().map(|picture| format!("{}.png", picture.name)).collect();
    names.sort_unstable();
    let files = fs::read_dir(kept()).unwrap().map(Result::unwrap);
    let mut found: Vec<_> = files
        .map(|file| (file.file_name().into_string().unwrap(), file.metadata().unwrap().len()))
        .collect();
    found.sort_unstable();
    assert_eq!(
        found.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        names.iter().collect::<Vec<_>>()
    );
    let all: u64 = found.iter().map(|(_, len)| len).sum();
    println!("{all} bytes");
    assert!(all <= ALL_BYTES_MAX, "{all} bytes");
}
