//! Which SKUs are hot. Work is counted where it is done, exactly and without labels; who is named in figures is
//! chosen by the share of time that an actor is busy, because that is what makes others wait.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration as Wait;

use crossdock_model::command::SkuCommand;
use crossdock_model::{Command, Duration, EntityId, SkuId, Timestamp};

use crate::directory::{Directory, Mailbox};

/// SKUs that become hot with one tick at most: the busiest.
const HOT_MAX: usize = 50;
/// SKUs that are named at once, with those that were hot a short while ago.
const NAMED_MAX: usize = 2 * HOT_MAX;
/// How long one that was hot stays named, so that its figures do not come and go.
const LINGER: Duration = Duration::from_minutes(15);
/// Part of a SKU's warmth that is lost with each tick, as a divisor: half of it in eleven ticks.
const COOLING: u64 = 16;
/// How much warmer than a named SKU one must be to take its place.
const HYSTERESIS: u64 = 2;

/// Whether a command asks for units: what buyers wait for.
pub(crate) fn is_reserve(command: &Command) -> bool {
    let Command::Sku(command) = command else {
        return false;
    };
    matches!(
        command,
        SkuCommand::Reserve { .. } | SkuCommand::ReserveHeld { .. } | SkuCommand::Hold { .. }
    )
}

/// What an entity has done since it came to life.
#[derive(Debug, Default)]
pub(crate) struct Heat {
    busy_ns: AtomicU64,
    requests: AtomicU64,
    wait_ns: AtomicU64,
    refused: AtomicU64,
    /// `busy_ns` as of the last tick.
    ticked_ns: AtomicU64,
    /// Work of the last ticks, the older the less.
    warmth_ns: AtomicU64,
    named: AtomicBool,
}

/// Work that was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Work {
    busy_ns: u64,
    requests: u64,
    wait_ns: u64,
    refused: u64,
}

impl Heat {
    /// Some messages were handled, among them requests for units that waited that long.
    pub fn handled(&self, busy: Wait, waits: &[Wait]) {
        self.busy_ns.fetch_add(nanoseconds(busy), Relaxed);
        if !waits.is_empty() {
            self.requests.fetch_add(waits.len() as u64, Relaxed);
            let waited = waits.iter().copied().sum();
            self.wait_ns.fetch_add(nanoseconds(waited), Relaxed);
        }
    }

    /// A request for units was refused.
    pub fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// Whether figures name it.
    pub fn is_hot(&self) -> bool {
        self.named.load(Relaxed)
    }

    fn work(&self) -> Work {
        Work {
            busy_ns: self.busy_ns.load(Relaxed),
            requests: self.requests.load(Relaxed),
            wait_ns: self.wait_ns.load(Relaxed),
            refused: self.refused.load(Relaxed),
        }
    }

    /// Its warmth after a tick; only the one who ticks calls it.
    fn tick(&self) -> u64 {
        let busy = self.busy_ns.load(Relaxed);
        let since = busy - self.ticked_ns.swap(busy, Relaxed);
        let before = self.warmth_ns.load(Relaxed);
        let warmth = before - before / COOLING + since;
        self.warmth_ns.store(warmth, Relaxed);
        warmth
    }
}

fn nanoseconds(time: Wait) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl std::ops::Add for Work {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            busy_ns: self.busy_ns + other.busy_ns,
            requests: self.requests + other.requests,
            wait_ns: self.wait_ns + other.wait_ns,
            refused: self.refused + other.refused,
        }
    }
}

/// A hot SKU, with what it has done since it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HotSku {
    /// The SKU.
    pub sku: SkuId,
    /// Time its actor worked.
    pub busy: Wait,
    /// Reservations and holds asked for.
    pub requests: u64,
    /// Time they waited in its queue, all together.
    pub waited: Wait,
    /// Those refused.
    pub refused: u64,
    /// Messages in its queue now.
    pub queued: usize,
    /// Units available to sell, as last announced.
    pub available_units: Option<u64>,
}

struct Named {
    mailbox: Arc<Mailbox>,
    /// What its earlier lives did: counters must not fall.
    before: Work,
    hot_at: Timestamp,
}

impl Named {
    /// Goes on with the mailbox of another life.
    fn follow(&mut self, mailbox: &Arc<Mailbox>) {
        if !Arc::ptr_eq(&self.mailbox, mailbox) {
            self.before = self.before + self.mailbox.heat.work();
            self.mailbox = Arc::clone(mailbox);
            mailbox.heat.named.store(true, Relaxed);
        }
    }
}

/// The SKUs that figures name.
#[derive(Default)]
pub(crate) struct HotList(Mutex<BTreeMap<EntityId, Named>>);

impl HotList {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<EntityId, Named>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Chooses anew, of the live entities.
    pub fn tick(&self, live: &[Arc<Mailbox>], directory: &Directory, now: Timestamp) {
        let mut named = self.lock();
        for (entity, known) in named.iter_mut() {
            if let Some(mailbox) = directory.get(entity) {
                known.follow(&mailbox);
            }
        }
        for mailbox in hottest(live) {
            let new = || Named {
                mailbox: Arc::clone(mailbox),
                before: Work::default(),
                hot_at: now,
            };
            let known = named.entry(mailbox.entity.clone()).or_insert_with(new);
            mailbox.heat.named.store(true, Relaxed);
            known.hot_at = now;
        }
        while let Some(cold) = coldest(&named, now) {
            if let Some(known) = named.remove(&cold) {
                known.mailbox.heat.named.store(false, Relaxed);
            }
        }
    }

    /// Those that are named now. `available`: units as last announced.
    pub fn read(&self, available: impl Fn(&SkuId) -> Option<u64>) -> Vec<HotSku> {
        let named = self.lock();
        let hot = named.iter().filter_map(|(entity, known)| {
            let EntityId::Sku(sku) = entity else {
                return None;
            };
            let work = known.before + known.mailbox.heat.work();
            Some(HotSku {
                sku: sku.clone(),
                busy: Wait::from_nanos(work.busy_ns),
                requests: work.requests,
                waited: Wait::from_nanos(work.wait_ns),
                refused: work.refused,
                queued: known.mailbox.queue().len(),
                available_units: available(sku),
            })
        });
        hot.collect()
    }
}

/// The busiest SKUs of this tick.
fn hottest(live: &[Arc<Mailbox>]) -> Vec<&Arc<Mailbox>> {
    let skus = live
        .iter()
        .filter(|mailbox| matches!(mailbox.entity, EntityId::Sku(_)));
    let mut warm: Vec<(u64, &Arc<Mailbox>)> = skus
        .map(|mailbox| {
            let favour = if mailbox.heat.is_hot() { HYSTERESIS } else { 1 };
            (mailbox.heat.tick().saturating_mul(favour), mailbox)
        })
        .filter(|(warmth, _)| *warmth > 0)
        .collect();
    warm.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
    warm.truncate(HOT_MAX);
    warm.into_iter().map(|(_, mailbox)| mailbox).collect()
}

/// One to be named no more: not hot for long, or one too many.
fn coldest(named: &BTreeMap<EntityId, Named>, now: Timestamp) -> Option<EntityId> {
    let (entity, known) = named.iter().min_by_key(|(_, known)| known.hot_at)?;
    let is_over = known.hot_at + LINGER < now || named.len() > NAMED_MAX;
    is_over.then(|| entity.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossdock_journal::OwnerId;

    fn mailbox(sku: &str) -> Arc<Mailbox> {
        Arc::new(Mailbox::new(format!("sku:{sku}").parse().unwrap(), 0))
    }

    fn names(list: &HotList) -> Vec<String> {
        let hot = list.read(|_| None);
        hot.into_iter().map(|hot| hot.sku.to_string()).collect()
    }

    #[test]
    fn the_busiest_are_named_and_stay_for_a_while() {
        let (list, directory) = (
            HotList::default(),
            Directory::new(Arc::default(), OwnerId(1)),
        );
        let at = Timestamp::from_ms;
        let live: Vec<_> = (0..200).map(|n| mailbox(&format!("{n:03}"))).collect();
        for (busy, mailbox) in live.iter().enumerate() {
            mailbox.heat.handled(Wait::from_micros(busy as u64), &[]);
        }
        list.tick(&live, &directory, at(0));
        assert_eq!(names(&list).len(), HOT_MAX);
        assert_eq!(names(&list)[0], "150");
        assert!(live[199].heat.is_hot() && !live[0].heat.is_hot());
        // Others are busier now: they are named as well, and those that cool down linger.
        for mailbox in &live[..60] {
            mailbox.heat.handled(Wait::from_millis(50), &[]);
        }
        list.tick(&live, &directory, at(1_000));
        assert_eq!(names(&list).len(), NAMED_MAX);
        for mailbox in &live[60..120] {
            mailbox.heat.handled(Wait::from_secs(5), &[]);
        }
        list.tick(&live, &directory, at(2_000));
        assert_eq!(names(&list).len(), NAMED_MAX, "never more");
        let none: Vec<Arc<Mailbox>> = Vec::new();
        list.tick(&none, &directory, at(2_000) + LINGER);
        assert_eq!(names(&list).len(), HOT_MAX);
        list.tick(&none, &directory, at(2_001) + LINGER);
        assert!(names(&list).is_empty());
        assert!(live.iter().all(|mailbox| !mailbox.heat.is_hot()));
    }

    /// A SKU that becomes passive and live again begins to count anew; what is told of it does not.
    #[test]
    fn counters_do_not_fall_with_a_new_life() {
        let (first, second) = (mailbox("a"), mailbox("a"));
        first
            .heat
            .handled(Wait::from_millis(3), &[Wait::from_millis(1)]);
        first.heat.refused();
        let list = HotList::default();
        let now = Timestamp::from_ms(0);
        list.tick(
            &[Arc::clone(&first)],
            &Directory::new(Arc::default(), OwnerId(1)),
            now,
        );
        second
            .heat
            .handled(Wait::from_millis(4), &[Wait::from_millis(2)]);
        for known in list.lock().values_mut() {
            known.follow(&second);
        }
        let hot = list.read(|_| Some(7));
        assert_eq!(hot.len(), 1);
        assert_eq!(hot[0].busy, Wait::from_millis(7));
        assert_eq!(hot[0].waited, Wait::from_millis(3));
        assert_eq!((hot[0].requests, hot[0].refused), (2, 1));
        assert_eq!(hot[0].available_units, Some(7));
        assert!(second.heat.is_hot());
    }
}
