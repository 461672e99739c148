//! `bench`: the figures of this machine, each with its peer or limit in the same run.

use std::path::{Path, PathBuf};

use anyhow::Context;
use crossdock_benches::{Measured, NAMES, Options};

use super::exit::{Failure, Outcome};
use super::target::Target;

/// Between these lines a file has the table.
const MARKS: [&str; 2] = ["<!-- figures -->\n", "<!-- end of figures -->\n"];

/// Arguments of `bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(value_name = "WHAT", value_parser = named, help = help())]
    filters: Vec<String>,
    /// Write the table into this file, between the lines `<!-- figures -->` and `<!-- end of figures -->`
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

fn help() -> String {
    let names = NAMES.join(", ");
    format!(
        "What to measure, or a part of its name: {names}. Nothing: all of it, which takes more than an hour"
    )
}

fn named(filter: &str) -> Result<String, String> {
    match NAMES.iter().any(|name| name.contains(filter)) {
        true => Ok(filter.to_owned()),
        false => Err(format!("there is: {}", NAMES.join(", "))),
    }
}

/// Runs it.
pub(crate) async fn run(target: &Target, args: Args) -> Outcome {
    let out = target.out();
    if let Some(file) = &args.write {
        // Before an hour has passed.
        between_marks(file)?;
    }
    let options = Options {
        binary: this_program,
        filters: args.filters,
    };
    let measuring = tokio::task::spawn_blocking(move || crossdock_benches::run(&options));
    let measured = measuring
        .await
        .map_err(|error| Failure::failed(format!("the measurement broke off: {error}")))?;
    if let Some(file) = &args.write {
        write(file, &measured)?;
    }
    match out.is_json() {
        true => out.line(measured.json()),
        false => out.raw(measured.markdown().as_bytes()),
    }
    match measured.report.missed().as_slice() {
        [] => Ok(()),
        missed => {
            let missed = Failure::failed(format!("missed: {}", missed.join("; ")));
            Err(missed.told())
        }
    }
}

fn this_program() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| "crossdock".into())
}

/// What a file has before the table and after it.
fn between_marks(file: &Path) -> Outcome<(String, String)> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let [begin, end] = MARKS;
    let parts = text.split_once(begin).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(end)?;
        Some((format!("{before}{begin}"), format!("{end}{after}")))
    });
    parts.ok_or_else(|| {
        let what = format!("{} has no place for a table", file.display());
        let remedy = format!("put the lines {} and {} in", begin.trim(), end.trim());
        Failure::usage(what).remedy(remedy)
    })
}

fn write(file: &Path, measured: &Measured) -> Outcome {
    let (before, after) = between_marks(file)?;
    let text = format!("{before}\n{}\n{after}", measured.report.markdown());
    std::fs::write(file, text).with_context(|| file.display().to_string())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_takes_the_place_of_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("README.md");
        let [begin, end] = MARKS;
        std::fs::write(&file, format!("Before\n{begin}old\n{end}After\n")).unwrap();
        write(&file, &Measured::default()).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text, format!("Before\n{begin}\n\n{end}After\n"));
    }

    #[test]
    fn a_file_without_a_place_is_refused_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("README.md");
        std::fs::write(&file, "Nothing").unwrap();
        let refused = between_marks(&file).unwrap_err();
        assert!(refused.what.contains("no place"), "{refused}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "Nothing");
    }

    #[test]
    fn what_is_not_there_is_told_before_anything_is_measured() {
        assert!(named("http").is_err());
        assert_eq!(named("publish"), Ok("publish".to_owned()));
    }
}
