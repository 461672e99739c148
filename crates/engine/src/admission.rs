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
                | Command::Sku(SkuCommand::ReadHeld { .. })
                | Command::Bucket(BucketCommand::Look { .. })
                | Command::System(
                    SystemCommand::ReadRuleSet
                    | SystemCommand::ReadKeys
                    | SystemCommand::ReadEndpoints
                    | SystemCommand::ReadQuarantine,
                ),
            ) => Self::Read,
            (
                _,
                Command::Sku(SkuCommand::Hold { .. })
                | Command::Order(OrderCommand::State {
                    origin: Origin::Hold { .. },
                    ..
                }),
            ) => Self::Hold,
            _ => Self::Ask,
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
    use crossdock_model::HoldId;

    #[test]
    fn doors_close_one_after_the_other_webhooks_last() {
        let hold = Command::Sku(SkuCommand::Hold {
            hold: HoldId::new("h").unwrap(),
            units: 1,
            takes: Vec::new(),
            among: None,
            expires_at: crossdock_model::Timestamp::MAX,
        });
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
    }
}
