//! A disk that forgets what was not synced: the shim of `tests/shim`, compiled when first needed.

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

    /// `ok`, `sync-eio` or `full`.
    pub fn behave(&self, how: &str) {
        std::fs::write(&self.control, how).unwrap();
    }

    pub fn preload(&self, command: &mut Command, data: &Path) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("SHIM_DIR", data)
            .env("SHIM_CONTROL", &self.control);
    }
}
