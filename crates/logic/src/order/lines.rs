//! Arithmetic of lines: what each needs, what it has, what is missing or too much.

use std::collections::BTreeSet;

use crossdock_model::v1::{LineFacts, LineUnits, OrderStatus, Origin, Payment, RequestLine, Sale};
use crossdock_model::{HoldId, LineId, SkuId, Timestamp};

use super::lots::made_of;
use super::state::{Cancels, Line, Lot, Missing, Order, Piece, Request};

impl Line {
    pub fn new(facts: &LineFacts) -> Self {
        Self {
            facts: facts.clone(),
            by_operator: false,
            cancelled: 0,
            cancels: Cancels {
                stated: facts.cancelled_units,
                ..Cancels::default()
            },
            elsewhere: 0,
            returned: 0,
            lot: Lot::new(made_of(facts)),
            earlier: Vec::new(),
        }
    }

    /// Takes a new statement over; what is known of kits stays while the parts are the same.
    pub fn restate(&mut self, facts: &LineFacts) {
        if self.facts.parts != facts.parts || self.facts.ships != facts.ships {
            self.remake(made_of(facts));
        }
        self.facts = facts.clone();
        self.cancels.stated = facts.cancelled_units;
    }

    /// An operator's statement stands for all that was said before of what is cancelled.
    pub fn edit(&mut self, facts: &LineFacts) {
        self.restate(facts);
        self.by_operator = true;
        self.cancels = Cancels {
            stated: facts.cancelled_units,
            refunded_sent: self.cancels.refunded_sent,
            ..Cancels::default()
        };
    }

    /// Units of which some part has left, from here or from elsewhere.
    pub fn sent_units(&self) -> u32 {
        self.begun_units().saturating_add(self.elsewhere)
    }

    /// Units that are to be cancelled, by all that was said; those that have left cannot be. `whole`: the order is.
    fn to_cancel(&self, whole: bool) -> u32 {
        let room = self.facts.ordered_units.saturating_sub(self.sent_units());
        let Cancels {
            stated,
            refunded,
            here,
            ..
        } = self.cancels;
        let wanted = stated.saturating_add(refunded).max(here);
        if whole { room } else { wanted.min(room) }
    }

    /// Units that somebody still expects from us, with those that have left.
    pub fn open_units(&self) -> u32 {
        let gone = self.cancelled.saturating_add(self.elsewhere);
        self.facts.ordered_units.saturating_sub(gone)
    }

    /// Units that have not left and are not cancelled.
    pub fn cancellable_units(&self) -> u32 {
        self.open_units().saturating_sub(self.begun_units())
    }
}

/// Adds units to the line of a request that they belong to.
pub(super) fn add_units(lines: &mut Vec<RequestLine>, line: &LineId, sku: &SkuId, units: u32) {
    let same = |one: &&mut RequestLine| one.line == *line && one.sku == *sku;
    match lines.iter_mut().find(same) {
        Some(one) => one.units = one.units.saturating_add(units),
        None => lines.push(RequestLine {
            line: line.clone(),
            sku: sku.clone(),
            units,
        }),
    }
}

impl Order {
    pub fn is_over(&self) -> bool {
        matches!(self.status, OrderStatus::Closed | OrderStatus::Cancelled)
    }

    /// How the next units are taken: once accepted an order is sold.
    pub fn sale(&self) -> Sale {
        match self.accepted {
            true => Sale::AlreadySold,
            false => self.facts.sale,
        }
    }

    /// Whether it may still be refused.
    pub fn asks(&self) -> bool {
        self.sale() == Sale::Asks
    }

    /// Units each (line, SKU) has at locations.
    fn had(&self) -> Missing {
        let mut had = Missing::new();
        for piece in &self.pieces {
            let key = (piece.line.clone(), piece.sku.clone());
            *had.entry(key).or_default() += piece.units;
        }
        had
    }

    /// Units that lines need and nobody has reserved.
    pub fn missing(&self) -> Missing {
        let lacking = self.lacking();
        lacking
            .map(|((line, sku), units)| ((line.clone(), sku.clone()), units))
            .collect()
    }

    /// Whether lines need what nobody has reserved.
    pub fn is_lacking(&self) -> bool {
        self.lacking().next().is_some()
    }

    /// As [`Order::missing`], one by one: decisions look several times.
    pub(super) fn lacking(&self) -> impl Iterator<Item = ((&LineId, &SkuId), u32)> {
        self.lines.iter().flat_map(move |(id, line)| {
            let under_way = line.under_way(|sku| {
                let requested = self.pieces_for(id, sku).filter(|one| one.request.is_some());
                requested.map(|piece| piece.units).sum()
            });
            line.skus().filter_map(move |sku| {
                let had: u32 = self.pieces_for(id, sku).map(|piece| piece.units).sum();
                let have = had.saturating_add(line.shipped_of(sku));
                let units = line.need_beside(sku, under_way).saturating_sub(have);
                (units > 0).then_some(((id, sku), units))
            })
        })
    }

    fn pieces_for(&self, line: &LineId, sku: &SkuId) -> impl Iterator<Item = &Piece> {
        let of = move |piece: &&Piece| piece.line == *line && piece.sku == *sku;
        self.pieces.iter().filter(of)
    }

    /// Units of a SKU that operators added to what the channel states, with those that have left.
    pub fn added_units(&self, sku: &SkuId) -> u32 {
        let (mut needed, mut stated) = (0_u32, 0_u32);
        for (id, line) in self.lines.iter().filter(|(_, line)| line.by_operator) {
            needed = needed.saturating_add(line.need(sku));
            let known = self.facts.lines.iter().find(|one| one.line == *id);
            let sold = known.map_or(0, |one| {
                let per = match one.parts == line.facts.parts {
                    true => line.lot.per(sku),
                    false => made_of(one).get(sku).copied().unwrap_or(0),
                };
                one.ordered_units.saturating_mul(per)
            });
            stated = stated.saturating_add(sold);
        }
        needed.saturating_sub(stated)
    }

    /// Units that are reserved and not needed any more.
    pub fn excess(&self) -> Missing {
        let mut excess = self.had();
        for ((line, sku), units) in &mut excess {
            let line = self.lines.get(line);
            let left = line.map_or(0, |line| {
                line.need(sku).saturating_sub(line.shipped_of(sku))
            });
            *units = units.saturating_sub(left);
        }
        excess.retain(|_, units| *units > 0);
        excess
    }

    /// Pieces of a request.
    pub fn pieces_of(&self, request: u32) -> impl Iterator<Item = &Piece> {
        let of = move |piece: &&Piece| piece.request == Some(request);
        self.pieces.iter().filter(of)
    }

    /// What a request still asks for.
    pub fn lines_of(&self, request: u32) -> Vec<RequestLine> {
        let mut lines: Vec<RequestLine> = Vec::new();
        for piece in self.pieces_of(request) {
            add_units(&mut lines, &piece.line, &piece.sku, piece.units);
        }
        lines
    }

    pub fn open_requests(&self) -> impl Iterator<Item = (u32, &Request)> {
        let open = self.requests.iter().filter(|(_, one)| one.phase.is_open());
        open.map(|(number, request)| (*number, request))
    }

    pub fn anything_shipped(&self) -> bool {
        self.lines.values().any(|line| line.sent_units() > 0)
    }

    /// All lines' units that can be cancelled.
    pub fn cancellable(&self) -> Vec<LineUnits> {
        let lines = self.lines.iter().map(|(line, one)| LineUnits {
            line: line.clone(),
            units: one.cancellable_units(),
        });
        lines.filter(|line| line.units > 0).collect()
    }

    /// What has to change for as many units to be cancelled as are to be: more of these lines, fewer of those.
    pub fn recount(&self) -> (Vec<LineUnits>, Vec<LineUnits>) {
        let (mut more, mut fewer) = (Vec::new(), Vec::new());
        for (id, line) in &self.lines {
            let to_cancel = line.to_cancel(self.facts.cancelled.is_some());
            let differ = |lines: &mut Vec<LineUnits>, units: u32| {
                let line = id.clone();
                lines.extend((units > 0).then_some(LineUnits { line, units }));
            };
            differ(&mut more, to_cancel.saturating_sub(line.cancelled));
            differ(&mut fewer, line.cancelled.saturating_sub(to_cancel));
        }
        (more, fewer)
    }

    /// Whether its money is there as of now.
    pub fn is_paid(&self, now: Timestamp) -> bool {
        match self.facts.payment {
            Payment::Ready => true,
            Payment::OnHoldUntil(until) => now >= until,
            Payment::Pending | Payment::Voided => false,
        }
    }

    /// The hold whose units it may take as its own, until it has reserved everything once.
    pub fn own_hold(&self) -> Option<HoldId> {
        self.hold.clone().filter(|_| !self.accepted)
    }

    /// Names the address in the vault that it goes to, 0 for none.
    pub fn address_version(&self) -> u64 {
        let destination = self.route.destination.as_ref();
        destination.map_or(0, |to| to.address_version)
    }

    /// When a cart's hold runs out, while it is one.
    pub fn expires_at(&self) -> Option<Timestamp> {
        match self.origin {
            Origin::Hold { expires_at } if !self.freed && !self.is_over() => Some(expires_at),
            _ => None,
        }
    }

    /// Whether its channel sends it, from stock that is not ours.
    pub fn is_sent_by_channel(&self) -> bool {
        self.origin == Origin::SentByChannel
    }

    /// Whether somebody has to let it go to fulfilment first.
    pub fn is_unfreed(&self) -> bool {
        !self.freed && matches!(self.origin, Origin::Adopted | Origin::Hold { .. })
    }

    /// Why a line stays out of requests.
    pub fn held_lines(&self) -> BTreeSet<&LineId> {
        let held = self.holds.lines.keys();
        let undecided = self.asked.iter().filter(|(_, undecided)| **undecided);
        held.chain(undecided.map(|(line, _)| line)).collect()
    }
}
