//! What connectors hand on: verified deliveries, and what payloads say before the listing map.

use std::collections::BTreeMap;
use std::fmt;

use crossdock_model::v1::{Destination, LineUnits, Payment, RefundLine};
use crossdock_model::{ExternalId, LineId, ListingId, Money, RefundId, ShipmentId, Timestamp};
use thiserror::Error;

use crate::buyer::Buyer;
use crate::shipping::Promise;

/// A secret. Its contents are never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for signing only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A delivery as HTTP gave it.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// Headers, names in lower case.
    pub headers: &'a [(String, String)],
    /// The raw body.
    pub body: &'a [u8],
}

impl<'a> Delivery<'a> {
    /// The first header of one of these names.
    #[must_use]
    pub fn header(&self, names: &[&str]) -> Option<&'a str> {
        let found = self
            .headers
            .iter()
            .find(|(name, _)| names.contains(&name.as_str()));
        found.map(|(_, value)| value.trim())
    }
}

/// A delivery whose signature is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// By which repeats are known.
    pub delivery_id: String,
    /// The channel's topic.
    pub topic: String,
    /// Headers worth keeping: never signatures.
    pub kept_headers: Vec<(String, String)>,
}

/// Why a delivery is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// No signature header.
    #[error("the signature header is missing")]
    MissingSignature,
    /// The signature fits none of the live secrets.
    #[error("the signature does not match: check the channel's webhook_secrets")]
    BadSignature,
    /// No topic header.
    #[error("the topic header is missing")]
    MissingTopic,
    /// The signed time is too far from now.
    #[error("the signed time is more than five minutes from now: check both clocks")]
    Stale,
    /// No header with the key.
    #[error("the header x-crossdock-key is missing")]
    MissingKey,
    /// The key is none of the live secrets.
    #[error("x-crossdock-key is none of the channel's webhook_secrets")]
    BadKey,
}

/// What a payload says, before the listing map.
#[derive(Debug, Clone, PartialEq)]
pub enum Inbound {
    /// The whole of an order.
    Order(Box<ChannelOrder>),
    /// A refund of an order.
    Refund {
        /// The order.
        order: ExternalId,
        /// The refund.
        refund: RefundId,
        /// What was refunded.
        lines: Vec<RefundLine>,
    },
    /// What the channel shows at one of its places.
    StockLevel(StockLevel),
    /// The order was edited. What was added is told in full by the next statement of the order only.
    Edit {
        /// The order.
        order: ExternalId,
        /// When, by the channel's clock.
        edited_at: Timestamp,
        /// What was taken out.
        removed: Vec<LineUnits>,
    },
    /// The order has changed: it is to be read again.
    Reread {
        /// The order.
        order: ExternalId,
        /// When, by the channel's clock.
        changed_at: Timestamp,
    },
    /// A topic we know and need not act on.
    Nothing {
        /// Why, in one sentence.
        why: &'static str,
    },
}

/// What a channel shows of one thing at one of its places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockLevel {
    /// What is sold, as the channel names its stock: `inventory_item:808950810`.
    pub listing: ListingId,
    /// The channel's place.
    pub place: String,
    /// Units, also fewer than none; `None`: not tracked there.
    pub available: Option<i64>,
    /// The channel's time of it.
    pub updated_at: Timestamp,
}

/// An order as its channel states it. Personal data is in `buyer` only.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelOrder {
    /// The channel's id.
    pub external: ExternalId,
    /// What people call it.
    pub name: String,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// The channel's time of this state.
    pub updated_at: Timestamp,
    /// Its lines.
    pub lines: Vec<ChannelLine>,
    /// Where it goes, without personal data; whoever keeps the buyer gives the address its version.
    pub ship_to: Option<Destination>,
    /// Names of the way it is to be sent, the surest first.
    pub shipping: Vec<String>,
    /// What the channel itself promised; the rest is promised by the way it is to be sent.
    pub promised: Promise,
    /// Whether money is there.
    pub payment: Payment,
    /// When and why the channel cancelled it.
    pub cancelled: Option<(Timestamp, String)>,
    /// What the buyer pays.
    pub total: Option<Money>,
    /// Tags.
    pub tags: Vec<String>,
    /// Whether it is a test of the channel.
    pub test: bool,
    /// Who bought: for the vault only.
    pub buyer: Option<Buyer>,
    /// Refunds it carries.
    pub refunds: Vec<(RefundId, Vec<RefundLine>)>,
    /// Shipments it carries that are not known to be ours.
    pub shipped: Vec<Shipment>,
    /// Shipments it carries that did not happen after all.
    pub unshipped: Vec<ShipmentId>,
    /// Whether the channel sends it, from stock that is not ours.
    pub sent_by_channel: bool,
    /// Lines that the buyer asks not to be sent any more, with the reason: they are wanted until somebody agrees.
    /// `None`: the channel does not tell such things.
    pub cancel_asked: Option<Vec<(LineId, String)>>,
}

impl ChannelOrder {
    /// Whether, as the channel states it, something of it is still to be sent.
    #[must_use]
    pub fn is_left_to_send(&self) -> bool {
        let lines = self.left_to_send();
        self.cancelled.is_none() && lines.into_iter().any(|(line, left)| line.ships && left > 0)
    }

    /// Its lines with the units that are neither cancelled, refunded nor sent.
    pub(crate) fn left_to_send(&self) -> Vec<(&ChannelLine, u32)> {
        let refunded = self.refunds.iter().flat_map(|(_, lines)| lines);
        let refunded = refunded.map(|line| (&line.line, line.units));
        let shipped = self.shipped.iter().flat_map(|one| &one.lines);
        let mut gone: BTreeMap<&LineId, u32> = BTreeMap::new();
        for (line, units) in refunded.chain(shipped.map(|line| (&line.line, line.units))) {
            let known = gone.entry(line).or_default();
            *known = known.saturating_add(units);
        }
        let left = |line: &ChannelLine| {
            let gone = gone.get(&line.line).copied().unwrap_or_default();
            let gone = gone.saturating_add(line.cancelled_units);
            line.ordered_units.saturating_sub(gone)
        };
        self.lines.iter().map(|line| (line, left(line))).collect()
    }
}

/// A shipment that a channel tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shipment {
    /// What the channel calls it.
    pub shipment: ShipmentId,
    /// What is in it.
    pub lines: Vec<LineUnits>,
    /// Its number at the carrier.
    pub tracking: Option<String>,
}

/// A line as its channel states it.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelLine {
    /// The channel's id of the line.
    pub line: LineId,
    /// What is sold.
    pub listing: Option<ListingId>,
    /// The SKU text the channel has for it; may be wrong or empty.
    pub sku: Option<String>,
    /// Its title.
    pub title: String,
    /// Units ordered.
    pub ordered_units: u32,
    /// Units no longer wanted.
    pub cancelled_units: u32,
    /// Price of a unit.
    pub unit_price: Option<Money>,
    /// Whether it is sent at all.
    pub ships: bool,
}
