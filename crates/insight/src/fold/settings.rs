//! Listing maps, and what channels and the system have to say.

use crossdock_model::ChannelId;
use crossdock_model::v1::{
    self, BucketEvent, ChannelEvent, ExceptionClosed, ExceptionKey, ExceptionOpened, SystemEvent,
};

use super::{Folded, Folding};

impl Folding<'_> {
    pub(super) fn channel(&mut self, event: &ChannelEvent) -> Folded {
        match event {
            ChannelEvent::ExceptionOpened(opened) => self.exception_opened(opened),
            ChannelEvent::ExceptionClosed(closed) => self.exception_closed(closed),
            ChannelEvent::ExceptionNoted(noted) => self.exception_noted(noted),
            // The channel itself says how it is.
            ChannelEvent::Connected(_)
            | ChannelEvent::ModeSet(_)
            | ChannelEvent::AdoptionBegan { .. }
            | ChannelEvent::PublishingSet(_)
            | ChannelEvent::BucketTold { .. }
            | ChannelEvent::Polled(_)
            | ChannelEvent::ChangeNoted(_)
            | ChannelEvent::ChangesEnded(_) => Ok(()),
        }
    }

    pub(super) fn bucket(&mut self, channel: &ChannelId, event: &BucketEvent) -> Folded {
        match event {
            BucketEvent::Mapped { listing, target } => {
                let sql = "INSERT INTO listings (channel, listing, target) VALUES (?1, ?2, ?3)
                    ON CONFLICT (channel, listing) DO UPDATE SET target = ?3";
                let target = serde_json::to_string(target)?;
                self.run(sql, (channel.as_str(), listing.as_str(), target))?;
            }
            BucketEvent::ExceptionOpened(opened) => self.exception_opened(opened)?,
            BucketEvent::ExceptionClosed(closed) => self.exception_closed(closed)?,
            BucketEvent::ExceptionNoted(noted) => self.exception_noted(noted)?,
            // The bucket itself tells it.
            BucketEvent::Shown { .. }
            | BucketEvent::PublishingSet(_)
            | BucketEvent::ListingModeSet { .. }
            | BucketEvent::Stocked { .. }
            | BucketEvent::Unheard { .. }
            | BucketEvent::Proved { .. }
            | BucketEvent::Begun { .. }
            | BucketEvent::Missed { .. }
            | BucketEvent::AskedAgain { .. }
            | BucketEvent::Drifted { .. }
            | BucketEvent::DoubtEnded { .. }
            | BucketEvent::BegunInBulk(_)
            | BucketEvent::EndedInBulk(_)
            | BucketEvent::FellBehind { .. }
            | BucketEvent::LostInBulk { .. }
            | BucketEvent::PutBack { .. }
            | BucketEvent::Ended { .. } => {}
            BucketEvent::Unmapped { listing } => {
                let sql = "DELETE FROM listings WHERE channel = ?1 AND listing = ?2";
                self.run(sql, (channel.as_str(), listing.as_str()))?;
            }
        }
        Ok(())
    }

    pub(super) fn system(&mut self, event: &SystemEvent) -> Folded {
        match event {
            SystemEvent::RuleSetSaved { version, document } => {
                let sql = "INSERT OR REPLACE INTO rule_sets (version, document, at, principal)
                    VALUES (?1, ?2, ?3, ?4)";
                self.run(sql, (version, document, self.at(), self.principal()))?;
                Ok(())
            }
            SystemEvent::ExceptionOpened(opened) => self.exception_opened(opened),
            SystemEvent::ExceptionClosed(closed) => self.exception_closed(closed),
            SystemEvent::ExceptionNoted(noted) => self.exception_noted(noted),
            SystemEvent::Quarantined {
                entity,
                command_hash,
                cause,
                episode,
            } => self.exception_opened(&ExceptionOpened {
                key: quarantine(entity, *command_hash, *episode),
                cause: match (entity.starts_with("sku:"), command_hash) {
                    (true, None) => format!("{cause} Its stock counts as 0 and its orders wait."),
                    _ => cause.clone(),
                },
                evidence: vec![("entity".to_owned(), entity.clone())],
            }),
            SystemEvent::QuarantineLifted {
                entity,
                command_hash,
                skipped,
            } => {
                let how = match skipped {
                    true => "skipped by a person",
                    false => "retried by a person",
                };
                self.exception_closed(&ExceptionClosed {
                    key: quarantine(entity, *command_hash, 0),
                    how: how.to_owned(),
                })
            }
            SystemEvent::KeyCreated { .. }
            | SystemEvent::KeyRevoked { .. }
            | SystemEvent::EndpointSet { .. }
            | SystemEvent::EndpointRemoved { .. }
            | SystemEvent::ChannelNamed { .. } => Ok(()),
        }
    }
}

/// A quarantine is listed among the exceptions.
fn quarantine(entity: &str, command_hash: Option<u64>, episode: u32) -> ExceptionKey {
    ExceptionKey {
        kind: v1::QUARANTINE.to_owned(),
        subject: v1::quarantined(entity, command_hash),
        episode,
    }
}
