//! Golden files: bytes that may never change, as hexadecimal lines under `golden/`.
//!
//! `UPDATE_GOLDEN=1` makes them anew; a changed layout gets a new version and a new file.

use std::path::Path;

use crate::bytes::{hex, unhex};

/// Compares each part with a line of the file.
pub(crate) fn check(name: &str, parts: &[&[u8]]) {
    assert_eq!(stored(name, parts), parts, "{name} changed");
}

/// What the file holds; `parts` are written to it first when asked for.
pub(crate) fn stored(name: &str, parts: &[&[u8]]) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let path = folder.join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let lines: Vec<_> = parts.iter().map(|part| hex(part) + "\n").collect();
        std::fs::write(&path, lines.concat()).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    text.lines().map(|line| unhex(line).unwrap()).collect()
}
