//! The order resource of Orders 2026-01-01.

use crossdock_model::v1::{Destination, Payment};
use crossdock_model::{ExternalId, LineId, ListingId, Money, Timestamp};

use super::package;
use crate::buyer::{Address, Buyer};
use crate::fields::{MapError, Part};
use crate::inbound::{ChannelLine, ChannelOrder, Inbound};
use crate::shipping::Promise;

/// Characters of the postal code that leave the vault.
const POSTAL_PREFIX: usize = 3;
/// Longest code of a state, ISO 3166-2 without the country. Where Amazon writes a name instead, none is known.
const STATE_CODE_MAX: usize = 3;

/// Why nothing is to be done about what Amazon ships: its goods lie with Amazon.
pub(super) const AMAZON_SHIPS: &str = "Amazon fulfils it from stock that lies with Amazon";

/// By which orders that Amazon ships are found.
const AMAZON_SHIPS_TAG: &str = "fulfilled by Amazon";

/// How far Amazon says an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    /// Sold, and the payment not certain: it is kept for the buyer and may not leave. Nor is there an address.
    Pending,
    /// To be shipped, or in part or wholly shipped.
    Open,
    Cancelled,
    Unfulfillable,
}

/// Reads an order. Of one that Amazon ships nothing is to be done here: its lines do not ship, and nobody needs to know
/// who bought it.
pub(super) fn read(order: &Part<'_>) -> Result<Inbound, MapError> {
    let external = order.need("orderId")?.typed::<ExternalId>()?;
    let fulfilment = order.need("fulfillment")?;
    let by = fulfilment.need("fulfilledBy")?;
    let amazon_ships = match by.as_text() {
        Some("MERCHANT") => false,
        Some("AMAZON") => true,
        _ => return Err(by.wrong("is neither MERCHANT nor AMAZON")),
    };
    let status = match status(&fulfilment)? {
        // Money that does not come is between the buyer and Amazon.
        Status::Unfulfillable if amazon_ships => Status::Cancelled,
        status => status,
    };
    let updated_at = order.need("lastUpdatedTime")?.instant()?;
    let items = order.list("orderItems")?;
    let lines: Result<Vec<ChannelLine>, MapError> = items
        .iter()
        .map(|item| line(item, status, !amazon_ships))
        .collect();
    let (shipped, unshipped) = package::sent(order, &items)?;
    let proceeds = order.get("proceeds");
    let total = proceeds.map(|proceeds| money(&proceeds, "grandTotal"));
    let address = order
        .get("recipient")
        .and_then(|recipient| recipient.get("deliveryAddress"))
        .filter(|_| !amazon_ships);
    let mut tags = texts(order, "programs")?;
    tags.extend(amazon_ships.then(|| AMAZON_SHIPS_TAG.to_owned()));
    let cancel_asked = asked(&items)?;
    Ok(Inbound::Order(Box::new(ChannelOrder {
        name: external.to_string(),
        placed_at: order.need("createdTime")?.instant()?,
        updated_at,
        lines: lines?,
        ship_to: address.as_ref().and_then(destination),
        shipping: ways(order, &fulfilment)?,
        promised: Promise {
            service_level: None,
            ship_by: latest(&fulfilment, "shipByWindow")?,
            deliver_by: latest(&fulfilment, "deliverByWindow")?,
        },
        payment: match status {
            Status::Pending => Payment::Pending,
            Status::Open | Status::Cancelled => Payment::Ready,
            Status::Unfulfillable => Payment::Voided,
        },
        cancelled: (status == Status::Cancelled).then(|| (updated_at, why_cancelled(&items))),
        total: total.transpose()?.flatten(),
        tags,
        test: false,
        buyer: match amazon_ships {
            true => None,
            false => buyer(order, address.as_ref(), &external),
        },
        refunds: Vec::new(),
        shipped,
        unshipped,
        sent_by_channel: amazon_ships,
        cancel_asked: (!amazon_ships).then_some(cancel_asked),
        external,
    })))
}

fn status(fulfilment: &Part<'_>) -> Result<Status, MapError> {
    let status = fulfilment.need("fulfillmentStatus")?;
    match status.as_text() {
        Some("PENDING" | "PENDING_AVAILABILITY") => Ok(Status::Pending),
        Some("UNSHIPPED" | "PARTIALLY_SHIPPED" | "SHIPPED") => Ok(Status::Open),
        Some("CANCELLED") => Ok(Status::Cancelled),
        Some("UNFULFILLABLE") => Ok(Status::Unfulfillable),
        _ => Err(status.wrong("is no fulfilment status that is known")),
    }
}

fn line(item: &Part<'_>, status: Status, ships: bool) -> Result<ChannelLine, MapError> {
    let product = item.need("product")?;
    let sku = product.get("sellerSku");
    let price = product.get("price");
    let unit_price = price.map(|price| money(&price, "unitPrice"));
    Ok(ChannelLine {
        line: item.need("orderItemId")?.typed::<LineId>()?,
        listing: sku.map(|_| seller_sku(&product, "sellerSku")).transpose()?,
        sku: product.text("sellerSku"),
        title: product.text("title").unwrap_or_else(|| "line".to_owned()),
        ordered_units: item.need("quantityOrdered")?.units()?,
        cancelled_units: cancelled_units(item, status)?,
        unit_price: unit_price.transpose()?.flatten(),
        ships,
    })
}

/// A seller SKU as the name of a listing: a text of any kind, also one with slashes.
pub(super) fn seller_sku(part: &Part<'_>, name: &'static str) -> Result<ListingId, MapError> {
    let sku = part.need(name)?;
    let text = sku.as_text().ok_or_else(|| sku.wrong("expected a text"))?;
    ListingId::new(text.trim()).map_err(|e| sku.wrong(e.to_string()))
}

/// Units that are not wanted any more: those that have not left and are not to leave. A pending order does not count
/// them yet, but where Amazon says that the item was cancelled.
fn cancelled_units(item: &Part<'_>, status: Status) -> Result<u32, MapError> {
    let ordered = item.need("quantityOrdered")?.units()?;
    let units = |name: &'static str| {
        let units = item
            .get("fulfillment")
            .and_then(|fulfilment| fulfilment.get(name));
        units.map(|units| units.units()).transpose()
    };
    let (left, waiting) = (units("quantityFulfilled")?, units("quantityUnfulfilled")?);
    let executed = item
        .get("cancellation")
        .and_then(|cancellation| cancellation.get("cancellationExecution"));
    let counted = executed.is_some() || status == Status::Open;
    let wanted = match (left, waiting) {
        (Some(left), Some(waiting)) if counted => left.saturating_add(waiting),
        (left, None) if executed.is_some() => left.unwrap_or(0),
        _ => ordered,
    };
    Ok(ordered.saturating_sub(wanted))
}

/// What the first item that was cancelled says of it.
fn why_cancelled(items: &[Part<'_>]) -> String {
    let said = items.iter().find_map(|item| {
        let executed = item.get("cancellation")?.get("cancellationExecution")?;
        let by = executed.text("cancelledBy");
        let by = by.map(|by| format!("by {}", by.to_lowercase()));
        let parts = [by, executed.text("cancelReason")];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(": "))
    });
    said.unwrap_or_else(|| "not said".to_owned())
}

/// Lines that the buyer asks not to be sent any more, and that were not cancelled yet.
fn asked(items: &[Part<'_>]) -> Result<Vec<(LineId, String)>, MapError> {
    let mut asked = Vec::new();
    for item in items {
        let Some(cancellation) = item.get("cancellation") else {
            continue;
        };
        let request = cancellation.get("cancellationRequest");
        let request = request.filter(|_| cancellation.get("cancellationExecution").is_none());
        if let Some(request) = request {
            let reason = request.text("cancelReason");
            let reason = reason.unwrap_or_else(|| "not said".to_owned());
            asked.push((item.need("orderItemId")?.typed::<LineId>()?, reason));
        }
    }
    Ok(asked)
}

/// The service level, and what binds it further.
fn ways(order: &Part<'_>, fulfilment: &Part<'_>) -> Result<Vec<String>, MapError> {
    let mut ways: Vec<String> = fulfilment
        .text("fulfillmentServiceLevel")
        .into_iter()
        .collect();
    let programs = texts(order, "programs")?;
    ways.extend(programs.into_iter().filter(|program| program == "PRIME"));
    Ok(ways)
}

fn texts(part: &Part<'_>, name: &'static str) -> Result<Vec<String>, MapError> {
    let list = part.list(name)?;
    let text = |one: &Part<'_>| one.as_text().map(str::to_owned);
    Ok(list.iter().filter_map(text).collect())
}

fn latest(fulfilment: &Part<'_>, window: &'static str) -> Result<Option<Timestamp>, MapError> {
    let latest = fulfilment
        .get(window)
        .and_then(|window| window.get("latestDateTime"));
    latest.map(|latest| latest.instant()).transpose()
}

fn money(part: &Part<'_>, name: &'static str) -> Result<Option<Money>, MapError> {
    let Some(money) = part.get(name) else {
        return Ok(None);
    };
    let code = money.need("currencyCode")?;
    let code = code
        .as_text()
        .ok_or_else(|| code.wrong("expected a text"))?;
    money.need("amount")?.money(code).map(Some)
}

/// None without a country: Amazon tells it once the order may be shipped.
fn destination(address: &Part<'_>) -> Option<Destination> {
    let prefix = |code: String| code.chars().take(POSTAL_PREFIX).collect::<String>();
    let is_code = |text: &String| {
        text.len() <= STATE_CODE_MAX && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    Some(Destination {
        country: address.text("countryCode")?.to_uppercase(),
        state: address
            .text("stateOrRegion")
            .filter(is_code)
            .map(|code| code.to_uppercase()),
        postal_prefix: address.text("postalCode").map(prefix),
        area: None,
        address_version: 0,
    })
}

fn buyer(order: &Part<'_>, address: Option<&Part<'_>>, external: &ExternalId) -> Option<Buyer> {
    let told = order.get("buyer");
    let ship_to = address.map(ship_to);
    let email = told.as_ref().and_then(|told| told.text("buyerEmail"));
    let name = told.as_ref().and_then(|told| told.text("buyerName"));
    let name = name.or_else(|| ship_to.as_ref()?.name.clone());
    let known = name.is_some() || email.is_some() || ship_to.is_some();
    let key = email.as_ref().map(|email| email.to_lowercase());
    known.then(|| Buyer {
        key: key.unwrap_or_else(|| format!("order:{external}")),
        name,
        email,
        phone: ship_to.as_ref().and_then(|ship_to| ship_to.phone.clone()),
        ship_to,
    })
}

fn ship_to(address: &Part<'_>) -> Address {
    let joined = |names: [&'static str; 2]| {
        let parts = names.into_iter().filter_map(|name| address.text(name));
        let text = parts.collect::<Vec<_>>().join(", ");
        (!text.is_empty()).then_some(text)
    };
    Address {
        name: address.text("name"),
        company: address.text("companyName"),
        address1: address.text("addressLine1"),
        address2: joined(["addressLine2", "addressLine3"]),
        city: address
            .text("city")
            .or_else(|| address.text("municipality")),
        state: joined(["stateOrRegion", "districtOrCounty"]),
        postal_code: address.text("postalCode"),
        country: address.text("countryCode"),
        phone: address.text("phone"),
    }
}
