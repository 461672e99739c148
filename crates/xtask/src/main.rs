//! Crossdock's own tool, started as `cargo xtask`.
//!
//! `tidy` holds the rules of the house: those a reviewer would otherwise have to repeat and no lint knows.
//! `instructions` holds what pieces of work cost.

mod instructions;
mod tidy;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["tidy"] => tidy::run(&mut io::stdout().lock()),
        ["instructions"] => instructions::run(&mut io::stdout().lock()),
        ["instructions", "--record"] => instructions::record(&mut io::stdout().lock()),
        [] | ["help" | "--help" | "-h"] => {
            help(&mut io::stdout().lock())?;
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            help(&mut io::stderr().lock())?;
            Ok(ExitCode::from(2))
        }
    }
}

fn help(out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "usage: cargo xtask tidy\n       cargo xtask instructions [--record]\n\nThe rules that tidy holds:"
    )?;
    for rule in tidy::RULES {
        writeln!(out, "  {:<18} {}", rule.name, rule.about)?;
    }
    Ok(())
}
