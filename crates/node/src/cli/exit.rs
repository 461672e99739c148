//! How a command ends: exit codes, and failures that say who must do what.

use std::fmt;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::config::Mistake;

/// Exit codes. Scripts rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did not work.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The configuration has mistakes.
    Config = 3,
    /// What was asked for does not exist.
    NotFound = 4,
    /// The server cannot be reached.
    Unreachable = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened.
    pub what: String,
    /// The server's stable code, as in `docs/errors/`.
    pub code: Option<String>,
    /// What to do about it.
    pub remedy: Option<String>,
    /// Whether the document on stdout tells it already.
    pub is_told: bool,
}

/// How commands end.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure with an exit code.
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into(),
            code: None,
            remedy: None,
            is_told: false,
        }
    }

    /// The command line makes no sense.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// It did not work.
    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Self::new(Exit::Failed, what)
    }

    /// The configuration has mistakes: all of them, one a line.
    pub(crate) fn config(mistakes: &[Mistake]) -> Self {
        let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        Self::new(Exit::Config, lines.join("\n"))
    }

    /// The same failure with what to do about it.
    pub(crate) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self {
            remedy: Some(remedy.into()),
            ..self
        }
    }

    /// The same failure, which the document on stdout tells already.
    pub(crate) fn told(self) -> Self {
        Self {
            is_told: true,
            ..self
        }
    }

    /// The failure as one JSON document.
    pub(crate) fn to_json(&self) -> Value {
        json!({ "error": {
            "exit": self.exit as u8,
            "detail": self.what,
            "code": self.code,
            "remedy": self.remedy,
        }})
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(code) = &self.code {
            write!(f, " ({code})")?;
        }
        if let Some(remedy) = &self.remedy {
            write!(f, "\n  {remedy}")?;
        }
        Ok(())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::failed(format!("{error:#}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_happened_and_what_to_do() {
        let mut failure = Failure::new(Exit::NotFound, "order shop:1 does not exist")
            .remedy("list them: crossdock order list");
        failure.code = Some("not_found".to_owned());
        assert_eq!(
            failure.to_string(),
            "order shop:1 does not exist (not_found)\n  list them: crossdock order list"
        );
        assert_eq!(failure.to_json()["error"]["exit"], 4);
    }
}
