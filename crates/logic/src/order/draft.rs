//! A decision in the making: each event is applied to a copy at once, so that what follows sees it.

use crossdock_model::command::SkuCommand;
use crossdock_model::v1::{AttemptId, ExceptionClosed, ExceptionKey, ExceptionOpened, OrderEvent};
use crossdock_model::{
    Answer, Command, EntityId, LocationId, Notice, OrderId, Rejection, SkuId, Timestamp,
};

use super::state::{Order, OrderState};
use crate::decider::{Asked, Decision};

pub(super) struct Draft<'a> {
    pub asked: &'a Asked<'a>,
    /// The state after the events so far.
    pub order: OrderState,
    pub events: Vec<OrderEvent>,
    pub notices: Vec<Notice>,
    /// Somebody states the order, and waits for what becomes of it.
    pub asked_again: bool,
    /// By when a location that was asked in this decision acknowledges a request made out now.
    pub location_said: Option<(LocationId, Timestamp)>,
    /// An event could not be applied: the actor will stop on it, nothing may follow.
    broken: bool,
}

impl<'a> Draft<'a> {
    pub fn begin(state: &OrderState, asked: &'a Asked<'a>) -> Self {
        let mut draft = Self {
            asked,
            order: state.clone(),
            events: Vec::new(),
            notices: Vec::new(),
            asked_again: false,
            location_said: None,
            broken: false,
        };
        draft.expire_hold();
        draft
    }

    pub fn emit(&mut self, event: OrderEvent) {
        if self.broken {
            return;
        }
        let applied = self.order.take_in(self.asked.id, &event, self.asked.now);
        self.broken = applied.is_err();
        self.events.push(event);
    }

    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// The order as it is after the events so far.
    ///
    /// # Errors
    /// [`Rejection::NotFound`] for one that was never stated.
    pub fn known(&self) -> Result<&Order, Rejection> {
        let order = self.order.order.as_deref();
        order.ok_or_else(|| Rejection::NotFound(self.asked.id.to_string()))
    }

    /// As [`Draft::known`], refusing what a closed or cancelled order cannot do.
    pub fn open(&self) -> Result<&Order, Rejection> {
        let order = self.known()?;
        match order.is_over() {
            true => Err(Rejection::wrong_status(
                order.status,
                "nothing of it is open: place a new order",
            )),
            false => Ok(order),
        }
    }

    pub fn notify(&mut self, to: EntityId, command: Command) {
        self.notices.push(Notice { to, command });
    }

    pub fn tell_sku(&mut self, sku: &SkuId, command: SkuCommand) {
        self.notify(EntityId::Sku(sku.clone()), Command::Sku(command));
    }

    pub fn order_id(&self) -> Option<OrderId> {
        match self.asked.id {
            EntityId::Order(id) => Some(id.clone()),
            _ => None,
        }
    }

    pub fn attempt_id(&self, attempt: u32) -> Option<AttemptId> {
        self.order_id().map(|order| AttemptId { order, attempt })
    }

    /// Subject of an exception about one of its requests.
    pub fn request_subject(&self, request: u32) -> String {
        format!("{}/{request}", self.asked.id)
    }

    /// Opens an exception unless it is open.
    pub fn open_exception(
        &mut self,
        kind: &str,
        subject: String,
        cause: String,
        evidence: Vec<(String, String)>,
    ) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let known = order.exceptions.get(&(kind.to_owned(), subject.clone()));
        let known = known.copied().unwrap_or_default();
        if known.open {
            return;
        }
        self.emit(OrderEvent::ExceptionOpened(ExceptionOpened {
            key: ExceptionKey {
                kind: kind.to_owned(),
                subject,
                episode: known.count + 1,
            },
            cause,
            evidence,
        }));
    }

    /// Closes the open exceptions of that kind, of that subject or of any.
    pub fn close_exception(&mut self, kind: &str, subject: Option<&str>, how: &str) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let concerned = |(name, about): &(String, String)| {
            name == kind && subject.is_none_or(|subject| subject == about)
        };
        let open = order.exceptions.iter();
        let open = open.filter(|(key, episodes)| episodes.open && concerned(key));
        let keys: Vec<_> = open
            .map(|((kind, subject), episodes)| ExceptionKey {
                kind: kind.clone(),
                subject: subject.clone(),
                episode: episodes.count,
            })
            .collect();
        for key in keys {
            let how = how.to_owned();
            self.emit(OrderEvent::ExceptionClosed(ExceptionClosed { key, how }));
        }
    }

    /// Ends the decision: whatever follows from it now happens too.
    pub fn finish(self, answer: Answer) -> Decision<OrderEvent> {
        let (mut decision, _) = self.finish_with_state();
        decision.answer = answer;
        decision
    }

    /// As [`Draft::finish`], with the state it leads to.
    pub fn finish_with_state(mut self) -> (Decision<OrderEvent>, OrderState) {
        self.progress();
        let decision = Decision {
            events: self.events,
            answer: Answer::Done,
            notices: self.notices,
        };
        (decision, self.order)
    }

    pub fn done(self) -> Decision<OrderEvent> {
        self.finish(Answer::Done)
    }

    /// Ends a decision that changes nothing, but for a hold that had run out.
    pub fn unchanged(self) -> Decision<OrderEvent> {
        match self.events.is_empty() {
            true => Decision {
                events: Vec::new(),
                answer: Answer::Done,
                notices: self.notices,
            },
            false => self.done(),
        }
    }
}
