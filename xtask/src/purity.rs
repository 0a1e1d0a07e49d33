//! `protocol` decides; it must not be able to touch the world, so it may not depend on what does.

use crate::error::Error;
use crate::run::output;
use crate::workspace::cargo;

/// Crates by which code reaches a socket, a clock or a browser.
const WORLDLY: [&str; 5] = ["tokio", "hyper", "web-sys", "js-sys", "wasm-bindgen"];

/// Looks through everything that `protocol` is built from.
pub(crate) fn check() -> Result<(), Error> {
    let edges = ["-e", "normal,build", "--target", "all", "--prefix", "none", "--format", "{p}"];
    let tree = output(cargo(["tree", "-p", "longhaul-protocol"]).args(edges))?;
    let found = worldly_in(&tree);
    if found.is_empty() { Ok(()) } else { Err(Error::Impure { found: found.join(", ") }) }
}

fn worldly_in(tree: &str) -> Vec<&'static str> {
    let names: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    WORLDLY.into_iter().filter(|worldly| names.contains(worldly)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worldly_crate_anywhere_in_the_tree_is_found() {
        let tree = "longhaul-protocol v0.1.0 (/x)\nserde v1.0.229\nsha2 v0.11.1\n";
        assert!(worldly_in(tree).is_empty());
        assert_eq!(worldly_in(&format!("{tree}tokio v1.54.1 (*)\n")), ["tokio"]);
        assert!(worldly_in("tokio-util v0.7.0\n").is_empty());
    }
}
