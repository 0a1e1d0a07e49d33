//! Scripts as browsers get them: what programmers read in them is a third of what would be loaded.

use oxc::allocator::Allocator;
use oxc::codegen::{Codegen, CodegenOptions};
use oxc::minifier::{CompressOptions, MangleOptions, Minifier, MinifierOptions};
use oxc::parser::Parser;
use oxc::span::SourceType;

/// A module that does the same, in fewer bytes.
///
/// # Errors
/// What the parser says of a script that is none.
pub(crate) fn minified(script: &str) -> Result<String, String> {
    let script = with_compact_templates(script);
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, &script, SourceType::mjs()).parse();
    if let Some(fault) = parsed.diagnostics.first() {
        return Err(fault.to_string());
    }
    let mut program = parsed.program;
    let mangle = MangleOptions { top_level: Some(true), ..MangleOptions::default() };
    let compress = Some(CompressOptions::default());
    let options = MinifierOptions { mangle: Some(mangle), compress, ..MinifierOptions::default() };
    let done = Minifier::new(options).minify(&allocator, &mut program);
    let text = Codegen::new()
        .with_options(CodegenOptions::minify())
        .with_scoping(done.scoping)
        .with_private_member_mappings(done.class_private_mappings)
        .build(&program)
        .code;
    Ok(with_quoted_addresses(&text))
}

/// What stands between the signs of a style rule for who reads it, and what says the same.
const BETWEEN: [(&str, &str); 6] =
    [(": ", ":"), ("; ", ";"), (", ", ","), (" {", "{"), ("{ ", "{"), (" }", "}")];

/// What `template` and `sheet` are given is markup and style rules, one to a line: how far a line is indented and what
/// a comment says is for who reads it there. So is more of a rule, whose texts nobody sees; the spaces of markup are seen.
fn with_compact_templates(script: &str) -> String {
    let (mut is_markup, mut is_style) = (false, false);
    let mut kept = String::with_capacity(script.len());
    for line in script.lines() {
        let is_end = line.ends_with("`);");
        let is_comment = is_style && line.starts_with("/*") && line.ends_with("*/");
        match (is_markup, is_style && !is_end) {
            _ if is_comment => {}
            (_, true) => {
                kept += &BETWEEN
                    .iter()
                    .fold(line.trim().to_owned(), |rule, (from, to)| rule.replace(from, to))
            }
            (true, _) => kept += &format!("{}\n", line.trim_start()),
            _ => kept += &format!("{line}\n"),
        }
        is_markup = (is_markup || line.ends_with("template(`")) && !is_end;
        is_style = (is_style || line.ends_with("sheet(`")) && !is_end;
    }
    kept
}

/// Bundlers find what a script loads by `new URL("…", import.meta.url)`, and not all of them look for backquotes.
fn with_quoted_addresses(script: &str) -> String {
    const BEGIN: &str = "new URL(`";
    const END: &str = ",import.meta.url)";
    let mut parts = script.split(BEGIN);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('`') {
            Some((address, rest)) if !address.contains("${") && rest.starts_with(END) => {
                text += &format!("new URL(\"{address}\"{rest}");
            }
            _ => text += &format!("{BEGIN}{part}"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_what_is_written_for_programmers_go_and_what_is_imported_stays() {
        let script = "/** Counts. */\nimport { one } from \"./one.js\";\n\
                      // Two.\nexport function two(number) { return one(number) + 1; }\n";
        let text = minified(script).unwrap();
        assert!(text.contains("./one.js") && text.contains("two"), "{text}");
        assert!(!text.contains("Counts") && !text.contains("number"), "{text}");
    }

    #[test]
    fn an_address_that_bundlers_look_for_is_in_quotes_and_another_is_as_it_was() {
        let script = "export const a = new URL('./a.js', import.meta.url), b = (c) => new URL(`v1/${c}`, import.meta.url);";
        let text = minified(script).unwrap();
        assert!(text.contains("new URL(\"./a.js\",import.meta.url)"), "{text}");
        assert!(text.contains("new URL(`v1/${"), "{text}");
    }

    #[test]
    fn templates_lose_what_is_for_readers_and_other_texts_nothing() {
        let style = "sheet(`\n/* Bars. */\n  a, b:is(c) > d {\n  e: f(g, h); i: j; }\n`);\n";
        assert_eq!(with_compact_templates(style), "sheet(`\na,b:is(c) > d{e:f(g,h);i:j;}`);\n");
        let markup = "template(`\n<a>: b, c</a>\n  <d>`);\nsay(`\n  two: three`);\n";
        assert_eq!(
            with_compact_templates(markup),
            "template(`\n<a>: b, c</a>\n<d>`);\nsay(`\n  two: three`);\n"
        );
    }

    #[test]
    fn what_is_no_script_is_refused() {
        assert!(minified("function {").is_err());
    }
}
