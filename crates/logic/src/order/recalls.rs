//! Units that locations were given to send and are asked not to: too many, on hold, unpaid, or to go another way.
//!
//! Each ask names its own units and is answered by its number. Units that were stopped are the order's still; whether
//! they are let go, placed anew or requested again follows from what it needs then.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::command::SkuCommand;
use crossdock_model::v1::{OrderEvent, RequestLine, RequestNumber, Take};
use crossdock_model::{LineId, LocationId, Rejection, SkuId};

use super::draft::Draft;
use super::lines::add_units;
use super::requests::known;
use super::state::{GrantKey, Order, Piece, Request};
use super::{Decided, STOP_WITHIN};
use crate::decider::Decision;

const CANCEL_REFUSED: &str = "cancel_refused";

impl Draft<'_> {
    /// Lets units go that are not needed: those nobody was asked to send at once, the others by asking.
    pub fn let_excess_go(&mut self) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let (mut idle, mut asked) = (Vec::new(), BTreeMap::new());
        for ((line, sku), units) in order.excess() {
            let mut left = units.saturating_sub(order.recalled_units(&line, &sku));
            let of_line = |piece: &&Piece| piece.line == line && piece.sku == sku;
            let pieces = order.pieces.iter().rev().filter(of_line);
            // A location is asked only for what nothing else covers.
            let (requested, free): (Vec<_>, Vec<_>) =
                pieces.partition(|piece| piece.request.is_some());
            for piece in free.into_iter().chain(requested) {
                let mut units = left.min(piece.units);
                match piece.request {
                    None => idle.push(Piece {
                        units,
                        ..piece.clone()
                    }),
                    Some(number) => {
                        let asked: &mut Vec<RequestLine> = asked.entry(number).or_default();
                        units = units.min(order.recallable(number, piece, asked));
                        add_units(asked, &line, &sku, units);
                    }
                }
                left -= units;
            }
        }
        idle.retain(|piece| piece.units > 0);
        self.release_pieces(&idle);
        for (request, lines) in asked {
            self.ask_to_stop(request, lines);
        }
    }

    /// Asks every location to stop what it has not sent of these lines, unless it was asked already.
    pub fn recall_requests(&mut self, concerned: impl Fn(&LineId) -> bool) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let recalls = order.open_requests().map(|(number, request)| {
            let mut lines = order.lines_of(number);
            lines.retain(|line| concerned(&line.line));
            for line in &mut lines {
                line.units = line.units.saturating_sub(request.asked_units(line));
            }
            (number, lines)
        });
        for (request, lines) in recalls.collect::<Vec<_>>() {
            self.ask_to_stop(request, lines);
        }
    }

    fn ask_to_stop(&mut self, request: RequestNumber, mut lines: Vec<RequestLine>) {
        let order = self.order.order.as_deref();
        let Some(one) = order.and_then(|order| order.requests.get(&request)) else {
            return;
        };
        let ask = one.last_ask + 1;
        lines.retain(|line| line.units > 0);
        if !lines.is_empty() {
            self.emit(OrderEvent::RequestCancelAsked {
                request,
                ask,
                lines,
            });
        }
    }

    /// The location's word on one ask, or on all that have no answer.
    pub fn answer_cancel(
        mut self,
        request: RequestNumber,
        ask: Option<u32>,
        accepted: bool,
    ) -> Decided {
        let order = self.known()?;
        let one = known(order, request)?;
        if one.last_ask == 0 {
            return Err(Rejection::wrong_status(
                order.status,
                "nobody asked to cancel this request: reject it instead",
            ));
        }
        if ask.is_some_and(|ask| ask == 0 || ask > one.last_ask) {
            let problem = format!("must be 1 to {}", one.last_ask);
            return Err(Rejection::invalid("ask", problem));
        }
        let open = one.asks.keys().copied();
        let answered: Vec<u32> = open
            .filter(|one| ask.is_none_or(|ask| ask == *one))
            .collect();
        for ask in answered {
            match accepted {
                true => self.stopped(request, ask),
                false => self.not_stopped(request, ask),
            }
        }
        Ok(self.done())
    }

    /// What was to go another way since it was requested is placed anew; the rest stays reserved.
    fn stopped(&mut self, request: RequestNumber, ask: u32) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let Some(one) = order.requests.get(&request) else {
            return;
        };
        let Some(asked) = one.asks.get(&ask) else {
            return;
        };
        let pieces = order.stoppable(request, &asked.lines);
        let elsewhere = one.turns < order.route.turns;
        let mut lines = Vec::new();
        for piece in &pieces {
            add_units(&mut lines, &piece.line, &piece.sku, piece.units);
        }
        self.emit(OrderEvent::RequestCancelled {
            request,
            ask,
            lines,
        });
        if elsewhere {
            self.release_pieces(&pieces);
        }
    }

    fn not_stopped(&mut self, request: RequestNumber, ask: u32) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let Some(one) = order.requests.get(&request) else {
            return;
        };
        let Some(asked) = one.asks.get(&ask) else {
            return;
        };
        let units = asked.lines.iter();
        let units = units.fold(0_u32, |sum, line| sum.saturating_add(line.units));
        let why = order.why_recalled(&asked.lines, self.asked.now);
        let cause = format!("{} sends {units} units all the same: {why}", one.location);
        let wanted: Vec<GrantKey> = order.keys_of(request).collect();
        self.emit(OrderEvent::RequestCancelRefused { request, ask });
        let subject = self.request_subject(request);
        self.open_exception(CANCEL_REFUSED, subject, cause, Vec::new());
        for key in wanted {
            self.keep(&key);
        }
    }

    /// Tells a SKU that wanted these units back that the order keeps them, unless a location is still to answer.
    fn keep(&mut self, (attempt, sku, location): &GrantKey) {
        let key = (*attempt, sku.clone(), location.clone());
        let order = self.order.order.as_deref();
        let kept = order.is_some_and(|order| !order.is_recalled(&key));
        if let Some(id) = self.attempt_id(*attempt).filter(|_| kept) {
            let location = location.clone();
            self.tell_sku(sku, SkuCommand::Kept { id, location });
        }
    }

    /// A SKU has fewer units than it committed. Those that nobody was asked to send go back and are placed elsewhere;
    /// for others their location is asked, and the order keeps them once it says no or nothing for too long.
    pub fn give_back(
        mut self,
        sku: &SkuId,
        attempt: u32,
        location: &LocationId,
    ) -> Decision<OrderEvent> {
        let order = self.order.order.as_deref();
        let (Some(order), Some(id)) = (order, self.attempt_id(attempt)) else {
            return self.unchanged();
        };
        let key = (attempt, sku.clone(), location.clone());
        let there = order.pieces.iter().filter(|piece| piece.is_of(&key));
        let (idle, busy): (Vec<_>, Vec<_>) = there.partition(|piece| piece.request.is_none());
        if !idle.is_empty() {
            self.give_idle_back(&key);
            return self.unchanged();
        }
        let now = self.asked.now;
        match order.asked_back.get(&key) {
            _ if busy.is_empty() => {}
            Some(until) if *until > now => {}
            Some(_) => {
                let location = location.clone();
                self.tell_sku(sku, SkuCommand::Kept { id, location });
            }
            None => {
                let recalls = order.recalls_of(&key);
                self.emit(OrderEvent::GiveBackAsked {
                    id,
                    sku: sku.clone(),
                    location: location.clone(),
                    until: now + STOP_WITHIN,
                });
                for (request, lines) in recalls {
                    self.ask_to_stop(request, lines);
                }
            }
        }
        self.unchanged()
    }

    /// Gives back what SKUs want and a location has stopped meanwhile.
    pub fn give_stopped_back(&mut self) {
        let order = self.order.order.as_deref();
        let keys = order.iter().flat_map(|order| order.asked_back.keys());
        for key in keys.cloned().collect::<Vec<_>>() {
            self.give_idle_back(&key);
        }
    }

    fn give_idle_back(&mut self, key: &GrantKey) {
        let Some(order) = self.order.order.as_deref() else {
            return;
        };
        let pieces = order.pieces.iter();
        let idle = pieces.filter(|piece| piece.request.is_none() && piece.is_of(key));
        let units = idle.map(|piece| piece.units).sum();
        let (attempt, sku, location) = key;
        let Some(id) = self.attempt_id(*attempt).filter(|_| units > 0) else {
            return;
        };
        self.emit(OrderEvent::GaveBack {
            id,
            sku: sku.clone(),
            take: Take {
                location: location.clone(),
                units,
            },
        });
    }
}

impl Request {
    /// Units of a line that its location was asked to stop and has not answered for.
    fn asked_units(&self, line: &RequestLine) -> u32 {
        let asks = self.asks.values().flat_map(|ask| &ask.lines);
        units_of(asks, &line.line, &line.sku)
    }
}

impl Piece {
    pub(super) fn is_of(&self, (attempt, sku, location): &GrantKey) -> bool {
        (self.attempt, &self.sku, &self.location) == (*attempt, sku, location)
    }
}

impl Order {
    /// Units of a line that locations were asked to stop, with those that they cannot.
    pub(super) fn recalled_units(&self, line: &LineId, sku: &SkuId) -> u32 {
        let open = self.open_requests();
        open.fold(0, |sum, (_, one)| {
            let asks = one.asks.values().flat_map(|ask| &ask.lines);
            let asked = units_of(asks.chain(&one.refused), line, sku);
            sum.saturating_add(asked)
        })
    }

    /// Units of a requested line that its location was not asked to stop yet.
    fn recallable(&self, number: RequestNumber, piece: &Piece, asked: &[RequestLine]) -> u32 {
        let Some(request) = self.requests.get(&number) else {
            return 0;
        };
        let asks = request.asks.values().flat_map(|ask| &ask.lines);
        let asked = asks.chain(&request.refused).chain(asked);
        let asked = units_of(asked, &piece.line, &piece.sku);
        units_of(&self.lines_of(number), &piece.line, &piece.sku).saturating_sub(asked)
    }

    /// What of these lines the request still holds, as pieces that nobody is asked to send.
    fn stoppable(&self, number: RequestNumber, lines: &[RequestLine]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for line in lines {
            let mut left = line.units;
            let same = |piece: &&Piece| piece.line == line.line && piece.sku == line.sku;
            for piece in self.pieces_of(number).filter(same) {
                let units = piece.units.min(left);
                left -= units;
                pieces.push(Piece {
                    units,
                    request: None,
                    ..piece.clone()
                });
            }
        }
        pieces.retain(|piece| piece.units > 0);
        pieces
    }

    /// Which reservations the units of a request are of.
    fn keys_of(&self, number: RequestNumber) -> impl Iterator<Item = GrantKey> {
        let asked = self.asked_back.keys();
        let held = asked.filter(move |key| self.pieces_of(number).any(|piece| piece.is_of(key)));
        held.cloned()
    }

    /// Whether a location is still to say if it can stop units of that reservation.
    fn is_recalled(&self, key: &GrantKey) -> bool {
        let pieces = self.pieces.iter().filter(|piece| piece.is_of(key));
        let requests = pieces.filter_map(|piece| piece.request).collect();
        let requests: BTreeSet<RequestNumber> = requests;
        requests.iter().any(|number| {
            let request = self.requests.get(number);
            request.is_some_and(|request| !request.asks.is_empty())
        })
    }

    /// SKUs no longer wait for what has left, was given back, or cannot be stopped.
    pub(super) fn forget_asked_back(&mut self) {
        let asked = std::mem::take(&mut self.asked_back);
        let idle = |key: &GrantKey| {
            let mut pieces = self.pieces.iter();
            pieces.any(|piece| piece.request.is_none() && piece.is_of(key))
        };
        let open = |(key, _): &(GrantKey, _)| idle(key) || self.is_recalled(key);
        self.asked_back = asked.into_iter().filter(open).collect();
    }

    /// What locations are to be asked for so that units of a reservation come back.
    fn recalls_of(&self, key: &GrantKey) -> BTreeMap<RequestNumber, Vec<RequestLine>> {
        let mut recalls: BTreeMap<RequestNumber, Vec<RequestLine>> = BTreeMap::new();
        for piece in self.pieces.iter().filter(|piece| piece.is_of(key)) {
            if let Some(number) = piece.request {
                let lines = recalls.entry(number).or_default();
                add_units(lines, &piece.line, &piece.sku, piece.units);
            }
        }
        for (number, lines) in &mut recalls {
            let request = self.requests.get(number);
            for line in lines {
                let asked = request.map_or(0, |request| request.asked_units(line));
                line.units = line.units.saturating_sub(asked);
            }
        }
        recalls
    }

    /// Why a location was asked to stop these, in words.
    fn why_recalled(&self, lines: &[RequestLine], now: crossdock_model::Timestamp) -> &'static str {
        let excess = self.excess();
        let held = |line: &RequestLine| self.holds.lines.contains_key(&line.line);
        let too_many =
            |line: &RequestLine| excess.contains_key(&(line.line.clone(), line.sku.clone()));
        match () {
            () if lines.iter().any(too_many) => "they are cancelled",
            () if self.holds.whole.is_some() || lines.iter().any(held) => "they are on hold",
            () if !self.is_paid(now) => "they are not paid",
            () => "they were to be sent otherwise",
        }
    }
}

/// Units of a line's SKU in all of these.
pub(super) fn units_of<'a>(
    lines: impl IntoIterator<Item = &'a RequestLine>,
    line: &LineId,
    sku: &SkuId,
) -> u32 {
    let lines = lines.into_iter();
    let same = lines.filter(|one| one.line == *line && one.sku == *sku);
    same.fold(0, |sum, one| sum.saturating_add(one.units))
}
