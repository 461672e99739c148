//! Fewer units on hand than committed: orders are asked to give theirs back, latest promise first.

use crossdock_model::command::OrderCommand;
use crossdock_model::v1::{AttemptId, SkuEvent};
use crossdock_model::{Answer, LocationId, Timestamp};

use super::draft::Draft;
use super::state::Place;
use super::{ASK_AFTER, ASK_BACK_PAUSE_MAX, ASKED_BACK_MAX, SHORT, backoff};
use crate::decider::Decision;

impl Draft<'_> {
    /// An order keeps its units: the next one is asked.
    pub fn kept(mut self, id: &AttemptId, location: &LocationId) -> Decision<SkuEvent> {
        let place = self.state.places.get(location);
        if place.is_none_or(|place| !place.asked.contains_key(id)) {
            return Decision::unchanged(Answer::Done);
        }
        self.events.push(SkuEvent::KeptBy {
            id: id.clone(),
            location: location.clone(),
        });
        self.given_back.insert((location.clone(), id.clone()));
        self.change(location, |_| {});
        self.finish(Answer::Done)
    }

    /// At each location that the decision touches: asks the next order if units are missing, opens the
    /// exception once nobody is left to ask or somebody does not answer, and closes it once all are covered.
    pub fn ask_back(&mut self) {
        if self.state.is_untracked() {
            return;
        }
        let unknown = Place::default();
        let state = self.state;
        for location in self.touched() {
            let place = state.places.get(&location);
            let place = place.map_or(&unknown, |place| &**place);
            if self.sums(&location).covered() {
                let how = "every committed unit is on hand again";
                self.close_exception(SHORT, &location, place.short, how);
                continue;
            }
            let open = place.asked.iter();
            let open = open.filter(|(id, _)| !self.is_answered(&location, id));
            let open = open.map(|(id, asked)| {
                let again = self.asked_again.get(&(location.clone(), id.clone()));
                again.unwrap_or(asked).is_silent()
            });
            let open: Vec<bool> = open.collect();
            if open.contains(&false) {
                continue;
            }
            let next = self.last_promised(&location, place);
            let next = next.filter(|_| open.len() < ASKED_BACK_MAX);
            if next.is_none() || !open.is_empty() {
                self.open_short(&location, place);
            }
            if let Some(id) = next {
                self.ask_for(&location, &id, 0);
            }
        }
    }

    fn is_answered(&self, location: &LocationId, id: &AttemptId) -> bool {
        self.given_back.contains(&(location.clone(), id.clone()))
    }

    /// The order with the latest promise that has not been asked yet.
    fn last_promised(&self, location: &LocationId, place: &Place) -> Option<AttemptId> {
        let fresh = self.committed.iter().filter(|(at, _, _)| at == location);
        let fresh = fresh.map(|(_, promised_at, id)| (*promised_at, id)).max();
        let open = |id: &&AttemptId| {
            let asked = place.kept.contains(*id) || place.asked.contains_key(*id);
            !asked && !self.is_answered(location, id)
        };
        let known = place.by_promise.iter().rev();
        let known = known.map(|(promised_at, id)| (*promised_at, id));
        let known = known.into_iter().find(|(_, id)| open(id));
        let fresh = fresh.filter(|(_, id)| open(id));
        known.max(fresh).map(|(_, id)| id.clone())
    }

    fn ask_for(&mut self, location: &LocationId, id: &AttemptId, asks: u32) -> Timestamp {
        let ask_at = self.now + backoff(ASK_AFTER, asks, ASK_BACK_PAUSE_MAX);
        self.events.push(SkuEvent::AskedBack {
            id: id.clone(),
            location: location.clone(),
            ask_at,
        });
        let give_back = OrderCommand::GiveBack {
            sku: self.sku.clone(),
            attempt: id.attempt,
            location: location.clone(),
        };
        self.tell(&id.order, give_back);
        ask_at
    }

    /// An order has not answered: it is asked again, and others with it once that was in vain for long.
    pub fn ask_back_again(&mut self, location: &LocationId, id: &AttemptId) {
        let state = self.state;
        let place = state.places.get(location);
        if let Some(asked) = place.and_then(|place| place.asked.get(id)) {
            let ask_at = self.ask_for(location, id, asked.asks.saturating_add(1));
            let key = (location.clone(), id.clone());
            self.asked_again.insert(key, asked.again(ask_at));
            self.change(location, |_| {});
        }
    }

    fn open_short(&mut self, location: &LocationId, place: &Place) {
        let sums = self.sums(location);
        let missing = sums.lacking();
        let cause =
            format!("{missing} committed units are missing at {location}: no order gives any back");
        let evidence = vec![
            ("on_hand".to_owned(), sums.on_hand.to_string()),
            ("unavailable".to_owned(), sums.unavailable.to_string()),
            ("committed".to_owned(), sums.committed.to_string()),
        ];
        self.open_exception(SHORT, location, place.short, cause, evidence);
    }
}
