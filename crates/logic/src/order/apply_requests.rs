//! How events of fulfilment move units: into requests, away with parcels, or back to their SKUs.

use std::collections::BTreeSet;

use crossdock_model::command::DeliveryKind;
use crossdock_model::v1::{Allocation, OrderEvent, RequestLine, Take};
use crossdock_model::{LocationId, SkuId};

use super::apply::{Applied, illegal, require};
use super::state::{GrantKey, Order, OrderState, Parcel, Phase, Piece, Request, Route};
use crate::IllegalHistory;

impl OrderState {
    pub(super) fn apply_requests(&mut self, event: &OrderEvent) -> Applied {
        match event {
            OrderEvent::RequestCreated { .. } => self.request_created(event),
            OrderEvent::RequestSent { request } => {
                let one = self.request_mut(*request)?;
                if one.phase == Phase::Created {
                    one.phase = Phase::Sent;
                }
                one.retry_at = None;
                one.failures = 0;
                self.end_deliveries(*request);
                Ok(())
            }
            OrderEvent::RequestSendFailed {
                request, retry_at, ..
            } => {
                self.end_deliveries(*request);
                let one = self.request_mut(*request)?;
                one.failures += 1;
                one.retry_at = *retry_at;
                Ok(())
            }
            OrderEvent::RequestResent { request, .. } => {
                let one = self.request_mut(*request)?;
                one.retry_at = None;
                let kind = match one.cancelling.is_empty() {
                    true => DeliveryKind::Fulfil,
                    false => DeliveryKind::Cancel,
                };
                self.begin_delivery(*request, kind);
                Ok(())
            }
            OrderEvent::RequestAcknowledged { request } => {
                let one = self.request_mut(*request)?;
                one.phase = Phase::Acknowledged;
                one.overdue = false;
                Ok(())
            }
            OrderEvent::RequestOverdue { request } => {
                self.request_mut(*request)?.overdue = true;
                Ok(())
            }
            OrderEvent::RequestRejected { request, .. } => self.request_rejected(*request),
            OrderEvent::ShortPicked { request, lines } => self.short_picked(*request, lines),
            OrderEvent::Shipped { .. } => self.shipped(event),
            OrderEvent::RequestCancelAsked { request, lines } => {
                self.request_mut(*request)?.cancelling.clone_from(lines);
                self.request_mut(*request)?.retry_at = None;
                self.end_deliveries(*request);
                self.begin_delivery(*request, DeliveryKind::Cancel);
                Ok(())
            }
            OrderEvent::RequestCancelled { request } => self.request_cancelled(*request),
            OrderEvent::RequestCancelRefused { request } => {
                let one = self.request_mut(*request)?;
                one.cancelling.clear();
                one.cancel_refused = true;
                self.end_deliveries(*request);
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
            deliveries: 0,
            failures: 0,
            retry_at: None,
            cancelling: Vec::new(),
            cancel_refused: false,
            shipped: false,
        };
        order.requests.insert(*request, made);
        self.begin_delivery(*request, DeliveryKind::Fulfil);
        Ok(())
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
        one.cancelling.clear();
        one.retry_at = None;
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

    fn request_cancelled(&mut self, number: u32) -> Applied {
        let lines = std::mem::take(&mut self.request_mut(number)?.cancelling);
        require(!lines.is_empty(), "nobody asked to cancel")?;
        let order = self.order_mut()?;
        let mut gone = Vec::new();
        for mut line in lines {
            let pieces = order.pieces_of(number);
            let here = pieces.filter(|one| one.line == line.line && one.sku == line.sku);
            line.units = line.units.min(here.map(|piece| piece.units).sum());
            gone.extend(order.take_lines(number, &[line])?);
        }
        self.let_go(&gone)?;
        self.close_empty(number, Phase::Cancelled)
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
        if one.phase != Phase::Acknowledged {
            one.phase = Phase::Acknowledged;
        }
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
            keys.insert(key);
        }
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
        one.cancelling.clear();
        one.retry_at = None;
        self.end_deliveries(number);
        Ok(())
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
