//! `check`: reads the configuration and tells every mistake, with file and line.

use std::path::Path;

use serde_json::json;

use super::exit::{Failure, Outcome};
use super::target::Target;
use crate::config::{Config, Mistake, SecretSource};

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
    let mistakes = match Config::read(file) {
        Ok(config) if !args.without_secrets => missing_secrets(file, &config),
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes,
    };
    let out = target.out();
    if out.is_json() {
        let told = |m: &Mistake| json!({ "file": m.file, "line": m.line, "what": m.what });
        let told: Vec<_> = mistakes.iter().map(told).collect();
        out.line(json!({ "file": file, "mistakes": told }));
    }
    if !mistakes.is_empty() {
        return Err(Failure::config(&mistakes).told());
    }
    out.say(format_args!("{}: no mistakes", file.display()));
    Ok(())
}

/// Secrets that cannot be read, each where it is named.
fn missing_secrets(file: &Path, config: &Config) -> Vec<Mistake> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let channels = config
        .channels
        .values()
        .flat_map(|channel| &channel.webhook_secrets);
    let mut mistakes: Vec<Mistake> = channels
        .chain(config.secrets.values())
        .filter_map(|source| {
            let what = source.read().err()?;
            let file = file.to_owned();
            let line = line_of(&text, source);
            Some(Mistake { file, line, what })
        })
        .collect();
    mistakes.sort_by_key(|mistake| mistake.line);
    mistakes
}

/// The first line that names the source of the secret, from 1.
fn line_of(text: &str, source: &SecretSource) -> usize {
    let name = match source {
        SecretSource::Env(name) => name.clone(),
        SecretSource::File(path) => path.display().to_string(),
    };
    let names = |line: &&str| !line.trim_start().starts_with('#') && line.contains(&name);
    text.lines()
        .position(|line| names(&line))
        .map_or(0, |index| index + 1)
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
    fn a_secret_that_is_not_there_is_a_mistake_where_it_is_named() {
        let failure = check(
            "[channels.shop]\nkind = \"shopify\"\nwebhook_secrets = [{ env = \"CROSSDOCK_TEST_UNSET\" }]\n",
        )
        .unwrap_err();
        assert!(
            failure.what.contains(":3: secret: environment variable"),
            "{}",
            failure.what
        );
    }

    #[test]
    fn an_empty_file_is_fine() {
        assert!(check("").is_ok());
    }
}
