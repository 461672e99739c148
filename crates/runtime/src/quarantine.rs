//! Puts aside what crashes or cannot be recovered, durably, and takes it back when a person says so.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLockReadGuard};

use crossdock_engine::{CRASHES_MAX, Message, Quarantine, ReplyTo, Verdict};
use crossdock_model::answer::QuarantineView;
use crossdock_model::command::SystemCommand;
use crossdock_model::{Class, Command, Duration, EntityId};
use tokio::sync::oneshot;

use crate::ask::Answered;
use crate::directory::Mailbox;
use crate::shared::Shared;
use crate::telling;

/// Pause before a mark that could not be written is tried again.
const MARK_AGAIN: Duration = Duration::from_s(1);

impl Shared {
    pub fn quarantine(&self) -> RwLockReadGuard<'_, Quarantine> {
        self.quarantine
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn change_quarantine(&self, change: impl FnOnce(&mut Quarantine)) {
        let quarantine = self.quarantine.write();
        let mut quarantine = quarantine.unwrap_or_else(PoisonError::into_inner);
        change(&mut quarantine);
        self.has_quarantine
            .store(!quarantine.is_empty(), Ordering::Release);
    }

    /// Why an entity is put aside, if it is.
    pub fn cause_aside(&self, entity: &EntityId) -> Option<String> {
        // Most often nothing is: every command looks, on every core.
        match self.has_quarantine.load(Ordering::Acquire) {
            true => self.quarantine().cause(entity).map(str::to_owned),
            false => None,
        }
    }

    pub fn is_aside(&self, entity: &EntityId) -> bool {
        self.cause_aside(entity).is_some()
    }

    /// Counts a crash; poison is put aside.
    pub fn count_crash(self: &Arc<Self>, mailbox: &Mailbox, error: &str) {
        self.metrics.crashes.inc();
        let now = self.clock.now();
        let hash = mailbox.queue().crashed(now);
        let entity = &mailbox.entity;
        let verdict = self.crashes().record(entity, hash, now);
        tracing::error!(%entity, error, ?verdict, "an actor crashed");
        let cause = format!("It crashed {CRASHES_MAX} times within a minute: {error}");
        match verdict {
            Verdict::Restart => {}
            Verdict::QuarantineCommand => self.put_aside(entity, Some(hash), &cause),
            Verdict::QuarantineEntity { commands } => {
                let commands = commands.into_iter().map(Some);
                for command in commands.chain([None]) {
                    self.put_aside(entity, command, &cause);
                }
            }
        }
    }

    /// Puts a command or a whole entity aside: at once on this node, and durably for the next owner.
    pub fn put_aside(self: &Arc<Self>, entity: &EntityId, command_hash: Option<u64>, cause: &str) {
        let mark = QuarantineView {
            entity: entity.to_string(),
            command_hash,
            cause: cause.to_owned(),
            since: self.clock.now(),
            skipped: false,
        };
        self.go_by(entity, &mark);
        // Its own documents are where marks are kept.
        if !matches!(entity, EntityId::System(_)) {
            self.write_down(mark);
        }
    }

    /// Goes by a mark from now on.
    pub fn go_by(self: &Arc<Self>, entity: &EntityId, mark: &QuarantineView) {
        self.change_quarantine(|quarantine| match mark.command_hash {
            Some(hash) if mark.skipped => quarantine.skip(entity, hash),
            hash => quarantine.put_aside(entity, hash, &mark.cause),
        });
        if mark.command_hash.is_none() {
            self.board.put_aside(entity);
            telling::say_aside(self, entity);
        }
    }

    fn write_down(self: &Arc<Self>, mark: QuarantineView) {
        let command = Command::System(SystemCommand::Quarantine {
            entity: mark.entity,
            command_hash: mark.command_hash,
            cause: mark.cause,
        });
        let shared = Arc::clone(self);
        // Handed over before this returns: a node that stops now writes it before it ends.
        let mut written = self.ask_system(command.clone());
        self.tokio.spawn(async move {
            while written.await.is_err() && !shared.is_stopping() {
                shared.clock.sleep(MARK_AGAIN).await;
                written = shared.ask_system(command.clone());
            }
        });
    }

    /// Tells `system:0` something. Nothing comes back when it could not be told.
    fn ask_system(self: &Arc<Self>, command: Command) -> oneshot::Receiver<Answered> {
        let (reply, answered) = oneshot::channel();
        let message = Message {
            command,
            meta: self.internal_meta(),
            reply: ReplyTo::Caller(reply),
            class: Class::AskFirst,
            life: None,
        };
        self.send_or_shed(&EntityId::System(0), message);
        answered
    }

    /// Lets what was put aside come again. An entity is woken: its deadlines have been passed over meanwhile.
    pub fn lift_quarantine(self: &Arc<Self>, entity: &EntityId, command_hash: Option<u64>) {
        self.change_quarantine(|quarantine| quarantine.lift(entity, command_hash));
        self.refresh_poison(entity);
        if command_hash.is_none() {
            self.board.lift(entity);
            self.wake(entity);
        }
    }

    /// A command stays refused for good.
    pub fn skip_quarantined(&self, entity: &EntityId, command_hash: u64) {
        self.change_quarantine(|quarantine| quarantine.skip(entity, command_hash));
        self.refresh_poison(entity);
    }

    /// A live entity looks at each command while some of its commands are poison.
    fn refresh_poison(&self, entity: &EntityId) {
        if let Some(mailbox) = self.directory.get(entity) {
            let has_poison = self.quarantine().has_commands(entity);
            mailbox.queue().set_poison(has_poison);
        }
    }
}
