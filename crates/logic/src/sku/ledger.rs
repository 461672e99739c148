//! The ledger: every unit's movement is an entry, and the entries of a location sum to its balances.

use crossdock_model::v1::{
    Condition, ExceptionClosed, ExceptionKey, ExceptionOpened, MoveReason, SkuEvent,
};
use crossdock_model::{LocationId, Timestamp};

use super::draft::Draft;
use super::state::{Episodes, LastCount};
use super::{COUNT_AMBIGUITY, DRIFT};

impl Draft<'_> {
    /// Enters a movement that took effect at the command's effective time. One that took effect before the
    /// count that balances follow was in that count: its effect on what is on hand is taken back by another
    /// entry, so that the unit is not counted twice.
    pub fn move_units(
        &mut self,
        location: &LocationId,
        on_hand: i64,
        unavailable: i64,
        condition: Option<Condition>,
        reason: MoveReason,
    ) {
        let state = self.state;
        let place = state.places.get(location);
        let last = place.and_then(|place| place.last_count.as_ref());
        let last = last.filter(|_| on_hand != 0);
        let effective_at = self.effective_at;
        // Between the two entries there are never more units than before or after: whoever was asked for missing
        // ones is not let off by the way.
        if let Some(last) = last.filter(|_| on_hand > 0) {
            self.correct_late(location, on_hand, &reason, last);
        }
        self.enter(SkuEvent::Moved {
            location: location.clone(),
            on_hand_delta: on_hand,
            unavailable_delta: unavailable,
            condition,
            reason: reason.clone(),
            effective_at,
        });
        if let Some(last) = last.filter(|_| on_hand < 0) {
            self.correct_late(location, on_hand, &reason, last);
        }
        if on_hand < 0 {
            self.fit_unavailable(location, &reason, effective_at);
            self.watch_below_zero(location);
        }
    }

    /// Units that are not on hand any more are not unavailable any more either.
    pub fn fit_unavailable(
        &mut self,
        location: &LocationId,
        reason: &MoveReason,
        effective_at: Timestamp,
    ) {
        let sums = self.sums(location);
        let mut excess = sums.unavailable - sums.on_hand.max(0);
        let marked = self.state.places.get(location);
        for (condition, marked) in marked.iter().flat_map(|place| &place.unavailable) {
            let gone = excess.min(marked + self.marked_here(location, *condition));
            if gone <= 0 {
                continue;
            }
            excess -= gone;
            self.enter(SkuEvent::Moved {
                location: location.clone(),
                on_hand_delta: 0,
                unavailable_delta: -gone,
                condition: Some(*condition),
                reason: reason.clone(),
                effective_at,
            });
        }
    }

    /// How this decision changes what is unavailable there for that reason.
    fn marked_here(&self, location: &LocationId, condition: Condition) -> i64 {
        let deltas = self.events.iter().map(|event| match event {
            SkuEvent::Moved {
                location: at,
                unavailable_delta,
                condition: Some(of),
                ..
            } if at == location && *of == condition => *unavailable_delta,
            _ => 0,
        });
        deltas.sum()
    }

    /// More units left than were known to be there: whoever counts next is told.
    fn watch_below_zero(&mut self, location: &LocationId) {
        let on_hand = self.sums(location).on_hand;
        if on_hand < 0 {
            let cause = format!(
                "{} more units left {location} than were on hand: count it",
                on_hand.unsigned_abs()
            );
            let evidence = vec![("on_hand".to_owned(), on_hand.to_string())];
            self.open_drift(location, cause, evidence);
        }
    }

    fn correct_late(
        &mut self,
        location: &LocationId,
        on_hand: i64,
        reason: &MoveReason,
        last: &LastCount,
    ) {
        let counted_at = last.effective_at;
        let gap = counted_at
            .since(self.effective_at)
            .max(self.effective_at.since(counted_at));
        // A fresh movement right after a count is business as usual; one told of late may be in the count.
        if self.effective_at < self.now && gap <= COUNT_AMBIGUITY {
            self.open_count_drift(location, counted_at);
        }
        let order = reason.allocated_to();
        let unseen = order.is_some_and(|order| last.basis.leaves_out(&order.channel));
        if self.effective_at < counted_at && !unseen {
            let source = last.source.clone();
            self.enter(SkuEvent::Moved {
                location: location.clone(),
                on_hand_delta: -on_hand,
                unavailable_delta: 0,
                condition: None,
                reason: MoveReason::Counted { source },
                effective_at: counted_at,
            });
        }
    }

    /// Drafts a ledger entry as it stands.
    pub fn enter(&mut self, entry: SkuEvent) {
        if let SkuEvent::Moved {
            location,
            on_hand_delta,
            unavailable_delta,
            ..
        } = &entry
        {
            self.change(location, |sums| {
                sums.on_hand += on_hand_delta;
                sums.unavailable += unavailable_delta;
            });
        }
        self.events.push(entry);
    }

    /// A count and a movement near it cannot be told apart.
    pub fn open_count_drift(&mut self, location: &LocationId, counted_at: Timestamp) {
        let cause = format!("units moved at {location} so near to a count that they may be in it");
        let evidence = vec![
            ("counted_at_ms".to_owned(), counted_at.as_ms().to_string()),
            (
                "ambiguity_ms".to_owned(),
                COUNT_AMBIGUITY.as_ms().to_string(),
            ),
        ];
        self.open_drift(location, cause, evidence);
    }

    fn open_drift(
        &mut self,
        location: &LocationId,
        cause: String,
        evidence: Vec<(String, String)>,
    ) {
        let known = self.state.places.get(location).map(|place| place.drift);
        self.open_exception(DRIFT, location, known.unwrap_or_default(), cause, evidence);
    }

    pub fn open_exception(
        &mut self,
        kind: &str,
        location: &LocationId,
        known: Episodes,
        cause: String,
        evidence: Vec<(String, String)>,
    ) {
        let key = self.exception_key(kind, location, known.count + 1);
        let same =
            |event: &SkuEvent| matches!(event, SkuEvent::ExceptionOpened(one) if one.key == key);
        if !known.open && !self.events.iter().any(same) {
            self.events.push(SkuEvent::ExceptionOpened(ExceptionOpened {
                key,
                cause,
                evidence,
            }));
        }
    }

    pub fn close_exception(
        &mut self,
        kind: &str,
        location: &LocationId,
        known: Episodes,
        how: &str,
    ) {
        if known.open {
            let key = self.exception_key(kind, location, known.count);
            let how = how.to_owned();
            let closed = ExceptionClosed { key, how };
            self.events.push(SkuEvent::ExceptionClosed(closed));
        }
    }

    fn exception_key(&self, kind: &str, location: &LocationId, episode: u32) -> ExceptionKey {
        ExceptionKey {
            kind: kind.to_owned(),
            subject: format!("{}@{location}", self.entity()),
            episode,
        }
    }
}
