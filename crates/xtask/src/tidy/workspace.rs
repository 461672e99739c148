//! What the rules look at: the workspace's packages as cargo sees them, and its files as git sees them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::code::{Token, code_only, production_lines, tokens};

/// The prefix of every package's name but xtask's.
pub const PREFIX: &str = "crossdock-";

/// The packages and files of the project.
#[derive(Debug, Default)]
pub struct Workspace {
    pub packages: Vec<Package>,
    pub files: Vec<File>,
}

/// A member of the workspace.
#[derive(Debug)]
pub struct Package {
    pub name: String,
    /// Relative to the root, such as `crates/model`.
    pub folder: String,
    pub dependencies: Vec<Dependency>,
    /// The names of its binaries.
    pub binaries: Vec<String>,
}

/// A line of a package's manifest.
#[derive(Debug)]
pub struct Dependency {
    pub name: String,
    /// Only its tests and benches need it.
    pub dev: bool,
    /// Behind a feature.
    pub optional: bool,
}

/// A text file of the project.
#[derive(Debug)]
pub struct File {
    /// Relative to the root, with `/` between folders.
    pub path: String,
    pub text: String,
}

impl Workspace {
    /// The workspace that the current folder is in.
    pub fn load() -> Result<Self> {
        let metadata = Metadata::read()?;
        let root = metadata.workspace_root.clone();
        let packages = metadata
            .packages
            .into_iter()
            .map(|raw| raw.into_package(&root))
            .collect::<Result<_>>()?;
        Ok(Self {
            packages,
            files: read_files(&root)?,
        })
    }

    /// The file at this path, if there is one.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Every Rust source.
    pub fn rust_files(&self) -> impl Iterator<Item = &File> {
        self.files
            .iter()
            .filter(|file| Path::new(&file.path).extension() == Some("rs".as_ref()))
    }

    /// The line of the package's manifest that names the dependency, or its first line.
    pub fn manifest_line(&self, package: &Package, dependency: &str) -> usize {
        let names = |line: &str| {
            let rest = line
                .trim_start()
                .trim_start_matches('"')
                .strip_prefix(dependency);
            rest.is_some_and(|rest| rest.starts_with([' ', '.', '=', '"']))
        };
        self.file(&package.manifest())
            .and_then(|file| file.text.lines().position(names))
            .map_or(1, |index| index + 1)
    }
}

impl Package {
    /// The path of its manifest.
    pub fn manifest(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }

    /// Its name in the design: without the prefix.
    pub fn short_name(&self) -> &str {
        self.name.strip_prefix(PREFIX).unwrap_or(&self.name)
    }

    /// Whether it holds only tests or benches, and so may reach everything.
    pub fn is_test_package(&self) -> bool {
        matches!(self.folder.split('/').next(), Some("tests" | "benches"))
    }
}

impl File {
    /// Whether all of it is test code.
    pub fn is_test_code(&self) -> bool {
        let mut components = self.path.rsplit('/');
        components.next() == Some("tests.rs")
            || components.any(|folder| folder == "tests" || folder == "benches")
    }

    /// How many lines stand before its inline `mod tests`.
    pub fn production_lines(&self) -> usize {
        production_lines(&code_only(&self.text))
    }

    /// Calls `visit` with the tokens of its code, without comments and literals.
    pub fn with_tokens(&self, visit: impl FnOnce(&[Token<'_>])) {
        visit(&tokens(&code_only(&self.text)));
    }
}

/// The part of `cargo metadata` that the rules need.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<RawPackage>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct RawPackage {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<RawDependency>,
    targets: Vec<RawTarget>,
}

#[derive(Deserialize)]
struct RawDependency {
    name: String,
    /// Absent for a normal one.
    kind: Option<String>,
    optional: bool,
}

#[derive(Deserialize)]
struct RawTarget {
    name: String,
    kind: Vec<String>,
}

impl Metadata {
    fn read() -> Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output =
            run(Command::new(cargo).args(["metadata", "--no-deps", "--format-version", "1"]))?;
        serde_json::from_slice(&output).context("cargo metadata answered something else")
    }
}

impl RawPackage {
    fn into_package(self, root: &Path) -> Result<Package> {
        let folder = self.manifest_path.parent().unwrap_or(root);
        let folder = folder
            .strip_prefix(root)
            .with_context(|| format!("{} is outside the workspace", self.name))?;
        Ok(Package {
            folder: slashed(folder),
            dependencies: self
                .dependencies
                .into_iter()
                .map(|raw| Dependency {
                    name: raw.name,
                    dev: raw.kind.as_deref() == Some("dev"),
                    optional: raw.optional,
                })
                .collect(),
            binaries: self
                .targets
                .into_iter()
                .filter(|target| target.kind.iter().any(|kind| kind == "bin"))
                .map(|target| target.name)
                .collect(),
            name: self.name,
        })
    }
}

/// Every text file that git tracks or would add, so that a finding comes before the commit.
fn read_files(root: &Path) -> Result<Vec<File>> {
    let output = run(Command::new("git").current_dir(root).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
        "--deduplicate",
    ]))?;
    let listing = String::from_utf8(output).context("a file's name is not UTF-8")?;
    let mut files = Vec::new();
    for path in listing.split_terminator('\0') {
        let full = root.join(path);
        if !full.is_file() {
            continue; // Deleted in the work tree, or a link to a folder.
        }
        let bytes = std::fs::read(&full).with_context(|| format!("cannot read {path}"))?;
        // What is not text (a golden file) has no lines to judge.
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File {
                path: path.to_owned(),
                text,
            });
        }
    }
    Ok(files)
}

/// What a program prints.
pub fn run(command: &mut Command) -> Result<Vec<u8>> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}

fn slashed(path: &Path) -> String {
    let parts: Vec<_> = path
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_code_is_known_by_its_place() {
        let cases = [
            ("crates/model/src/id.rs", false),
            ("crates/model/src/tests.rs", true),
            ("crates/model/src/sku/tests/waiting.rs", true),
            ("crates/journal/tests/contract.rs", true),
            ("benches/sale/main.rs", true),
            ("crates/model/src/contests.rs", false),
        ];
        for (path, expected) in cases {
            let file = File {
                path: path.to_owned(),
                text: String::new(),
            };
            assert_eq!(file.is_test_code(), expected, "{path}");
        }
    }

    #[test]
    fn cargo_metadata_becomes_packages() {
        let json = r#"{"workspace_root": "/a", "packages": [{"name": "crossdock-node",
            "manifest_path": "/a/crates/node/Cargo.toml",
            "targets": [{"name": "crossdock", "kind": ["bin"]}, {"name": "cli", "kind": ["test"]}],
            "dependencies": [{"name": "clap", "kind": null, "optional": false},
                             {"name": "tempfile", "kind": "dev", "optional": false}]}]}"#;
        let metadata: Metadata = serde_json::from_str(json).unwrap();
        let package = metadata
            .packages
            .into_iter()
            .next()
            .unwrap()
            .into_package(Path::new("/a"))
            .unwrap();
        assert_eq!(package.folder, "crates/node");
        assert_eq!(package.short_name(), "node");
        assert_eq!(package.binaries, ["crossdock"]);
        let dev: Vec<bool> = package.dependencies.iter().map(|d| d.dev).collect();
        assert_eq!(dev, [false, true]);
    }
}
