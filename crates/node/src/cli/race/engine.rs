//! The race through the entities in this process, without HTTP.

use crossdock_model::command::{LocationCommand, OrderCommand, SkuCommand};
use crossdock_model::v1::{
    Component, Destination, Kit, LineFacts, LocationFacts, OrderFacts, OrderStatus, Origin, Part,
    Payment, Sale, Tracking,
};
use crossdock_model::{
    Answer, ChannelId, Command, CommandKey, CredentialId, EntityId, ExternalId, HoldId, IdError,
    LineId, LocationId, OrderId, Rejection, SkuId, Timestamp,
};
use crossdock_runtime::{AskError, By, Handle, body_hash};

use super::super::exit::{Failure, Outcome};
use super::Mode;
use super::host::{self, Host};
use super::run::{self, Door, Pressed};
use super::scene::Scene;
use super::verdict::{Books, Ended, Promised, Tally};

/// How long a buyer's hold lasts.
const HOLD: crossdock_model::Duration = crossdock_model::Duration::from_minutes(30);
/// Wait before a press that got no answer is repeated, in milliseconds.
const AGAIN_MS: u64 = 20;

/// Races and reads the books.
pub(super) async fn race(host: &Host, scene: &Scene, buyers: u32) -> Outcome<(Tally, Books)> {
    let handle = host.handle()?;
    set(handle, scene).await?;
    let door = Entities {
        handle: handle.clone(),
        scene: scene.clone(),
        start: handle.now(),
    };
    let tally = run::race(door, buyers, buyers as usize).await?;
    let books = host::settled(|| books(handle, scene)).await?;
    Ok((tally, books))
}

struct Entities {
    handle: Handle,
    scene: Scene,
    start: Timestamp,
}

impl Door for Entities {
    async fn press(&self, buyer: u32) -> Pressed {
        let (to, command) = match self.command(buyer) {
            Ok(wanted) => wanted,
            Err(error) => return unsettled(error),
        };
        let name = self.scene.name(buyer);
        let key =
            CommandKey::new(&name).and_then(|key| Ok(by()?.keyed(key, body_hash(name.as_bytes()))));
        let by = match key {
            Ok(by) => by,
            Err(error) => return unsettled(error),
        };
        match self.handle.ask(to, command, by).await {
            Ok(reply) => answered(&name, &reply.answer),
            Err(error) => refused(error),
        }
    }
}

impl Entities {
    /// A hold where one SKU decides, an order where several do.
    fn command(&self, buyer: u32) -> Result<(EntityId, Command), IdError> {
        let scene = &self.scene;
        if matches!(scene.mode, Mode::One | Mode::Locations) {
            let hold = SkuCommand::Hold {
                hold: HoldId::new(scene.name(buyer))?,
                units: 1,
                takes: Vec::new(),
                among: None,
                expires_at: self.start + HOLD,
            };
            let sku = SkuId::new(&scene.basket(buyer)[0].0)?;
            return Ok((EntityId::Sku(sku), Command::Sku(hold)));
        }
        let order = OrderId {
            channel: ChannelId::new("race")?,
            external: ExternalId::new(scene.name(buyer))?,
        };
        let state = OrderCommand::State {
            facts: Box::new(facts(scene, buyer, self.start)?),
            origin: Origin::Api,
            settle: true,
        };
        Ok((EntityId::Order(order), Command::Order(state)))
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

fn refused(error: AskError) -> Pressed {
    match error {
        AskError::Rejected(Rejection::Short { .. }) => Pressed::Settled(Ended::Refused),
        AskError::Rejected(Rejection::Busy { retry_after_ms, .. })
        | AskError::Overloaded { retry_after_ms } => Pressed::Again(retry_after_ms),
        AskError::Rejected(Rejection::Contended { .. }) | AskError::Unknown => {
            Pressed::Again(AGAIN_MS)
        }
        other => unsettled(other),
    }
}

fn by() -> Result<By, IdError> {
    Ok(By::new(CredentialId::new("race")?))
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
        let sku = SkuId::new("A").unwrap();
        let busy = AskError::Rejected(Rejection::Busy {
            sku: sku.clone(),
            retry_after_ms: 7,
        });
        assert!(matches!(refused(busy), Pressed::Again(7)));
        assert!(matches!(
            refused(AskError::Rejected(Rejection::Contended { sku })),
            Pressed::Again(_)
        ));
        assert!(matches!(refused(AskError::Unknown), Pressed::Again(_)));
        assert!(matches!(
            refused(AskError::ShuttingDown),
            Pressed::Settled(Ended::Unsettled(_))
        ));
    }
}
