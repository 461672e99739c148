//! How events of fulfilment move units: into requests, away with parcels, or back to their SKUs.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::command::DeliveryKind;
use crossdock_model::v1::{Allocation, OrderEvent, RequestLine, Take};
use crossdock_model::{LocationId, SkuId, Timestamp};

use super::apply::{Applied, illegal, require};
use super::state::{
    Ask, GrantKey, Order, OrderState, Parcel, Phase, Piece, Request, Route, Sending,
};
use crate::IllegalHistory;

impl OrderState {
    pub(super) fn apply_requests(&mut self, event: &OrderEvent) -> Applied {
        match event {
            OrderEvent::RequestCreated { .. } => self.request_created(event),
            OrderEvent::RequestSent { request } => self.request_sent(*request),
            OrderEvent::RequestSendFailed {
                request,
                attempt,
                retry_at,
                ..
            } => self.send_failed(*request, *attempt, *retry_at),
            OrderEvent::RequestResent { request, ask, .. } => {
                self.sending_mut(*request, *ask)?.retry_at = None;
                let kind = ask.map_or(DeliveryKind::Fulfil, |ask| DeliveryKind::Cancel { ask });
                self.begin_delivery(*request, kind);
                Ok(())
            }
            OrderEvent::RequestAcknowledged { request } => {
                let one = self.request_mut(*request)?;
                one.phase = Phase::Acknowledged;
                one.overdue = false;
                self.begin_asks(*request);
                Ok(())
            }
            OrderEvent::RequestOverdue { request } => {
                self.request_mut(*request)?.overdue = true;
                Ok(())
            }
            OrderEvent::RequestRejected { request, .. } => self.request_rejected(*request),
            OrderEvent::ShortPicked { request, lines } => self.short_picked(*request, lines),
            OrderEvent::Shipped { .. } => self.shipped(event),
            OrderEvent::RequestCancelAsked {
                request,
                ask,
                lines,
            } => self.cancel_asked(*request, *ask, lines),
            OrderEvent::RequestCancelled {
                request,
                ask,
                lines,
            } => self.request_cancelled(*request, *ask, lines),
            OrderEvent::RequestCancelRefused { request, ask } => {
                self.cancel_refused(*request, *ask)
            }
            OrderEvent::GiveBackAsked {
                id,
                sku,
                location,
                until,
            } => {
                let key = (id.attempt, sku.clone(), location.clone());
                self.order_mut()?.asked_back.insert(key, *until);
                Ok(())
            }
            OrderEvent::Released { attempt, lines } => self.released(*attempt, lines),
            OrderEvent::GaveBack { id, sku, take } => self.gave_back(id.attempt, sku, take),
            _ => Err(illegal("not an event of requests")),
        }
    }

    fn request_mut(&mut self, number: u32) -> Result<&mut Request, IllegalHistory> {
        let request = self.order_mut()?.requests.get_mut(&number);
        let request = request.ok_or_else(|| illegal(format!("no request {number}")))?;
        require(request.phase.is_open(), "the request is closed")?;
        Ok(request)
    }

    fn request_created(&mut self, event: &OrderEvent) -> Applied {
        let OrderEvent::RequestCreated {
            request,
            location,
            lines,
            acknowledge_by,
            split,
            ..
        } = event
        else {
            return Err(illegal("not a request"));
        };
        let order = self.order_mut()?;
        require(
            *request == order.last_request + 1,
            "requests are counted one by one",
        )?;
        order.last_request = *request;
        for line in lines {
            order.attach(*request, location, line)?;
        }
        let made = Request {
            location: location.clone(),
            phase: Phase::Created,
            acknowledge_by: *acknowledge_by,
            overdue: false,
            lines: lines.clone(),
            split: *split,
            turns: order.route.turns,
            deliveries: 0,
            sending: Sending::default(),
            last_ask: 0,
            asks: BTreeMap::new(),
            refused: Vec::new(),
            shipped: false,
        };
        order.requests.insert(*request, made);
        self.begin_delivery(*request, DeliveryKind::Fulfil);
        Ok(())
    }

    fn request_sent(&mut self, number: u32) -> Applied {
        let one = self.request_mut(number)?;
        if one.phase == Phase::Created {
            one.phase = Phase::Sent;
        }
        one.sending = Sending::default();
        self.end_fulfil(number);
        self.begin_asks(number);
        Ok(())
    }

    fn sending_mut(
        &mut self,
        number: u32,
        ask: Option<u32>,
    ) -> Result<&mut Sending, IllegalHistory> {
        let one = self.request_mut(number)?;
        match ask {
            None => Ok(&mut one.sending),
            Some(ask) => {
                let known = one.asks.get_mut(&ask).map(|ask| &mut ask.sending);
                known.ok_or_else(|| illegal(format!("no ask {ask} is open")))
            }
        }
    }

    fn send_failed(&mut self, number: u32, attempt: u32, retry_at: Option<Timestamp>) -> Applied {
        let delivering = self.delivering(number, attempt);
        let (effect, kind) = delivering.ok_or_else(|| illegal("nothing was to be delivered"))?;
        self.pending.end(effect);
        let ask = match kind {
            DeliveryKind::Fulfil => None,
            DeliveryKind::Cancel { ask } => Some(ask),
        };
        let sending = self.sending_mut(number, ask)?;
        sending.failures += 1;
        sending.retry_at = retry_at;
        Ok(())
    }

    fn cancel_asked(&mut self, number: u32, ask: u32, lines: &[RequestLine]) -> Applied {
        let one = self.request_mut(number)?;
        require(ask == one.last_ask + 1, "asks are counted one by one")?;
        one.last_ask = ask;
        let asked = Ask {
            lines: lines.to_vec(),
            begun: false,
            sending: Sending::default(),
        };
        one.asks.insert(ask, asked);
        self.begin_asks(number);
        Ok(())
    }

    /// Gives asks to the connector, in their turn: a location does not hear what to stop before it heard what to do,
    /// unless all of it is to be stopped. Then it need not hear what to do at all.
    fn begin_asks(&mut self, number: u32) {
        let Some(order) = self.order.as_deref_mut() else {
            return;
        };
        let all = order
            .pieces_of(number)
            .map(|piece| piece.units)
            .sum::<u32>();
        let Some(one) = order.requests.get_mut(&number) else {
            return;
        };
        let asked = one.asks.values().flat_map(|ask| &ask.lines);
        let whole = asked.map(|line| line.units).sum::<u32>() >= all;
        let unheard = one.phase == Phase::Created;
        if one.asks.is_empty() || (unheard && !whole) {
            return;
        }
        let waiting = one.asks.iter_mut().filter(|(_, ask)| !ask.begun);
        let begun = waiting.map(|(number, ask)| {
            ask.begun = true;
            *number
        });
        let begun: Vec<u32> = begun.collect();
        if unheard {
            one.sending.retry_at = None;
            self.end_fulfil(number);
        }
        for ask in begun {
            self.begin_delivery(number, DeliveryKind::Cancel { ask });
        }
    }

    /// Lets pieces go, states the totals to their SKUs and gives idle capacity back.
    fn let_go(&mut self, pieces: &[Piece]) -> Applied {
        let order = self.order_mut()?;
        let mut keys: BTreeSet<GrantKey> = BTreeSet::new();
        for piece in pieces {
            let key = (piece.attempt, piece.sku.clone(), piece.location.clone());
            let grant = order.grants.get_mut(&key);
            let grant = grant.ok_or_else(|| illegal("units that were never granted"))?;
            grant.released += piece.units;
            keys.insert(key);
        }
        order.forget_asked_back();
        let visits: BTreeSet<_> = keys.iter().map(|(a, _, l)| (*a, l.clone())).collect();
        for key in &keys {
            self.settle(key);
        }
        for (attempt, location) in visits {
            let order = self.order_ref()?;
            let here = |piece: &Piece| piece.attempt == attempt && piece.location == location;
            let mut grants = order.grants.iter();
            let shipped = grants.any(|((number, _, at), grant)| {
                *number == attempt && *at == location && grant.shipped > 0
            });
            if !shipped && !order.pieces.iter().any(here) {
                let id = order.id.clone();
                self.begin_free_capacity(&id, &location, attempt);
            }
        }
        Ok(())
    }

    fn released(&mut self, attempt: u32, lines: &[Allocation]) -> Applied {
        let order = self.order_mut()?;
        let mut gone = Vec::new();
        for one in lines {
            gone.extend(order.take_pieces(one.units, |piece| {
                piece.request.is_none()
                    && piece.attempt == attempt
                    && piece.line == one.line
                    && piece.sku == one.sku
                    && piece.location == one.location
            })?);
        }
        self.let_go(&gone)
    }

    fn gave_back(&mut self, attempt: u32, sku: &SkuId, take: &Take) -> Applied {
        let order = self.order_mut()?;
        let gone = order.take_pieces(take.units, |piece| {
            piece.request.is_none()
                && piece.attempt == attempt
                && piece.sku == *sku
                && piece.location == take.location
        })?;
        self.let_go(&gone)
    }

    fn request_rejected(&mut self, number: u32) -> Applied {
        let one = self.request_mut(number)?;
        one.phase = Phase::Rejected;
        one.stop_sending();
        let location = one.location.clone();
        self.end_deliveries(number);
        let order = self.order_mut()?;
        let skus = order.pieces_of(number).map(|piece| piece.sku.clone());
        let skus: BTreeSet<SkuId> = skus.collect();
        order.route.reject(&location, skus);
        let units = order.pieces_of(number).map(|piece| piece.units).sum();
        let gone = order.take_pieces(units, |piece| piece.request == Some(number))?;
        self.let_go(&gone)
    }

    fn short_picked(&mut self, number: u32, lines: &[RequestLine]) -> Applied {
        let location = self.request_mut(number)?.location.clone();
        let order = self.order_mut()?;
        let skus = lines.iter().map(|line| line.sku.clone());
        order.route.reject(&location, skus);
        let gone = order.take_lines(number, lines)?;
        for piece in &gone {
            let key = (piece.attempt, piece.sku.clone(), piece.location.clone());
            let grant = order.grants.get_mut(&key);
            let grant = grant.ok_or_else(|| illegal("units that were never granted"))?;
            grant.missing += piece.units;
        }
        self.let_go(&gone)?;
        self.close_empty(number, Phase::Rejected)
    }

    /// Its units are nobody's to send now; what becomes of them is decided by what the order needs.
    fn request_cancelled(&mut self, number: u32, ask: u32, lines: &[RequestLine]) -> Applied {
        let ended = self.request_mut(number)?.asks.remove(&ask);
        require(ended.is_some(), "nobody asked to cancel")?;
        self.end_ask(number, ask);
        let order = self.order_mut()?;
        for piece in order.take_lines(number, lines)? {
            order.put_back(piece);
        }
        self.close_empty(number, Phase::Cancelled)
    }

    /// Of what was asked, units that are too many are remembered: they are not asked for again by themselves.
    fn cancel_refused(&mut self, number: u32, ask: u32) -> Applied {
        let ended = self.request_mut(number)?.asks.remove(&ask);
        let ended = ended.ok_or_else(|| illegal("nobody asked to cancel"))?;
        self.end_ask(number, ask);
        let order = self.order_mut()?;
        let excess = order.excess();
        for line in ended.lines {
            let key = (line.line.clone(), line.sku.clone());
            let excess = excess.get(&key).copied().unwrap_or(0);
            let open = excess.saturating_sub(order.recalled_units(&line.line, &line.sku));
            if let Some(one) = order.requests.get_mut(&number) {
                let units = line.units.min(open);
                super::lines::add_units(&mut one.refused, &line.line, &line.sku, units);
            }
        }
        order.forget_asked_back();
        Ok(())
    }

    fn shipped(&mut self, event: &OrderEvent) -> Applied {
        let OrderEvent::Shipped {
            request: number,
            shipment,
            lines,
            tracking,
            ..
        } = event
        else {
            return Err(illegal("not a shipment"));
        };
        let one = self.request_mut(*number)?;
        one.shipped = true;
        one.overdue = false;
        one.phase = Phase::Acknowledged;
        let split = one.split;
        self.begin_asks(*number);
        let order = self.order_mut()?;
        let parcel = Parcel::of(lines, tracking.as_ref());
        let known = (*number, shipment.clone());
        let known = order.seen.parcels.insert(known, parcel);
        require(known.is_none(), "shipped twice")?;
        let mut keys: BTreeSet<GrantKey> = BTreeSet::new();
        for piece in order.take_lines(*number, lines)? {
            let key = (piece.attempt, piece.sku.clone(), piece.location.clone());
            let grant = order.grants.get_mut(&key);
            let grant = grant.ok_or_else(|| illegal("units that were never granted"))?;
            grant.shipped += piece.units;
            let line = order.line_mut(&piece.line)?;
            line.ship(&piece.sku, piece.units);
            if let Some(split) = split.and_then(|number| order.route.split_mut(number)) {
                let shipped = split.shipped.entry((piece.line, piece.sku.clone()));
                *shipped.or_default() += piece.units;
            }
            keys.insert(key);
        }
        order.forget_asked_back();
        for key in &keys {
            self.settle(key);
        }
        self.close_empty(*number, Phase::Shipped)
    }

    /// A request of which nothing is left is closed.
    fn close_empty(&mut self, number: u32, phase: Phase) -> Applied {
        let order = self.order_ref()?;
        if order.pieces_of(number).next().is_some() {
            return Ok(());
        }
        let one = self.request_mut(number)?;
        one.phase = match one.shipped {
            true => Phase::Shipped,
            false => phase,
        };
        one.stop_sending();
        self.end_deliveries(number);
        Ok(())
    }
}

impl Request {
    /// Nothing of it is to be told any more.
    fn stop_sending(&mut self) {
        self.asks.clear();
        self.sending.retry_at = None;
    }
}

impl Route {
    /// A location could not give these: they come from elsewhere, other SKUs may still come from there.
    fn reject(&mut self, location: &LocationId, skus: impl IntoIterator<Item = SkuId>) {
        let pairs = skus.into_iter().map(|sku| (location.clone(), sku));
        self.rejected.extend(pairs);
        self.reroutes += 1;
    }
}

impl Order {
    /// Puts unrequested pieces of a line at that location into a request.
    fn attach(&mut self, number: u32, location: &LocationId, line: &RequestLine) -> Applied {
        let pieces = self.take_pieces(line.units, |piece| {
            piece.request.is_none()
                && piece.location == *location
                && piece.line == line.line
                && piece.sku == line.sku
        })?;
        let requested = pieces.into_iter().map(|piece| Piece {
            request: Some(number),
            ..piece
        });
        self.pieces.extend(requested);
        Ok(())
    }

    /// Joins units to the piece that they are of, if there is one.
    fn put_back(&mut self, piece: Piece) {
        let idle = Piece {
            request: None,
            ..piece
        };
        let mut pieces = self.pieces.iter_mut();
        let same = |one: &&mut Piece| {
            let units = idle.units;
            Piece {
                units,
                ..(**one).clone()
            } == idle
        };
        match pieces.find(same) {
            Some(one) => one.units += idle.units,
            None => self.pieces.push(idle),
        }
    }

    fn take_lines(
        &mut self,
        number: u32,
        lines: &[RequestLine],
    ) -> Result<Vec<Piece>, IllegalHistory> {
        let mut gone = Vec::new();
        for line in lines {
            gone.extend(self.take_pieces(line.units, |piece| {
                piece.request == Some(number) && piece.line == line.line && piece.sku == line.sku
            })?);
        }
        Ok(gone)
    }

    /// Takes so many units out of the pieces that fit.
    fn take_pieces(
        &mut self,
        units: u32,
        fits: impl Fn(&Piece) -> bool,
    ) -> Result<Vec<Piece>, IllegalHistory> {
        let mut left = units;
        let mut taken = Vec::new();
        for piece in self.pieces.iter_mut().filter(|piece| fits(piece)) {
            let units = piece.units.min(left);
            if units > 0 {
                piece.units -= units;
                left -= units;
                taken.push(Piece {
                    units,
                    ..piece.clone()
                });
            }
        }
        self.pieces.retain(|piece| piece.units > 0);
        require(left == 0, "units that are not there")?;
        Ok(taken)
    }
}
