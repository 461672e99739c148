//! What SKUs say to the buckets that list them, until it is taken over.
//!
//! Only the newest statement of a SKU matters. One message is under way to a bucket at a time; what is said meanwhile
//! goes along with the next. A SKU of which something has not been taken over is marked with its checkpoint, so that
//! it speaks again after a crash.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_logic::sku::Publication;
use crossdock_model::v1::PublishedStock;
use crossdock_model::{Duration, EntityId, SkuId, Timestamp};

/// Statements in one message at most.
const STATEMENTS_MAX: usize = 256;
/// SKUs of which is known that nothing is owed. With more, some are told again after a start that need not be.
const SPOKEN_MAX: usize = 200_000;
/// First pause after a message that was not taken over; it doubles with each.
const PAUSE_MIN: Duration = Duration::from_ms(50);
/// Longest such pause.
const PAUSE_MAX: Duration = Duration::from_s(5);

/// A message to a bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Announcement {
    /// The bucket.
    pub to: EntityId,
    /// What SKUs say.
    pub stock: Vec<PublishedStock>,
}

#[derive(Debug, Default)]
struct Listener {
    news: BTreeMap<SkuId, PublishedStock>,
    under_way: Vec<PublishedStock>,
    failures: u32,
    /// Nothing is sent before.
    rests_until: Timestamp,
}

/// Statements on their way.
#[derive(Debug, Default)]
pub struct Announcer {
    listeners: BTreeMap<EntityId, Listener>,
    /// Listeners that rest after a failure.
    resting: BTreeSet<(Timestamp, EntityId)>,
    /// To how many buckets something of a SKU is owed.
    owed: BTreeMap<SkuId, usize>,
    /// The version that a SKU spoke of last. What is not here may be owed from before.
    spoken: BTreeMap<SkuId, u64>,
}

impl Announcer {
    /// A SKU speaks. Returns the messages to send now.
    pub fn say(&mut self, said: Vec<Publication>, now: Timestamp) -> Vec<Announcement> {
        let mut out = Vec::new();
        if self.spoken.len() > SPOKEN_MAX {
            self.spoken.clear();
        }
        for publication in said {
            let stock = &publication.stock;
            self.spoken.insert(stock.sku.clone(), stock.version);
            for bucket in publication.buckets {
                let to = EntityId::Bucket(publication.channel.clone(), bucket);
                self.owe(&to, publication.stock.clone());
                out.extend(self.next(&to, now));
            }
        }
        out
    }

    fn owe(&mut self, to: &EntityId, mut stock: PublishedStock) {
        let listener = self.listeners.entry(to.clone()).or_default();
        let sku = stock.sku.clone();
        let under_way = listener.under_way.iter().find(|one| one.sku == sku);
        let known = listener.news.get(&sku).or(under_way);
        if known.is_some_and(|known| known.version > stock.version && !stock.aside) {
            return;
        }
        let is_under_way = under_way.is_some();
        // The newest tells of what the one before told of, too.
        if let Some(before) = listener.news.get(&sku) {
            stock.at = stock.at.min(before.at);
        }
        if listener.news.insert(sku.clone(), stock).is_none() && !is_under_way {
            *self.owed.entry(sku).or_default() += 1;
        }
    }

    fn next(&mut self, to: &EntityId, now: Timestamp) -> Option<Announcement> {
        let listener = self.listeners.get_mut(to)?;
        if !listener.under_way.is_empty() || now < listener.rests_until {
            return None;
        }
        while listener.under_way.len() < STATEMENTS_MAX
            && let Some((_, stock)) = listener.news.pop_first()
        {
            listener.under_way.push(stock);
        }
        if listener.under_way.is_empty() {
            self.listeners.remove(to);
            return None;
        }
        Some(Announcement {
            to: to.clone(),
            stock: listener.under_way.clone(),
        })
    }

    /// A message was taken over, durably, or was not. Returns the next one.
    pub fn ended(
        &mut self,
        to: &EntityId,
        was_taken: bool,
        now: Timestamp,
    ) -> Option<Announcement> {
        let listener = self.listeners.get_mut(to)?;
        for stock in std::mem::take(&mut listener.under_way) {
            if let Some(newer) = listener.news.get_mut(&stock.sku) {
                if !was_taken {
                    newer.at = newer.at.min(stock.at);
                }
                continue;
            }
            if was_taken {
                let owed = self.owed.get_mut(&stock.sku);
                if let Some(owed) = owed.filter(|owed| **owed > 1) {
                    *owed -= 1;
                } else {
                    self.owed.remove(&stock.sku);
                }
            } else {
                listener.news.insert(stock.sku.clone(), stock);
            }
        }
        if was_taken {
            listener.failures = 0;
        } else {
            let pause = PAUSE_MIN.as_ms() << listener.failures.min(10);
            listener.failures += 1;
            listener.rests_until = now + Duration::from_ms(pause).min(PAUSE_MAX);
            self.resting.insert((listener.rests_until, to.clone()));
        }
        self.next(to, now)
    }

    /// Messages whose pause is over.
    pub fn due(&mut self, now: Timestamp) -> Vec<Announcement> {
        let mut out = Vec::new();
        while let Some((at, to)) = self.resting.first().cloned()
            && at <= now
        {
            self.resting.remove(&(at, to.clone()));
            out.extend(self.next(&to, now));
        }
        out
    }

    /// When the next pause is over.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.resting.first().map(|(at, _)| *at)
    }

    /// Whether all that the SKU says at that version has been taken over.
    #[must_use]
    pub fn is_told(&self, sku: &SkuId, version: u64) -> bool {
        self.spoken.get(sku) == Some(&version) && !self.owed.contains_key(sku)
    }

    /// How many SKUs something is owed of.
    #[must_use]
    pub fn owed_skus(&self) -> usize {
        self.owed.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossdock_model::v1::Tracking;

    /// It says that much since its version came, in milliseconds.
    fn said(sku: &str, version: u64, buckets: &[u16]) -> Vec<Publication> {
        vec![Publication {
            channel: "shop".parse().unwrap(),
            buckets: buckets.to_vec(),
            stock: PublishedStock {
                sku: SkuId::new(sku).unwrap(),
                version,
                tracking: Tracking::Tracked,
                ats: Vec::new(),
                sold: Vec::new(),
                sold_units: 0,
                sole: true,
                rates: Vec::new(),
                aside: false,
                at: Timestamp::from_ms(i64::try_from(version).unwrap()),
            },
        }]
    }

    fn bucket(number: u16) -> EntityId {
        EntityId::Bucket("shop".parse().unwrap(), number)
    }

    fn ms(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    /// SKU and version of all that is sent.
    fn sent(out: impl IntoIterator<Item = Announcement>) -> Vec<(String, u64)> {
        let stock = out.into_iter().flat_map(|one| one.stock);
        stock
            .map(|one| (one.sku.to_string(), one.version))
            .collect()
    }

    fn list(rows: &[(&str, u64)]) -> Vec<(String, u64)> {
        rows.iter()
            .map(|(sku, version)| ((*sku).to_owned(), *version))
            .collect()
    }

    #[test]
    fn the_newest_goes_out_when_the_last_was_taken() {
        let mut all = Announcer::default();
        assert_eq!(sent(all.say(said("A", 1, &[1]), ms(0))), list(&[("A", 1)]));
        assert_eq!(sent(all.say(said("A", 2, &[1]), ms(0))), []);
        assert_eq!(sent(all.say(said("A", 3, &[1]), ms(0))), []);
        assert_eq!(sent(all.say(said("A", 2, &[1]), ms(0))), []);
        assert_eq!(sent(all.say(said("B", 7, &[1]), ms(0))), []);
        assert!(!all.is_told(&SkuId::new("A").unwrap(), 3));
        let next = all.ended(&bucket(1), true, ms(1));
        assert_eq!(sent(next), list(&[("A", 3), ("B", 7)]));
        assert_eq!(all.owed_skus(), 2);
        assert_eq!(all.ended(&bucket(1), true, ms(2)), None);
        assert_eq!(all.owed_skus(), 0);
    }

    #[test]
    fn what_is_said_is_as_old_as_the_oldest_that_was_not_taken() {
        let mut all = Announcer::default();
        let ages = |out: Option<Announcement>| -> Vec<Timestamp> {
            let stock = out.into_iter().flat_map(|one| one.stock);
            stock.map(|one| one.at).collect()
        };
        all.say(said("A", 1, &[1]), ms(0));
        all.say(said("A", 2, &[1]), ms(0));
        all.say(said("A", 3, &[1]), ms(0));
        assert_eq!(ages(all.ended(&bucket(1), true, ms(1))), [ms(2)]);
        all.say(said("A", 4, &[1]), ms(1));
        assert_eq!(ages(all.ended(&bucket(1), false, ms(1))), []);
        assert_eq!(ages(all.due(ms(60)).pop()), [ms(2)]);
    }

    #[test]
    fn a_sku_is_owed_of_until_all_its_buckets_have_taken_it() {
        let mut all = Announcer::default();
        assert_eq!(all.say(said("A", 1, &[1, 2]), ms(0)).len(), 2);
        let a = SkuId::new("A").unwrap();
        all.ended(&bucket(1), true, ms(1));
        assert!(!all.is_told(&a, 1));
        all.ended(&bucket(2), true, ms(1));
        assert!(all.is_told(&a, 1));
        assert!(!all.is_told(&a, 2), "it has not spoken yet");
    }

    #[test]
    fn what_was_not_taken_is_sent_again_after_a_pause_that_grows() {
        let mut all = Announcer::default();
        all.say(said("A", 1, &[1]), ms(0));
        assert_eq!(all.ended(&bucket(1), false, ms(0)), None);
        assert_eq!(sent(all.say(said("A", 2, &[1]), ms(1))), []);
        assert_eq!(all.next_due(), Some(ms(50)));
        assert_eq!(sent(all.due(ms(49))), []);
        assert_eq!(sent(all.due(ms(50))), list(&[("A", 2)]));
        assert_eq!(all.ended(&bucket(1), false, ms(60)), None);
        assert_eq!(all.next_due(), Some(ms(160)));
        assert_eq!(sent(all.due(ms(160))), list(&[("A", 2)]));
        assert_eq!(all.ended(&bucket(1), true, ms(161)), None);
        assert_eq!((all.owed_skus(), all.next_due()), (0, None));
        assert!(all.listeners.is_empty());
    }
}
