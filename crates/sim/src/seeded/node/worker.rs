//! Work on one delivery, told step by step as the production worker does it, and held to its [`Course`]: what becomes of the
//! delivery is decided there. It waits for whatever it asks; its [`Desk`] carries that out.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use crossdock_engine::{Course, Next, Tried};
use crossdock_journal::{InboxId, InboxMark, InboxRow, InboxState};
use crossdock_logic::bucket::bucket_of;
use crossdock_model::command::{BucketCommand, ChannelCommand, ExceptionCommand, OrderCommand};
use crossdock_model::v1::{ListingTarget, Origin, Part, RefundLine};
use crossdock_model::{
    Answer, ChannelId, Command, Duration, EntityId, ListingId, OrderId, RefundId, Rejection,
    Timestamp,
};
use crossdock_runtime::CONFLICT_HEADER;

use super::super::mail::{Says, Statement};
use super::super::plant::Plant;

/// Kinds of exceptions under which a delivery waits.
pub(in super::super) const WAITS: [&str; 3] = ["unmapped", "early", "refused"];
/// Times that an exception is told which cannot be noted for the moment, and the first pause between two of them.
const TOLD_TIMES: u32 = 5;
const TOLD_PAUSE: Duration = Duration::from_ms(250);

/// What a worker asks.
#[derive(Debug)]
pub(super) enum Ask {
    Tells(EntityId, Box<Command>),
    Marks(InboxMark),
    Rests(Duration),
    /// What waits for this is put to work.
    Unparks(String),
}

/// What it hears.
#[derive(Debug)]
pub(super) enum Heard {
    Answered(Box<Result<Answer, Rejection>>),
    /// It was shed, or nobody knows.
    Nothing,
    Done,
}

/// Between a worker and its node.
#[derive(Debug, Default)]
pub(super) struct Desk {
    on_it: Mutex<OnDesk>,
}

#[derive(Debug, Default)]
struct OnDesk {
    asked: u64,
    asks: Vec<(u64, Ask)>,
    heard: BTreeMap<u64, Heard>,
}

impl Desk {
    pub fn asks(&self) -> Vec<(u64, Ask)> {
        std::mem::take(&mut self.lock().asks)
    }

    fn lock(&self) -> MutexGuard<'_, OnDesk> {
        self.on_it.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn hears(&self, ask: u64, heard: Heard) {
        self.lock().heard.insert(ask, heard);
    }

    /// Asks at once; what is returned waits for what is heard.
    fn ask(&self, ask: Ask) -> impl Future<Output = Heard> + '_ {
        let number = {
            let mut desk = self.lock();
            desk.asked += 1;
            let number = desk.asked;
            desk.asks.push((number, ask));
            number
        };
        poll_fn(move |_| match self.lock().heard.remove(&number) {
            Some(heard) => Poll::Ready(heard),
            None => Poll::Pending,
        })
    }
}

/// What a delivery waits for, under which kind of exception.
struct Lack {
    kind: &'static str,
    subject: String,
}

enum Stuck {
    Later { passes_soon: bool },
    Parked(Lack),
}

type Taken<T> = Result<T, Stuck>;

pub(super) struct Worker {
    pub desk: Arc<Desk>,
    pub plant: Option<Plant>,
    pub row: InboxRow,
}

impl Worker {
    fn channel(&self) -> &ChannelId {
        &self.row.delivery.id.channel
    }

    pub async fn works(self) {
        self.tells_of_conflict().await;
        let mut subject = self.row.subject.clone();
        let mut course = Course::of(self.row.parked_on.clone());
        loop {
            let tried = self.takes_in(&mut subject).await;
            match course.ended(ended(&tried)) {
                Next::Again(pause) => drop(self.desk.ask(Ask::Rests(pause)).await),
                Next::Done { waited_for } => {
                    self.found(waited_for, None).await;
                    return self.marks(InboxState::Done, None, subject).await;
                }
                Next::GivenBack { waits_for } => {
                    let state = match waits_for {
                        Some(_) => InboxState::Parked,
                        None => InboxState::Open,
                    };
                    return self.marks(state, waits_for, subject).await;
                }
                Next::Parks { waited_for } => {
                    if let Err(Stuck::Parked(lack)) = &tried {
                        self.found(waited_for, Some(lack)).await;
                        self.excepts(lack).await;
                        let waits_for = Some(lack.subject.clone());
                        self.marks(InboxState::Parked, waits_for, subject.clone())
                            .await;
                    }
                }
                Next::Rests => return,
            }
        }
    }

    async fn marks(&self, state: InboxState, parked_on: Option<String>, subject: Option<String>) {
        let mark = InboxMark {
            id: self.row.delivery.id.clone(),
            state,
            parked_on,
            subject,
        };
        self.desk.ask(Ask::Marks(mark)).await;
    }

    async fn tells_of_conflict(&self) {
        let mut headers = self.row.delivery.headers.iter();
        if self.row.attempts == 0 && headers.any(|(name, _)| name == CONFLICT_HEADER) {
            let InboxId { channel, delivery } = &self.row.delivery.id;
            let lack = Lack {
                kind: "delivery_conflict",
                subject: format!("delivery:{channel}/{delivery}"),
            };
            self.excepts(&lack).await;
        }
    }

    /// What it waited for has come, but for what it still lacks.
    async fn found(&self, waited_for: Option<String>, lack: Option<&Lack>) {
        let Some(subject) = waited_for else { return };
        let lacks =
            |kind: &str| lack.is_some_and(|lack| (lack.kind, &lack.subject) == (kind, &subject));
        for kind in WAITS.into_iter().filter(|kind| !lacks(kind)) {
            let close = ExceptionCommand::close(kind, &subject, "It has come.");
            self.tells_channel(close).await;
        }
    }

    async fn excepts(&self, lack: &Lack) {
        let open = ExceptionCommand::open(lack.kind, &lack.subject, "It waits.".to_owned());
        self.tells_channel(open).await;
    }

    async fn tells_channel(&self, command: ExceptionCommand) {
        let entity = EntityId::Channel(self.channel().clone());
        for time in 0..TOLD_TIMES {
            let command = Command::Channel(ChannelCommand::Exception(command.clone()));
            let tells = Ask::Tells(entity.clone(), Box::new(command));
            match self.desk.ask(tells).await {
                Heard::Answered(_) | Heard::Done => return,
                Heard::Nothing => {
                    let pause = Duration::from_ms(TOLD_PAUSE.as_ms() << time);
                    self.desk.ask(Ask::Rests(pause)).await;
                }
            }
        }
    }

    /// What an entity answers; what it refuses is no answer.
    async fn asks(&self, to: EntityId, command: Command) -> Taken<Option<Answer>> {
        match self.desk.ask(Ask::Tells(to, Box::new(command))).await {
            Heard::Answered(result) => Ok(result.ok()),
            Heard::Nothing | Heard::Done => Err(Stuck::Later { passes_soon: true }),
        }
    }

    async fn takes_in(&self, subject: &mut Option<String>) -> Taken<()> {
        let channel = EntityId::Channel(self.channel().clone());
        let known = self.asks(channel, Command::Read).await?;
        let is_connected = matches!(
            known,
            Some(Answer::Channel {
                settings: Some(_),
                ..
            })
        );
        if !is_connected {
            return Err(Stuck::Later { passes_soon: false });
        }
        let says = Says::read(&self.row.delivery.body);
        match says {
            Some(Says::Order(statement)) => {
                *subject = Some(EntityId::Order(statement.order.clone()).to_string());
                self.takes_order(*statement).await
            }
            Some(Says::Refund(order, refund, lines)) => {
                *subject = Some(EntityId::Order(order.clone()).to_string());
                self.refunds(&order, refund, lines).await
            }
            None => Err(Stuck::Parked(Lack {
                kind: "unreadable",
                subject: "unreadable".to_owned(),
            })),
        }
    }

    async fn takes_order(&self, statement: Statement) -> Taken<()> {
        let (order, mut facts) = (statement.order, statement.facts);
        let entity = EntityId::Order(order.clone());
        let stated_at = facts.updated_at;
        self.puts_back(&entity, &facts, &statement.listings).await?;
        for (line, listing) in facts.lines.iter_mut().zip(&statement.listings) {
            match self.looks_up(listing).await {
                Ok(parts) => line.parts = parts,
                // A newer statement is known, and says all that this one does.
                Err(Stuck::Parked(_)) if self.known_as_of(&entity).await? > Some(stated_at) => {
                    return Ok(());
                }
                Err(stuck) => return Err(stuck),
            }
        }
        let by_id = self.plant == Some(Plant::DeliveryTakenForNews);
        if by_id {
            facts.updated_at = self.row.delivery.received_at;
        }
        let state = OrderCommand::State {
            facts: Box::new(facts),
            origin: Origin::Channel,
            settle: false,
        };
        let told = self.tells_order(&order, state).await?;
        let mut first = Ok(());
        for (refund, lines) in statement.refunds {
            match self.refunds(&order, refund, lines).await {
                Err(Stuck::Parked(lack)) => first = first.and(Err(Stuck::Parked(lack))),
                told => told?,
            }
        }
        first?;
        if matches!(told, Some(Answer::Order(summary)) if summary.version == 1) {
            self.desk.ask(Ask::Unparks(entity.to_string())).await;
        }
        Ok(())
    }

    /// What the channel cancelled it may have put back on sale.
    async fn puts_back(
        &self,
        order: &EntityId,
        facts: &crossdock_model::v1::OrderFacts,
        listings: &[ListingId],
    ) -> Taken<()> {
        let lines = facts.lines.iter().zip(listings);
        let cancelled: Vec<_> = lines.filter(|(line, _)| line.cancelled_units > 0).collect();
        if cancelled.is_empty() || self.known_as_of(order).await? >= Some(facts.updated_at) {
            return Ok(());
        }
        for (line, listing) in cancelled {
            let put_back = BucketCommand::PutBack {
                listing: listing.clone(),
                units: line.cancelled_units,
            };
            self.asks(self.bucket(listing), Command::Bucket(put_back))
                .await?;
        }
        Ok(())
    }

    fn bucket(&self, listing: &ListingId) -> EntityId {
        EntityId::Bucket(self.channel().clone(), bucket_of(listing))
    }

    async fn known_as_of(&self, order: &EntityId) -> Taken<Option<Timestamp>> {
        let known = self.asks(order.clone(), Command::Read).await?;
        Ok(match known {
            Some(Answer::Order(known)) => Some(known.updated_at),
            _ => None,
        })
    }

    async fn looks_up(&self, listing: &ListingId) -> Taken<Vec<Part>> {
        let look = BucketCommand::Look {
            listing: listing.clone(),
        };
        let found = self
            .asks(self.bucket(listing), Command::Bucket(look))
            .await?;
        let target = match found {
            Some(Answer::Listings(found)) => found.into_iter().next(),
            _ => None,
        };
        let (_, target) = target.ok_or_else(|| {
            Stuck::Parked(Lack {
                kind: "unmapped",
                subject: format!("{}/{listing}", self.channel()),
            })
        })?;
        Ok(parts(target))
    }

    async fn refunds(
        &self,
        order: &OrderId,
        refund: RefundId,
        lines: Vec<RefundLine>,
    ) -> Taken<()> {
        let refund = OrderCommand::Refund { refund, lines };
        self.tells_order(order, refund).await.map(drop)
    }

    async fn tells_order(&self, order: &OrderId, command: OrderCommand) -> Taken<Option<Answer>> {
        let entity = EntityId::Order(order.clone());
        let subject = entity.to_string();
        let command = Box::new(Command::Order(command));
        let told = self.desk.ask(Ask::Tells(entity, command));
        if self.plant == Some(Plant::DoneBeforeDurable) {
            return Ok(None);
        }
        let kind = match told.await {
            Heard::Answered(result) => match *result {
                Ok(answer) => return Ok(Some(answer)),
                Err(Rejection::NotFound(_)) => "early",
                Err(_) => "refused",
            },
            Heard::Nothing | Heard::Done => return Err(Stuck::Later { passes_soon: true }),
        };
        Err(Stuck::Parked(Lack { kind, subject }))
    }
}

fn ended(tried: &Taken<()>) -> Tried<'_> {
    match tried {
        Ok(()) => Tried::Done,
        Err(Stuck::Later { passes_soon }) => Tried::Later {
            passes_soon: *passes_soon,
        },
        Err(Stuck::Parked(lack)) => Tried::Lacks(&lack.subject),
    }
}

fn parts(target: ListingTarget) -> Vec<Part> {
    match target {
        ListingTarget::Sku { sku, multiplier } => vec![Part {
            sku,
            units_per_line_unit: multiplier,
        }],
        ListingTarget::Kit {
            components,
            multiplier,
        } => {
            let parts = components.into_iter().map(|one| Part {
                sku: one.sku,
                units_per_line_unit: one.units_per_kit.saturating_mul(multiplier),
            });
            parts.collect()
        }
    }
}
