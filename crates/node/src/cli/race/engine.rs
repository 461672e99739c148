//! The race through the entities in this process, without HTTP.

use std::sync::Arc;
use std::time::Duration as Wait;

use crossdock_model::command::{LocationCommand, OrderCommand, SkuCommand};
use crossdock_model::v1::{
    Component, Destination, Kit, LineFacts, LocationFacts, OrderFacts, OrderStatus, Origin, Part,
    Payment, Sale, Tracking,
};
use crossdock_model::{
    Answer, ChannelId, Command, CommandKey, CredentialId, Duration, EntityId, ExternalId, HoldId,
    IdError, LineId, LocationId, OrderId, Rejection, ShipmentId, SkuId, Timestamp,
};
use crossdock_runtime::{AskError, By, Handle, body_hash};

use super::super::exit::{Failure, Outcome};
use super::Mode;
use super::host::Host;
use super::run::{Crowd, Pressed};
use super::scene::Scene;
use super::shop::{self, REQUEST, Said, Shop, Step};
use super::verdict::{Books, Ended, Promised, Tally};

/// How long a buyer's hold lasts.
const HOLD: Wait = Wait::from_secs(1800);
/// Wait before a press that got no answer is repeated, in milliseconds.
const AGAIN_MS: u64 = 20;
/// Who asks.
const CHANNEL: &str = "race";

/// Races and reads the books.
pub(super) async fn race(host: &Host, scene: &Scene, crowd: Crowd) -> Outcome<(Tally, Books)> {
    let handle = host.handle()?;
    set(handle, scene).await?;
    let entities = Arc::new(Entities {
        handle: handle.clone(),
        scene: scene.clone(),
        start: handle.now(),
    });
    shop::race(&entities, scene, crowd, crowd.buyers as usize).await
}

struct Entities {
    handle: Handle,
    scene: Scene,
    start: Timestamp,
}

impl Shop for Entities {
    /// A hold where one SKU decides, an order where several do or an order is needed.
    async fn buy(&self, buyer: u32) -> Pressed {
        match self.scene.mode {
            Mode::One | Mode::Locations | Mode::ExpiryAgainstConfirm | Mode::Duplicates => {
                self.hold(buyer, HOLD).await
            }
            Mode::HoldsAgainstOrders if self.scene.holds_against(buyer) => {
                self.hold(buyer, HOLD).await
            }
            Mode::TwoLines
            | Mode::Crossed
            | Mode::SameSku
            | Mode::Kit
            | Mode::HoldsAgainstOrders
            | Mode::CancelAgainstShip => self.press(buyer, self.order(buyer)).await,
        }
    }

    async fn hold(&self, buyer: u32, life: Wait) -> Pressed {
        let life = Duration::from_ms(u64::try_from(life.as_millis()).unwrap_or(u64::MAX));
        let wanted = || {
            let hold = SkuCommand::Hold {
                hold: HoldId::new(self.scene.name(buyer))?,
                units: 1,
                takes: Vec::new(),
                among: None,
                expires_at: self.handle.now() + life,
            };
            let sku = SkuId::new(&self.scene.basket(buyer)[0].0)?;
            Ok((EntityId::Sku(sku), Command::Sku(hold)))
        };
        self.press(buyer, wanted()).await
    }

    async fn confirm(&self, buyer: u32, hold: &str) -> Pressed {
        let wanted = || {
            let place = OrderCommand::Place {
                facts: Box::new(facts(&self.scene, buyer, self.start)?),
                origin: Origin::Api,
                hold: Some(HoldId::new(hold)?),
                claim: CommandKey::new(self.scene.name(buyer))?,
            };
            Ok((EntityId::Order(self.id(buyer)?), Command::Order(place)))
        };
        self.press(buyer, wanted()).await
    }

    async fn tell(&self, buyer: u32, step: Step) -> Said {
        let name = format!("{}-{step:?}", self.scene.name(buyer));
        let asked = || Ok((self.id(buyer)?, self.step(&name, step)?, keyed(&name)?));
        let (order, command, by) = match asked() {
            Ok(asked) => asked,
            Err::<_, IdError>(error) => return Said::Odd(error.to_string()),
        };
        let told = self.handle.ask(EntityId::Order(order), command, by).await;
        match told.map_err(refused) {
            Ok(_) => Said::Done,
            Err(Refused::TooLate) => Said::TooLate,
            Err(Refused::Pressed(Pressed::Again(ms))) => Said::Again(ms),
            Err(Refused::Pressed(other)) => Said::Odd(format!("{other:?}")),
        }
    }

    async fn status(&self, buyer: u32) -> Outcome<String> {
        let order = EntityId::Order(self.id(buyer).map_err(anyhow::Error::from)?);
        let read = self.handle.read(order).await;
        match read.map_err(anyhow::Error::from)?.answer {
            Answer::Order(summary) => Ok(summary.status.to_string()),
            other => Err(Failure::failed(format!("odd answer {other:?}"))),
        }
    }

    async fn books(&self) -> Outcome<Books> {
        books(&self.handle, &self.scene).await
    }
}

impl Entities {
    async fn press(&self, buyer: u32, wanted: Result<(EntityId, Command), IdError>) -> Pressed {
        let name = self.scene.name(buyer);
        let asked = wanted.and_then(|(to, command)| Ok((to, command, keyed(&name)?)));
        let (to, command, by) = match asked {
            Ok(asked) => asked,
            Err(error) => return unsettled(error),
        };
        match self.handle.ask(to, command, by).await.map_err(refused) {
            Ok(reply) => answered(&name, &reply.answer),
            Err(Refused::Pressed(pressed)) => pressed,
            Err(Refused::TooLate) => unsettled("not possible, or not there"),
        }
    }

    fn order(&self, buyer: u32) -> Result<(EntityId, Command), IdError> {
        let state = OrderCommand::State {
            facts: Box::new(facts(&self.scene, buyer, self.start)?),
            origin: Origin::Api,
            settle: true,
        };
        Ok((EntityId::Order(self.id(buyer)?), Command::Order(state)))
    }

    fn id(&self, buyer: u32) -> Result<OrderId, IdError> {
        Ok(OrderId {
            channel: ChannelId::new(CHANNEL)?,
            external: ExternalId::new(self.scene.name(buyer))?,
        })
    }

    fn step(&self, name: &str, step: Step) -> Result<Command, IdError> {
        Ok(Command::Order(match step {
            Step::Cancel => OrderCommand::Cancel {
                reason: "the race".to_owned(),
                lines: None,
            },
            Step::Stop => OrderCommand::AnswerCancel {
                request: REQUEST,
                ask: None,
                accepted: true,
            },
            Step::Ship => OrderCommand::Ship {
                request: REQUEST,
                shipment: ShipmentId::new(name)?,
                lines: Vec::new(),
                tracking: None,
                shipped_at: self.start,
            },
        }))
    }
}

fn unsettled(error: impl std::fmt::Display) -> Pressed {
    Pressed::Settled(Ended::Unsettled(error.to_string()))
}

fn answered(name: &str, answer: &Answer) -> Pressed {
    let sold = || Pressed::Settled(Ended::Sold(name.to_owned()));
    match answer {
        Answer::Held { hold, .. } => Pressed::Settled(Ended::Sold(hold.to_string())),
        Answer::Order(summary) => match summary.status {
            OrderStatus::Reserved
            | OrderStatus::Requested
            | OrderStatus::Acknowledged
            | OrderStatus::PartlyShipped
            | OrderStatus::Shipped => sold(),
            OrderStatus::Cancelled | OrderStatus::Closed | OrderStatus::Backordered => {
                Pressed::Settled(Ended::Refused)
            }
            OrderStatus::Received | OrderStatus::Routed | OrderStatus::Held => {
                Pressed::Again(AGAIN_MS)
            }
        },
        other => unsettled(format_args!("odd answer {other:?}")),
    }
}

/// Why an entity did not do what it was asked.
enum Refused {
    /// As a buyer reads it.
    Pressed(Pressed),
    /// The order is too far on, or its request is over.
    TooLate,
}

fn refused(error: AskError) -> Refused {
    Refused::Pressed(match error {
        AskError::Rejected(Rejection::WrongState { .. } | Rejection::NotFound(_)) => {
            return Refused::TooLate;
        }
        AskError::Rejected(Rejection::Short { .. } | Rejection::HoldExpired { .. }) => {
            Pressed::Settled(Ended::Refused)
        }
        AskError::Rejected(Rejection::Busy { retry_after_ms, .. })
        | AskError::Overloaded { retry_after_ms } => Pressed::Again(retry_after_ms),
        AskError::Rejected(Rejection::Contended { .. }) | AskError::Unknown => {
            Pressed::Again(AGAIN_MS)
        }
        other => unsettled(other),
    })
}

fn by() -> Result<By, IdError> {
    Ok(By::new(CredentialId::new(CHANNEL)?))
}

fn keyed(name: &str) -> Result<By, IdError> {
    Ok(by()?.keyed(CommandKey::new(name)?, body_hash(name.as_bytes())))
}

fn facts(scene: &Scene, buyer: u32, at: Timestamp) -> Result<OrderFacts, IdError> {
    let mut lines = Vec::new();
    for (number, (sku, units)) in (1..).zip(scene.basket(buyer)) {
        let parts = match &scene.kit {
            Some((_, components)) => components.clone(),
            None => vec![(sku.clone(), 1)],
        };
        let part = |(sku, units): (String, u32)| {
            let sku = SkuId::new(sku)?;
            Ok(Part {
                sku,
                units_per_line_unit: units,
            })
        };
        let number: u32 = number;
        lines.push(LineFacts {
            line: LineId::new(number.to_string())?,
            title: sku,
            ordered_units: units,
            cancelled_units: 0,
            parts: parts
                .into_iter()
                .map(part)
                .collect::<Result<_, IdError>>()?,
            unit_price: None,
            ships: true,
        });
    }
    Ok(OrderFacts {
        name: scene.name(buyer),
        placed_at: at,
        updated_at: at,
        sale: Sale::Asks,
        lines,
        destination: Some(Destination {
            country: "US".to_owned(),
            ..Destination::default()
        }),
        service_level: None,
        ship_by: None,
        deliver_by: None,
        payment: Payment::Ready,
        cancelled: None,
        total: None,
        tags: Vec::new(),
        test: true,
    })
}

/// Brings locations, SKUs and stock about.
async fn set(handle: &Handle, scene: &Scene) -> Outcome {
    for location in &scene.locations {
        let id = LocationId::new(location).map_err(anyhow::Error::from)?;
        let define = LocationCommand::Define(Box::new(LocationFacts::plain(id.clone(), "US")));
        tell(handle, EntityId::Location(id), Command::Location(define)).await?;
    }
    for sku in scene.counted().into_keys() {
        define(handle, sku, Tracking::Tracked).await?;
    }
    if let Some((kit, components)) = &scene.kit {
        let component = |(sku, units): &(String, u32)| {
            let sku = SkuId::new(sku)?;
            Ok(Component {
                sku,
                units_per_kit: *units,
            })
        };
        let components: Result<Vec<Component>, IdError> =
            components.iter().map(component).collect();
        define(
            handle,
            kit,
            Tracking::Kit(Kit {
                components: components.map_err(anyhow::Error::from)?,
                may_split: false,
            }),
        )
        .await?;
    }
    for (sku, location, units) in scene.stock.iter().filter(|(.., units)| *units > 0) {
        let receive = SkuCommand::Receive {
            location: LocationId::new(location).map_err(anyhow::Error::from)?,
            units: *units,
            reference: None,
        };
        let sku = SkuId::new(sku).map_err(anyhow::Error::from)?;
        tell(handle, EntityId::Sku(sku), Command::Sku(receive)).await?;
    }
    Ok(())
}

async fn define(handle: &Handle, sku: &str, tracking: Tracking) -> Outcome {
    let define = SkuCommand::Define {
        title: sku.to_owned(),
        tracking,
    };
    let sku = SkuId::new(sku).map_err(anyhow::Error::from)?;
    tell(handle, EntityId::Sku(sku), Command::Sku(define)).await
}

async fn tell(handle: &Handle, to: EntityId, command: Command) -> Outcome {
    let by = by().map_err(anyhow::Error::from)?;
    let told = handle.ask(to.clone(), command, by).await;
    told.map_err(|error| Failure::failed(format!("cannot prepare {to}: {error}")))?;
    Ok(())
}

async fn books(handle: &Handle, scene: &Scene) -> Outcome<Books> {
    let mut books = Books::new();
    for sku in scene.counted().into_keys() {
        let id = SkuId::new(sku).map_err(anyhow::Error::from)?;
        let reply = handle
            .read(EntityId::Sku(id))
            .await
            .map_err(anyhow::Error::from)?;
        let Answer::Stock(view) = reply.answer else {
            return Err(Failure::failed(format!("{sku} has no stock view")));
        };
        let mut promised = Promised::default();
        for stock in &view.locations {
            promised.on_hand += stock.on_hand;
            promised.taken += u64::from(stock.committed) + u64::from(stock.held);
            promised.tentative += u64::from(stock.tentative);
        }
        books.insert(sku.clone(), promised);
    }
    Ok(books)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_is_not_refused() {
        let said = |error| match refused(error) {
            Refused::Pressed(pressed) => pressed,
            Refused::TooLate => panic!("another state"),
        };
        let sku = SkuId::new("A").unwrap();
        let busy = AskError::Rejected(Rejection::Busy {
            sku: sku.clone(),
            retry_after_ms: 7,
        });
        assert!(matches!(said(busy), Pressed::Again(7)));
        assert!(matches!(
            said(AskError::Rejected(Rejection::Contended { sku })),
            Pressed::Again(_)
        ));
        assert!(matches!(said(AskError::Unknown), Pressed::Again(_)));
        let expired = Rejection::HoldExpired {
            at: Timestamp::default(),
        };
        assert!(matches!(
            said(AskError::Rejected(expired)),
            Pressed::Settled(Ended::Refused)
        ));
        assert!(matches!(
            said(AskError::ShuttingDown),
            Pressed::Settled(Ended::Unsettled(_))
        ));
    }
}
