//! In which order it is looked whether what was read is placed: what is new at once, what is known to be stuck in turn. A
//! thousand orders that wait for a person are not asked about all the time.

use std::collections::BTreeMap;
use std::ops::Bound;

use crossdock_model::Duration;

use super::standing::Awaited;
use super::{LOOK_MAX, LOOK_MIN};

/// Orders at which it is looked at once whether they are placed.
pub(super) const LOOKS_MAX: usize = 100;

/// Where looking stands.
#[derive(Debug)]
pub struct Looks {
    /// What is not known to be stuck was looked at up to this one, if not to the end.
    fresh_up_to: Option<String>,
    /// What was stuck when it was looked at, as it was then.
    stuck: BTreeMap<String, Awaited>,
    /// The same of that.
    stuck_up_to: Option<String>,
    /// Whether something is stuck no more since it was asked for the pause.
    is_freed: bool,
    /// The pause after all was looked at.
    pause: Duration,
}

impl Default for Looks {
    fn default() -> Self {
        Self {
            fresh_up_to: None,
            stuck: BTreeMap::new(),
            stuck_up_to: None,
            is_freed: false,
            pause: LOOK_MIN,
        }
    }
}

impl Looks {
    /// Whether all that is not known to be stuck was looked at, and the next look begins anew.
    pub fn is_whole(&self) -> bool {
        self.fresh_up_to.is_none()
    }

    /// What is to be looked at now: some of what is not known to be stuck, and at its end some of the rest.
    pub fn next(&mut self, awaited: &BTreeMap<String, Awaited>) -> Vec<(String, Awaited)> {
        let stuck = &self.stuck;
        let is_fresh = |(name, one): &(&String, &Awaited)| stuck.get(*name) != Some(*one);
        let fresh = after(awaited, self.fresh_up_to.take()).filter(is_fresh);
        let mut some = taken(fresh);
        self.fresh_up_to = last(&some);
        if self.is_whole() {
            let turn = taken(after(&self.stuck, self.stuck_up_to.take()));
            self.stuck_up_to = last(&turn);
            some.extend(turn);
        }
        some
    }

    /// It is stuck, or is not.
    pub fn note(&mut self, name: &str, awaited: &Awaited, is_stuck: bool) {
        match is_stuck {
            true => drop(self.stuck.insert(name.to_owned(), awaited.clone())),
            false => self.is_freed |= self.stuck.remove(name).is_some(),
        }
    }

    /// For how long nothing is looked at now: longer each time, once all was. What freed one that was stuck may have freed
    /// all of them: as long as that is so, there is no pause.
    pub fn pause(&mut self) -> Duration {
        if std::mem::take(&mut self.is_freed) {
            self.pause = LOOK_MIN;
            return Duration::default();
        }
        if !self.is_whole() {
            return Duration::default();
        }
        let pause = self.pause;
        self.pause = Duration::from_ms(pause.as_ms() * 2).min(LOOK_MAX);
        pause
    }

    /// Something new was read: the next pause is short.
    pub fn hurry(&mut self) {
        self.pause = LOOK_MIN;
    }
}

fn after(
    of: &BTreeMap<String, Awaited>,
    name: Option<String>,
) -> impl Iterator<Item = (&String, &Awaited)> {
    let from = name.map_or(Bound::Unbounded, Bound::Excluded);
    of.range((from, Bound::Unbounded))
}

fn taken<'a>(rest: impl Iterator<Item = (&'a String, &'a Awaited)>) -> Vec<(String, Awaited)> {
    let some = rest.take(LOOKS_MAX);
    some.map(|(name, one)| (name.clone(), one.clone()))
        .collect()
}

/// Up to where these go, if there may be more.
fn last(some: &[(String, Awaited)]) -> Option<String> {
    let last = some.last().filter(|_| some.len() == LOOKS_MAX);
    last.map(|(name, _)| name.clone())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crossdock_model::{ExternalId, Timestamp};

    use super::super::standing::Heard;
    use super::*;

    fn awaited(name: &str, at_ms: i64) -> (String, Awaited) {
        let one = Awaited {
            order: ExternalId::new(name).ok(),
            updated_at: Timestamp::from_ms(at_ms),
            delivery: None,
            heard: Heard::Whole,
        };
        (name.to_owned(), one)
    }

    /// Looks as `next` says, until what is fresh was looked at; what it looked at.
    fn round(
        looks: &mut Looks,
        awaited: &BTreeMap<String, Awaited>,
        is_stuck: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let mut looked = Vec::new();
        loop {
            for (name, one) in looks.next(awaited) {
                looks.note(&name, &one, is_stuck(&name));
                looked.push(name);
            }
            if looks.is_whole() {
                return looked;
            }
        }
    }

    /// However many are stuck, a round looks at few of them, at all in turn, and at every other one.
    #[test]
    fn what_is_stuck_is_looked_at_in_turn() {
        const STUCK: usize = 1_050;
        let is_stuck = |name: &str| name.starts_with("stuck");
        let mut all: BTreeMap<_, _> = (0..STUCK)
            .map(|n| awaited(&format!("stuck{n}"), 1))
            .collect();
        let mut looks = Looks::default();
        assert_eq!(round(&mut looks, &all, is_stuck).len(), STUCK + LOOKS_MAX);
        all.extend((0..250).map(|n| awaited(&format!("new{n}"), 1)));
        let mut seen = BTreeSet::new();
        for _ in 0..STUCK.div_ceil(LOOKS_MAX) {
            let looked = round(&mut looks, &all, is_stuck);
            let (stuck, fresh): (Vec<_>, Vec<_>) =
                looked.into_iter().partition(|name| is_stuck(name));
            assert_eq!(fresh.len(), 250);
            assert!(stuck.len() <= LOOKS_MAX, "{}", stuck.len());
            seen.extend(stuck);
        }
        assert_eq!(seen.len(), STUCK);
    }

    /// Somebody maps the listing of all that wait: they are found without a pause.
    #[test]
    fn what_is_freed_at_once_is_found_at_once() {
        const STUCK: usize = 1_050;
        let mut all: BTreeMap<_, _> = (0..STUCK)
            .map(|n| awaited(&format!("stuck{n}"), 1))
            .collect();
        let mut looks = Looks::default();
        round(&mut looks, &all, |_| true);
        let pauses: Vec<Duration> = (0..10).map(|_| looks.pause()).collect();
        assert_eq!((pauses[0], pauses[9]), (LOOK_MIN, LOOK_MAX));
        let mut rounds = 0;
        while !all.is_empty() {
            let found = round(&mut looks, &all, |_| false);
            all.retain(|name, _| !found.contains(name));
            assert_eq!(looks.pause(), Duration::default());
            rounds += 1;
        }
        assert_eq!(rounds, STUCK.div_ceil(LOOKS_MAX));
        assert_eq!(looks.pause(), LOOK_MIN);
    }

    /// One that was stated anew, or is stuck no more, is looked at with every round.
    #[test]
    fn what_is_told_anew_is_not_taken_for_stuck() {
        let mut all: BTreeMap<_, _> = (0..300).map(|n| awaited(&format!("stuck{n}"), 1)).collect();
        let mut looks = Looks::default();
        round(&mut looks, &all, |_| true);
        all.extend([awaited("stuck299", 2)]);
        let is_stuck = |name: &str| name != "stuck299";
        for _ in 0..3 {
            let looked = round(&mut looks, &all, is_stuck);
            assert!(looked.contains(&"stuck299".to_owned()), "{looked:?}");
        }
    }
}
