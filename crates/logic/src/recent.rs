//! Keys of commands that were executed: a repeat is answered from here, and never executed again.
//!
//! An import leaves one with every line of it, so each takes little: its fingerprint, and its answer if that says anything.

use crossdock_model::{Answer, Duration, Meta, Record, Rejection, Timestamp};
use serde::{Deserialize, Serialize};

use crate::kept::Kept;

/// Keys remembered per entity with their answers; past it the oldest one's answer is forgotten first.
pub const RECENT_KEYS_MAX: usize = 16_384;
/// Further keys of which it is remembered only that they were used: a repeat is refused.
pub const FADED_KEYS_MAX: usize = 262_144;

/// Keys of one entity.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Recent {
    /// By the fingerprints of their keys.
    answers: Kept<Fingerprint, Remembered>,
    /// Keys whose answers are forgotten before their time.
    faded: Kept<Fingerprint, ()>,
    /// When the newest command was executed of which nothing is remembered any more. What was issued until then may
    /// be a repeat of it.
    lost_at: Option<Timestamp>,
}

type Fingerprint = [u8; 16];

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    body_hash: u64,
    /// `None`: [`Answer::Done`].
    answer: Option<Box<Answer>>,
}

impl Remembered {
    fn new(body_hash: u64, answer: &Answer) -> Self {
        let says_more = *answer != Answer::Done;
        Self {
            body_hash,
            answer: says_more.then(|| Box::new(answer.clone())),
        }
    }

    fn answer(&self) -> Answer {
        self.answer.as_deref().cloned().unwrap_or(Answer::Done)
    }
}

impl Recent {
    /// The answer to a repeat; `None` for what is to be executed.
    pub fn answer(
        &self,
        meta: &Meta,
        now: Timestamp,
        window: Duration,
    ) -> Result<Option<Answer>, Rejection> {
        let Some(key) = &meta.key else {
            return Ok(None);
        };
        let key = key.fingerprint();
        if let Some(known) = self.answers.get(&key) {
            return match known.body_hash == meta.body_hash {
                true => Ok(Some(known.answer())),
                false => Err(Rejection::KeyConflict),
            };
        }
        let too_old = now.since(meta.issued_at) > window;
        let may_be_lost = self.lost_at.is_some_and(|at| meta.issued_at <= at);
        let is_faded = self.faded.get(&key).is_some();
        match too_old || may_be_lost || is_faded {
            true => Err(Rejection::TooOld {
                window_ms: window.as_ms(),
            }),
            false => Ok(None),
        }
    }

    /// Remembers what a record answers.
    pub fn note(&mut self, record: &Record) {
        let (Some(key), Some(answer)) = (&record.meta.key, &record.answer) else {
            return;
        };
        let remembered = Remembered::new(record.meta.body_hash, answer);
        let key = key.fingerprint();
        let given_up = self
            .answers
            .note(key, remembered, record.at, RECENT_KEYS_MAX);
        for (at, key) in given_up {
            let lost = self.faded.note(key, (), at, FADED_KEYS_MAX);
            let newest = lost.into_iter().map(|(at, _)| at).max();
            self.lost_at = self.lost_at.max(newest);
        }
    }

    pub fn forget(&mut self, now: Timestamp, window: Duration) {
        self.answers.forget(now, window);
        self.faded.forget(now, window);
        self.lost_at = self.lost_at.filter(|at| now.since(*at) <= window);
    }
}

#[cfg(test)]
mod tests {
    use crossdock_model::{Answer, CommandKey, CredentialId, Duration, Meta, Record, Timestamp};

    use super::{FADED_KEYS_MAX, RECENT_KEYS_MAX, Recent};

    fn meta(number: usize, issued_ms: i64) -> Meta {
        Meta {
            principal: CredentialId::new("test").unwrap(),
            reason: None,
            key: Some(CommandKey::new(format!("key-{number}")).unwrap()),
            body_hash: 1,
            issued_at: Timestamp::from_ms(issued_ms),
            effective_at: None,
            trace: None,
        }
    }

    /// However many keys there are: what was executed is answered or refused, and never executed again.
    #[test]
    fn nothing_is_executed_twice_within_the_window() {
        const WINDOW: Duration = Duration::from_days(7);
        let mut recent = Recent::default();
        let keys = RECENT_KEYS_MAX + FADED_KEYS_MAX + 10;
        for number in 0..keys {
            let ms = number as i64;
            recent.note(&Record {
                version: ms as u64 + 1,
                at: Timestamp::from_ms(ms),
                meta: meta(number, ms),
                events: Vec::new(),
                answer: Some(Answer::Done),
            });
        }
        let now = Timestamp::from_ms(keys as i64);
        let asked = |number, issued_ms| recent.answer(&meta(number, issued_ms), now, WINDOW);
        let code = |number, issued_ms| asked(number, issued_ms).map_err(|why| why.code());
        assert_eq!(code(keys - 1, 0), Ok(Some(Answer::Done)));
        // Its answer is forgotten, whatever is said of when it was issued.
        assert_eq!(code(10, keys as i64), Err("too_old"));
        // Nothing of it is remembered: what may be a repeat of it is refused, what is newer is new.
        assert_eq!(code(0, 0), Err("too_old"));
        assert_eq!(code(9, 9), Err("too_old"));
        assert_eq!(code(keys, 10), Ok(None));
        let mut later = recent.clone();
        later.forget(now + WINDOW + Duration::from_ms(1), WINDOW);
        assert_eq!(later, Recent::default());
    }
}
