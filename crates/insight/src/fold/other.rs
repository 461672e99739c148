//! Channels, listing maps, locations and the system's documents.

use crossdock_model::EntityId;
use crossdock_model::v1::{BucketEvent, ChannelEvent, LocationEvent, SystemEvent};

use super::Folding;
use crate::InsightError;

impl Folding<'_> {
    pub fn channel(&self, event: &ChannelEvent) -> Result<(), InsightError> {
        let EntityId::Channel(channel) = self.entity else {
            return Ok(());
        };
        match event {
            ChannelEvent::Connected(settings) => {
                let sql = "INSERT INTO channels (channel, connector, sale, mode) VALUES (?1, ?2, ?3, 'observed')
                    ON CONFLICT (channel) DO UPDATE SET connector = ?2, sale = ?3";
                let sale = serde_json::to_string(&settings.sale)?
                    .trim_matches('"')
                    .to_lowercase();
                self.work
                    .execute(sql, (channel.as_str(), &settings.connector, sale))?;
            }
            ChannelEvent::ModeSet(mode) => {
                let mode = serde_json::to_string(mode)?
                    .trim_matches('"')
                    .to_lowercase();
                let sql = "UPDATE channels SET mode = ?2 WHERE channel = ?1";
                self.work.execute(sql, (channel.as_str(), mode))?;
            }
            ChannelEvent::AdoptionBegan { .. } => {}
            ChannelEvent::ExceptionOpened(opened) => self.opened(opened)?,
            ChannelEvent::ExceptionClosed(closed) => self.closed(closed)?,
        }
        Ok(())
    }

    pub fn bucket(&self, event: &BucketEvent) -> Result<(), InsightError> {
        let EntityId::Bucket(channel, _) = self.entity else {
            return Ok(());
        };
        match event {
            BucketEvent::Mapped { listing, target } => {
                let sql = "INSERT INTO listings (channel, listing, target) VALUES (?1, ?2, ?3)
                    ON CONFLICT (channel, listing) DO UPDATE SET target = ?3";
                let target = serde_json::to_string(target)?;
                self.work
                    .execute(sql, (channel.as_str(), listing.as_str(), target))?;
            }
            BucketEvent::Unmapped { listing } => {
                let sql = "DELETE FROM listings WHERE channel = ?1 AND listing = ?2";
                self.work
                    .execute(sql, (channel.as_str(), listing.as_str()))?;
            }
        }
        Ok(())
    }

    pub fn location(&self, event: &LocationEvent) -> Result<(), InsightError> {
        if let LocationEvent::Defined(facts) = event {
            let sql = "INSERT INTO locations (location, facts) VALUES (?1, ?2)
                ON CONFLICT (location) DO UPDATE SET facts = ?2";
            self.work.execute(
                sql,
                (facts.location.as_str(), serde_json::to_string(facts)?),
            )?;
        }
        Ok(())
    }

    pub fn system(&self, event: &SystemEvent) -> Result<(), InsightError> {
        match event {
            SystemEvent::ExceptionOpened(opened) => self.opened(opened),
            SystemEvent::ExceptionClosed(closed) => self.closed(closed),
            SystemEvent::Quarantined {
                entity,
                command_hash,
                cause,
            } => {
                let key = crossdock_model::v1::ExceptionKey {
                    kind: "quarantine".to_owned(),
                    subject: quarantine_subject(entity, *command_hash),
                    episode: u32::try_from(self.record.version).unwrap_or(u32::MAX),
                };
                let evidence = vec![("entity".to_owned(), entity.clone())];
                let cause = format!("Repeated crashes: {cause}");
                self.opened(&crossdock_model::v1::ExceptionOpened {
                    key,
                    cause,
                    evidence,
                })
            }
            SystemEvent::QuarantineLifted {
                entity,
                command_hash,
                skipped,
            } => {
                let key = crossdock_model::v1::ExceptionKey {
                    kind: "quarantine".to_owned(),
                    subject: quarantine_subject(entity, *command_hash),
                    episode: 0,
                };
                let how = if *skipped {
                    "skipped by a person"
                } else {
                    "retried by a person"
                };
                self.closed(&crossdock_model::v1::ExceptionClosed {
                    key,
                    how: how.to_owned(),
                })
            }
            SystemEvent::RuleSetSaved { .. }
            | SystemEvent::KeyCreated { .. }
            | SystemEvent::KeyRevoked { .. }
            | SystemEvent::EndpointSet { .. }
            | SystemEvent::EndpointRemoved { .. } => Ok(()),
        }
    }
}

fn quarantine_subject(entity: &str, command_hash: Option<u64>) -> String {
    command_hash.map_or_else(|| entity.to_owned(), |hash| format!("{entity}#{hash:016x}"))
}
