//! The node's router: an actor that plans on announced stock, and the board it reads.
//!
//! The board holds the newest announcement of each SKU and location. It is a hint: a refusal always rests on a
//! fresh durable answer of the SKU itself.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};

use crossdock_engine::Planning;
use crossdock_logic::router::{CompiledRules, no_stock, route, stock_for};
use crossdock_model::answer::StockView;
use crossdock_model::command::PlanRequest;
use crossdock_model::v1::{LocationFacts, Tracking};
use crossdock_model::{Answer, Class, Command, EntityId, LocationId, SkuId};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::watch;

use crate::ask::{By, Handle};
use crate::busy::Deciding;
use crate::shared::Shared;

/// SKUs whose stock is kept on the board at most; others are asked when needed.
const BOARD_SKUS_MAX: usize = 50_000;
/// Plans under way at most. What is asked for beyond that is dropped; its order asks again.
const PLANS_MAX: usize = 65_536;

/// What has been announced.
#[derive(Default)]
pub(crate) struct Board {
    stock: RwLock<Stocks>,
    locations: RwLock<Arc<BTreeMap<LocationId, LocationFacts>>>,
    rules: RwLock<Arc<CompiledRules>>,
    /// Stirs when a location is another one than before.
    moved: watch::Sender<()>,
}

impl Board {
    /// Takes what a location announces.
    pub fn announce_location(&self, facts: LocationFacts) {
        if self.location(&facts.location).as_ref() == Some(&facts) {
            return;
        }
        self.change_locations(|known| {
            known.insert(facts.location.clone(), facts);
        });
    }

    /// Takes what a SKU announces; what is older than known is dropped.
    pub fn announce_stock(&self, view: StockView) {
        let mut stock = self.stock.write().unwrap_or_else(PoisonError::into_inner);
        stock.announce(view, BOARD_SKUS_MAX);
    }

    /// An entity is put aside: a SKU has nothing, at a version above any that it can still announce; a location gets
    /// no orders.
    pub fn put_aside(&self, entity: &EntityId) {
        match entity {
            EntityId::Sku(sku) => {
                let tracking = match self.stock(sku).map(|view| view.tracking.clone()) {
                    Some(kit @ Tracking::Kit(_)) => kit,
                    Some(Tracking::Tracked | Tracking::Untracked) | None => Tracking::Tracked,
                };
                self.announce_stock(StockView {
                    version: u64::MAX,
                    tracking,
                    ..no_stock(sku)
                });
            }
            EntityId::Location(location) => self.change_locations(|known| {
                known.remove(location);
            }),
            _ => {}
        }
    }

    /// An entity works again: what it announces counts.
    pub fn lift(&self, entity: &EntityId) {
        if let EntityId::Sku(sku) = entity {
            let mut stock = self.stock.write().unwrap_or_else(PoisonError::into_inner);
            stock.remove(sku);
        }
    }

    fn change_locations(&self, change: impl FnOnce(&mut BTreeMap<LocationId, LocationFacts>)) {
        let mut locations = self
            .locations
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut locations));
        drop(locations);
        self.moved.send_replace(());
    }

    pub fn moved(&self) -> watch::Receiver<()> {
        self.moved.subscribe()
    }

    pub fn stock(&self, sku: &SkuId) -> Option<Arc<StockView>> {
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

/// Stock of the SKUs that were announced last. What was not announced again while half as many others were as are kept is
/// forgotten.
#[derive(Default)]
struct Stocks {
    newer: HashMap<SkuId, Arc<StockView>>,
    older: HashMap<SkuId, Arc<StockView>>,
}

impl Stocks {
    fn get(&self, sku: &SkuId) -> Option<&Arc<StockView>> {
        self.newer.get(sku).or_else(|| self.older.get(sku))
    }

    fn announce(&mut self, view: StockView, skus_max: usize) {
        let is_older = |known: &Arc<StockView>| known.version > view.version;
        if self.get(&view.sku).is_some_and(is_older) {
            return;
        }
        if self.newer.len() >= skus_max / 2 && !self.newer.contains_key(&view.sku) {
            self.older = std::mem::take(&mut self.newer);
        }
        self.older.remove(&view.sku);
        self.newer.insert(view.sku.clone(), Arc::new(view));
    }

    fn remove(&mut self, sku: &SkuId) {
        self.newer.remove(sku);
        self.older.remove(sku);
    }
}

/// Gives the router a plan to make.
pub(crate) fn ask(shared: &Arc<Shared>, planning: Planning) {
    let Some(router) = shared.router.get() else {
        return;
    };
    if shared.planning.fetch_add(1, Ordering::Relaxed) >= PLANS_MAX {
        shared.metrics.shed.inc();
        shared.planning.fetch_sub(1, Ordering::Relaxed);
        return;
    }
    let asked = Asked {
        deciding: Some(shared.directory.deciding()),
        shared: Arc::clone(shared),
        planning,
    };
    let _ = router.cast(asked);
}

/// A plan under way. It counts until it is dropped, also by a panic.
pub(crate) struct Asked {
    /// Until it has to ask SKUs, which may have to be read first.
    deciding: Option<Deciding>,
    shared: Arc<Shared>,
    planning: Planning,
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.shared.planning.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Plans orders. One on each node; owns nothing durable.
pub(crate) struct Router;

impl Actor for Router {
    type Msg = Asked;
    type State = Arc<Shared>;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        _myself: ActorRef<Asked>,
        shared: Arc<Shared>,
    ) -> Result<Arc<Shared>, ActorProcessingErr> {
        Ok(shared)
    }

    async fn handle(
        &self,
        _myself: ActorRef<Asked>,
        mut asked: Asked,
        _shared: &mut Arc<Shared>,
    ) -> Result<(), ActorProcessingErr> {
        // Nothing is shared between plans, so one that panics leaves nothing half done. The router must outlive it:
        // the order that cannot be planned waits and asks again, all others are planned.
        let at_once = AssertUnwindSafe(|| plan_from_board(&asked));
        match catch_unwind(at_once) {
            Ok(true) => {}
            Ok(false) => {
                asked.deciding = None;
                tokio::spawn(plan_from_skus(asked));
            }
            Err(_) => {
                let order = &asked.planning.from.entity;
                tracing::error!(%order, "planning this order crashed");
            }
        }
        Ok(())
    }
}

/// Plans if everything the plan needs is on the board.
fn plan_from_board(asked: &Asked) -> bool {
    let stock = announced(&asked.shared, &asked.planning.request);
    if let Some(stock) = &stock {
        answer(asked, stock);
    }
    stock.is_some()
}

async fn plan_from_skus(asked: Asked) {
    let stock = ask_for_stock(&asked.shared, &asked.planning.request).await;
    answer(&asked, &stock);
}

type Stock = BTreeMap<SkuId, StockView>;

fn answer(asked: &Asked, stock: &Stock) {
    let Asked {
        shared, planning, ..
    } = asked;
    let (board, now) = (&shared.board, shared.clock.now());
    let request = &planning.request;
    let plan = route(request, stock, &board.all_locations(), &board.rules(), now);
    let (asker, result) = (&planning.from, Ok(Answer::Plan(Box::new(plan))));
    shared.answer_entity(asker, asker.entity.clone(), result, planning.class);
}

/// Everything the plan needs from the board, or `None` when something is not on it.
fn announced(shared: &Shared, request: &PlanRequest) -> Option<Stock> {
    stock_for(request, |sku| on_board(shared, sku)).ok()
}

fn on_board(shared: &Shared, sku: &SkuId) -> Option<StockView> {
    shared.board.stock(sku).map(|view| StockView::clone(&view))
}

async fn ask_for_stock(shared: &Arc<Shared>, request: &PlanRequest) -> Stock {
    let handle = Handle(Arc::clone(shared));
    let by = By::new(shared.system.clone()).of(Class::ChannelOrder);
    let mut told = Stock::new();
    loop {
        let known = |sku: &SkuId| told.get(sku).cloned().or_else(|| on_board(shared, sku));
        let sku = match stock_for(request, known) {
            Ok(stock) => return stock,
            Err(sku) => sku,
        };
        // Others' reads are shed before what is sold waits for a plan.
        let read = handle.ask(EntityId::Sku(sku.clone()), Command::Read, by.clone());
        let view = match read.await.map(|reply| reply.answer) {
            Ok(Answer::Stock(view)) => *view,
            Ok(_) | Err(_) => no_stock(&sku),
        };
        told.insert(sku, view);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_announced_last_is_kept() {
        let sku = |number: u64| SkuId::new(format!("S-{number}")).unwrap();
        let mut stocks = Stocks::default();
        let known = |stocks: &Stocks| -> Vec<u64> {
            let all = 0..9;
            all.filter(|number| stocks.get(&sku(*number)).is_some())
                .collect()
        };
        for number in [0, 1, 2, 0, 3] {
            stocks.announce(no_stock(&sku(number)), 4);
        }
        assert_eq!(known(&stocks), [0, 2, 3]);
        for number in [4, 5] {
            stocks.announce(no_stock(&sku(number)), 4);
        }
        assert_eq!(known(&stocks), [3, 4, 5]);
        stocks.remove(&sku(4));
        stocks.remove(&sku(5));
        assert_eq!(known(&stocks), [3]);
    }

    #[test]
    fn what_is_put_aside_has_nothing_until_it_works_again() {
        let (board, sku) = (Board::default(), SkuId::new("A").unwrap());
        let version = |board: &Board| board.stock(&sku).map(|view| view.version);
        let announce = |title: &str| {
            let title = title.to_owned();
            let view = StockView {
                version: 7,
                title,
                tracking: Tracking::Untracked,
                ..no_stock(&sku)
            };
            board.announce_stock(view);
        };
        announce("known");
        board.put_aside(&EntityId::Sku(sku.clone()));
        announce("was on its way");
        let aside = board.stock(&sku).unwrap();
        assert_eq!((aside.ats(), &aside.tracking), (0, &Tracking::Tracked));
        assert!(aside.version > 7);
        board.lift(&EntityId::Sku(sku.clone()));
        assert_eq!(version(&board), None);
        announce("works again");
        assert_eq!(version(&board), Some(7));
    }
}
