//! Where the reading of a channel's orders stands: kept in the channel as a text that only this knows.

use std::collections::BTreeMap;

use crossdock_model::{ExternalId, Timestamp};
use serde::{Deserialize, Serialize};

/// Orders that were read and are not placed that are kept by name. Beyond that the place from which all is read again
/// after a restart stays where it is.
const AWAITED_MAX: usize = 1_000;

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The channel's own cursor.
    pub cursor: String,
    /// What was read and is not placed, by what names it: nothing is proven while there is any.
    pub awaited: BTreeMap<String, Awaited>,
}

impl Standing {
    /// Nothing read yet.
    pub fn at(cursor: String) -> Self {
        Self {
            cursor,
            awaited: BTreeMap::new(),
        }
    }

    /// As it was kept.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// As it is kept; `None`: there is too much of it.
    pub fn text(&self) -> Option<String> {
        let text = serde_json::to_string(self).ok();
        text.filter(|_| self.awaited.len() <= AWAITED_MAX)
    }

    /// What is waited for of an order.
    pub fn of(&self, order: &ExternalId) -> Option<&Awaited> {
        self.awaited.get(&name_of(order))
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

    #[test]
    fn what_is_kept_is_what_was_there_unless_it_is_too_much() {
        let mut standing = Standing::at("page 7".to_owned());
        standing.wait_for(awaited(1));
        standing.wait_for(awaited(1));
        standing.wait_for(Awaited {
            order: None,
            ..awaited(1)
        });
        assert_eq!(standing.awaited.len(), 2);
        let text = standing.text().unwrap();
        assert_eq!(Standing::read(&text), Some(standing.clone()));
        for order in 0..=1_000 {
            standing.wait_for(awaited(order));
        }
        assert_eq!(standing.text(), None);
        assert_eq!(Standing::read("something else"), None);
    }
}
