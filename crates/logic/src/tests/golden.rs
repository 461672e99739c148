//! Golden files: an entity of every kind as its checkpoint is written, under `golden/`, read back for ever.
//!
//! `UPDATE_GOLDEN=1` makes them anew; a changed layout gets a new version and a new file.

use std::fmt::Write;
use std::path::Path;

use crate::entity::Entity;

/// Compares an entity's checkpoint with the file of its kind, and reads that.
#[track_caller]
pub(crate) fn check(entity: &Entity) {
    let kind = format!("{:?}", entity.id().kind()).to_lowercase();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let path = folder.join(format!("{kind}.hex"));
    let bytes = entity.encode().expect("a state has bytes");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, hex(&bytes) + "\n").expect("the golden file is written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(golden.trim_end(), hex(&bytes), "{kind} changed");
    let read = Entity::decode(entity.id().clone(), &unhex(golden.trim_end()));
    assert_eq!(read.expect("golden bytes are read"), *entity);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text grows");
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex digits");
    (0..text.len()).step_by(2).map(byte).collect()
}
