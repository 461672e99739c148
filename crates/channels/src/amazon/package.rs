//! Packages: what left, whoever sent it, and what we say has left.

use std::collections::BTreeMap;

use crossdock_model::v1::{LineUnits, ParcelTracking};
use crossdock_model::{LineId, ShipmentId, Timestamp};
use serde_json::{Value, json};

use crate::fields::{MapError, Part};
use crate::inbound::Shipment;

/// Amazon lets a package be named by a number only. Ours begin here, so that they are known again when they are read
/// back: what others name begins at 1.
const OURS_FIRST: u64 = 7_300_000_000;
/// One past the last of ours.
const OURS_END: u64 = OURS_FIRST + (1 << 32);

/// How our package of that number in its order is named to Amazon.
#[must_use]
pub fn package_reference(number: u32) -> String {
    (OURS_FIRST + u64::from(number)).to_string()
}

fn is_ours(reference: &str) -> bool {
    let number = reference.parse::<u64>();
    number.is_ok_and(|number| (OURS_FIRST..OURS_END).contains(&number))
}

/// A package that has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Which of the order's packages it is: the same for whoever says it again.
    pub number: u32,
    /// What is in it.
    pub lines: Vec<LineUnits>,
    /// Who carries it.
    pub tracking: ParcelTracking,
    /// Amazon's code of the carrier; none: it is told by its name.
    pub carrier_code: Option<String>,
    /// How it is carried.
    pub method: Option<String>,
    /// When it left.
    pub shipped_at: Timestamp,
}

impl Package {
    /// The body of `confirmShipment`.
    pub(super) fn body(&self, marketplace: &str, shipped_at: &str) -> Value {
        let item =
            |line: &LineUnits| json!({ "orderItemId": line.line.as_str(), "quantity": line.units });
        let mut detail = json!({
            "packageReferenceId": package_reference(self.number),
            "carrierCode": self.carrier_code.as_deref().unwrap_or("Other"),
            "carrierName": self.tracking.carrier.as_deref().unwrap_or("Other"),
            "trackingNumber": self.tracking.number.as_deref().unwrap_or_default(),
            "shipDate": shipped_at,
            "orderItems": self.lines.iter().map(item).collect::<Vec<_>>(),
        });
        if let Some(method) = &self.method {
            detail["shippingMethod"] = method.as_str().into();
        }
        json!({ "marketplaceId": marketplace, "packageDetail": detail })
    }
}

/// Shipments with their units, and those that did not happen after all.
type Sent = (Vec<Shipment>, Vec<ShipmentId>);

/// Units that somebody else sent. What we sent we know.
///
/// Units that Amazon counts as sent without a package that holds them are told once their line is sent as a whole:
/// before that nobody knows which of them a package yet to be named will hold.
pub(super) fn sent(order: &Part<'_>, items: &[Part<'_>]) -> Result<Sent, MapError> {
    let (mut shipped, mut unshipped) = Sent::default();
    let mut packed: BTreeMap<LineId, u32> = BTreeMap::new();
    for package in order.list("packages")? {
        let reference = package.need("packageReferenceId")?;
        if !has_left(&package)? {
            if package_is(&package, "CANCELLED") && !is_ours(&reference.id()?) {
                unshipped.push(reference.typed()?);
            }
            continue;
        }
        let lines: Result<Vec<LineUnits>, MapError> =
            package.list("packageItems")?.iter().map(units).collect();
        let lines = lines?;
        for line in &lines {
            let sum = packed.entry(line.line.clone()).or_default();
            *sum = sum.saturating_add(line.units);
        }
        if !is_ours(&reference.id()?) {
            shipped.push(Shipment {
                shipment: reference.typed()?,
                lines,
                tracking: package.text("trackingNumber"),
            });
        }
    }
    for item in items {
        shipped.extend(unpacked(item, &packed)?);
    }
    Ok((shipped, unshipped))
}

fn package_is(package: &Part<'_>, status: &str) -> bool {
    let said = package.get("packageStatus");
    said.and_then(|said| said.text("status")).as_deref() == Some(status)
}

/// One without a status was confirmed by a seller, who does so once it has left.
fn has_left(package: &Part<'_>) -> Result<bool, MapError> {
    let Some(status) = package.get("packageStatus") else {
        return Ok(true);
    };
    let status = status.need("status")?;
    match status.as_text() {
        Some("IN_TRANSIT" | "SHIPPED" | "DELIVERED" | "UNDELIVERABLE") => Ok(true),
        Some("PENDING" | "CANCELLED") => Ok(false),
        _ => Err(status.wrong("is no package status that is known")),
    }
}

fn units(item: &Part<'_>) -> Result<LineUnits, MapError> {
    Ok(LineUnits {
        line: item.need("orderItemId")?.typed()?,
        units: item.need("quantity")?.units()?,
    })
}

/// The units of a line that were sent in no package, if all of it is sent.
fn unpacked(item: &Part<'_>, packed: &BTreeMap<LineId, u32>) -> Result<Option<Shipment>, MapError> {
    let count = |name: &'static str| {
        let count = item.get("fulfillment").and_then(|all| all.get(name));
        count.map(|count| count.units()).transpose()
    };
    let (Some(sent), Some(0)) = (count("quantityFulfilled")?, count("quantityUnfulfilled")?) else {
        return Ok(None);
    };
    let id = item.need("orderItemId")?;
    let line: LineId = id.typed()?;
    let units = sent.saturating_sub(packed.get(&line).copied().unwrap_or(0));
    if units == 0 {
        return Ok(None);
    }
    let shipment =
        ShipmentId::new(format!("fulfilled:{line}")).map_err(|e| id.wrong(e.to_string()))?;
    Ok(Some(Shipment {
        shipment,
        lines: vec![LineUnits { line, units }],
        tracking: None,
    }))
}
