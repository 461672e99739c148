//! Holds: units kept for somebody until a time. One SKU's hold is the SKU's own; a cart's is an order on hold.
//!
//! A hold's id says where it lives: `sku:{sku}:{units}:{hold}` or `order:holds:{hold}`. The hold itself is named
//! by the caller and its Idempotency-Key, so that a repeat finds it.

mod claim;

use crossdock_model::answer::OrderSummary;
use crossdock_model::command::{OrderCommand, SkuCommand};
use crossdock_model::v1::{OrderStatus, Origin, Sale, Scope, Take};
use crossdock_model::{
    Answer, ChannelId, Command, Duration, EntityId, ExternalId, HoldId, LocationId, OrderId,
    Rejection, SkuId, Timestamp,
};
use crossdock_runtime::{Door, Reply};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::claim::Claim;
use super::locations::known;
use super::orders::{
    HeldOrder, How, NewLine, NewOrder, OrderAnswer, order_answer, place, sale_of, status_name,
    summary,
};
use crate::answer::{Answered, Doc};
use crate::ask::Asking;
use crate::error::ApiError;
use crate::extract::{Input, read_id};
use crate::route::Route;
use crate::wire::{LineText, LocationText, SkuText, Time};

/// Longest life of a hold, in seconds.
const EXPIRES_IN_S_MAX: u64 = 86_400;
/// State of a hold that has become an order.
const CONFIRMED: &str = "confirmed";

/// Routes of holds.
pub(super) fn routes() -> Vec<Route> {
    let (read, operate) = (Scope::Read, Scope::Operate);
    vec![
        Route::post("/v1/holds", operate, "Hold units until a time", create)
            .holds()
            .takes::<NewHold>()
            .needs_key()
            .creates::<HoldDoc>(),
        Route::get("/v1/holds/{hold}", read, "Show a hold", show).answers::<HoldDoc>(),
        Route::post(
            "/v1/holds/{hold}/confirm",
            operate,
            "Make it an order",
            confirm,
        )
        .takes::<HeldOrder>()
        .needs_key()
        .creates::<OrderAnswer>(),
        Route::delete("/v1/holds/{hold}", operate, "Give a hold back", release)
            .answers::<Released>(),
    ]
}

/// A new hold.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewHold {
    /// What is held: all of it or nothing.
    lines: Vec<HeldLine>,
    /// Seconds until it expires, at most a day.
    expires_in_s: u64,
}

/// A line of a hold.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HeldLine {
    /// Its id; its number if absent.
    line: Option<LineText>,
    /// The SKU or kit.
    sku: SkuText,
    /// Units.
    units: u32,
    /// Where, for a hold of one SKU; chosen if absent.
    location: Option<LocationText>,
}

/// A hold.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HoldDoc {
    /// Its id.
    hold: String,
    /// `held`; `confirmed` once it is an order; of a cart that is being placed or over, how far it is.
    status: &'static str,
    /// When it expires.
    expires_at: Option<Time>,
    /// What is held where; nothing once it is confirmed.
    lines: Vec<HeldUnits>,
    /// The order that it became.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<String>,
    /// When the order took it over, for one SKU's hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed_at: Option<Time>,
}

/// Held units.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HeldUnits {
    /// The line of a cart.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<String>,
    /// The SKU.
    sku: String,
    /// Where.
    location: String,
    /// Units.
    units: u32,
}

/// A hold that was given back, unless it was confirmed: then it is an order's.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Released {
    /// Its id.
    hold: String,
    /// `released`, or the state of the order that it became.
    status: &'static str,
    /// The order that it became.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<String>,
}

/// Where a hold lives.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Sku {
        sku: SkuId,
        units: u32,
        hold: HoldId,
    },
    Order(OrderId),
}

impl Place {
    fn read(text: &str) -> Result<Self, ApiError> {
        let wrong = || ApiError::invalid("hold", "not the id of a hold");
        if let Some(order) = text.strip_prefix("order:") {
            let order: OrderId = read_id("hold", order)?;
            let held = order.channel.as_str() == ChannelId::HOLDS;
            return held.then_some(Self::Order(order)).ok_or_else(wrong);
        }
        let rest = text.strip_prefix("sku:").ok_or_else(wrong)?;
        let (rest, hold) = rest.rsplit_once(':').ok_or_else(wrong)?;
        let (sku, units) = rest.rsplit_once(':').ok_or_else(wrong)?;
        Ok(Self::Sku {
            sku: read_id("hold", sku)?,
            units: units.parse().map_err(|_| wrong())?,
            hold: read_id("hold", hold)?,
        })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sku { sku, units, hold } => write!(f, "sku:{sku}:{units}:{hold}"),
            Self::Order(order) => write!(f, "order:{order}"),
        }
    }
}

async fn create(asking: Asking, input: Input<NewHold>) -> Answered<Doc<HoldDoc>> {
    let NewHold {
        lines,
        expires_in_s,
    } = input.value;
    if !(1..=EXPIRES_IN_S_MAX).contains(&expires_in_s) {
        let problem = format!("expected 1 to {EXPIRES_IN_S_MAX}");
        return Err(ApiError::invalid("expires_in_s", problem));
    }
    let expires_at = asking.now() + Duration::from_s(expires_in_s);
    if let [line] = lines.as_slice()
        && !asking.state.kits.is_kit(&asking, &line.sku.0).await?
    {
        return hold_sku(&asking, line, expires_at, input.hash).await;
    }
    if lines.iter().any(|line| line.location.is_some()) {
        let problem = "only a hold of one SKU can name where: a cart is placed as an order is";
        return Err(ApiError::invalid("lines.location", problem));
    }
    let id = order_id(&asking)?;
    let order = NewOrder::of_lines(lines.into_iter().map(|one| (one.line, one.sku, one.units)));
    let (facts, _) = order.read(&id, Sale::Asks, asking.now())?;
    let how = How::Stated(Origin::Hold { expires_at });
    let placed = place(&asking, input.hash, id.clone(), facts, None, how).await?;
    Ok(Doc::of(&placed.reply, cart(&placed.summary)).created())
}

fn order_id(asking: &Asking) -> Result<OrderId, ApiError> {
    Ok(OrderId {
        channel: ChannelId::checked(ChannelId::HOLDS)?,
        external: ExternalId::new(asking.key_digest()?)?,
    })
}

async fn hold_sku(
    asking: &Asking,
    line: &HeldLine,
    expires_at: Timestamp,
    hash: u64,
) -> Answered<Doc<HoldDoc>> {
    if let Some(location) = &line.location {
        known(asking, &location.0)?;
    }
    // Until the claim is on its way: whoever comes with the same key finds it.
    let request = EntityId::Request(asking.principal(), asking.need_key()?);
    let _turn = asking.state.handle.turn(&request).await;
    let claim = Claim::of(asking, request.clone(), hash).await?;
    let hold = HoldId::new(asking.key_digest()?)?;
    let take = line.location.as_ref().map(|location| Take {
        location: location.0.clone(),
        units: line.units,
    });
    let place = Place::Sku {
        sku: line.sku.0.clone(),
        units: line.units,
        hold: hold.clone(),
    };
    let command = SkuCommand::Hold {
        hold,
        units: line.units,
        takes: take.into_iter().collect(),
        among: Some(open_locations(asking)),
        expires_at,
    };
    let entity = EntityId::Sku(line.sku.0.clone());
    let reply = asking
        .ask_by(entity, Command::Sku(command), asking.by())
        .await?;
    let document = of_sku(&place, &line.sku.0, &reply)?;
    claim.keep(asking).await;
    Ok(Doc::of(&reply, document).created())
}

/// A hold of one SKU, by the SKU's word.
fn of_sku(place: &Place, sku: &SkuId, reply: &Reply) -> Result<HoldDoc, ApiError> {
    let hold = place.to_string();
    match &reply.answer {
        Answer::Held {
            takes, expires_at, ..
        } => {
            let lines = takes.iter().map(|take| HeldUnits {
                line: None,
                sku: sku.to_string(),
                location: take.location.to_string(),
                units: take.units,
            });
            Ok(HoldDoc {
                hold,
                status: "held",
                expires_at: Some(Time(*expires_at)),
                lines: lines.collect(),
                order: None,
                confirmed_at: None,
            })
        }
        Answer::HoldConfirmed { order, at } => Ok(HoldDoc {
            hold,
            status: CONFIRMED,
            expires_at: None,
            lines: Vec::new(),
            order: Some(order.to_string()),
            confirmed_at: Some(Time(*at)),
        }),
        _ => Err(ApiError::internal(&"a hold was not answered as one")),
    }
}

/// A cart's hold: the order that it is to become, or has become.
fn cart(now: &OrderSummary) -> HoldDoc {
    let place = Place::Order(now.order.clone());
    let held = now.reserved.iter().filter(|_| now.unfreed);
    let lines = held.map(|one| HeldUnits {
        line: Some(one.line.to_string()),
        sku: one.sku.to_string(),
        location: one.location.to_string(),
        units: one.units,
    });
    HoldDoc {
        hold: place.to_string(),
        status: match now.unfreed {
            true => status_name(now.status),
            false => CONFIRMED,
        },
        expires_at: now.hold_expires_at.map(Time),
        lines: lines.collect(),
        order: (!now.unfreed).then(|| now.order.to_string()),
        confirmed_at: None,
    }
}

/// Where units may be held: an order could not be sent from a location that is closed to new work.
fn open_locations(asking: &Asking) -> Vec<LocationId> {
    let known = asking.state.handle.known_locations().into_iter();
    let open = known.filter(|facts| facts.enabled);
    open.map(|facts| facts.location).collect()
}

/// The SKU's own word on a hold: a repeat of it that could never make a new one, as its time is long past.
async fn look(asking: &Asking, place: &Place) -> Result<Reply, ApiError> {
    let Place::Sku { sku, units, hold } = place else {
        return Err(ApiError::internal(&"not the hold of a SKU"));
    };
    let command = SkuCommand::Hold {
        hold: hold.clone(),
        units: *units,
        takes: Vec::new(),
        among: None,
        expires_at: Timestamp::default(),
    };
    let entity = EntityId::Sku(sku.clone());
    let asked = asking.ask_by(entity, Command::Sku(command), asking.by());
    asked.await.map_err(|error| match error.code() {
        "invalid" => ApiError::not_found("this hold"),
        _ => error,
    })
}

async fn show(asking: Asking, HoldPath(place): HoldPath) -> Answered<Doc<HoldDoc>> {
    match &place {
        Place::Sku { sku, .. } => {
            let reply = look(&asking, &place).await?;
            Ok(Doc::of(&reply, of_sku(&place, sku, &reply)?))
        }
        Place::Order(order) => {
            let (now, reply) = summary(&asking, order).await?;
            Ok(Doc::of(&reply, cart(&now)))
        }
    }
}

async fn confirm(
    asking: Asking,
    HoldPath(hold): HoldPath,
    input: Input<HeldOrder>,
) -> Answered<Doc<OrderAnswer>> {
    let (HeldOrder(order), hash) = (input.value, input.hash);
    match hold {
        Place::Sku { .. } => confirm_sku(&asking, hold, order, hash).await,
        Place::Order(cart) => confirm_cart(&asking, cart, order, hash).await,
    }
}

/// The order takes the hold over: its units are never free in between.
async fn confirm_sku(
    asking: &Asking,
    hold: Place,
    mut order: NewOrder,
    hash: u64,
) -> Answered<Doc<OrderAnswer>> {
    let Place::Sku {
        sku,
        units,
        hold: id,
    } = &hold
    else {
        return Err(ApiError::internal(&"not the hold of a SKU"));
    };
    if order.lines.is_empty() {
        order.lines = NewOrder::of_lines([(None, SkuText(sku.clone()), *units)]).lines;
    }
    let made = order.id(&asking.key_digest()?)?;
    sale_of(asking, &made.channel).await?;
    if asking
        .state
        .handle
        .read_through(Door::Ask, EntityId::Order(made.clone()))
        .await
        .is_err()
    {
        unconfirmed(&look(asking, &hold).await?, &made)?;
    }
    let (facts, buyer) = order.read(&made, Sale::Asks, asking.now())?;
    let how = How::Holding(id.clone());
    let placed = place(asking, hash, made, facts, buyer, how).await?;
    Ok(Doc::of(&placed.reply, order_answer(&placed.summary)).created())
}

/// Refuses a hold that another order than this one has taken over.
fn unconfirmed(hold: &Reply, order: &OrderId) -> Result<(), ApiError> {
    match &hold.answer {
        Answer::HoldConfirmed { order: taker, .. } if taker != order => {
            Err(Rejection::WrongState {
                state: "the hold is confirmed".to_owned(),
                hint: format!("it is the order {taker}; for another one place a new hold"),
            }
            .into())
        }
        _ => Ok(()),
    }
}

/// The cart's hold becomes the order that it is, by what the caller says of it; without lines it keeps those it holds.
async fn confirm_cart(
    asking: &Asking,
    cart: OrderId,
    order: NewOrder,
    hash: u64,
) -> Answered<Doc<OrderAnswer>> {
    let named = [
        ("channel", order.channel.is_some()),
        ("external_id", order.external_id.is_some()),
    ];
    if let Some((field, _)) = named.iter().find(|(_, is_given)| *is_given) {
        let problem = format!(
            "cannot be given: a cart is the order {cart} from the moment it is held; what people call it is its name"
        );
        return Err(ApiError::invalid(field, problem));
    }
    summary(asking, &cart).await?;
    let (facts, buyer) = order.read(&cart, Sale::Asks, asking.now())?;
    let how = How::Stated(Origin::Api);
    let placed = place(asking, hash, cart, facts, buyer, how).await?;
    Ok(Doc::of(&placed.reply, order_answer(&placed.summary)).created())
}

async fn release(asking: Asking, HoldPath(place): HoldPath) -> Answered<Doc<Released>> {
    let (entity, command) = match &place {
        Place::Sku { sku, hold, .. } => (
            EntityId::Sku(sku.clone()),
            Command::Sku(SkuCommand::ReleaseHold { hold: hold.clone() }),
        ),
        Place::Order(order) => (
            EntityId::Order(order.clone()),
            Command::Order(OrderCommand::ReleaseHold),
        ),
    };
    let reply = asking.ask_by(entity, command, asking.by()).await?;
    let order = match (&place, &reply.answer) {
        (Place::Order(order), _) | (Place::Sku { .. }, Answer::HoldConfirmed { order, .. }) => {
            Some(order)
        }
        (Place::Sku { .. }, _) => None,
    };
    let became = match order {
        Some(order) => Some(summary(&asking, order).await?.0),
        None => None,
    };
    let became = became.filter(|order| order.status != OrderStatus::Cancelled);
    let document = Released {
        hold: place.to_string(),
        status: became
            .as_ref()
            .map_or("released", |order| status_name(order.status)),
        order: became.map(|order| order.order.to_string()),
    };
    Ok(Doc::of(&reply, document))
}

/// A hold named in a path.
struct HoldPath(Place);

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for HoldPath {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        state: &S,
    ) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        let path = path.map_err(|error| ApiError::invalid("hold", error.body_text()))?;
        Place::read(&path.0).map(Self)
    }
}

impl NewOrder {
    /// An order of nothing but lines.
    fn of_lines(lines: impl IntoIterator<Item = (Option<LineText>, SkuText, u32)>) -> Self {
        let lines = lines.into_iter().map(|(line, sku, units)| NewLine {
            line,
            sku,
            units,
            title: None,
            unit_price: None,
            ships: true,
        });
        Self {
            lines: lines.collect(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_where_a_hold_lives() {
        for text in ["sku:A:1:3:h1", "order:holds:h1"] {
            assert_eq!(Place::read(text).unwrap().to_string(), text);
        }
        let place = Place::read("sku:A:1:3:h1").unwrap();
        let sku = SkuId::new("A:1").unwrap();
        assert!(matches!(place, Place::Sku { sku: found, units: 3, .. } if found == sku));
        for text in ["", "sku:A", "sku:A:x:h", "order:", "A:3:h", "order:shop:1"] {
            assert!(Place::read(text).is_err(), "{text}");
        }
    }
}
