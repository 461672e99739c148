//! The course of the work on one delivery: tried until it is settled, put aside while it lacks something, given back when
//! nothing is wrong with it.

use crossdock_model::Duration;

/// Pause before a delivery that met an overloaded entity is tried again; longer with each try.
const RETRY: Duration = Duration::from_ms(250);
/// Tries of one delivery in a row before it waits for the next sweep of the inbox.
const TRIES: u32 = 5;
/// Things a delivery can find missing one after the other before it rests until the next of them comes.
const PARKED_MAX: u32 = 16;

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried<'a> {
    /// All that it says is durable, or changes nothing.
    Done,
    /// Nothing is wrong with it, and it could not be done now. Whether what stands in the way is gone in a moment.
    Later {
        /// As said.
        passes_soon: bool,
    },
    /// It waits for this.
    Lacks(&'a str),
}

/// What is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// It is tried again after this pause.
    Again(Duration),
    /// It is marked done. What it waited for, if anything, has come.
    Done {
        /// As said.
        waited_for: Option<String>,
    },
    /// It is marked as it was, one try on, and found by a later sweep.
    GivenBack {
        /// What it waits for: it is parked then, and open else.
        waits_for: Option<String>,
    },
    /// It is parked, and tried once more: what it waits for may have come while it was being parked, and found nothing
    /// waiting.
    Parks {
        /// What it waited for until now.
        waited_for: Option<String>,
    },
    /// It stays parked.
    Rests,
}

/// How far the work on a delivery is.
#[derive(Debug, Clone, Default)]
pub struct Course {
    waits_for: Option<String>,
    tries: u32,
    parked: u32,
}

impl Course {
    /// Of a delivery that waits for something, or is open.
    #[must_use]
    pub fn of(waits_for: Option<String>) -> Self {
        Self {
            waits_for,
            ..Self::default()
        }
    }

    /// A try has ended.
    pub fn ended(&mut self, tried: Tried<'_>) -> Next {
        match tried {
            Tried::Done => Next::Done {
                waited_for: self.waits_for.take(),
            },
            Tried::Later { passes_soon: true } if self.parked == 0 && self.tries < TRIES => {
                self.tries += 1;
                Next::Again(Duration::from_ms(RETRY.as_ms() * u64::from(self.tries)))
            }
            Tried::Later { .. } => Next::GivenBack {
                waits_for: self.waits_for.clone(),
            },
            Tried::Lacks(subject) => {
                let still = self.waits_for.as_deref() == Some(subject);
                if (still && self.parked > 0) || self.parked == PARKED_MAX {
                    return Next::Rests;
                }
                self.parked += 1;
                let waited_for = self.waits_for.replace(subject.to_owned());
                Next::Parks { waited_for }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Tried<'_> = Tried::Later { passes_soon: true };

    fn parks(waited_for: Option<&str>) -> Next {
        Next::Parks {
            waited_for: waited_for.map(str::to_owned),
        }
    }

    #[test]
    fn what_passes_soon_is_waited_for_a_few_times() {
        let mut course = Course::default();
        let pauses = [250, 500, 750, 1000, 1250].map(|ms| Next::Again(Duration::from_ms(ms)));
        assert_eq!([0; 5].map(|_| course.ended(LATER)), pauses);
        assert_eq!(course.ended(LATER), Next::GivenBack { waits_for: None });
        let mut course = Course::of(Some("a".to_owned()));
        let away = Tried::Later { passes_soon: false };
        let waits_for = Some("a".to_owned());
        assert_eq!(course.ended(away), Next::GivenBack { waits_for });
    }

    /// What came while it was being parked is not waited for until the next sweep.
    #[test]
    fn what_is_parked_is_tried_once_more() {
        let mut course = Course::default();
        assert_eq!(course.ended(Tried::Lacks("a")), parks(None));
        assert_eq!(course.ended(Tried::Lacks("b")), parks(Some("a")));
        assert_eq!(course.ended(Tried::Lacks("b")), Next::Rests);
        let mut course = Course::of(Some("a".to_owned()));
        assert_eq!(course.ended(Tried::Lacks("a")), parks(Some("a")));
        let waited_for = Some("a".to_owned());
        assert_eq!(course.ended(Tried::Done), Next::Done { waited_for });
    }

    #[test]
    fn what_lacks_one_thing_after_the_other_rests_at_last() {
        let mut course = Course::default();
        let lacks: Vec<_> = (0..17).map(|number| number.to_string()).collect();
        let nexts = lacks
            .iter()
            .map(|subject| course.ended(Tried::Lacks(subject)));
        let nexts: Vec<_> = nexts.collect();
        assert_eq!(nexts[15], parks(Some("14")));
        assert_eq!(nexts[16], Next::Rests);
    }

    #[test]
    fn what_is_parked_keeps_no_worker_waiting() {
        let mut course = Course::default();
        course.ended(Tried::Lacks("a"));
        let waits_for = Some("a".to_owned());
        assert_eq!(course.ended(LATER), Next::GivenBack { waits_for });
    }
}
