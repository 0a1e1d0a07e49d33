//! What a script imports.

/// The scripts beside this one that it imports, `upload.js` for `import { a } from "./upload.js"`, minified or not.
#[must_use]
pub fn imports(script: &str) -> Vec<&str> {
    let quoted = script.match_indices("\"./").filter(|&(at, _)| {
        let before = script[..at].trim_end();
        before.ends_with("from") || before.ends_with("import")
    });
    quoted.filter_map(|(at, quote)| Some(script[at + quote.len()..].split_once('"')?.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::imports;

    #[test]
    fn imports_are_found_in_what_is_minified_too() {
        let readable = "import { a } from \"./a.js\";\nimport \"./b.js\";\nfetch(\"./c.js\");";
        assert_eq!(imports(readable), ["a.js", "b.js"]);
        assert_eq!(imports("import{a}from\"./a.js\";import\"./b.js\";"), ["a.js", "b.js"]);
    }
}
