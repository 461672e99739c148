//! What a person says of a SKU's exceptions.

use crossdock_model::v1::{ExceptionKey, SkuEvent};
use crossdock_model::{Answer, LocationId, Rejection};

use super::draft::Draft;
use super::{DRIFT, SHORT};
use crate::decider::Decision;
use crate::exceptions::{noted, resolved};

type Decided = Result<Decision<SkuEvent>, Rejection>;

impl Draft<'_> {
    /// Settles an open exception, unless what it tells of still holds: then only its end proves it settled.
    pub fn resolve_exception(mut self, key: &ExceptionKey, how: &str) -> Decided {
        let closed = resolved(self.has_open(key), key, how)?;
        if let Some(location) = self.location_of(key) {
            self.check_over(&key.kind, &location)?;
        }
        self.events.push(SkuEvent::ExceptionClosed(closed));
        Ok(self.finish(Answer::Done))
    }

    /// Notes what a person writes onto an open exception.
    pub fn note_exception(mut self, key: &ExceptionKey, text: &str) -> Decided {
        let noted = noted(self.has_open(key), key, text)?;
        self.events.push(SkuEvent::ExceptionNoted(noted));
        Ok(self.finish(Answer::Done))
    }

    fn location_of(&self, key: &ExceptionKey) -> Option<LocationId> {
        let location = key.subject.strip_prefix(&format!("{}@", self.entity()))?;
        location.parse().ok()
    }

    fn has_open(&self, key: &ExceptionKey) -> bool {
        let location = self.location_of(key);
        let place = location.and_then(|location| self.state.places.get(&location));
        let known = place.and_then(|place| match key.kind.as_str() {
            SHORT => Some(place.short),
            DRIFT => Some(place.drift),
            _ => None,
        });
        known.is_some_and(|known| known.open && known.count == key.episode)
    }

    fn check_over(&self, kind: &str, location: &LocationId) -> Result<(), Rejection> {
        let sums = self.sums(location);
        let lacking = match self.state.is_untracked() {
            true => 0,
            false => sums.lacking(),
        };
        let (state, hint) = match kind {
            SHORT if lacking > 0 => (
                format!("{lacking} committed units are missing at {location}"),
                "units that arrive, or orders that let go, close it",
            ),
            DRIFT if sums.on_hand < 0 => (
                format!("fewer than no units are on hand at {location}"),
                "a count closes it",
            ),
            _ => return Ok(()),
        };
        let hint = hint.to_owned();
        Err(Rejection::WrongState { state, hint })
    }
}
