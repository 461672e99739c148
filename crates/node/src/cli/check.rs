//! `check`: reads the configuration and tells every mistake, with file and line; and warns of data that others may see.

use serde_json::json;

use super::exit::{Failure, Outcome};
use super::target::Target;
use crate::config::{Config, Mistake};

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Do not look whether secrets can be read (for a machine that has none)
    #[arg(long)]
    without_secrets: bool,
}

/// Runs it.
pub(crate) fn run(target: &Target, args: &Args) -> Outcome {
    let file = target.config_file();
    let checked = Config::check(file, !args.without_secrets);
    let (warnings, mistakes) = match checked {
        Ok(config) => (config.data.exposures(), Vec::new()),
        Err(mistakes) => (Vec::new(), mistakes),
    };
    let out = target.out();
    if out.is_json() {
        let told = |m: &Mistake| json!({ "file": m.file, "line": m.line, "what": m.what });
        let told: Vec<_> = mistakes.iter().map(told).collect();
        out.line(json!({ "file": file, "mistakes": told, "warnings": warnings }));
    }
    for warning in &warnings {
        out.say(format_args!("warning: {warning}"));
    }
    if !mistakes.is_empty() {
        return Err(Failure::config(&mistakes).told());
    }
    out.say(format_args!("{}: no mistakes", file.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::exit::Exit;
    use super::*;

    fn check(text: &str) -> Outcome {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("crossdock.toml");
        std::fs::write(&config, text).unwrap();
        let target = Target {
            config: Some(config),
            url: None,
            json: false,
        };
        run(
            &target,
            &Args {
                without_secrets: false,
            },
        )
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let failure =
            check("[server]\nlisten = \"x\"\n[telemetry]\ntrace_ratio = 2\n[dta]\n").unwrap_err();
        assert_eq!(failure.exit, Exit::Config);
        for line in [":2: listen", ":4: trace_ratio", ":5: unknown section"] {
            assert!(failure.what.contains(line), "{line} in {}", failure.what);
        }
    }

    #[test]
    fn an_empty_file_is_fine() {
        assert!(check("").is_ok());
    }
}
