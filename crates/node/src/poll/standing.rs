//! Where the reading of a channel's orders stands: kept in the channel, as texts that only this knows.

use std::collections::BTreeMap;

use crossdock_model::v1::Polled;
use crossdock_model::{Duration, ExternalId, Timestamp};
use serde::{Deserialize, Serialize};

/// Orders that were read and are not placed that are kept by name. Beyond that the place from which all is read again
/// after a restart stays where it is.
const AWAITED_MAX: usize = 1_000;
/// If nothing else has changed, it is kept that often how far orders are settled.
const SETTLED_EVERY: Duration = Duration::from_minutes(5);

/// How much of an order's state of some time was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Heard {
    /// Nothing: reading it failed, and is tried again.
    Unread,
    /// What was there while the second of that time was not over, or what was known without reading: more of the same
    /// time may come.
    Early,
    /// All that there is of that time.
    Whole,
}

/// Something that is listed and not placed yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaited {
    /// The order. `None`: its statement cannot be read.
    pub order: Option<ExternalId>,
    /// The channel's time of what was read of it.
    pub updated_at: Timestamp,
    /// The delivery that it was stored as, if it had to be.
    pub delivery: Option<String>,
    /// How much of it was read.
    pub heard: Heard,
}

/// Where reading stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The channel's own cursor.
    pub cursor: String,
    /// What was read and is not placed, by what names it: nothing is proven while there is any.
    pub awaited: BTreeMap<String, Awaited>,
    /// Orders that changed up to then were read, and what they sold is taken off stock or waits for a person.
    pub settled: Timestamp,
    /// Where reading goes on of what the channel sends itself, while that is read apart.
    pub theirs: Option<String>,
}

impl Standing {
    /// Nothing read yet of what changes from then on.
    pub fn at(cursor: String, now: Timestamp) -> Self {
        Self {
            cursor,
            awaited: BTreeMap::new(),
            settled: now,
            theirs: None,
        }
    }

    /// As it was kept. What something else has written there is passed over.
    pub fn read(kept: &Polled) -> Self {
        let awaited = kept.awaited.iter();
        let awaited = awaited.filter_map(|(name, text)| {
            let awaited = serde_json::from_str(text).ok()?;
            Some((name.clone(), awaited))
        });
        Self {
            cursor: kept.cursor.clone(),
            awaited: awaited.collect(),
            settled: kept.read_up_to,
            theirs: kept.theirs.clone(),
        }
    }

    /// Whether something has changed that is worth keeping.
    pub fn differs(&self, kept: &Self) -> bool {
        let is_kept = self.awaited.len() <= AWAITED_MAX;
        let is_old = self.settled >= kept.settled + SETTLED_EVERY;
        let has_moved = self.cursor != kept.cursor || self.theirs != kept.theirs;
        is_kept && (is_old || has_moved || self.awaited != kept.awaited)
    }

    /// What has changed since it was kept.
    pub fn since(&self, kept: &Self) -> Polled {
        let awaited = self.awaited.iter();
        let awaited = awaited.filter(|(name, one)| kept.awaited.get(*name) != Some(*one));
        let texts = awaited.filter_map(|(name, one)| {
            let text = serde_json::to_string(one).ok()?;
            Some((name.clone(), text))
        });
        let placed = kept.awaited.keys();
        let placed = placed.filter(|name| !self.awaited.contains_key(*name));
        Polled {
            cursor: self.cursor.clone(),
            read_up_to: self.settled,
            awaited: texts.collect(),
            placed: placed.cloned().collect(),
            theirs: self.theirs.clone(),
        }
    }

    /// What is waited for of an order.
    pub fn of(&self, order: &ExternalId) -> Option<&Awaited> {
        self.awaited.get(&name_of(order))
    }

    /// It is waited for no more.
    pub fn forget(&mut self, order: &ExternalId) {
        self.awaited.remove(&name_of(order));
    }

    /// Waits for it; what was read of the same before is over.
    pub fn wait_for(&mut self, awaited: Awaited) {
        let order = awaited.order.as_ref().map(name_of);
        let name = order.or_else(|| {
            let delivery = awaited.delivery.as_ref();
            delivery.map(|delivery| format!("delivery:{delivery}"))
        });
        self.awaited.extend(name.map(|name| (name, awaited)));
    }
}

fn name_of(order: &ExternalId) -> String {
    format!("order:{order}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn awaited(order: u32) -> Awaited {
        Awaited {
            order: ExternalId::new(order.to_string()).ok(),
            updated_at: Timestamp::from_ms(5),
            delivery: Some(format!("read/{order}")),
            heard: Heard::Whole,
        }
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    /// What is told is what has changed, and all of it together is what there is.
    #[test]
    fn what_is_kept_is_what_has_changed() {
        let kept = Standing::at("page 7".to_owned(), at(5));
        let mut standing = kept.clone();
        standing.wait_for(awaited(1));
        standing.wait_for(awaited(1));
        standing.wait_for(Awaited {
            order: None,
            ..awaited(1)
        });
        assert_eq!(standing.awaited.len(), 2);
        let told = standing.since(&kept);
        assert_eq!(Standing::read(&told), standing);
        let mut later = standing.clone();
        later.theirs = Some("page 3".to_owned());
        assert!(later.differs(&standing));
        assert_eq!(Standing::read(&later.since(&Standing::default())), later);
        later.wait_for(awaited(2));
        later.awaited.remove("order:1");
        let told = later.since(&standing);
        let awaited: Vec<&str> = told.awaited.iter().map(|(name, _)| &**name).collect();
        assert_eq!(
            (awaited, told.placed),
            (vec!["order:2"], vec!["order:1".to_owned()])
        );
        let other = ("order:9".to_owned(), "something else".to_owned());
        let mut told = standing.since(&kept);
        told.awaited.push(other);
        assert_eq!(Standing::read(&told), standing);
    }

    /// Of time alone it is kept now and then, and too much is not kept at all.
    #[test]
    fn it_is_kept_when_it_differs() {
        let kept = Standing::at("page 7".to_owned(), at(5));
        let mut standing = kept.clone();
        for (later, differs) in [(0, false), (299_999, false), (300_000, true)] {
            standing.settled = at(5 + later);
            assert_eq!(standing.differs(&kept), differs, "{later}");
        }
        for order in 0..=1_000 {
            assert!(standing.differs(&kept));
            standing.wait_for(awaited(order));
        }
        assert!(!standing.differs(&kept));
    }
}
