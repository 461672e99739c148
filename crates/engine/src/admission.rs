//! What is let in from outside while much waits: what can best be done later is shed first, webhooks last, because a
//! shop that is refused again and again stops telling us.

use crossdock_model::command::{BucketCommand, OrderCommand, SkuCommand, SystemCommand};
use crossdock_model::v1::Origin;
use crossdock_model::{Class, Command};

/// Who asks for something, in the order in which they are shed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// A bulk import.
    Import,
    /// Somebody who only looks.
    Read,
    /// Somebody who wants units kept.
    Hold,
    /// Everybody else who can be told to come again.
    Ask,
    /// What has been sold already.
    Sold,
}

impl Door {
    /// The door that a command from outside comes through.
    #[must_use]
    pub fn of(command: &Command, class: Class) -> Self {
        match (class, command) {
            (Class::Import, _) => Self::Import,
            (Class::ChannelOrder, _) => Self::Sold,
            (
                _,
                Command::Read
                | Command::Sku(SkuCommand::ReadHeld { .. } | SkuCommand::LookCount { .. })
                | Command::Bucket(
                    BucketCommand::Look { .. }
                    | BucketCommand::LookShown { .. }
                    | BucketCommand::LookNumbers,
                )
                | Command::System(
                    SystemCommand::ReadRuleSet
                    | SystemCommand::ReadKeys
                    | SystemCommand::ReadEndpoints
                    | SystemCommand::ReadQuarantine
                    | SystemCommand::ReadChannels,
                ),
            ) => Self::Read,
            (
                _,
                Command::Sku(SkuCommand::Hold { .. })
                | Command::Order(
                    OrderCommand::State {
                        origin: Origin::Hold { .. },
                        ..
                    }
                    | OrderCommand::Place {
                        origin: Origin::Hold { .. },
                        ..
                    },
                ),
            ) => Self::Hold,
            _ => Self::Ask,
        }
    }

    /// As figures call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Read => "read",
            Self::Hold => "hold",
            Self::Ask => "ask",
            Self::Sold => "sold",
        }
    }

    /// How much of what has a limit may be in use before this door closes.
    #[must_use]
    pub fn room(self, max: usize) -> usize {
        let percent = match self {
            Self::Import => 50,
            Self::Read => 60,
            Self::Hold => 70,
            Self::Ask => 80,
            Self::Sold => 100,
        };
        max * percent / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossdock_model::v1::{OrderFacts, Payment, Sale};
    use crossdock_model::{CommandKey, HoldId, Timestamp};

    /// An order with a name and no lines, as what `origin` makes of it.
    fn place(origin: Origin) -> Command {
        let facts = OrderFacts {
            name: "#1".to_owned(),
            placed_at: Timestamp::default(),
            updated_at: Timestamp::default(),
            sale: Sale::Asks,
            lines: Vec::new(),
            destination: None,
            service_level: None,
            ship_by: None,
            deliver_by: None,
            payment: Payment::Ready,
            cancelled: None,
            total: None,
            tags: Vec::new(),
            test: false,
        };
        Command::Order(OrderCommand::Place {
            facts: Box::new(facts),
            origin,
            hold: None,
            claim: CommandKey::new("k").unwrap(),
        })
    }

    #[test]
    fn doors_close_one_after_the_other_webhooks_last() {
        let hold = Command::Sku(SkuCommand::Hold {
            hold: HoldId::new("h").unwrap(),
            units: 1,
            takes: Vec::new(),
            among: None,
            expires_at: Timestamp::MAX,
        });
        let cart = place(Origin::Hold {
            expires_at: Timestamp::MAX,
        });
        assert_eq!(Door::of(&cart, Class::AskFirst), Door::Hold);
        assert_eq!(Door::of(&place(Origin::Api), Class::AskFirst), Door::Ask);
        let note = || {
            Command::Order(OrderCommand::Note {
                text: String::new(),
            })
        };
        let in_order = [
            (hold.clone(), Class::Import, Door::Import),
            (Command::Read, Class::AskFirst, Door::Read),
            (hold, Class::AskFirst, Door::Hold),
            (note(), Class::AskFirst, Door::Ask),
            (note(), Class::ChannelOrder, Door::Sold),
        ];
        let mut last = 0;
        for (command, class, door) in in_order {
            assert_eq!(Door::of(&command, class), door);
            assert!(door.room(1_000) > last);
            last = door.room(1_000);
        }
        assert_eq!(last, 1_000);
        assert_eq!(Door::of(&Command::Read, Class::ChannelOrder), Door::Sold);
        let look = Command::Bucket(BucketCommand::LookNumbers);
        assert_eq!(Door::of(&look, Class::AskFirst), Door::Read);
    }
}
