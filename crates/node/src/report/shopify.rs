//! A Shopify shop: parcels become fulfilments, sent from where we sent them; orders given up are cancelled.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use crossdock_channels::shopify::admin::{
    Admin, AdminError, Cancel, CancelReason, FulfilmentLine, FulfilmentOrder, LineCount, Parcel,
};
use crossdock_channels::{CallError, ChannelOrder, Repeat, Shipment};
use crossdock_model::answer::ReportTask;
use crossdock_model::command::{ReportCall, Said};
use crossdock_model::v1::{LineUnits, ParcelTracking, ReportKind};
use crossdock_model::{Duration, ExternalId, LocationId, ShipmentId};
use crossdock_runtime::Clock;

use super::{Telling, Told, words};
use crate::spend::Spend;

/// Times that fulfilment orders are read until all are where they are sent from.
const ROUNDS_MAX: usize = 3;
/// Looks whether an order is cancelled, after the shop took it on.
const LOOKS_MAX: usize = 5;
/// Pause between two looks.
const LOOK_AGAIN: Duration = Duration::from_s(2);

/// How a shop is told.
#[derive(Debug, Clone, Default)]
pub struct ShopOptions {
    /// The shop's places by our locations.
    pub places: BTreeMap<LocationId, String>,
    /// Whether the shop writes to the buyer.
    pub notify: bool,
    /// Whether the money of a cancelled order goes back the way it came.
    pub refund: bool,
}

/// A shop that is told of parcels and cancellations.
#[derive(Clone)]
pub struct Shop {
    admin: Admin,
    options: ShopOptions,
    /// What reading costs, and changing something.
    spend: [Spend; 2],
    clock: Arc<dyn Clock>,
}

/// What stands in the way.
type Stop = Said;

impl Shop {
    /// `spend`: what a call costs at most that reads, and one that changes something.
    #[must_use]
    pub fn new(
        admin: Admin,
        options: ShopOptions,
        spend: [Spend; 2],
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            admin,
            options,
            spend,
            clock,
        }
    }

    async fn read(&self, order: &ExternalId, in_doubt: bool) -> Result<ChannelOrder, Stop> {
        self.spend[0].take().await;
        let read = self.admin.order(order).await;
        let read = read.map_err(|error| stopped(error, in_doubt))?;
        read.ok_or_else(|| Said::Failed {
            error: "the shop has no such order".to_owned(),
            in_doubt,
        })
    }

    /// What is in doubt is looked up first. Units are moved to the place that they were sent from, then told to be sent.
    async fn shipped(&self, order: &ExternalId, parcel: &Sent<'_>) -> Result<Said, Stop> {
        if parcel.in_doubt {
            let known = self.read(order, true).await?;
            if let Some(theirs) = parcel.find(&known.shipped) {
                let theirs = Some(theirs.clone());
                return Ok(Said::Told { theirs });
            }
        }
        let place = self.options.places.get(parcel.location);
        for _ in 0..ROUNDS_MAX {
            let parts = self.admin.fulfilment_orders(order).await;
            let parts = parts.map_err(|error| stopped(error, false))?;
            let planned = plan(&parts, parcel.lines, place.map(String::as_str))?;
            let Some(place) = place.filter(|_| !planned.moves.is_empty()) else {
                return self.create(parcel, planned.sends).await;
            };
            for (part, lines) in planned.moves {
                self.spend[1].take().await;
                let moved = self.admin.move_fulfilment_order(&part, place, &lines);
                // Where it is sent from is read again before anything else is done.
                moved.await.map_err(|error| stopped(error, false))?;
            }
            self.spend[0].take().await;
        }
        Err(not_done("its units did not stay where they were moved to"))
    }

    async fn create(
        &self,
        parcel: &Sent<'_>,
        lines: Vec<(String, Vec<LineCount>)>,
    ) -> Result<Said, Stop> {
        self.spend[1].take().await;
        let tracking = parcel.tracking;
        let parcel = Parcel {
            lines,
            carrier: tracking.and_then(|known| known.carrier.clone()),
            tracking: tracking.and_then(|known| known.number.clone()),
            notify: self.options.notify,
        };
        let created = self.admin.create_fulfilment(&parcel).await;
        let theirs = created.map_err(|error| {
            let in_doubt = may_be_done(&error);
            stopped(error, in_doubt)
        })?;
        Ok(Said::Told {
            theirs: Some(theirs),
        })
    }

    /// The shop cancels a little later: it is looked at until it did.
    async fn cancelled(&self, order: &ExternalId, reason: &str) -> Result<Said, Stop> {
        let told = Said::Told { theirs: None };
        if self.read(order, false).await?.cancelled.is_some() {
            return Ok(told);
        }
        self.spend[1].take().await;
        let cancel = Cancel {
            reason: reason_of(reason),
            restock: false,
            refund: self.options.refund,
            notify: self.options.notify,
            note: Some(reason.to_owned()),
        };
        match self.admin.cancel_order(order, &cancel).await {
            Ok(()) => {}
            Err(AdminError::Refused(why)) => {
                let what = format!(
                    "The shop does not cancel order {order} by a call ({why}). It was given up here ({reason}): cancel \
                     or refund it in the shop. This closes once the shop says so too"
                );
                return Ok(Said::ByHand { what });
            }
            Err(error) => {
                let in_doubt = may_be_done(&error);
                return Err(stopped(error, in_doubt));
            }
        }
        for _ in 0..LOOKS_MAX {
            if self.read(order, true).await?.cancelled.is_some() {
                return Ok(told);
            }
            self.clock.sleep(LOOK_AGAIN).await;
        }
        Ok(Said::Failed {
            error: "the shop took it on and has not cancelled it yet".to_owned(),
            in_doubt: true,
        })
    }
}

impl Told for Shop {
    fn repeat(&self) -> Repeat {
        Repeat::ReadBeforeRetry
    }

    fn turn(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let spend = self.spend[0].clone();
        Box::pin(async move { spend.take().await })
    }

    fn tell(&self, call: ReportCall, task: ReportTask) -> Telling {
        let shop = self.clone();
        Box::pin(async move {
            let order = &call.order.external;
            let ReportTask {
                kind,
                in_doubt,
                known,
                ..
            } = task;
            let told = match &kind {
                ReportKind::Shipped {
                    location,
                    lines,
                    tracking,
                    ..
                } => {
                    let parcel = Sent {
                        location,
                        lines,
                        tracking: tracking.as_ref(),
                        in_doubt,
                        known: &known,
                    };
                    shop.shipped(order, &parcel).await
                }
                ReportKind::Cancelled {
                    reason,
                    whole: true,
                    ..
                } => shop.cancelled(order, reason).await,
                ReportKind::Cancelled { lines, reason, .. } => Ok(Said::ByHand {
                    what: format!(
                        "{} of order {order} were cancelled here ({reason}), and no call to the shop says that of a \
                         part: refund or remove them there. This closes once the shop says so too",
                        words(lines)
                    ),
                }),
            };
            told.unwrap_or_else(|stop| stop)
        })
    }
}

/// A parcel of ours.
struct Sent<'a> {
    location: &'a LocationId,
    lines: &'a [LineUnits],
    tracking: Option<&'a ParcelTracking>,
    in_doubt: bool,
    known: &'a [ShipmentId],
}

impl Sent<'_> {
    /// The fulfilment that the shop made of it: none that is known to be something else.
    fn find<'s>(&self, shipments: &'s [Shipment]) -> Option<&'s ShipmentId> {
        let number = self.tracking.and_then(|known| known.number.as_deref());
        let same = |one: &&Shipment| {
            !self.known.contains(&one.shipment)
                && one.tracking.as_deref() == number
                && (number.is_some() || sums(&one.lines) == sums(self.lines))
        };
        shipments.iter().find(same).map(|one| &one.shipment)
    }
}

fn sums(lines: &[LineUnits]) -> BTreeMap<&str, u32> {
    let mut sums: BTreeMap<&str, u32> = BTreeMap::new();
    for one in lines {
        *sums.entry(one.line.as_str()).or_default() += one.units;
    }
    sums
}

/// Lines of a fulfilment order, by its id.
type Parts = Vec<(String, Vec<LineCount>)>;

/// What has to be done for a parcel.
#[derive(Debug, Default, PartialEq)]
struct Planned {
    /// What is at another place.
    moves: Parts,
    /// What is where it is sent from.
    sends: Parts,
}

/// Picks the units of a parcel out of what is left to send. Without a place of ours everything stays where it is, and
/// must be at one place.
fn plan(
    parts: &[FulfilmentOrder],
    lines: &[LineUnits],
    place: Option<&str>,
) -> Result<Planned, Stop> {
    let known = |line: &LineUnits| {
        let mut all = parts.iter().flat_map(|part| &part.lines);
        all.any(|one| one.line == line.line)
    };
    if let Some(added) = lines.iter().find(|line| !known(line)) {
        let what = format!(
            "Line {} is not one that the shop sends: it was added here, or removed there. Tell the buyer of the parcel",
            added.line
        );
        return Err(Said::ByHand { what });
    }
    let open: Vec<&FulfilmentOrder> = parts.iter().filter(|part| is_open(part)).collect();
    if let Some(place) = place {
        let is_here = |part: &&&FulfilmentOrder| part.place.as_deref() == Some(place);
        let (here, there): (Vec<_>, Vec<_>) = open.iter().partition(is_here);
        let (sends, rest) = pick(here.into_iter(), lines);
        let (moves, rest) = pick(there.into_iter(), &rest);
        return match rest.as_slice() {
            [] => Ok(Planned { moves, sends }),
            lacking => Err(not_done(&lacks(parts, lacking))),
        };
    }
    let mut places: Vec<Option<&str>> = open.iter().map(|part| part.place.as_deref()).collect();
    places.dedup();
    let whole = places.into_iter().find_map(|place| {
        let here = open.iter().filter(|part| part.place.as_deref() == place);
        let (sends, rest) = pick(here, lines);
        rest.is_empty().then_some(sends)
    });
    let (_, lacking) = pick(open.iter(), lines);
    match whole {
        Some(sends) => Ok(Planned {
            moves: Vec::new(),
            sends,
        }),
        None if lacking.is_empty() => Err(not_done(
            "the shop sends its units from several places: name the location's place in the channel's publish.places",
        )),
        None => Err(not_done(&lacks(parts, &lacking))),
    }
}

/// Takes units from fulfilment orders, the first ones first. Returns them, and what is lacking.
fn pick<'a, 'p: 'a>(
    parts: impl Iterator<Item = &'a &'p FulfilmentOrder>,
    lines: &[LineUnits],
) -> (Parts, Vec<LineUnits>) {
    let mut lacking = lines.to_vec();
    let mut picked = Parts::new();
    for part in parts {
        let mut counts: Vec<LineCount> = Vec::new();
        for FulfilmentLine { id, line, left } in &part.lines {
            for one in lacking.iter_mut().filter(|one| one.line == *line) {
                let units = one.units.min(*left);
                one.units -= units;
                if units > 0 {
                    counts.push((id.clone(), units));
                }
            }
        }
        if !counts.is_empty() {
            picked.push((part.id.clone(), counts));
        }
    }
    lacking.retain(|one| one.units > 0);
    (picked, lacking)
}

fn is_open(part: &FulfilmentOrder) -> bool {
    matches!(part.status.as_str(), "OPEN" | "IN_PROGRESS")
}

fn lacks(parts: &[FulfilmentOrder], lacking: &[LineUnits]) -> String {
    let held = parts.iter().find(|part| part.status == "ON_HOLD");
    let why = held.map_or("sent, cancelled or not to be sent yet", |_| "on hold there");
    format!("the shop has {} not left to send: {why}", words(lacking))
}

fn not_done(error: &str) -> Stop {
    Said::Failed {
        error: error.to_owned(),
        in_doubt: false,
    }
}

/// Whether a call that changes something may have been carried out.
fn may_be_done(error: &AdminError) -> bool {
    matches!(
        error,
        AdminError::Call(CallError::Unknown(_)) | AdminError::Map(_)
    )
}

fn stopped(error: AdminError, in_doubt: bool) -> Stop {
    match error {
        AdminError::Call(CallError::Throttled { retry_after }) => Said::Later {
            after: retry_after,
            in_doubt,
        },
        error => Said::Failed {
            error: error.to_string(),
            in_doubt,
        },
    }
}

/// The shop's word for why an order was given up: its own words, and what we call running out of stock.
fn reason_of(reason: &str) -> CancelReason {
    match reason.trim().to_ascii_lowercase().as_str() {
        "customer" => CancelReason::Customer,
        "declined" => CancelReason::Declined,
        "fraud" => CancelReason::Fraud,
        "inventory" | "short" => CancelReason::Inventory,
        "staff" => CancelReason::Staff,
        _ => CancelReason::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(id: &str, status: &str, place: &str, lines: &[(&str, u32)]) -> FulfilmentOrder {
        let line = |(line, left): &(&str, u32)| FulfilmentLine {
            id: format!("{id}.{line}"),
            line: line.parse().unwrap(),
            left: *left,
        };
        FulfilmentOrder {
            id: id.to_owned(),
            status: status.to_owned(),
            place: Some(place.to_owned()),
            lines: lines.iter().map(line).collect(),
        }
    }

    fn units(line: &str, units: u32) -> LineUnits {
        LineUnits {
            line: line.parse().unwrap(),
            units,
        }
    }

    fn parts(all: &[(&str, &str, u32)]) -> Parts {
        let one = |(part, line, units): &(&str, &str, u32)| {
            ((*part).to_owned(), vec![(format!("{part}.{line}"), *units)])
        };
        all.iter().map(one).collect()
    }

    /// What is at its place already is taken first; what is lacking there is moved, and nothing that is on hold.
    #[test]
    fn units_are_picked_where_they_are_sent_from() {
        let there = part("a", "OPEN", "8050", &[("1", 3)]);
        let here = part("b", "IN_PROGRESS", "9", &[("1", 1)]);
        let held = part("c", "ON_HOLD", "9", &[("1", 5)]);
        let all = [there.clone(), here, held.clone()];
        let planned = |place, n| plan(&all, &[units("1", n)], place);
        let expected = |moves: &[(&str, &str, u32)], sends: &[(&str, &str, u32)]| {
            Ok(Planned {
                moves: parts(moves),
                sends: parts(sends),
            })
        };
        assert_eq!(planned(Some("9"), 1), expected(&[], &[("b", "1", 1)]));
        let both = expected(&[("a", "1", 1)], &[("b", "1", 1)]);
        assert_eq!(planned(Some("9"), 2), both);
        let lacking = planned(Some("9"), 5);
        assert!(matches!(&lacking, Err(Said::Failed { error, .. }) if error.contains("on hold")));
        // A location that stands for no place: whatever is at one place, and never at two.
        assert_eq!(planned(None, 3), expected(&[], &[("a", "1", 3)]));
        let apart = planned(None, 4);
        assert!(matches!(&apart, Err(Said::Failed { error, .. }) if error.contains("places")));
        let unknown = plan(&[there, held], &[units("2", 1)], Some("9"));
        assert!(matches!(unknown, Err(Said::ByHand { .. })), "{unknown:?}");
    }

    /// A fulfilment is known by its number, one without by what is in it; never one that is something else.
    #[test]
    fn a_parcel_is_found_again() {
        let shipment = |id: &str, n: u32, number: Option<&str>| Shipment {
            shipment: id.parse().unwrap(),
            lines: vec![units("1", n)],
            tracking: number.map(str::to_owned),
        };
        let all = [
            shipment("f1", 1, None),
            shipment("f2", 1, None),
            shipment("f3", 2, Some("1Z")),
        ];
        let location: LocationId = "reno".parse().unwrap();
        let find = |n: u32, number: Option<&str>, known: &[&str]| {
            let tracking = number.map(|number| ParcelTracking {
                carrier: None,
                number: Some(number.to_owned()),
                url: None,
            });
            let known: Vec<ShipmentId> = known.iter().map(|id| id.parse().unwrap()).collect();
            let parcel = Sent {
                location: &location,
                lines: &[units("1", n)],
                tracking: tracking.as_ref(),
                in_doubt: true,
                known: &known,
            };
            parcel.find(&all).map(ToString::to_string)
        };
        assert_eq!(find(1, None, &["f1"]).as_deref(), Some("f2"));
        assert_eq!(find(1, None, &["f1", "f2"]), None);
        assert_eq!(find(2, None, &[]), None, "that one has a number");
        assert_eq!(find(2, Some("1Z"), &[]).as_deref(), Some("f3"));
        assert_eq!(find(1, Some("2Z"), &[]), None);
    }
}
