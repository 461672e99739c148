//! Orders: placed, read, changed.

mod change;
mod create;
mod doc;
mod input;
mod read;

use crossdock_model::v1::Scope;

use crate::route::Route;
use crate::wire::Items;

pub(super) use change::{ConditionName, command};
pub(super) use create::{How, claim, place, sale_of};
pub(super) use doc::{AddressDoc, OrderAnswer, order_answer, status_name, summary};
pub(super) use input::{HeldOrder, NewLine, NewOrder};

/// Routes of orders.
pub(super) fn routes() -> Vec<Route> {
    [whole(), units(), after()].into_iter().flatten().collect()
}

/// Placed and read.
fn whole() -> Vec<Route> {
    let (read, operate) = (Scope::Read, Scope::Operate);
    vec![
        Route::post("/v1/orders", operate, "Place an order", create::create)
            .takes::<NewOrder>()
            .needs_key()
            .creates::<OrderAnswer>(),
        Route::get(
            "/v1/orders",
            read,
            "List or find orders, newest first",
            read::list,
        )
        .filters::<read::OrderQuery>()
        .answers::<Items<doc::OrderRowDoc>>(),
        Route::get(
            "/v1/orders/{order}",
            read,
            "Show an order and its timeline",
            read::show,
        )
        .filters::<read::ShowQuery>()
        .answers::<doc::OrderDoc>(),
        Route::get(
            "/v1/orders/{order}/timeline",
            read,
            "Show what happened to an order, page by page",
            read::timeline,
        )
        .filters::<read::TimelineQuery>()
        .answers::<Items<doc::StepDoc>>(),
    ]
}

/// What is sent, from where, and when.
fn units() -> Vec<Route> {
    let operate = Scope::Operate;
    vec![
        Route::post(
            "/v1/orders/{order}/cancel",
            operate,
            "Cancel, in part or whole",
            change::cancel,
        )
        .takes::<change::Cancel>()
        .answers::<OrderAnswer>(),
        Route::post(
            "/v1/orders/{order}/lines",
            operate,
            "Edit lines",
            change::edit_lines,
        )
        .takes::<change::EditLines>()
        .answers::<OrderAnswer>(),
        Route::post(
            "/v1/orders/{order}/hold",
            operate,
            "Hold, in part or whole",
            change::hold,
        )
        .takes::<change::Hold>()
        .answers::<OrderAnswer>(),
        Route::post(
            "/v1/orders/{order}/release",
            operate,
            "Release from hold",
            change::release,
        )
        .takes::<change::Release>()
        .answers::<OrderAnswer>(),
        Route::post(
            "/v1/orders/{order}/reroute",
            operate,
            "Place again what has not left",
            change::reroute,
        )
        .takes::<change::Reroute>()
        .answers::<OrderAnswer>(),
        Route::post(
            "/v1/orders/{order}/split",
            operate,
            "Send units in a request of their own",
            change::split,
        )
        .takes::<change::Split>()
        .answers::<OrderAnswer>(),
    ]
}

/// Everything else that people change.
fn after() -> Vec<Route> {
    let (operate, admin) = (Scope::Operate, Scope::Admin);
    vec![
        Route::post(
            "/v1/orders/{order}/address",
            operate,
            "Change the address",
            change::address,
        )
        .takes::<change::ChangeAddress>()
        .answers::<OrderAnswer>(),
        Route::post(
            "/v1/orders/{order}/notes",
            operate,
            "Write a note",
            change::note,
        )
        .takes::<change::Note>()
        .answers::<OrderAnswer>(),
        Route::post(
            "/v1/orders/{order}/returns",
            operate,
            "Take goods back",
            change::take_back,
        )
        .takes::<change::Return>()
        .needs_key_or_id()
        .answers::<OrderAnswer>(),
        Route::post(
            "/v1/orders/{order}/refunds",
            operate,
            "Record a refund",
            change::refund,
        )
        .takes::<change::Refund>()
        .needs_key_or_id()
        .answers::<OrderAnswer>(),
        Route::post(
            "/v1/orders/{order}/free",
            operate,
            "Let an adopted order go to fulfilment",
            change::free,
        )
        .answers::<OrderAnswer>(),
        Route::post(
            "/v1/orders/{order}/tell",
            operate,
            "Tell its channel again what it could not be told",
            change::tell,
        )
        .answers::<OrderAnswer>(),
        Route::post(
            "/v1/orders/{order}/erase",
            admin,
            "Erase the personal data",
            change::erase,
        )
        .answers::<change::Erased>(),
    ]
}
