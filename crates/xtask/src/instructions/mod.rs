//! `cargo xtask instructions`: no piece of work takes more instructions than are recorded.
//!
//! Time depends on the machine and on who else uses it; the number of instructions of the same work on the same data
//! does not. The pieces are in `benches/guard`. A piece that takes fewer fails too: what was gained is kept only once it is
//! recorded.

mod compare;
mod count;
mod ground;
mod recorded;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Result, bail};

use compare::{Row, faults, rows, table};
use ground::{Ground, Obstacle};
use recorded::Recorded;

/// What writes the record anew.
const RECORD: &str = "cargo xtask instructions --record";

/// Counts every piece and holds it against what is recorded; says so and passes where nothing can be counted.
pub fn run(out: &mut impl Write) -> Result<ExitCode> {
    let Some(here) = Ground::here()? else {
        writeln!(out, "instructions: SKIPPED: there is no valgrind here")?;
        return Ok(ExitCode::SUCCESS);
    };
    let root = recorded::root()?;
    let recorded = Recorded::read(&root)?;
    match recorded.counted_with.obstacle(&here) {
        Some(Obstacle::Elsewhere(why)) => {
            writeln!(out, "instructions: SKIPPED: {why}")?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Obstacle::Compiler(why)) => {
            writeln!(out, "instructions: {why}")?;
            return Ok(ExitCode::FAILURE);
        }
        None => {}
    }
    let (rows, profiles) = counted(&root, &recorded)?;
    write!(out, "{}", table(&rows))?;
    writeln!(out, "where they go: callgrind_annotate {profiles}/PIECE")?;
    let faults = faults(&rows);
    if faults.is_empty() {
        writeln!(out, "instructions: {} pieces are as recorded", rows.len())?;
        return Ok(ExitCode::SUCCESS);
    }
    for line in faults
        .into_iter()
        .chain(recorded.counted_with.differences(&here))
    {
        writeln!(out, "instructions: {line}")?;
    }
    Ok(ExitCode::FAILURE)
}

/// Counts every piece and records it, beside what was recorded before.
pub fn record(out: &mut impl Write) -> Result<ExitCode> {
    let Some(here) = Ground::here()? else {
        bail!("there is no valgrind here, so nothing can be counted");
    };
    let root = recorded::root()?;
    let before = Recorded::read(&root).unwrap_or_default();
    let (rows, _) = counted(&root, &before)?;
    write!(out, "{}", table(&rows))?;
    let counts = rows
        .into_iter()
        .filter_map(|row| Some((row.piece, row.counted?)));
    let path = Recorded {
        counted_with: here,
        instructions: counts.collect(),
    }
    .write(&root)?;
    writeln!(out, "instructions: recorded in {path}")?;
    Ok(ExitCode::SUCCESS)
}

/// Every piece, counted and recorded; and the folder with a profile of each.
fn counted(root: &std::path::Path, recorded: &Recorded) -> Result<(Vec<Row>, String)> {
    let (counts, profiles) = count::count(root)?;
    Ok((
        rows(&recorded.instructions, &counts),
        profiles.display().to_string(),
    ))
}
