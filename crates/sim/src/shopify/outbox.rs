//! Webhooks on their way: when each is sent, and what becomes of those that are not taken.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::{Duration, Timestamp};

use super::fault::{Fault, Faults};

/// Times a webhook is sent again before its subscription is deleted.
pub const RETRIES_MAX: u32 = 8;

/// How fast webhooks come. Spans are from, up to, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long a webhook takes.
    pub travel_ms: (u64, u64),
    /// How much longer one takes that is overtaken, and the second of two that are the same.
    pub reordered_ms: (u64, u64),
    /// How much longer one takes that is late.
    pub late_ms: (u64, u64),
    /// Pause before one that was not taken is sent again; it doubles each time.
    pub retry_first: Duration,
}

impl Pace {
    /// As the real shop: all the retries of a webhook take about four hours.
    pub const REAL: Self = Self {
        travel_ms: (50, 400),
        reordered_ms: (2_000, 10_000),
        late_ms: (60_000, 300_000),
        retry_first: Duration::from_s(56),
    };

    /// For a show of a minute, in which what is late still comes, and all the retries of a webhook.
    pub const BRISK: Self = Self {
        travel_ms: (20, 200),
        reordered_ms: (500, 2_000),
        late_ms: (3_000, 15_000),
        retry_first: Duration::from_ms(100),
    };
}

/// A webhook to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where.
    pub url: String,
    /// Its topic, `orders/create`.
    pub topic: String,
    /// The same for everything that tells of one event.
    pub event: String,
    /// Names the delivery.
    pub delivery: String,
    /// When it happened.
    pub triggered_at: Timestamp,
    /// What is sent, each time the same.
    pub body: Vec<u8>,
    pub(super) subscription: u64,
    pub(super) tries: u32,
}

/// Webhooks that are still to be sent.
#[derive(Debug)]
pub(super) struct Outbox {
    pace: Pace,
    due: BTreeMap<(Timestamp, u64), Message>,
    next: u64,
    /// Topics of which the next webhook is never heard to be taken.
    to_ignore: BTreeSet<&'static str>,
    /// Deliveries that are never heard to be taken.
    ignored: BTreeSet<String>,
}

impl Outbox {
    pub fn new(pace: Pace) -> Self {
        Self {
            pace,
            due: BTreeMap::new(),
            next: 0,
            to_ignore: BTreeSet::new(),
            ignored: BTreeSet::new(),
        }
    }

    /// Sends a webhook, with what may happen to it on its way.
    pub fn send(&mut self, message: Message, faults: &mut Faults, now: Timestamp) {
        if faults.strikes(Fault::Lost) {
            return;
        }
        let mut span_ms = faults.span_ms(self.pace.travel_ms);
        let delays = [
            (Fault::Reordered, self.pace.reordered_ms),
            (Fault::Late, self.pace.late_ms),
        ];
        for (kind, delay_ms) in delays {
            if faults.strikes(kind) {
                span_ms += faults.span_ms(delay_ms);
            }
        }
        if faults.strikes(Fault::Duplicated) {
            let later_ms = span_ms + faults.span_ms(self.pace.reordered_ms);
            self.put(message.clone(), now + Duration::from_ms(later_ms));
        }
        self.put(message, now + Duration::from_ms(span_ms));
    }

    fn put(&mut self, message: Message, at: Timestamp) {
        self.next += 1;
        self.due.insert((at, self.next), message);
    }

    /// What is to be sent now.
    pub fn take_due(&mut self, now: Timestamp) -> Vec<Message> {
        let later = self.due.split_off(&(now, u64::MAX));
        std::mem::replace(&mut self.due, later)
            .into_values()
            .collect()
    }

    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// It was not taken, as far as the shop heard. Returns whether it is sent again.
    pub fn failed(&mut self, mut message: Message, now: Timestamp) -> bool {
        if message.tries >= RETRIES_MAX {
            return false;
        }
        let pause_ms = self.pace.retry_first.as_ms() << message.tries;
        message.tries += 1;
        self.put(message, now + Duration::from_ms(pause_ms));
        true
    }

    /// The next webhook of a topic is never heard to be taken.
    pub fn never_hear(&mut self, topic: &'static str) {
        self.to_ignore.insert(topic);
    }

    /// Whether whatever it is answered is taken for a no.
    pub fn is_ignored(&mut self, message: &Message) -> bool {
        if message.tries == 0 && self.to_ignore.remove(message.topic.as_str()) {
            self.ignored.insert(message.delivery.clone());
        }
        self.ignored.contains(&message.delivery)
    }

    /// Nothing more is sent for a subscription.
    pub fn drop_all_of(&mut self, subscription: u64) {
        self.due
            .retain(|_, message| message.subscription != subscription);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message {
            url: "http://127.0.0.1/".to_owned(),
            topic: "orders/create".to_owned(),
            event: "e".to_owned(),
            delivery: "d".to_owned(),
            triggered_at: Timestamp::default(),
            body: Vec::new(),
            subscription: 1,
            tries: 0,
        }
    }

    #[test]
    fn a_webhook_is_sent_nine_times_over_four_hours() {
        let mut outbox = Outbox::new(Pace::REAL);
        let mut now = Timestamp::from_ms(0);
        outbox.send(message(), &mut Faults::default(), now);
        let mut sent = 0;
        while let Some(due) = outbox.next_due() {
            now = due;
            for message in outbox.take_due(now) {
                sent += 1;
                outbox.failed(message, now);
            }
        }
        assert_eq!(sent, 1 + RETRIES_MAX);
        let hours = now.as_ms() as f64 / 3_600_000.0;
        assert!((3.9..4.1).contains(&hours), "{hours}");
    }

    #[test]
    fn faults_are_what_they_say() {
        let sent = |kind| {
            let (mut outbox, mut faults) =
                (Outbox::new(Pace::REAL), Faults::none(3).with(kind, 1.0));
            outbox.send(message(), &mut faults, Timestamp::from_ms(0));
            assert_eq!(faults.happened(kind), 1);
            outbox
                .due
                .keys()
                .map(|(at, _)| at.as_ms())
                .collect::<Vec<_>>()
        };
        assert_eq!(sent(Fault::Lost), [0_i64; 0]);
        assert_eq!(sent(Fault::Duplicated).len(), 2);
        assert!(sent(Fault::Reordered)[0] >= 2_000);
        assert!(sent(Fault::Late)[0] >= 60_000);
    }
}
