//! A disk that forgets what was not synced, and a clock that steps: the shim of `tests/shim`, compiled when first needed.

use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Shim {
    library: PathBuf,
    control: PathBuf,
}

impl Shim {
    /// Compiles the shim into `dir`.
    pub fn build(dir: &Path) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("shim/unsynced.c");
        let library = dir.join("unsynced.so");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-o"])
            .arg(&library)
            .arg(source)
            .args(["-ldl", "-lpthread"])
            .status();
        assert!(
            built.unwrap().success(),
            "the disk shim does not compile: install a C compiler"
        );
        let shim = Self {
            library,
            control: dir.join("disk-control"),
        };
        shim.behave("ok");
        shim
    }

    /// What the head of the shim lists. Put in place at once: an empty file would be read as `ok` for a moment.
    pub fn behave(&self, how: &str) {
        let next = self.control.with_extension("next");
        std::fs::write(&next, how).unwrap();
        std::fs::rename(next, &self.control).unwrap();
    }

    /// How often that fault has happened.
    pub fn seen(&self, fault: &str) -> usize {
        let seen = std::fs::read_to_string(self.control.with_extension("seen"));
        let seen = seen.unwrap_or_default();
        seen.lines().filter(|line| *line == fault).count()
    }

    pub fn preload(&self, command: &mut Command, data: &Path) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("SHIM_DIR", data)
            .env("SHIM_CONTROL", &self.control);
    }
}
