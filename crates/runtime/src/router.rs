//! The node's router: an actor that plans on announced stock, and the board it reads.
//!
//! The board holds the newest announcement of each SKU and location. It is a hint: a refusal always rests on a
//! fresh durable answer of the SKU itself.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};

use crossdock_engine::{Asker, Outgoing};
use crossdock_logic::Announcement;
use crossdock_logic::router::{CompiledRules, route};
use crossdock_model::answer::StockView;
use crossdock_model::command::PlanRequest;
use crossdock_model::v1::{LocationFacts, Tracking};
use crossdock_model::{Answer, Effect, EntityId, LocationId, SkuId};
use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::ask::Handle;
use crate::shared::Shared;

/// SKUs whose stock is kept on the board at most; others are asked when needed.
const BOARD_SKUS_MAX: usize = 200_000;
/// Plans under way at most. What is asked for beyond that is dropped; its order asks again.
const PLANS_MAX: usize = 65_536;
/// Depth to which kits of kits are looked up.
const KIT_DEPTH_MAX: usize = 3;

/// What has been announced.
#[derive(Default)]
pub(crate) struct Board {
    stock: RwLock<HashMap<SkuId, Arc<StockView>>>,
    locations: RwLock<Arc<BTreeMap<LocationId, LocationFacts>>>,
    rules: RwLock<Arc<CompiledRules>>,
}

impl Board {
    /// Takes an announcement; an older one than is known is dropped.
    pub fn announce(&self, announcement: Announcement) {
        match announcement {
            Announcement::Stock(view) => self.announce_stock(*view),
            Announcement::Location(facts) => {
                let mut locations = self
                    .locations
                    .write()
                    .unwrap_or_else(PoisonError::into_inner);
                Arc::make_mut(&mut locations).insert(facts.location.clone(), *facts);
            }
        }
    }

    fn announce_stock(&self, view: StockView) {
        let mut stock = self.stock.write().unwrap_or_else(PoisonError::into_inner);
        match stock.get(&view.sku) {
            Some(known) if known.version > view.version => return,
            None if stock.len() >= BOARD_SKUS_MAX => stock.clear(),
            Some(_) | None => {}
        }
        stock.insert(view.sku.clone(), Arc::new(view));
    }

    fn stock(&self, sku: &SkuId) -> Option<Arc<StockView>> {
        self.stock
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(sku)
            .cloned()
    }

    pub fn set_rules(&self, rules: CompiledRules) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    pub fn locations(&self) -> Vec<LocationFacts> {
        let locations = self
            .locations
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        locations.values().cloned().collect()
    }

    pub fn location(&self, id: &LocationId) -> Option<LocationFacts> {
        self.all_locations().get(id).cloned()
    }

    fn rules(&self) -> Arc<CompiledRules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn all_locations(&self) -> Arc<BTreeMap<LocationId, LocationFacts>> {
        Arc::clone(
            &self
                .locations
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

/// Gives the router a plan to make.
pub(crate) fn ask(shared: &Arc<Shared>, outgoing: Outgoing) {
    let Some(router) = shared.router.get() else {
        return;
    };
    if shared.planning.fetch_add(1, Ordering::Relaxed) >= PLANS_MAX {
        shared.metrics.shed.inc();
        shared.planning.fetch_sub(1, Ordering::Relaxed);
        return;
    }
    let planning = Planning {
        shared: Arc::clone(shared),
        asked: outgoing,
    };
    let _ = router.cast(planning);
}

/// A plan under way. It counts until it is dropped, also by a panic.
pub(crate) struct Planning {
    shared: Arc<Shared>,
    asked: Outgoing,
}

impl Drop for Planning {
    fn drop(&mut self) {
        self.shared.planning.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Plans orders. One on each node; owns nothing durable.
pub(crate) struct Router;

impl Actor for Router {
    type Msg = Planning;
    type State = Arc<Shared>;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        _myself: ActorRef<Planning>,
        shared: Arc<Shared>,
    ) -> Result<Arc<Shared>, ActorProcessingErr> {
        Ok(shared)
    }

    async fn handle(
        &self,
        _myself: ActorRef<Planning>,
        planning: Planning,
        _shared: &mut Arc<Shared>,
    ) -> Result<(), ActorProcessingErr> {
        // Nothing is shared between plans, so one that panics leaves nothing half done. The router must outlive it:
        // the order that cannot be planned waits and asks again, all others are planned.
        let at_once = AssertUnwindSafe(|| plan_from_board(&planning));
        match catch_unwind(at_once) {
            Ok(true) => {}
            Ok(false) => drop(tokio::spawn(plan_from_skus(planning))),
            Err(_) => {
                let order = &planning.asked.from.entity;
                tracing::error!(%order, "planning this order crashed");
            }
        }
        Ok(())
    }
}

/// Plans if everything the plan needs is on the board.
fn plan_from_board(planning: &Planning) -> bool {
    let Effect::Plan(request) = &planning.asked.effect else {
        return true;
    };
    let stock = announced(&planning.shared, request);
    if let Some(stock) = &stock {
        answer(&planning.shared, &planning.asked.from, request, stock);
    }
    stock.is_some()
}

async fn plan_from_skus(planning: Planning) {
    if let Effect::Plan(request) = &planning.asked.effect {
        let stock = ask_for_stock(&planning.shared, request).await;
        answer(&planning.shared, &planning.asked.from, request, &stock);
    }
}

type Stock = BTreeMap<SkuId, StockView>;

fn answer(shared: &Arc<Shared>, asker: &Asker, request: &PlanRequest, stock: &Stock) {
    let board = &shared.board;
    let now = shared.clock.now();
    let plan = route(request, stock, &board.all_locations(), &board.rules(), now);
    let result = Ok(Answer::Plan(Box::new(plan)));
    shared.answer_entity(asker, asker.entity.clone(), result);
}

/// Everything the plan needs from the board, or `None` when something is not on it.
fn announced(shared: &Shared, request: &PlanRequest) -> Option<Stock> {
    let mut stock = Stock::new();
    let mut wanted: Vec<(SkuId, usize)> = wanted_skus(request);
    while let Some((sku, depth)) = wanted.pop() {
        if stock.contains_key(&sku) {
            continue;
        }
        let view = shared.board.stock(&sku)?;
        wanted.extend(components(&view, depth));
        stock.insert(sku, StockView::clone(&view));
    }
    Some(stock)
}

async fn ask_for_stock(shared: &Arc<Shared>, request: &PlanRequest) -> Stock {
    let handle = Handle(Arc::clone(shared));
    let mut stock = Stock::new();
    let mut wanted: Vec<(SkuId, usize)> = wanted_skus(request);
    while let Some((sku, depth)) = wanted.pop() {
        if stock.contains_key(&sku) {
            continue;
        }
        let view = match shared.board.stock(&sku) {
            Some(view) => StockView::clone(&view),
            None => match handle
                .read(EntityId::Sku(sku.clone()))
                .await
                .map(|r| r.answer)
            {
                Ok(Answer::Stock(view)) => *view,
                // An unknown SKU has no stock anywhere: the plan says so.
                Ok(_) | Err(_) => nothing(&sku),
            },
        };
        wanted.extend(components(&view, depth));
        stock.insert(sku, view);
    }
    stock
}

fn wanted_skus(request: &PlanRequest) -> Vec<(SkuId, usize)> {
    let wanted = request.wanted.iter().chain(&request.parts);
    wanted.map(|(_, sku, _)| (sku.clone(), 0)).collect()
}

fn components(view: &StockView, depth: usize) -> Vec<(SkuId, usize)> {
    match view.components() {
        Some(components) if depth < KIT_DEPTH_MAX => components
            .iter()
            .map(|c| (c.sku.clone(), depth + 1))
            .collect(),
        Some(_) | None => Vec::new(),
    }
}

fn nothing(sku: &SkuId) -> StockView {
    StockView {
        sku: sku.clone(),
        version: 0,
        title: String::new(),
        tracking: Tracking::Tracked,
        locations: Vec::new(),
        waiting_units: 0,
    }
}
