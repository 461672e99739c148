//! REST `/v1`: one file a resource; each says its routes.

mod adopt;
mod backups;
mod brought;
mod catalogue;
mod channels;
mod consistent;
mod deliveries;
mod endpoints;
mod events;
mod exceptions;
mod holds;
mod imports;
mod keys;
mod kits;
mod listings;
mod locations;
mod numbers;
mod orders;
mod patience;
mod quarantine;
mod requests;
mod routing;
mod skus;
mod stock;

pub(crate) use catalogue::Catalogues;
pub(crate) use imports::Jobs;
pub(crate) use kits::Kits;

use crate::route::Route;

/// Routes of every resource.
pub(crate) fn routes() -> Vec<Route> {
    let resources = [
        orders::routes(),
        holds::routes(),
        stock::routes(),
        skus::routes(),
        locations::routes(),
        requests::routes(),
        channels::routes(),
        listings::routes(),
        numbers::routes(),
        adopt::routes(),
        catalogue::routes(),
        routing::routes(),
        exceptions::routes(),
        deliveries::routes(),
        keys::routes(),
        endpoints::routes(),
        quarantine::routes(),
        events::routes(),
        imports::routes(),
        backups::routes(),
    ];
    resources.into_iter().flatten().collect()
}
