//! A seller's account on Amazon: parcels are confirmed, cancelling is done by people.

use std::pin::Pin;

use crossdock_channels::amazon::{Package, Seller, Taken, package_reference};
use crossdock_channels::{CallError, Repeat};
use crossdock_model::answer::ReportTask;
use crossdock_model::command::{ReportCall, Said};
use crossdock_model::v1::{LineUnits, ParcelTracking, ReportKind};
use crossdock_model::{ShipmentId, Timestamp};

use super::{Telling, Told, words};
use crate::spend::Spend;

/// Carriers by the codes that Amazon has for them. Any other is named in words.
const CARRIERS: [&str; 8] = [
    "UPS",
    "USPS",
    "FedEx",
    "DHL",
    "DPD",
    "GLS",
    "Royal Mail",
    "Hermes",
];

/// An account that is told of parcels.
#[derive(Clone)]
pub struct Account {
    seller: Seller,
    spend: Spend,
}

impl Account {
    /// `spend`: what confirming a parcel costs.
    #[must_use]
    pub fn new(seller: Seller, spend: Spend) -> Self {
        Self { seller, spend }
    }

    async fn confirm(&self, call: ReportCall, package: Package) -> Said {
        let reference = ShipmentId::new(package_reference(package.number)).ok();
        let confirmed = self.seller.confirm_shipment(&call.order.external, &package);
        let failed = |error| Said::Failed {
            error,
            in_doubt: false,
        };
        match confirmed.await {
            Ok(Taken::Done) => Said::Told { theirs: reference },
            Ok(Taken::Refused(problem)) => failed(problem),
            Err(CallError::Throttled { retry_after }) => Said::Later {
                after: retry_after,
                in_doubt: false,
            },
            // The package's number names the call: it is simply made again.
            Err(error @ (CallError::NotDone(_) | CallError::Unknown(_))) => {
                failed(error.to_string())
            }
        }
    }
}

impl Told for Account {
    fn repeat(&self) -> Repeat {
        Repeat::Keyed
    }

    fn turn(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let spend = self.spend.clone();
        Box::pin(async move { spend.take().await })
    }

    fn tell(&self, call: ReportCall, task: ReportTask) -> Telling {
        let account = self.clone();
        Box::pin(async move {
            match task.kind {
                ReportKind::Shipped {
                    lines,
                    tracking,
                    shipped_at,
                    ..
                } => match package(call.report, lines, tracking, shipped_at) {
                    Ok(package) => account.confirm(call, package).await,
                    Err(lines) => Said::ByHand {
                        what: format!(
                            "Amazon wants carrier and number of every parcel, and its location gave none: confirm the \
                             shipment of {} of order {} in Seller Central. This closes once Amazon tells of it",
                            words(&lines),
                            call.order.external
                        ),
                    },
                },
                ReportKind::Cancelled { lines, reason, .. } => Said::ByHand {
                    what: format!(
                        "{} were cancelled here ({reason}), and Amazon takes that from people only: cancel them in \
                         order {} in Seller Central. This closes once Amazon says so too",
                        words(&lines),
                        call.order.external
                    ),
                },
            }
        })
    }
}

/// A package, if enough is known of it.
fn package(
    number: u32,
    lines: Vec<LineUnits>,
    tracking: Option<ParcelTracking>,
    shipped_at: Timestamp,
) -> Result<Package, Vec<LineUnits>> {
    let known = tracking.filter(|one| one.carrier.is_some() && one.number.is_some());
    let Some(tracking) = known else {
        return Err(lines);
    };
    let carrier = tracking.carrier.as_deref().unwrap_or_default();
    let mut codes = CARRIERS.into_iter();
    let code = codes.find(|code| code.eq_ignore_ascii_case(carrier.trim()));
    Ok(Package {
        number,
        lines,
        carrier_code: code.map(str::to_owned),
        tracking,
        method: None,
        shipped_at,
    })
}
