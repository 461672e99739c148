//! Processes of a real node, one after the other, each on a runtime of its own.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration as Wait;

use crossdock_journal::memory::Fault;
use crossdock_model::command::Delivery;
use crossdock_model::{Command, Duration, EntityId};
use crossdock_runtime::{
    AskError, By, Connector, DeliverFuture, Handle, Node, Options, Pace, Sleep, StartError, Threads,
};

use super::super::node::Flushed;
use super::super::{Broken, Event, World, class_of, node_in};
use super::clock::StillClock;
use super::{Around, Asks};

/// A process is killed so many polls of its tasks after its time has come, at most.
const POLLS_MAX: u64 = 100;
/// How exactly time is waited for while things happen: one of these, in milliseconds; and once it has healed.
const GRAINS_MS: [u64; 3] = [1, 10, 100];
const HEALED_GRAIN_MS: u64 = 500;
/// Entities that are live at most where many become passive, where some do, and else.
const LIVE_MAX: [usize; 3] = [2, 8, 100_000];

thread_local! {
    static CRASHES: Cell<bool> = const { Cell::new(false) };
}

/// Has the next entity crash that handles something.
pub(super) fn crash_next() {
    CRASHES.set(true);
}

fn crashes(entity: &EntityId, _command: &Command) -> bool {
    !matches!(entity, EntityId::System(_)) && CRASHES.take()
}

/// The world with its processes, to its end.
pub(super) fn lives(around: &Around) -> Result<(), Broken> {
    CRASHES.set(false);
    let mut world = around.lock();
    world.starts()?;
    world.begins()?;
    world.crash_later();
    let grain = GRAINS_MS[usize::try_from(world.dice.below(3)).unwrap_or(0)];
    drop(world);
    loop {
        // While no process runs nothing needs a runtime.
        while !around.lock().is_up() {
            if happens(&mut around.lock())? {
                return Ok(());
            }
        }
        around.journal.reopen();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .event_interval(1)
            .build()
            .map_err(|error| Broken::new("I9", error.to_string()))?;
        if runtime.block_on(life(around, grain))? {
            return Ok(());
        }
    }
}

/// A process, until it is killed or all is at its end; which of the two.
async fn life(around: &Around, grain_ms: u64) -> Result<bool, Broken> {
    let clock = Arc::new(StillClock::new(around.lock().agenda.now()));
    around.lock().shell().clock = Some(Arc::clone(&clock));
    tokio::spawn(start(around.clone(), Arc::clone(&clock)));
    loop {
        let due_at = around.lock().agenda.due_at().unwrap_or_default();
        tokio::select! {
            biased;
            () = around.stirred.notified() => {}
            () = tokio::time::sleep_until(clock.instant(due_at)) => {
                if happens(&mut around.lock())? {
                    return Ok(true);
                }
            }
        }
        let (is_up, polls) = {
            let mut world = around.lock();
            clock.set_grain(if world.is_healed {
                HEALED_GRAIN_MS
            } else {
                grain_ms
            });
            ask_all(around, &mut world);
            if let Some(broken) = world.shell().broken.take() {
                return Err(broken);
            }
            let is_up = world.is_up();
            (
                is_up,
                if is_up {
                    0
                } else {
                    world.dice.below(POLLS_MAX)
                },
            )
        };
        if !is_up {
            for _ in 0..polls {
                tokio::task::yield_now().await;
            }
            return Ok(false);
        }
    }
}

/// What is due next happens; whether it was the end.
fn happens(world: &mut World) -> Result<bool, Broken> {
    match world.agenda.next() {
        Some(event) => world.takes_place(event),
        None => Err(Broken::new("I9", "nothing happens any more")),
    }
}

fn ask_all(around: &Around, world: &mut World) {
    let shell = world.shell();
    let asks = std::mem::take(&mut shell.asks);
    // A process that has not started yet takes nothing in.
    let Some(handle) = shell.handle.clone() else {
        return;
    };
    for one in asks {
        tokio::spawn(ask(around.clone(), handle.clone(), one));
    }
}

async fn ask(around: Around, handle: Handle, asks: Asks) {
    let Asks {
        number,
        to,
        command,
        meta,
    } = asks;
    let by = By {
        key: meta.key,
        body_hash: meta.body_hash,
        issued_at: Some(meta.issued_at),
        ..By::new(meta.principal).of(class_of(&to))
    };
    let asked = handle.ask(to, command, by).await;
    around.change(|world| {
        let result = match asked {
            Ok(reply) => Ok(reply.answer),
            Err(AskError::Rejected(rejection)) => Err(rejection),
            // It is asked again.
            Err(_) => return world.marks.note("unanswered"),
        };
        world.marks.answer(&result);
        node_in!(world).1.answer(number, &result);
    });
}

async fn start(around: Around, clock: Arc<StillClock>) {
    let (number, options) = {
        let world = around.lock();
        (world.processes, options(&around, &world))
    };
    let (journal, fatal) = (Arc::clone(&around.journal), around.clone());
    let on_fatal = move |_| fatal.change(|world| fails(world, number));
    let connector = Arc::new(around.clone());
    let started = Node::start(journal, clock, connector, options, on_fatal).await;
    around.change(|world| match started {
        Ok(node) if world.is_up() => world.shell().handle = Some(node.handle()),
        Ok(_) => {}
        Err(StartError::Journal(_)) => fails(world, number),
        Err(error) => {
            let broken = Broken::new("I8", error.to_string());
            world.shell().broken.get_or_insert(broken);
        }
    });
}

fn fails(world: &mut World, process: u32) {
    world.note(Duration::default(), Event::DiskFailed(process));
}

fn options(around: &Around, world: &World) -> Options {
    let [most, some, few] = LIVE_MAX;
    Options {
        limits: world.knobs.limits,
        live_max: match world.knobs.passive {
            passive if passive >= 1.0 => most,
            passive if passive > 0.0 => some,
            _ => few,
        },
        threads: Threads::None(Arc::new(around.clone())),
        crash_on: Some(crashes),
        ..Options::new(u128::from(world.processes))
    }
}

impl Pace for Around {
    fn read(&self) -> Sleep<'static> {
        let ms = self.change(|world| world.dice.below(world.knobs.message_ms + 1));
        Box::pin(tokio::time::sleep(Wait::from_millis(ms)))
    }

    fn flush(&self) -> Sleep<'static> {
        let around = self.clone();
        Box::pin(async move {
            let (ms, fault) = around.change(|world| {
                let ms = world.dice.below(world.knobs.flush_ms + 1);
                (ms, fault(world))
            });
            tokio::time::sleep(Wait::from_millis(ms)).await;
            if let Some(fault) = fault {
                around.journal.inject(fault);
            }
        })
    }
}

/// What becomes of a flush, unless it succeeds.
fn fault(world: &mut World) -> Option<Fault> {
    match world.knobs.flush(&mut world.dice) {
        Flushed::Written => None,
        Flushed::Full => {
            world.marks.note("disk_full");
            Some(Fault::Full)
        }
        Flushed::Failed => {
            let written = world.dice.happens(0.5);
            Some(Fault::Unknown { written })
        }
    }
}

impl Connector for Around {
    fn deliver(&self, delivery: Delivery) -> DeliverFuture {
        let around = self.clone();
        Box::pin(async move {
            let called = around.change(|world| node_in!(world).1.call(Some(&delivery)));
            let (takes, ended) = called;
            tokio::time::sleep(Wait::from_millis(takes.as_ms() + 1)).await;
            ended
        })
    }
}
