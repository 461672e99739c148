//! How sending went: what operators are told of it, without what only the log may hold.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};

/// How the last batches ended.
#[derive(Debug, Default)]
pub struct Outcomes {
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    success: Option<Instant>,
    error: Option<(Instant, &'static str)>,
    is_failing: bool,
}

impl Outcomes {
    /// Takes how a batch ended; returns whether the one before it failed.
    pub fn note(&self, sent: &OTelSdkResult, now: Instant) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match sent {
            Ok(()) => last.success = Some(now),
            Err(error) => last.error = Some((now, kind(error))),
        }
        std::mem::replace(&mut last.is_failing, sent.is_err())
    }

    /// One line for anybody who asks: ages and the kind of the last error, never its text, which may hold an address.
    pub fn line(&self, now: Instant) -> String {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let age_s = |at: Instant| now.saturating_duration_since(at).as_secs();
        let success = last
            .success
            .map_or("never".to_owned(), |at| format!("{} s ago", age_s(at)));
        let error = last.error.map_or("never".to_owned(), |(at, kind)| {
            format!("{kind}, {} s ago", age_s(at))
        });
        format!("traces: last success: {success}; last error: {error}")
    }
}

fn kind(error: &OTelSdkError) -> &'static str {
    match error {
        OTelSdkError::AlreadyShutdown => "stopped",
        OTelSdkError::Timeout(_) => "timeout",
        OTelSdkError::InternalFailure(_) => "not sent",
    }
}

/// A text for the log, without the user info of the web addresses in it.
pub fn without_credentials(text: &str) -> String {
    const SCHEME_ENDS: &str = "://";
    let (mut kept, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(SCHEME_ENDS) {
        let (scheme, after) = rest.split_at(at + SCHEME_ENDS.len());
        kept.push_str(scheme);
        let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"');
        let authority = &after[..after.find(ends).unwrap_or(after.len())];
        let user_info = authority.rfind('@').map_or(0, |sign| sign + 1);
        rest = &after[user_info..];
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_line_tells_ages_and_the_kind_but_no_text() {
        let start = Instant::now();
        let at = |s: u64| start + Duration::from_secs(s);
        let outcomes = Outcomes::default();
        assert_eq!(
            outcomes.line(start),
            "traces: last success: never; last error: never"
        );
        let failed = OTelSdkError::InternalFailure("http://secret".to_owned());
        assert!(!outcomes.note(&Err(failed), at(1)));
        assert_eq!(
            outcomes.line(at(3)),
            "traces: last success: never; last error: not sent, 2 s ago"
        );
        let late = OTelSdkError::Timeout(Duration::from_secs(5));
        assert!(outcomes.note(&Err(late), at(4)));
        assert!(outcomes.note(&Ok(()), at(5)));
        assert!(!outcomes.note(&Ok(()), at(6)));
        assert_eq!(
            outcomes.line(at(10)),
            "traces: last success: 4 s ago; last error: timeout, 6 s ago"
        );
    }

    #[test]
    fn credentials_are_left_out() {
        let cases = [
            ("no address", "no address"),
            ("http://host:4318/a@b", "http://host:4318/a@b"),
            ("url (http://u:p@host/v1): no", "url (http://host/v1): no"),
            ("\"https://u@p@host\"", "\"https://host\""),
            ("http://u:p(@h https://v:q@i", "http://h https://i"),
        ];
        for (text, wanted) in cases {
            assert_eq!(without_credentials(text), wanted, "{text}");
        }
    }
}
