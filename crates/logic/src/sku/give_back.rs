//! Fewer units on hand than committed: orders are asked to give theirs back, latest promise first.

use crossdock_model::command::OrderCommand;
use crossdock_model::v1::{AttemptId, SkuEvent};
use crossdock_model::{Answer, LocationId};

use super::draft::Draft;
use super::state::Place;
use super::{ASK_AFTER, ASK_PAUSE_MAX, SHORT, backoff};
use crate::decider::Decision;

impl Draft<'_> {
    /// An order keeps its units: the next one is asked.
    pub fn kept(mut self, id: &AttemptId, location: &LocationId) -> Decision<SkuEvent> {
        let place = self.state.places.get(location);
        let asked = place.and_then(|place| place.asked.as_ref());
        if asked.is_none_or(|asked| asked.id != *id) {
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
    /// exception once nobody is left to ask, and closes it once all are covered.
    pub fn ask_back(&mut self) {
        if self.state.is_untracked() {
            return;
        }
        let unknown = Place::default();
        let state = self.state;
        for location in self.touched() {
            let place = state.places.get(&location).unwrap_or(&unknown);
            if self.sums(&location).covered() {
                let how = "every committed unit is on hand again";
                self.close_exception(SHORT, &location, place.short, how);
                continue;
            }
            let still_asked = place
                .asked
                .as_ref()
                .is_some_and(|asked| !self.is_answered(&location, &asked.id));
            if still_asked {
                continue;
            }
            match self.last_promised(&location, place) {
                Some(id) => self.ask_for(&location, &id, 0),
                None => self.open_short(&location, place),
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
        let open = |id: &&AttemptId| !place.kept.contains(*id) && !self.is_answered(location, id);
        let known = place.by_promise.iter().rev();
        let known = known.map(|(promised_at, id)| (*promised_at, id));
        let known = known.into_iter().find(|(_, id)| open(id));
        let fresh = fresh.filter(|(_, id)| open(id));
        known.max(fresh).map(|(_, id)| id.clone())
    }

    fn ask_for(&mut self, location: &LocationId, id: &AttemptId, asks: u32) {
        self.events.push(SkuEvent::AskedBack {
            id: id.clone(),
            location: location.clone(),
            ask_at: self.now + backoff(ASK_AFTER, asks, ASK_PAUSE_MAX),
        });
        let give_back = OrderCommand::GiveBack {
            sku: self.sku.clone(),
            attempt: id.attempt,
            location: location.clone(),
        };
        self.tell(&id.order, give_back);
    }

    /// An order has not answered: it is asked again.
    pub fn ask_back_again(&mut self, location: &LocationId) {
        let state = self.state;
        let place = state.places.get(location);
        if let Some(asked) = place.and_then(|place| place.asked.as_ref()) {
            self.ask_for(location, &asked.id, asked.asks.saturating_add(1));
        }
    }

    fn open_short(&mut self, location: &LocationId, place: &Place) {
        let sums = self.sums(location);
        let missing = sums.committed + sums.unavailable - sums.on_hand;
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
