//! What the elements say, in each language.

use std::fs;
use std::process::Command;

use longhaul_protocol::ProblemCode;
use longhaul_tests::files::Folder;
use serde_json::Value;

use crate::stage::unpack_into;

/// What the elements tell of by themselves, in words of the page's language where it has some.
const OWN_CODES: [&str; 16] = [
    "elsewhere",
    "network",
    "local",
    "source-changed",
    "source-unreadable",
    "source-silent",
    "damaged",
    "nonsense",
    "full",
    "denied",
    "target-failed",
    "target-silent",
    "manifest",
    "unserved",
    "range-ignored",
    "unauthorized",
];

/// Runs a script beside the package, and returns the JSON that it prints.
fn run(script: &str) -> Value {
    let folder = Folder::new();
    unpack_into(folder.path());
    let path = folder.path().join("longhaul/run.mjs");
    fs::write(&path, script).unwrap();
    let output = Command::new("node").arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn words(script: &str, name: &str) -> Value {
    run(&format!(
        "import {{ {name} }} from \"./{script}.js\"; console.log(JSON.stringify({name}));"
    ))
}

/// The places in a text, in each of its forms.
fn places(text: &Value) -> Vec<String> {
    let text = text.get("other").unwrap_or(text).as_str().unwrap();
    let mut places: Vec<_> =
        text.split('{').skip(1).map(|part| part.split('}').next().unwrap().to_owned()).collect();
    places.sort();
    places
}

#[test]
fn chinese_has_every_text_with_the_same_places_and_every_code_that_can_be_told() {
    // What downloads adds its own.
    let english = run(
        "import { ENGLISH } from \"./longhaul-words.js\"; console.log(JSON.stringify(ENGLISH));",
    );
    let chinese = words("longhaul-words-zh", "CHINESE");
    for (name, text) in english.as_object().unwrap() {
        let said =
            chinese.get(name).unwrap_or_else(|| panic!("nothing is said in Chinese: {name}"));
        assert_eq!(places(said), places(text), "{name}");
    }
    let problems = ProblemCode::ALL.iter().map(|code| code.code());
    for code in problems.chain(OWN_CODES) {
        assert!(chinese.get(format!("error-{code}")).is_some(), "no word for {code}");
    }
}

#[test]
fn what_a_language_leaves_out_is_said_in_english_and_numbers_are_its_own() {
    let said = run(
        "globalThis.navigator ??= {};
        import { addWords, wordsOf } from \"./longhaul-words.js\";
        import \"./longhaul-words-zh.js\";
        addWords(\"de\", { pause: \"Anhalten\", \"files-done\": { one: \"{done} von {n} Datei\", other: \"{done} von {n} Dateien\" } });
        const there = (lang) => wordsOf({ closest: () => ({ lang }) });
        const [de, zh, en, odd] = [\"de-DE\", \"zh-Hans-CN\", \"fr\", \"en-!!\"].map(there);
        console.log(JSON.stringify([
          de.say(\"pause\"), de.say(\"resume\"), de.say(\"files-done\", { done: 0, n: 1 }), de.say(\"files-done\", { done: 999, n: 1000 }),
          de.bytes(1_234_567), zh.say(\"pause\"), zh.duration(125_000).slice(0, 5), zh.percent(.999), en.say(\"pause\"), en.bytes(1_234_567),
          en.bytes(1), en.rate(25_200_000), en.duration(59_400), en.duration(3_661_000), en.duration(900_000), en.duration(1),
          en.duration(200_000_000), odd.say(\"pause\"), typeof en.say(\"never\"),
        ]));",
    );
    let expected = serde_json::json!([
        "Anhalten",
        "Resume",
        "0 von 1 Datei",
        "999 von 1.000 Dateien",
        "1,23 MB",
        "暂停",
        "2分钟5秒",
        "99%",
        "Pause",
        "1.23 MB",
        "1 byte",
        "25.2 MB/s",
        "59 sec",
        "1 hr 1 min",
        "15 min",
        "1 sec",
        "2 days 7 hr",
        "Pause",
        "undefined"
    ]);
    assert_eq!(said, expected);
}
