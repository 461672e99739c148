//! Random histories: one order among real SKUs, with answers that are late, doubled, reordered or lost,
//! others who take stock, and people who change their minds. In the end everybody agrees on who has what.

use crossdock_model::command::SkuCommand;
use crossdock_model::v1::{AttemptId, Sale};
use crossdock_model::{Rejection, SkuId};
use proptest::prelude::*;

use super::scene::*;
use super::world::{PLACES, SKUS, World};
use crate::Entity;
use crate::order::state::Placing;

impl World {
    pub fn step(&mut self, (what, which, how): (u8, u8, u8)) {
        let index = usize::from(which);
        match what % 12 {
            0..=3 => {
                let pending = self.scene.pending();
                if let Some((number, effect)) = pending.get(index % pending.len().max(1)) {
                    self.carry_out(*number, effect);
                }
            }
            4..=6 => self.give(index, how % 8 == 0),
            7 => self.hear(index, how % 8 == 0),
            8 => self.other(which, how),
            9 => {
                self.scene.now += [5, 40, 600, 6_000][index % 4];
                self.wake_all();
            }
            10 if how % 4 == 0 => self.crash(),
            10 if how % 4 == 1 => self.come_late(index),
            10 => self.announce(),
            _ => self.person(which, how),
        }
        self.holds_together();
        if how == 0 {
            self.scene.recovers();
        }
    }

    /// Another order takes a unit, tentatively, and lets it go or keeps it later; or units arrive.
    fn other(&mut self, which: u8, how: u8) {
        let sku = SKUS[usize::from(which) % 2];
        let place = PLACES[usize::from(which / 2) % 2];
        let attempt = |number: u32| AttemptId {
            order: id(&format!("other:{number}")),
            attempt: 1,
        };
        let _ = match how % 4 {
            0 => {
                self.receive(sku, place, 1);
                return;
            }
            1 => {
                self.others += 1;
                let reserve = SkuCommand::Reserve {
                    id: attempt(self.others),
                    takes: vec![take(place, 1)],
                    sale: Sale::AlreadySold,
                    promised_at: ms(0),
                    added_units: 0,
                    queue: false,
                };
                self.sku(sku, reserve)
            }
            2 => self.sku(
                sku,
                SkuCommand::Release {
                    id: attempt(self.others),
                },
            ),
            _ => {
                let adjust = SkuCommand::Adjust {
                    location: id(place),
                    delta: -1,
                    reason: "lost".to_owned(),
                };
                self.sku(sku, adjust)
            }
        };
    }

    fn is_busy(&self) -> bool {
        matches!(self.scene.settled(), Some(Err(Rejection::Busy { .. })))
    }

    /// What holds at every moment.
    fn holds_together(&mut self) {
        let order = self.scene.order().order.as_deref().expect("an order");
        for (id, line) in &order.lines {
            let most = self.most.entry(id.clone()).or_default();
            *most = line.facts.ordered_units.max(*most);
        }
        let order = self.the_order();
        for (id, line) in &order.lines {
            let sent = line.sent_units();
            let all = sent + line.cancelled;
            assert!(all <= line.facts.ordered_units.max(sent), "{id}: {line:?}");
            assert!(line.returned <= line.shipped_units() + line.elsewhere);
            assert!(
                line.begun_units() <= self.most[id],
                "sent twice: {id}: {line:?}"
            );
        }
        let (more, fewer) = order.recount();
        let refused = order.refused.is_some();
        assert!(
            refused || (more.is_empty() && fewer.is_empty()),
            "{order:#?}"
        );
        for grant in order.grants.values() {
            assert!(grant.shipped + grant.released <= grant.units, "{grant:?}");
        }
        for (key, grant) in &order.grants {
            let pieces = order.pieces.iter();
            let here = pieces.filter(|piece| {
                (piece.attempt, &piece.sku, &piece.location) == (key.0, &key.1, &key.2)
            });
            let open: u32 = here.map(|piece| piece.units).sum();
            assert_eq!(
                open,
                grant.units - grant.shipped - grant.released,
                "{key:?}"
            );
        }
        for ((line, sku), units) in order.excess() {
            let idle = order.pieces.iter().filter(|piece| piece.request.is_none());
            let idle = idle
                .filter(|piece| piece.line == line && piece.sku == sku)
                .count();
            let asked = order.recalled_units(&line, &sku);
            assert!(idle == 0 || asked >= units, "{line} {sku}\n{order:#?}");
        }
    }

    /// Everybody answers and others let go, until nothing moves any more.
    pub fn quiesce(&mut self) {
        for number in 1..=self.others {
            let release = SkuCommand::Release {
                id: AttemptId {
                    order: id(&format!("other:{number}")),
                    attempt: 1,
                },
            };
            for sku in SKUS {
                let _ = self.sku(sku, release.clone());
            }
        }
        let end = self.scene.now + 300_000;
        for _ in 0..3_000 {
            self.announce();
            while !self.notices.is_empty() {
                self.hear(0, false);
            }
            while !self.answers.is_empty() {
                self.give(0, false);
            }
            let pending = self.scene.pending();
            let version = self.scene.entity.version();
            for (number, effect) in &pending {
                self.carry_out(*number, effect);
            }
            while !self.answers.is_empty() {
                self.give(0, false);
            }
            if self.scene.entity.version() != version || !self.notices.is_empty() {
                continue;
            }
            let due = self.skus.values().filter_map(Entity::next_deadline);
            let due = due.chain(self.scene.entity.next_deadline());
            let Some(next) = due.map(|(at, _)| at.as_ms()).min().filter(|at| *at < end) else {
                return;
            };
            self.scene.now = self.scene.now.max(next);
            self.wake_all();
        }
        panic!(
            "never quiet: {:?} {:?}",
            self.scene.effects(),
            self.the_order().placing
        );
    }

    /// What holds once nothing moves.
    pub fn agrees(&mut self) {
        let order = self.the_order();
        for sku in SKUS.map(id::<SkuId>) {
            for place in &self.view(&sku).locations {
                let pieces = order.pieces.iter();
                let ours =
                    pieces.filter(|piece| piece.sku == sku && piece.location == place.location);
                let ours: u32 = ours.map(|piece| piece.units).sum();
                assert_eq!(
                    (place.committed, place.tentative),
                    (ours, 0),
                    "{sku} {place:?}\n{order:#?}"
                );
            }
        }
        let waits = matches!(
            order.placing,
            Placing::Waiting(_) | Placing::Stuck(_) | Placing::Busy { .. }
        );
        let missing = !order.missing().is_empty();
        assert!(order.is_over() || !missing || waits, "{order:#?}");
        let now = ms(self.scene.now);
        let may_go = self.scene.order().may_request(now);
        assert!(!may_go || order.work().is_empty(), "{order:#?}");
        assert_eq!(self.scene.effects(), Vec::<String>::new());
        for (id, line) in order.lines.iter().filter(|_| order.is_reported()) {
            let told = self.shop.units(id);
            assert_eq!(told, line.shipped_units(), "{id}: {:?}", self.shop);
        }
        let cancels = &self.shop.cancels;
        assert!(cancels.values().all(|times| *times == 1), "{cancels:?}");
        self.scene.recovers();
        let settled = self.scene.settled();
        let repeated = self.repeated();
        let version = self.scene.entity.version();
        self.scene.tell(repeated);
        if self.scene.entity.version() == version {
            assert_eq!(Some(self.scene.answer.clone()), settled);
        }
    }
}

proptest! {

    #[test]
    fn everybody_agrees_in_the_end(
        stock in any::<[u8; 4]>(),
        asks in any::<bool>(),
        held in any::<Option<(u8, u8)>>(),
        steps in proptest::collection::vec(any::<(u8, u8, u8)>(), 0..160),
    ) {
        let mut world = World::new(stock, asks, held);
        world.announce();
        for step in steps {
            world.step(step);
        }
        world.quiesce();
        world.agrees();
        if world.is_busy() {
            let again = world.repeated();
            world.scene.tell(again);
            world.quiesce();
            world.agrees();
            prop_assert!(!world.is_busy(), "nobody is in the way any more");
        }
    }
}
