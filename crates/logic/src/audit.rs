//! An audit of the log: what each SKU has promised, folded from records alone. A decider looks before it promises; this looks
//! at what was written, and knows nothing of how it was decided.
//!
//! It holds the log to two promises:
//! - `I1`: units are granted (reserved, or held) only where so many are on hand, can be sold, and are not granted to
//!   somebody else. Less may be found later than was thought; nothing is granted then.
//! - `I2`: each record of a SKU follows the one before, and what ends was begun.

use std::collections::BTreeMap;

use crossdock_model::v1::{AttemptId, Event, Record, SkuEvent, Take, Tracking};
use crossdock_model::{EntityId, HoldId, LocationId, SkuId, Timestamp};
use thiserror::Error;

/// A promise that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{promise} does not hold: {what}")]
pub struct Unsound {
    /// Which, by name.
    pub promise: &'static str,
    /// What was seen.
    pub what: String,
}

/// What was folded so far.
#[derive(Debug, Default)]
pub struct Audit {
    /// None: it broke a promise, and what follows says nothing.
    skus: BTreeMap<SkuId, Option<Account>>,
}

/// What a SKU has promised.
#[derive(Debug, Default)]
struct Account {
    version: u64,
    /// Units of it are not counted: there are always enough.
    is_untracked: bool,
    places: BTreeMap<LocationId, Place>,
    holds: BTreeMap<HoldId, (Vec<Take>, Timestamp)>,
    /// Units that each attempt has where.
    attempts: BTreeMap<AttemptId, BTreeMap<LocationId, Granted>>,
}

/// Units at a location.
#[derive(Debug, Default)]
struct Place {
    sellable: i64,
    granted: i64,
}

#[derive(Debug, Default)]
struct Granted {
    units: i64,
    settled: i64,
}

type Audited = Result<(), String>;

impl Audit {
    /// Takes the next record of an entity in. Only SKUs promise units; of one that has broken a promise nothing more is said.
    ///
    /// # Errors
    /// [`Unsound`].
    pub fn fold(&mut self, entity: &EntityId, record: &Record) -> Result<(), Unsound> {
        let EntityId::Sku(sku) = entity else {
            return Ok(());
        };
        let known = self.skus.entry(sku.clone());
        let account = known.or_insert_with(|| Some(Account::default()));
        let folded = account.as_mut().map_or(Ok(()), |one| one.record(record));
        folded.map_err(|(promise, what)| {
            *account = None;
            let what = format!("{entity} version {}: {what}", record.version);
            Unsound { promise, what }
        })
    }
}

impl Account {
    fn record(&mut self, record: &Record) -> Result<(), (&'static str, String)> {
        self.version += 1;
        if record.version != self.version {
            return Err(("I2", format!("{} was expected", self.version)));
        }
        for event in &record.events {
            let Event::Sku(event) = event else { continue };
            self.fold(event, record.at).map_err(|what| ("I2", what))?;
            if let SkuEvent::Reserved { takes, .. } | SkuEvent::Held { takes, .. } = event {
                self.covers(takes).map_err(|what| ("I1", what))?;
            }
        }
        Ok(())
    }

    fn fold(&mut self, event: &SkuEvent, at: Timestamp) -> Audited {
        match event {
            SkuEvent::Defined { tracking, .. } => {
                self.is_untracked = *tracking == Tracking::Untracked;
            }
            SkuEvent::Moved {
                location,
                on_hand_delta,
                unavailable_delta,
                ..
            } => self.place(location).sellable += on_hand_delta - unavailable_delta,
            SkuEvent::Held {
                hold,
                takes,
                expires_at,
            } => {
                let held = (takes.clone(), *expires_at);
                self.grant(takes, 1);
                if self.holds.insert(hold.clone(), held).is_some() {
                    return Err(format!("hold {hold} was granted twice"));
                }
            }
            SkuEvent::HoldExpired { hold } => drop(self.end_hold(hold)?),
            // One that was never granted may be given back.
            SkuEvent::HoldReleased { hold } => drop(self.end_hold(hold)),
            SkuEvent::HoldConfirmed { hold, .. } => return self.confirm_hold(hold, at),
            SkuEvent::Reserved { id, takes, .. } => {
                self.grant(takes, 1);
                if self.attempts.contains_key(id) {
                    return Err(format!("{id:?} was reserved twice"));
                }
                let attempt = self.attempts.entry(id.clone()).or_default();
                for take in takes {
                    let granted = attempt.entry(take.location.clone()).or_default();
                    granted.units += i64::from(take.units);
                }
            }
            SkuEvent::Confirmed { id } if !self.attempts.contains_key(id) => {
                return Err(format!("{id:?} was confirmed and is not reserved"));
            }
            SkuEvent::Released { id } => self.release(id),
            SkuEvent::Settled {
                id,
                location,
                shipped_units,
                released_units,
                ..
            } => return self.settle(id, location, shipped_units + released_units),
            _ => {}
        }
        Ok(())
    }

    fn place(&mut self, location: &LocationId) -> &mut Place {
        self.places.entry(location.clone()).or_default()
    }

    fn grant(&mut self, takes: &[Take], sign: i64) {
        for take in takes {
            self.place(&take.location).granted += sign * i64::from(take.units);
        }
    }

    /// Returns when it runs out, or ran out.
    fn end_hold(&mut self, hold: &HoldId) -> Result<Timestamp, String> {
        let known = self.holds.remove(hold);
        let (takes, expires_at) = known.ok_or_else(|| format!("hold {hold} is not known"))?;
        self.grant(&takes, -1);
        Ok(expires_at)
    }

    fn confirm_hold(&mut self, hold: &HoldId, at: Timestamp) -> Audited {
        let expires_at = self.end_hold(hold)?;
        match at < expires_at {
            true => Ok(()),
            false => Err(format!("hold {hold} was confirmed after it had run out")),
        }
    }

    /// One that was never granted may be closed.
    fn release(&mut self, id: &AttemptId) {
        for (location, granted) in self.attempts.remove(id).into_iter().flatten() {
            self.place(&location).granted -= granted.units - granted.settled;
        }
    }

    /// So many units of an attempt are settled in all.
    fn settle(&mut self, id: &AttemptId, location: &LocationId, settled: u32) -> Audited {
        let attempt = self.attempts.get_mut(id);
        let granted = attempt.and_then(|attempt| attempt.get_mut(location));
        let granted = granted.ok_or_else(|| format!("{id:?} has nothing at {location}"))?;
        let settled = i64::from(settled);
        if settled < granted.settled || settled > granted.units {
            return Err(format!("{id:?} settles {settled} units of {granted:?}"));
        }
        let more = settled - granted.settled;
        granted.settled = settled;
        self.place(location).granted -= more;
        let over = |attempt: &BTreeMap<LocationId, Granted>| {
            attempt
                .values()
                .all(|granted| granted.settled == granted.units)
        };
        if self.attempts.get(id).is_some_and(over) {
            self.attempts.remove(id);
        }
        Ok(())
    }

    /// Whether what was granted is there.
    fn covers(&self, takes: &[Take]) -> Audited {
        for take in takes.iter().filter(|_| !self.is_untracked) {
            let place = self.places.get(&take.location);
            if place.is_none_or(|place| place.granted > place.sellable) {
                return Err(format!(
                    "{} units at {}: {place:?}",
                    take.units, take.location
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crossdock_model::v1::Sale;
    use crossdock_model::{ChannelId, CredentialId, ExternalId, Meta, OrderId};

    use super::*;

    fn take(units: u32) -> Vec<Take> {
        let location = LocationId::new("L").unwrap();
        vec![Take { location, units }]
    }

    fn attempt(order: &str) -> AttemptId {
        let order = OrderId {
            channel: ChannelId::checked("shop").unwrap(),
            external: ExternalId::new(order).unwrap(),
        };
        AttemptId { order, attempt: 1 }
    }

    fn reserved(order: &str, units: u32) -> SkuEvent {
        SkuEvent::Reserved {
            id: attempt(order),
            takes: take(units),
            sale: Sale::Asks,
            promised_at: Timestamp::from_ms(1),
            ask_at: Timestamp::from_ms(2),
        }
    }

    fn received(units: i64) -> SkuEvent {
        SkuEvent::Moved {
            location: LocationId::new("L").unwrap(),
            on_hand_delta: units,
            unavailable_delta: 0,
            condition: None,
            reason: crossdock_model::v1::MoveReason::Received { reference: None },
            effective_at: Timestamp::from_ms(1),
        }
    }

    fn settled(order: &str, shipped_units: u32) -> SkuEvent {
        SkuEvent::Settled {
            id: attempt(order),
            location: LocationId::new("L").unwrap(),
            shipped_units,
            released_units: 0,
            missing_units: 0,
        }
    }

    fn held(hold: &str, units: u32) -> SkuEvent {
        SkuEvent::Held {
            hold: HoldId::new(hold).unwrap(),
            takes: take(units),
            expires_at: Timestamp::from_ms(10),
        }
    }

    fn meta() -> Meta {
        Meta {
            principal: CredentialId::new("test").unwrap(),
            reason: None,
            key: None,
            body_hash: 0,
            issued_at: Timestamp::from_ms(1),
            effective_at: None,
            trace: None,
        }
    }

    /// Each event a record of its own, a millisecond after the one before.
    fn audited(events: Vec<SkuEvent>) -> Result<(), &'static str> {
        let (mut audit, entity) = (Audit::default(), EntityId::Sku(SkuId::new("A").unwrap()));
        for (version, event) in (1..).zip(events) {
            let record = Record {
                version,
                at: Timestamp::from_ms(version as i64),
                meta: meta(),
                events: vec![Event::Sku(event)],
                answer: None,
            };
            let folded = audit.fold(&entity, &record);
            folded.map_err(|unsound| unsound.promise)?;
        }
        Ok(())
    }

    #[test]
    fn what_is_granted_is_there() {
        let sound = vec![received(3), reserved("1", 2), held("h", 1)];
        assert_eq!(audited(sound.clone()), Ok(()));
        for more in [reserved("2", 1), held("g", 1)] {
            let events = sound.iter().cloned().chain([more]).collect();
            assert_eq!(audited(events), Err("I1"));
        }
        // Less was there than was thought, and what has left is granted no more.
        let events = vec![received(3), reserved("1", 3), received(-1), settled("1", 2)];
        assert_eq!(audited(events), Ok(()));
        let released = SkuEvent::Released { id: attempt("1") };
        let events = vec![received(1), reserved("1", 1), released, reserved("2", 1)];
        assert_eq!(audited(events), Ok(()));
    }

    #[test]
    fn what_ends_was_begun() {
        let confirmed = |at: i64| {
            let confirmed = SkuEvent::HoldConfirmed {
                hold: HoldId::new("h").unwrap(),
                id: attempt("1"),
            };
            let rest = (2..at).map(|_| received(1));
            [received(1), held("h", 1)]
                .into_iter()
                .chain(rest)
                .chain([confirmed])
                .collect()
        };
        assert_eq!(audited(confirmed(5)), Ok(()));
        assert_eq!(audited(confirmed(12)), Err("I2"), "it has run out");
        let hold = HoldId::new("h").unwrap();
        assert_eq!(audited(vec![SkuEvent::HoldExpired { hold }]), Err("I2"));
        assert_eq!(audited(vec![settled("1", 1)]), Err("I2"));
        let twice = vec![received(9), reserved("1", 1), reserved("1", 1)];
        assert_eq!(audited(twice), Err("I2"));
        let less = vec![
            received(9),
            reserved("1", 4),
            settled("1", 2),
            settled("1", 1),
        ];
        assert_eq!(audited(less), Err("I2"));
    }
}
