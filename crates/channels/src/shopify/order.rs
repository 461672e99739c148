//! The REST order resource, as order webhooks carry it.

use crossdock_model::v1::{Destination, LineUnits, Payment};
use crossdock_model::{ExternalId, LineId, ListingId, Money, ShipmentId};

use super::refund;
use crate::buyer::{Address, Buyer};
use crate::fields::{MapError, Part};
use crate::inbound::{ChannelLine, ChannelOrder, Shipment};
use crate::shipping::Promise;

/// Characters of the postal code that leave the vault.
const POSTAL_PREFIX: usize = 3;

/// Reads an order.
pub(super) fn read(root: &Part<'_>) -> Result<ChannelOrder, MapError> {
    let currency = root.text("currency");
    let external = root.need("id")?.typed::<ExternalId>()?;
    let name = root.text("name").unwrap_or_else(|| external.to_string());
    let updated_at = root.need("updated_at")?.instant()?;
    let placed_at = match root.get("processed_at").or_else(|| root.get("created_at")) {
        Some(placed) => placed.instant()?,
        None => updated_at,
    };
    let refunds: Result<Vec<_>, MapError> =
        root.list("refunds")?.iter().map(refund::read).collect();
    let refunds = refunds?;
    let refunded = |line: &LineId| -> u32 {
        let lines = refunds
            .iter()
            .flat_map(|(_, lines)| lines)
            .filter(|refunded| refunded.line == *line);
        lines.fold(0, |sum, refunded| sum.saturating_add(refunded.units))
    };
    let lines: Result<Vec<ChannelLine>, MapError> = root
        .list("line_items")?
        .iter()
        .map(|part| line(part, currency.as_deref(), &refunded))
        .collect();
    let (shipped, unshipped) = fulfilments(root)?;
    let way = root.list("shipping_lines")?.into_iter().next();
    let shipping = way.map(|way| [way.text("code"), way.text("title")]);
    Ok(ChannelOrder {
        external,
        name,
        placed_at,
        updated_at,
        lines: lines?,
        ship_to: root.get("shipping_address").map(|part| destination(&part)),
        shipping: shipping.into_iter().flatten().flatten().collect(),
        promised: Promise::default(),
        payment: payment(root)?,
        cancelled: cancelled(root)?,
        total: price(root, "total_price", currency.as_deref())?,
        tags: tags(root),
        test: root.flag("test").unwrap_or(false),
        buyer: buyer(root),
        refunds,
        shipped,
        unshipped,
        sent_by_channel: false,
        cancel_asked: None,
    })
}

fn line(
    part: &Part<'_>,
    currency: Option<&str>,
    refunded: &dyn Fn(&LineId) -> u32,
) -> Result<ChannelLine, MapError> {
    let line = part.need("id")?.typed::<LineId>()?;
    let ordered_units = part.need("quantity")?.units()?;
    // What is left after edits and refunds. Refunds are merged by their own ids: only edits count here.
    let current = part
        .get("current_quantity")
        .map(|units| units.units())
        .transpose()?;
    let gone = ordered_units.saturating_sub(current.unwrap_or(ordered_units));
    let cancelled_units = gone.saturating_sub(refunded(&line));
    let gift_card = part.flag("gift_card").unwrap_or(false);
    Ok(ChannelLine {
        line,
        listing: part
            .get("variant_id")
            .map(|id| id.typed::<ListingId>())
            .transpose()?,
        sku: part.text("sku"),
        title: part
            .text("title")
            .or_else(|| part.text("name"))
            .unwrap_or_else(|| "line".to_owned()),
        ordered_units,
        cancelled_units,
        unit_price: price(part, "price", currency)?,
        // A gift card made of plastic is sent as anything else is.
        ships: part.flag("requires_shipping").unwrap_or(!gift_card),
    })
}

/// An amount of the order's currency. One without a currency is unknown: it is not money.
fn price(
    part: &Part<'_>,
    name: &'static str,
    currency: Option<&str>,
) -> Result<Option<Money>, MapError> {
    let amount = part.get(name).zip(currency);
    amount
        .map(|(amount, currency)| amount.money(currency))
        .transpose()
}

fn payment(root: &Part<'_>) -> Result<Payment, MapError> {
    let Some(status) = root.get("financial_status") else {
        return Ok(Payment::Pending);
    };
    let known = status.as_text().and_then(payment_of);
    known.ok_or_else(|| status.wrong("is no financial status that is known"))
}

/// What a financial status means for goods that have not left. Part of the money is not the money. What was given
/// back in full is not sent: units that are refunded are cancelled by their refund, and a refund of an amount alone
/// is for a person to look at.
pub(super) fn payment_of(status: &str) -> Option<Payment> {
    match status {
        "authorized" | "paid" | "partially_refunded" => Some(Payment::Ready),
        "pending" | "partially_paid" => Some(Payment::Pending),
        "voided" | "expired" | "refunded" => Some(Payment::Voided),
        _ => None,
    }
}

fn cancelled(root: &Part<'_>) -> Result<Option<(crossdock_model::Timestamp, String)>, MapError> {
    let Some(at) = root.get("cancelled_at") else {
        return Ok(None);
    };
    let reason = root
        .text("cancel_reason")
        .unwrap_or_else(|| "not said".to_owned());
    Ok(Some((at.instant()?, reason)))
}

fn tags(root: &Part<'_>) -> Vec<String> {
    let text = root.text("tags").unwrap_or_default();
    text.split(',')
        .map(str::trim)
        .filter(|tag| !tag.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Shipments with their units, and those that did not happen after all.
type Fulfilments = (Vec<Shipment>, Vec<ShipmentId>);

/// Fulfilments of the order: units that somebody else sent, and ours, which the order knows again. One that is still
/// being made says nothing yet.
fn fulfilments(root: &Part<'_>) -> Result<Fulfilments, MapError> {
    let (mut shipped, mut unshipped) = Fulfilments::default();
    let fulfilments = root.list("fulfillments")?.into_iter();
    let ours = |part: &Part<'_>| part.text("service").as_deref() == Some("crossdock");
    for part in fulfilments.filter(|part| !ours(part)) {
        let shipment = part.need("id")?.typed::<ShipmentId>()?;
        match part.text("status").as_deref() {
            Some("success") | None => {
                let lines = part.list("line_items")?.into_iter();
                let lines = lines.map(|line| units(&line, "quantity"));
                shipped.push(Shipment {
                    shipment,
                    lines: lines.collect::<Result<_, _>>()?,
                    tracking: part.text("tracking_number"),
                });
            }
            Some("cancelled" | "error" | "failure") => unshipped.push(shipment),
            Some("pending" | "open") => {}
            Some(other) => return Err(part.wrong(format!("status {other:?} is unknown"))),
        }
    }
    Ok((shipped, unshipped))
}

/// Units of a line.
pub(super) fn units(part: &Part<'_>, count: &'static str) -> Result<LineUnits, MapError> {
    Ok(LineUnits {
        line: part.need("id")?.typed::<LineId>()?,
        units: part.need(count)?.units()?,
    })
}

fn destination(part: &Part<'_>) -> Destination {
    let prefix = |zip: String| zip.trim().chars().take(POSTAL_PREFIX).collect::<String>();
    let centi = |name: &'static str| {
        part.get(name)
            .and_then(|d| d.degrees())
            .map(|d| (d * 100.0).round() as i16)
    };
    Destination {
        country: part.text("country_code").unwrap_or_default().to_uppercase(),
        state: part.text("province_code"),
        postal_prefix: part
            .text("zip")
            .map(prefix)
            .filter(|prefix| !prefix.is_empty()),
        area: centi("latitude").zip(centi("longitude")),
        address_version: 0,
    }
}

fn buyer(root: &Part<'_>) -> Option<Buyer> {
    let customer = root.get("customer");
    let ship_to = root.get("shipping_address").map(|part| address(&part));
    let email = root.text("email").or_else(|| root.text("contact_email"));
    let email = email.or_else(|| customer.as_ref()?.text("email"));
    let phone = root
        .text("phone")
        .or_else(|| ship_to.as_ref()?.phone.clone());
    let full = |part: &Part<'_>| {
        let names = [part.text("first_name"), part.text("last_name")];
        let name = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
        (!name.is_empty()).then_some(name)
    };
    let name = customer
        .as_ref()
        .and_then(full)
        .or_else(|| ship_to.as_ref()?.name.clone());
    let id = customer
        .as_ref()
        .and_then(|customer| customer.get("id")?.id().ok());
    let key = id
        .map(|id| format!("customer:{id}"))
        .or_else(|| email.clone().map(|e| e.to_lowercase()));
    let known = name.is_some() || email.is_some() || phone.is_some() || ship_to.is_some();
    let order = root.get("id")?.id().ok()?;
    known.then(|| Buyer {
        key: key.unwrap_or_else(|| format!("order:{order}")),
        name,
        email,
        phone,
        ship_to,
    })
}

fn address(part: &Part<'_>) -> Address {
    Address {
        name: part.text("name"),
        company: part.text("company"),
        address1: part.text("address1"),
        address2: part.text("address2"),
        city: part.text("city"),
        state: part.text("province_code").or_else(|| part.text("province")),
        postal_code: part.text("zip"),
        country: part.text("country_code"),
        phone: part.text("phone"),
    }
}
