//! One entity in the hands of a test: asked, applied, and read back from its own bytes.

use crossdock_model::{
    Answer, Command, CredentialId, Duration, EntityId, Event, Meta, Rejection, Timestamp,
};

use crate::entity::{DEDUP_WINDOW, Entity, Outcome};

/// An entity and the present time.
#[derive(Clone)]
pub(crate) struct Scene {
    pub now: Timestamp,
    pub entity: Entity,
    /// What the last command led to.
    pub events: Vec<Event>,
}

impl Scene {
    /// An entity of that name at the beginning of time.
    pub fn new(name: &str) -> Self {
        let id: EntityId = name.parse().expect(name);
        Self {
            now: Timestamp::default(),
            entity: Entity::new(id),
            events: Vec::new(),
        }
    }

    /// Asks without a key; what is decided is applied at once, and the state survives a checkpoint.
    pub fn ask(&mut self, command: Command) -> Result<Answer, Rejection> {
        let meta = Meta {
            principal: CredentialId::new("test").expect("an id"),
            reason: None,
            key: None,
            body_hash: 0,
            issued_at: self.now,
            effective_at: None,
            trace: None,
        };
        self.events.clear();
        match self
            .entity
            .decide(&command, &meta, self.now, DEDUP_WINDOW)?
        {
            Outcome::Unchanged { answer, .. } => Ok(answer),
            Outcome::Changed { record, answer, .. } => {
                let applied = self.entity.apply(&record, DEDUP_WINDOW);
                applied.expect("a decision follows its own history");
                let bytes = self.entity.encode().expect("a state has bytes");
                let again = Entity::decode(self.entity.id().clone(), &bytes);
                assert_eq!(again.expect("its own bytes"), self.entity);
                self.events = record.events;
                Ok(answer)
            }
        }
    }

    /// Lets time pass.
    pub fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
    }

    pub fn version(&self) -> u64 {
        self.entity.version()
    }

    pub fn deadline(&self) -> Option<Timestamp> {
        self.entity.next_deadline().map(|(at, _)| at)
    }
}
