//! The record: one line a piece, in the order of their names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::RECORD;
use super::ground::{Ground, said};

const FILE: &str = "benches/guard/recorded.json";

/// What every piece took when it was recorded.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Recorded {
    /// Where it was counted.
    pub counted_with: Ground,
    /// Instructions of each piece, done once.
    pub instructions: BTreeMap<String, u64>,
}

impl Recorded {
    pub fn read(root: &Path) -> Result<Self> {
        let remedy = || format!("cannot read {FILE}: {RECORD}");
        let text = std::fs::read_to_string(root.join(FILE)).with_context(remedy)?;
        serde_json::from_str(&text).with_context(remedy)
    }

    /// Writes it and says where.
    pub fn write(&self, root: &Path) -> Result<&'static str> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(root.join(FILE), text).with_context(|| format!("cannot write {FILE}"))?;
        Ok(FILE)
    }
}

/// The folder of the workspace.
pub fn root() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = said(Command::new(cargo).args([
        "locate-project",
        "--workspace",
        "--message-format",
        "plain",
    ]))?;
    let root = Path::new(&manifest).parent();
    Ok(root.context("the workspace has no folder")?.to_owned())
}
