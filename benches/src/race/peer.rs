//! Engines that `benches/peers/peers` has installed and started, each in a folder of its own.

use std::path::Path;

use serde_json::Value;

/// One race takes them minutes, with all that is prepared for it.
pub const RUNS: usize = 1;

/// Where one listens, and the ids of what it sells; none if it was not started.
pub fn find(peers: &Path, name: &str) -> Option<(String, Value)> {
    let read = |file: &str| std::fs::read_to_string(peers.join(name).join(file)).ok();
    let url = read("url")?;
    let catalogue = read("catalogue.json")?;
    Some((
        url.trim().to_owned(),
        serde_json::from_str(&catalogue).unwrap(),
    ))
}

/// The version of a package as it is installed.
pub fn version(peers: &Path, name: &str, package: &str) -> String {
    let file = peers
        .join(name)
        .join("node_modules")
        .join(package)
        .join("package.json");
    let package: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    package["version"].as_str().unwrap_or_default().to_owned()
}
