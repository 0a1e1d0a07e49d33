//! What is in the package, and what it says of itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use longhaul_tests::artefacts;
use longhaul_tests::files::Folder;
use longhaul_tests::imports::imports;
use serde_json::Value;

use crate::projects::Project;
use crate::stage::unpack_into;

fn unpacked() -> Folder {
    let folder = Folder::new();
    unpack_into(folder.path());
    folder
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Every entry of the package: `.`, `./upload` and so on.
fn entries(folder: &Folder) -> Vec<(String, Value)> {
    let described = json(&folder.path().join("longhaul/package.json"));
    let exports = described["exports"].as_object().unwrap().clone();
    exports.into_iter().filter(|(_, to)| to.is_object()).collect()
}

#[test]
fn every_entry_and_all_that_it_imports_is_in_the_package() {
    let folder = unpacked();
    let package = folder.path().join("longhaul");
    let mut seen = BTreeSet::new();
    for (entry, to) in entries(&folder) {
        for kind in ["types", "default"] {
            follow(&package.join(to[kind].as_str().unwrap()), &mut seen, &entry);
        }
    }
    assert!(
        seen.iter().any(|path| path.ends_with("longhaul-row.js")),
        "imports are not found: {seen:?}"
    );
    for name in
        ["README.md", "LICENSE-MIT", "LICENSE-APACHE", "custom-elements.json", "longhaul_bg.wasm"]
    {
        assert!(package.join(name).is_file(), "{name} is missing");
    }
}

fn follow(path: &Path, seen: &mut BTreeSet<std::path::PathBuf>, entry: &str) {
    let path = fs::canonicalize(path)
        .unwrap_or_else(|error| panic!("{entry}: {}: {error}", path.display()));
    if !seen.insert(path.clone()) {
        return;
    }
    let text = fs::read_to_string(&path).unwrap();
    let is_types = path.to_string_lossy().ends_with(".d.ts");
    for name in imports(&text) {
        let name = if is_types { name.replace(".js", ".d.ts") } else { name.to_owned() };
        follow(&path.with_file_name(name), seen, entry);
    }
}

#[test]
fn every_entry_can_be_imported_on_a_server() {
    let folder = unpacked();
    for (entry, to) in entries(&folder).into_iter().filter(|(entry, _)| entry != "./react") {
        let script = folder.path().join("longhaul").join(to["default"].as_str().unwrap());
        let import = format!(
            "const all = await import({:?}); console.log(Object.keys(all).length)",
            script.to_str().unwrap()
        );
        let output =
            Command::new("node").args(["--input-type=module", "-e", &import]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && output.stdout != b"0\n", "{entry}: {said}");
    }
}

/// What a script's head lists of one kind: the first word of each line that is indented by three, up to a blank one.
fn listed(script: &str, heading: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(artefacts::workspace().join("www").join(script)).unwrap();
    let lines =
        text.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| *line != "//");
    let entries =
        lines.filter_map(|line| line.strip_prefix("//   ").filter(|rest| !rest.starts_with(' ')));
    entries.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

/// What is there in all and in the one, and neither more nor less.
fn names(values: &Value) -> BTreeSet<String> {
    values
        .as_array()
        .unwrap()
        .iter()
        .map(|value| value["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_manifest_and_the_types_have_every_attribute_and_event_of_the_elements() {
    let manifest = json(&artefacts::workspace().join("npm/custom-elements.json"));
    for (at, script) in ["longhaul-upload", "longhaul-download"].into_iter().enumerate() {
        let element = &manifest["modules"][at]["declarations"][0];
        assert_eq!(element["tagName"], script);
        let text =
            fs::read_to_string(artefacts::workspace().join(format!("www/{script}.js"))).unwrap();
        let types =
            fs::read_to_string(artefacts::workspace().join(format!("npm/types/{script}.d.ts")))
                .unwrap();
        let attributes = listed(&format!("{script}.js"), "// Attributes");
        assert!(!attributes.is_empty());
        assert_eq!(names(&element["attributes"]), attributes, "{script}");
        let missing = |name: &&String| {
            !types.contains(&format!("  {name}?: ")) && !types.contains(&format!("  \"{name}\"?: "))
        };
        assert_eq!(attributes.iter().find(missing), None, "{script}.d.ts has not all attributes");
        for event in names(&element["events"]) {
            assert!(
                types.contains(&format!("\"{event}\": CustomEvent<")),
                "{script}.d.ts: {event}"
            );
            let kind = event.rsplit('-').next().unwrap();
            assert!(text.contains(&format!("-{kind}")), "{script}.js tells no {event}");
        }
    }
}

#[test]
#[ignore = "installs what is not needed otherwise: cargo xtask npm-consumers"]
fn publint_and_attw_find_nothing_wrong() {
    let project = Project::new("more");
    let package = artefacts::package();
    let package = package.to_str().unwrap();
    project.run("publint", &["--strict", package]);
    project.run("attw", &["--profile", "esm-only", package]);
}

#[test]
#[ignore = "installs what is not needed otherwise: cargo xtask npm-consumers"]
fn typescript_takes_what_is_right_and_refuses_what_is_not() {
    Project::new("more").run("tsc", &["-p", "."]);
}

#[test]
#[ignore = "installs what is not needed otherwise: cargo xtask npm-consumers"]
fn a_server_renders_the_components() {
    let html = Project::new("more").run("node", &["render.mjs"]);
    assert!(
        html.contains(
            r#"<longhaul-upload endpoint="/e" multiple="" files-at-once="2"></longhaul-upload>"#
        ),
        "{html}"
    );
    assert!(
        html.contains(
            r#"<longhaul-download href="/f" no-picker="" class="a"></longhaul-download>"#
        ),
        "{html}"
    );
}
