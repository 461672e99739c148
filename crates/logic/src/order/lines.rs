//! Arithmetic of lines: what each needs, what it has, what is missing or too much.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::v1::{
    LineFacts, LineUnits, OrderStatus, Origin, Part, Payment, RequestLine, Sale,
};
use crossdock_model::{HoldId, LineId, SkuId, Timestamp};

use super::state::{Line, Missing, Order, Piece, Request};

impl Line {
    pub fn new(facts: &LineFacts) -> Self {
        Self {
            facts: facts.clone(),
            by_operator: false,
            cancelled: 0,
            refund_cancelled: 0,
            elsewhere: 0,
            returned: 0,
            made_of: made_of(facts),
            shipped: BTreeMap::new(),
        }
    }

    /// Takes a new statement over; what is known of kits stays while the parts are the same.
    pub fn restate(&mut self, facts: &LineFacts) {
        if self.facts.parts != facts.parts || self.facts.ships != facts.ships {
            self.made_of = made_of(facts);
        }
        self.facts = facts.clone();
        let room = facts.ordered_units.saturating_sub(self.elsewhere);
        let room = room.saturating_sub(self.begun_units());
        self.cancelled = self.cancelled.min(room);
    }

    /// An operator's statement says how many units are cancelled, too.
    pub fn edit(&mut self, facts: &LineFacts) {
        self.cancelled = facts.cancelled_units;
        self.restate(facts);
        self.by_operator = true;
    }

    /// Units that somebody still expects from us, with those that have left.
    pub fn open_units(&self) -> u32 {
        let gone = self.cancelled.saturating_add(self.elsewhere);
        self.facts.ordered_units.saturating_sub(gone)
    }

    pub fn need(&self, sku: &SkuId) -> u32 {
        let per = self.made_of.get(sku).copied().unwrap_or(0);
        self.open_units().saturating_mul(per)
    }

    pub fn shipped_of(&self, sku: &SkuId) -> u32 {
        self.shipped.get(sku).copied().unwrap_or(0)
    }

    /// Units of which at least one part has left.
    pub fn begun_units(&self) -> u32 {
        let begun = |(sku, units): (&SkuId, &u32)| match self.made_of.get(sku) {
            Some(per) => units.div_ceil(*per),
            None => 0,
        };
        self.shipped.iter().map(begun).max().unwrap_or(0)
    }

    /// Units of which every part has left.
    pub fn shipped_units(&self) -> u32 {
        let whole = |(sku, per): (&SkuId, &u32)| self.shipped_of(sku) / *per;
        self.made_of.iter().map(whole).min().unwrap_or(0)
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
        Some(one) => one.units += units,
        None => lines.push(RequestLine {
            line: line.clone(),
            sku: sku.clone(),
            units,
        }),
    }
}

fn made_of(facts: &LineFacts) -> BTreeMap<SkuId, u32> {
    let mut made_of: BTreeMap<SkuId, u32> = BTreeMap::new();
    if facts.ships {
        for Part {
            sku,
            units_per_line_unit,
        } in &facts.parts
        {
            let units = made_of.entry(sku.clone()).or_default();
            *units = units.saturating_add(*units_per_line_unit);
        }
    }
    made_of
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
            *had.entry((piece.line.clone(), piece.sku.clone()))
                .or_default() += piece.units;
        }
        had
    }

    /// Units that lines need and nobody has reserved.
    pub fn missing(&self) -> Missing {
        let had = self.had();
        let mut missing = Missing::new();
        for (id, line) in &self.lines {
            for sku in line.made_of.keys() {
                let key = (id.clone(), sku.clone());
                let have = had.get(&key).copied().unwrap_or(0) + line.shipped_of(sku);
                let units = line.need(sku).saturating_sub(have);
                if units > 0 {
                    missing.insert(key, units);
                }
            }
        }
        missing
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
        let ours = |line: &Line| line.shipped.values().any(|units| *units > 0);
        self.lines
            .values()
            .any(|line| line.elsewhere > 0 || ours(line))
    }

    /// All lines' units that can be cancelled.
    pub fn cancellable(&self) -> Vec<LineUnits> {
        let lines = self.lines.iter().map(|(line, one)| LineUnits {
            line: line.clone(),
            units: one.cancellable_units(),
        });
        lines.filter(|line| line.units > 0).collect()
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

    /// When a cart's hold runs out, while it is one.
    pub fn expires_at(&self) -> Option<Timestamp> {
        match self.origin {
            Origin::Hold { expires_at } if !self.freed && !self.is_over() => Some(expires_at),
            _ => None,
        }
    }

    /// Whether somebody has to let it go to fulfilment first.
    pub fn is_unfreed(&self) -> bool {
        !self.freed && matches!(self.origin, Origin::Adopted | Origin::Hold { .. })
    }

    /// Why a line stays out of requests.
    pub fn held_lines(&self) -> BTreeSet<&LineId> {
        self.holds.lines.keys().collect()
    }
}
