//! Projects that have the package among what they install: those in `tests/npm`, each in a folder in the build's.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::artefacts;

/// Those that this run has made ready.
static READY: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);

/// A project, with everything that its lock file lists, and the package.
#[derive(Debug)]
pub struct Project(PathBuf);

impl Project {
    /// The one of that name.
    ///
    /// # Panics
    /// When it cannot be made ready.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        let own = Self(artefacts::target().join("npm/projects").join(name));
        let mut ready = READY.lock().unwrap_or_else(PoisonError::into_inner);
        if !ready.contains(name) {
            own.make_ready(&project(name));
            ready.insert(name);
        }
        own
    }

    fn make_ready(&self, sources: &Path) {
        copy_all(sources, self.path());
        for place in ["public", "."] {
            let place = self.path().join(place);
            fs::create_dir_all(&place).unwrap();
            fs::copy(project("watch.js"), place.join("watch.js")).unwrap();
        }
        self.install(&sources.join("package-lock.json"));
        let package = self.path().join("node_modules/longhaul");
        if package.exists() {
            fs::remove_dir_all(&package).unwrap();
        }
        unpack_into(&self.path().join("node_modules"));
        // What Vite has made ready of an earlier package.
        let _ = fs::remove_dir_all(self.path().join("node_modules/.vite"));
    }

    /// Once for each list. Not by `npm ci`: that of npm 11.19 misses optional packages in a list that names no registry.
    fn install(&self, lock: &Path) {
        let (stamp, wanted) = (self.path().join("installed.json"), fs::read(lock).unwrap());
        if fs::read(&stamp).ok() != Some(wanted) {
            self.run("npm", &["install", "--no-audit", "--no-fund", "--loglevel", "error"]);
            fs::copy(lock, &stamp).unwrap();
        }
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Runs a program of the project to its end, which has to be a good one; what it has said.
    ///
    /// # Panics
    /// When it cannot be run, or ends otherwise.
    pub fn run(&self, program: &str, args: &[&str]) -> String {
        let mut command = self.command(program, args);
        let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}"));
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let out = said(&output.stdout);
        println!("{program} {}\n{out}{}", args.join(" "), said(&output.stderr));
        assert!(output.status.success(), "{program} {}: {}", args.join(" "), output.status);
        out
    }

    /// The same, to be started otherwise.
    #[must_use]
    pub fn command(&self, program: &str, args: &[&str]) -> Command {
        let own = self.path().join("node_modules/.bin").join(program);
        let mut command = if own.exists() { Command::new(own) } else { Command::new(program) };
        command.args(args).current_dir(self.path()).env("NO_COLOR", "1");
        command.env("NEXT_TELEMETRY_DISABLED", "1");
        command
    }
}

/// The package, as `longhaul` in that folder.
///
/// # Panics
/// When it is not built.
pub fn unpack_into(modules: &Path) {
    fs::create_dir_all(modules).unwrap();
    let mut tar = Command::new("tar");
    tar.arg("xzf").arg(artefacts::package()).arg("-C").arg(modules);
    assert!(tar.status().unwrap().success(), "{tar:?}");
    fs::rename(modules.join("package"), modules.join("longhaul")).unwrap();
}

/// A file of the projects that use the package.
#[must_use]
pub fn project(path: &str) -> PathBuf {
    artefacts::workspace().join("tests/npm").join(path)
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let there = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_all(&path, &there);
        } else {
            fs::copy(&path, there).unwrap();
        }
    }
}
