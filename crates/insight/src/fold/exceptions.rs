//! Exceptions, whichever entity records them.

use crossdock_model::v1::{ExceptionClosed, ExceptionNoted, ExceptionOpened};
use serde_json::json;

use super::{Folded, Folding};

/// Notes shown of one exception: the newest. The journal keeps all.
const NOTES_MAX: u32 = 100;

impl Folding<'_> {
    pub(super) fn exception_opened(&mut self, opened: &ExceptionOpened) -> Folded {
        let sql = "INSERT INTO exceptions (id, kind, subject, episode, entity, cause, evidence, opened_at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let (key, id) = (&opened.key, self.exception_id());
        self.run(
            sql,
            (
                id,
                &key.kind,
                &key.subject,
                key.episode,
                self.entity.to_string(),
                &opened.cause,
                serde_json::to_string(&opened.evidence)?,
                self.at(),
            ),
        )?;
        self.opened += 1;
        let data =
            json!({ "id": id, "kind": key.kind, "episode": key.episode, "cause": opened.cause });
        self.feed("exception.opened", &key.subject, &data)
    }

    /// At most one of (entity, kind, subject) is open.
    pub(super) fn exception_closed(&self, closed: &ExceptionClosed) -> Folded {
        let sql = "UPDATE exceptions SET closed_at = ?1, how = ?2
            WHERE entity = ?3 AND kind = ?4 AND subject = ?5 AND closed_at IS NULL";
        let (key, entity) = (&closed.key, self.entity.to_string());
        self.run(
            sql,
            (self.at(), &closed.how, entity, &key.kind, &key.subject),
        )?;
        let data = json!({ "kind": key.kind, "how": closed.how });
        self.feed("exception.closed", &key.subject, &data)
    }

    pub(super) fn exception_noted(&self, noted: &ExceptionNoted) -> Folded {
        let sql = "UPDATE exceptions SET notes = json_insert(
                CASE WHEN json_array_length(notes) < ?1 THEN notes ELSE json_remove(notes, '$[0]') END,
                '$[#]', json_object('at', ?2, 'principal', ?3, 'text', ?4))
            WHERE entity = ?5 AND kind = ?6 AND subject = ?7 AND episode = ?8";
        let (key, entity) = (&noted.key, self.entity.to_string());
        self.run(
            sql,
            (
                NOTES_MAX,
                self.at(),
                self.principal(),
                &noted.text,
                entity,
                &key.kind,
                &key.subject,
                key.episode,
            ),
        )?;
        Ok(())
    }

    /// Made from the position, so that a rebuilt table knows it under the same number: people act on it.
    fn exception_id(&self) -> i64 {
        let (seq, shard) = (
            self.position.seq.cast_signed(),
            self.position.shard.number(),
        );
        (seq << 20) | (i64::from(shard) << 12) | self.opened
    }
}
