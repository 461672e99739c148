//! Builds the pieces, runs them under callgrind, and reads what each took.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::ground::said;

/// Counts every piece in the workspace of that folder: instructions of doing it once, and the folder in which each has a
/// profile by its name.
pub fn count(root: &Path) -> Result<(BTreeMap<String, u64>, PathBuf)> {
    let program = build(root)?;
    // Beside the folder of the profile: target/counted/deps/instructions-….
    let target = program.ancestors().nth(3).context("built nowhere")?;
    let folder = target.join("callgrind");
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => std::fs::create_dir_all(&folder)?,
    }
    let printed = run(&program, &folder)?;
    let mut counts = BTreeMap::new();
    for (number, line) in (1..).zip(printed.lines()) {
        let (piece, times) = line
            .split_once(' ')
            .context("the pieces say something else")?;
        let (dump, profile) = (folder.join(format!("part.{number}")), folder.join(piece));
        std::fs::rename(&dump, &profile)
            .with_context(|| format!("callgrind has no part of {piece}"))?;
        let total = total(&std::fs::read_to_string(&profile)?)
            .with_context(|| format!("no total of {piece}"))?;
        let once = total / times.parse::<u64>()?;
        ensure!(once > 0, "callgrind counted nothing of {piece}");
        ensure!(
            counts.insert(piece.to_owned(), once).is_none(),
            "two pieces are called {piece}"
        );
    }
    ensure!(!counts.is_empty(), "there are no pieces");
    Ok((counts, folder))
}

/// A line that cargo prints of what it built.
#[derive(Deserialize)]
struct Built {
    executable: Option<PathBuf>,
}

fn build(root: &Path) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .current_dir(root)
        // What is set on one machine makes other instructions.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_INCREMENTAL")
        .args([
            "bench",
            "-p",
            "crossdock-guard",
            // The library has a harness of its own, and which of two is built last is chance.
            "--bench",
            "instructions",
            "--profile",
            "counted",
            "--no-run",
        ])
        .args(["--message-format", "json-render-diagnostics"]);
    let lines = said(&mut build)?;
    let built = lines
        .lines()
        .filter_map(|line| serde_json::from_str::<Built>(line).ok());
    built
        .filter_map(|built| built.executable)
        .next_back()
        .context("cargo built no program")
}

/// Runs the pieces, which leave a profile each: what they print.
fn run(program: &Path, folder: &Path) -> Result<String> {
    let mut valgrind = Command::new("valgrind");
    valgrind
        // What is set in one shell is to change nothing, such as how the C library copies.
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        // The allocator gives back to the system what lies unused for a time: nothing is to happen by the clock.
        .env("MIMALLOC_PURGE_DELAY", "-1")
        .args(["--tool=callgrind", "--collect-atstart=no"])
        // Callgrind takes the last of two options of one pattern: so these are two.
        .args([
            "--toggle-collect=crossdock_guard::counted_work",
            "--dump-after=*::counted_work",
        ])
        .arg(format!(
            "--callgrind-out-file={}",
            folder.join("part").display()
        ))
        .arg(program);
    said(&mut valgrind)
}

/// The total of a profile.
fn total(profile: &str) -> Option<u64> {
    let totals = profile
        .lines()
        .find_map(|line| line.strip_prefix("totals: "));
    totals?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_says_its_total() {
        let profile =
            "# callgrind format\nevents: Ir\nsummary: 70\n\nfn=(1) a\n0 70\n\ntotals: 70\n";
        assert_eq!(total(profile), Some(70));
        assert_eq!(total("events: Ir\n"), None);
    }

    #[test]
    fn of_what_cargo_says_the_program_is_taken() {
        let line =
            r#"{"reason":"compiler-artifact","executable":"/a/instructions-1","fresh":true}"#;
        let built: Built = serde_json::from_str(line).unwrap();
        assert_eq!(
            built.executable.as_deref(),
            Some(Path::new("/a/instructions-1"))
        );
    }
}
