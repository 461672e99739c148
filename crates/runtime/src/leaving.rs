//! What leaves once a batch is durable: answers, effects, notices and announcements.

use std::sync::Arc;

use crossdock_engine::{Release, ReplyTo};
use crossdock_journal::Inserted;
use crossdock_logic::{Announcement, Spoken};
use crossdock_model::EntityId;
use tokio::sync::mpsc;

use crate::ask::{Answered, Caller};
use crate::commit::{Finished, Stored};
use crate::planted::Mistake;
use crate::shared::Shared;
use crate::telling;

/// What leaves after a batch: answers to deliveries, and what entities released.
pub(crate) struct Leaving {
    pub stored: Vec<(Stored, Result<Inserted, String>)>,
    pub completed: Finished,
}

/// Lets out batch after batch, in order, while the next one is written. On the threads of those who wait: waking them from
/// another one costs as much as deciding what they are told.
pub(crate) async fn let_out(shared: Arc<Shared>, mut batches: mpsc::Receiver<Leaving>) {
    while let Some(Leaving { stored, completed }) = batches.recv().await {
        for (stored, found) in stored {
            let _ = stored.send(found);
        }
        release(&shared, completed);
        shared.commits.count_left();
    }
}

/// Lets out what is durable; what is lost is dropped, which tells callers *unknown*.
fn release(shared: &Arc<Shared>, completed: Finished) {
    for other in completed.others.into_iter().filter(|other| other.durable) {
        let _ = other.done.send(());
    }
    for (entity, life) in completed.ended {
        if let Some(mailbox) = shared.directory.get(&entity)
            && !Mistake::LossUntold.is_planted()
        {
            mailbox.cast(crate::actor::Poke::Lost { life });
        }
    }
    drop(completed.lost);
    for (from, release) in completed.released {
        let_go(shared, &from, release);
    }
}

/// Lets out what one entity released.
pub(crate) fn let_go(shared: &Arc<Shared>, from: &EntityId, release: Release<Caller>) {
    let Release {
        class,
        answers,
        effects,
        notices,
        announcement,
        position,
    } = release;
    // Before the answers: who is told that a location is defined finds it.
    if let Some(announcement) = announcement
        && !shared.is_aside(from)
    {
        announce(shared, announcement);
    }
    for (reply, result) in answers {
        shared.note_answer(from, &result);
        match reply {
            ReplyTo::Nobody => {}
            ReplyTo::Caller(caller) => {
                let _ = caller.send(Answered { result, position });
            }
            ReplyTo::Entity(asker) => {
                shared.answer_entity(&asker, from.clone(), result, class);
            }
        }
    }
    for outgoing in effects {
        shared.dispatch_effect(outgoing);
    }
    for notice in notices {
        shared.send_internal(&notice.to, notice.command, class);
    }
}

/// What of it leaves too early, where that mistake is planted.
pub(crate) fn by_mistake(release: &mut Release<Caller>) -> Release<Caller> {
    Release {
        class: release.class,
        answers: std::mem::take(&mut release.answers),
        ..Release::default()
    }
}

fn announce(shared: &Arc<Shared>, announcement: Announcement) {
    match announcement {
        Announcement::Stock(spoken) => {
            let Spoken { view, said } = *spoken;
            shared.board.announce_stock(view);
            if !said.is_empty() {
                telling::say(shared, said);
            }
        }
        Announcement::Location(facts) => shared.board.announce_location(*facts),
    }
}
