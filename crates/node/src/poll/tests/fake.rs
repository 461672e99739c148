//! A channel in memory.

use tokio::sync::watch;

use super::*;

/// What goes wrong with a list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fault {
    Away,
    Throttled,
    Crash,
}

#[derive(Default)]
pub(super) struct Books {
    pub shown: BTreeMap<ListingId, u32>,
    /// Orders with the time and the body of their newest state.
    pub orders: Vec<(ExternalId, Timestamp, Value)>,
    pub faults: VecDeque<Fault>,
    /// Orders that the channel lists and does not give out.
    pub broken: BTreeSet<ExternalId>,
    pub lists: usize,
    pub reads: usize,
}

/// A channel in memory. A shop's list names orders, a market's states them.
pub(super) struct Fake {
    pub connector: &'static str,
    pub clock: Arc<dyn Clock>,
    /// The same, to leap ahead with.
    pub time: Arc<PausedClock>,
    pub books: Mutex<Books>,
    /// After so long without a read its buckets are told.
    pub behind_after: Option<Duration>,
    /// By so much its lists are late, and say so.
    pub list_lag: Option<Duration>,
    /// With so many orders that are not placed no more are read.
    pub unplaced_max: usize,
    /// Whether it answers what an order is; else whoever asks waits.
    pub answers: watch::Sender<bool>,
}

impl Fake {
    pub fn new(connector: &'static str) -> Self {
        let time = Arc::new(PausedClock::new(RealClock::default().now()));
        testing::flow(&time);
        Self {
            connector,
            clock: Arc::clone(&time) as Arc<dyn Clock>,
            time,
            books: Mutex::default(),
            behind_after: None,
            list_lag: None,
            unplaced_max: 10_000,
            answers: watch::Sender::new(true),
        }
    }

    pub fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_shop(&self) -> bool {
        self.connector == "shopify"
    }

    pub fn told(&self, at: Timestamp, body: &Value) -> Told {
        let topic = match self.is_shop() {
            true => shopify::READ,
            false => amazon::ORDER,
        };
        let body = body.to_string().into_bytes();
        Told {
            delivery_id: format!("{}/{}", at.as_ms(), body.len()),
            topic,
            body,
        }
    }

    /// An order that the channel sold, its units taken off what it shows.
    pub fn sell(&self, id: &str, sku: &str, units: u32) {
        self.sell_at(self.clock.now(), id, sku, units);
    }

    /// An order that changed at that time, by the channel's clock.
    pub fn sell_at(&self, now: Timestamp, id: &str, sku: &str, units: u32) {
        let at = jiff::Timestamp::from_millisecond(now.as_ms())
            .unwrap()
            .to_string();
        let body = match self.is_shop() {
            true => json!({
                "id": id, "name": id, "created_at": at, "updated_at": at, "currency": "USD",
                "financial_status": "paid", "total_price": "1.00",
                "shipping_address": { "country_code": "US" },
                "line_items": [{
                    "id": 1, "variant_id": sku, "sku": sku, "title": sku, "quantity": units,
                    "current_quantity": units, "price": "1.00", "requires_shipping": true,
                }],
            }),
            false => json!({
                "orderId": id, "createdTime": at, "lastUpdatedTime": at,
                "fulfillment": { "fulfilledBy": "MERCHANT", "fulfillmentStatus": "PENDING" },
                "orderItems": [{
                    "orderItemId": "1", "quantityOrdered": units,
                    "product": { "sellerSku": sku, "title": sku },
                }],
            }),
        };
        let mut books = self.books();
        if let Some(shown) = books.shown.get_mut(&listing(sku)) {
            *shown = shown.saturating_sub(units);
        }
        books.orders.push((ExternalId::new(id).unwrap(), now, body));
    }
}

impl Orders for Fake {
    fn since(&self, at: Timestamp) -> String {
        at.as_ms().to_string()
    }

    /// One order a page, so that cursors stand in the middle of lists.
    fn changed(&self, cursor: String) -> Reading<OrdersListed> {
        let fault = {
            let mut books = self.books();
            books.lists += 1;
            books.faults.pop_front()
        };
        let error = match fault {
            Some(Fault::Crash) => panic!("a list that crashes its reader"),
            Some(Fault::Away) => Some(CallError::Unknown("no answer".to_owned())),
            Some(Fault::Throttled) => Some(CallError::Throttled {
                retry_after: Duration::from_ms(5),
            }),
            None => None,
        };
        if let Some(error) = error {
            return Box::pin(std::future::ready(Err(error)));
        }
        let books = self.books();
        let (since, skipped) = cursor.split_once('+').unwrap_or((&cursor, "0"));
        let (since, skipped): (i64, usize) = (since.parse().unwrap(), skipped.parse().unwrap());
        let changed = books.orders.iter().filter(|(_, at, _)| at.as_ms() >= since);
        let changed: Vec<_> = changed.skip(skipped).collect();
        let page = changed
            .first()
            .map(|(order, at, body)| match self.is_shop() {
                true => Listed::Named {
                    order: order.clone(),
                    updated_at: *at,
                },
                false => Listed::Stated {
                    order: Some((order.clone(), *at)),
                    told: self.told(*at, body),
                    is_theirs: false,
                },
            });
        let is_last = changed.len() < 2;
        let listed = OrdersListed {
            orders: page.into_iter().collect(),
            cursor: match is_last {
                true => since.to_string(),
                false => format!("{since}+{}", skipped + 1),
            },
            is_last,
            looked_until: self.list_lag.map(|lag| self.clock.now() - lag),
            is_whole: true,
            theirs: None,
        };
        Box::pin(std::future::ready(Ok(listed)))
    }

    fn order(&self, order: ExternalId) -> Reading<OrderRead> {
        let mut books = self.books();
        books.reads += 1;
        if books.broken.contains(&order) {
            let refused = CallError::NotDone("the order is broken".to_owned());
            return Box::pin(std::future::ready(Err(refused)));
        }
        let found = books.orders.iter().find(|(id, _, _)| *id == order);
        let read = OrderRead {
            told: found.map(|(_, at, body)| self.told(*at, body)),
        };
        let mut answers = self.answers.subscribe();
        Box::pin(async move {
            // Whoever asks is gone once this is.
            let _ = answers.wait_for(|answers| *answers).await;
            Ok(read)
        })
    }
}

impl Numbers for Fake {
    fn set(&self, numbers: Vec<NumberSet>) -> Calling<SetOutcome> {
        let mut books = self.books();
        let at = self.clock.now();
        let set = |number: &NumberSet| {
            books.shown.insert(number.listing.clone(), number.units);
            SetOutcome::Confirmed { at }
        };
        let answers = numbers.iter().map(set).collect();
        Box::pin(std::future::ready(Ok(answers)))
    }

    fn read(&self, numbers: Vec<(ListingId, SourceId)>) -> Calling<Option<NumberShown>> {
        let books = self.books();
        let at = self.clock.now();
        let read = numbers.iter().map(|(listing, _)| {
            let units = books.shown.get(listing)?;
            Some(NumberShown {
                units: Some((*units).into()),
                at,
                changed_at: None,
            })
        });
        Box::pin(std::future::ready(Ok(read.collect())))
    }
}
