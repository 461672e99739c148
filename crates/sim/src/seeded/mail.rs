//! What channels say of orders by deliveries. Each is sent until it is stored, or given up; some come twice, under one id or
//! under two, late, or after what was said later. Orders are read from their channels too, and deliveries made of what is not
//! known. What a new listing stands for is said some time after it was sold.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_journal::{InboxId, InboxInsert};
use crossdock_logic::bucket::bucket_of;
use crossdock_model::command::{BucketCommand, ChannelCommand, OrderCommand};
use crossdock_model::v1::{
    ChannelSettings, Component, ListingTarget, OrderFacts, Origin, Part, RefundLine, Sale,
};
use crossdock_model::{
    ChannelId, Command, Duration, EntityId, ListingId, OrderId, RefundId, Timestamp, codec,
};
use serde::{Deserialize, Serialize};

use super::clients::Wish;
use super::requests::Means;
use super::{AGAIN_AFTER, Broken, Event, World, check, meta};

/// How often orders are read.
const READS_EVERY: Duration = Duration::from_s(30);
/// Time until what is sold stands for something, at most.
const MAPS_WITHIN_MS: u64 = 60_000;
/// How many deliveries come under a second id, or under one that another has.
const TWICE: f64 = 0.1;
const SAME_ID: f64 = 0.02;

/// An order as its channel states it: its lines stand for listings.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Statement {
    pub order: OrderId,
    pub facts: OrderFacts,
    /// Of each line.
    pub listings: Vec<ListingId>,
    pub refunds: Vec<(RefundId, Vec<RefundLine>)>,
}

/// The body of a delivery.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Says {
    Order(Box<Statement>),
    Refund(OrderId, RefundId, Vec<RefundLine>),
}

/// What happens to deliveries on their way.
#[derive(Debug)]
pub(super) enum Post {
    /// It is sent, or sent again.
    Sends(usize),
    Arrives(usize),
    /// Its channel is told that it is stored, or is not.
    Answered(usize, bool),
    /// Orders are read.
    Reads,
    /// Somebody says what a listing stands for.
    Maps(ChannelId, ListingId),
}

struct Letter {
    insert: InboxInsert,
    /// How often it will be sent.
    left: u32,
    is_acknowledged: bool,
}

struct Told {
    statement: Statement,
    /// The node knows it.
    is_known: bool,
}

/// All that channels have said.
#[derive(Default)]
pub(super) struct Mail {
    letters: Vec<Letter>,
    told: BTreeMap<OrderId, Told>,
    targets: BTreeMap<(ChannelId, ListingId), ListingTarget>,
    /// Deliveries that the node has said are stored.
    promised: BTreeSet<usize>,
}

/// What a listing of these parts is called, and stands for.
fn listing(parts: &[Part]) -> Result<(ListingId, ListingTarget), Broken> {
    let names = parts.iter().map(|part| match part.units_per_line_unit {
        1 => part.sku.to_string(),
        units => format!("{}x{units}", part.sku),
    });
    let name = ListingId::new(names.collect::<Vec<_>>().join("+"))?;
    let target = match parts {
        [part] => ListingTarget::Sku {
            sku: part.sku.clone(),
            multiplier: part.units_per_line_unit,
        },
        parts => {
            let components = parts.iter().map(|part| Component {
                sku: part.sku.clone(),
                units_per_kit: part.units_per_line_unit,
            });
            ListingTarget::Kit {
                components: components.collect(),
                multiplier: 1,
            }
        }
    };
    Ok((name, target))
}

impl Mail {
    /// Channels that are to be connected before anything comes from them.
    pub fn first(channels: &[ChannelId; 2]) -> [Wish; 2] {
        channels.clone().map(|channel| Wish {
            to: EntityId::Channel(channel),
            command: Command::Channel(ChannelCommand::Connect(ChannelSettings {
                connector: "simulated".to_owned(),
                sale: Sale::AlreadySold,
                map_by_sku: false,
            })),
            means: Means::Nothing,
        })
    }

    /// A statement of an order is newer than those before.
    fn date(&self, order: &OrderId, updated_at: Timestamp) -> Timestamp {
        let known = self.told.get(order).map(|told| &told.statement.facts);
        known.map_or(updated_at, |known| {
            updated_at.max(known.updated_at + Duration::from_ms(1))
        })
    }

    /// What its channel says of an order now. Returns listings that are new.
    fn states(
        &mut self,
        order: &OrderId,
        mut facts: OrderFacts,
    ) -> Result<(Statement, Vec<ListingId>), Broken> {
        let (mut listings, mut new) = (Vec::new(), Vec::new());
        for line in &mut facts.lines {
            let (name, target) = listing(&std::mem::take(&mut line.parts))?;
            let key = (order.channel.clone(), name.clone());
            if self.targets.insert(key, target).is_none() {
                new.push(name.clone());
            }
            listings.push(name);
        }
        let known = self.told.remove(order);
        let refunds = known.map_or(Vec::new(), |known| known.statement.refunds);
        let statement = Statement {
            order: order.clone(),
            facts,
            listings,
            refunds,
        };
        self.tells(statement.clone());
        Ok((statement, new))
    }

    fn tells(&mut self, statement: Statement) {
        let told = Told {
            statement: statement.clone(),
            is_known: false,
        };
        self.told.insert(statement.order, told);
    }

    /// Orders and the newest that was said of them.
    pub fn told(&self) -> impl Iterator<Item = &Statement> {
        self.told.values().map(|told| &told.statement)
    }

    /// Deliveries that the node has said are stored.
    pub fn promised(&self) -> impl Iterator<Item = &InboxInsert> {
        let letters = self.promised.iter();
        letters.filter_map(|number| Some(&self.letters.get(*number)?.insert))
    }
}

impl Says {
    fn insert(&self, channel: &ChannelId, delivery: String) -> Result<InboxInsert, Broken> {
        let body = codec::encode(1, self);
        Ok(InboxInsert {
            id: InboxId {
                channel: channel.clone(),
                delivery,
            },
            received_at: Timestamp::default(),
            topic: String::new(),
            headers: Vec::new(),
            body: body.map_err(|error| Broken::new("I15", error.to_string()))?,
        })
    }

    /// What a body says.
    pub fn read(body: &[u8]) -> Option<Self> {
        let (_, body) = codec::version(body, 1).ok()?;
        codec::decode(body).ok()
    }
}

impl World {
    pub(super) fn begins_mail(&mut self) -> Result<(), Broken> {
        for wish in Mail::first(&self.clients.channels) {
            self.make(wish)?;
        }
        if self.knobs.reads {
            self.note(READS_EVERY, Event::Post(Post::Reads));
        }
        Ok(())
    }

    /// What a client wants, or a channel says: channels say it by deliveries, if they do at all.
    pub(super) fn tells(&mut self, mut wish: Wish) -> Result<(), Broken> {
        let EntityId::Order(order) = wish.to.clone() else {
            return self.make(wish);
        };
        let delivers = self.knobs.delivers && self.clients.channels.contains(&order.channel);
        match &mut wish.command {
            Command::Order(OrderCommand::State { facts, origin, .. })
                if delivers && *origin == Origin::Channel =>
            {
                facts.updated_at = self.mail.date(&order, facts.updated_at);
                let said = self.shops.hear(&wish, self.now(), &mut self.dice)?;
                if let Command::Order(OrderCommand::State { facts, .. }) = wish.command {
                    self.states(&order, *facts)?;
                }
                said.into_iter().try_for_each(|wish| self.make(wish))
            }
            Command::Order(OrderCommand::Refund { refund, lines }) if delivers => {
                self.refunds(&order, refund.clone(), lines.clone())
            }
            _ => {
                let said = self.shops.hear(&wish, self.now(), &mut self.dice)?;
                self.make(wish)?;
                said.into_iter().try_for_each(|wish| self.make(wish))
            }
        }
    }

    fn states(&mut self, order: &OrderId, facts: OrderFacts) -> Result<(), Broken> {
        let (statement, new) = self.mail.states(order, facts)?;
        for listing in new {
            let late = self.dice.happens(0.5);
            let within = if late { MAPS_WITHIN_MS } else { 1 };
            let span = Duration::from_ms(self.dice.below(within));
            let maps = Post::Maps(order.channel.clone(), listing);
            self.note(span, Event::Post(maps));
        }
        self.posts(&order.channel, &Says::Order(Box::new(statement)))
    }

    /// A channel says of a refund, and sometimes how the order is then.
    fn refunds(
        &mut self,
        order: &OrderId,
        refund: RefundId,
        lines: Vec<RefundLine>,
    ) -> Result<(), Broken> {
        let updated_at = self.mail.date(order, self.agenda.now());
        let Some(Told { mut statement, .. }) = self.mail.told.remove(order) else {
            return Ok(());
        };
        statement.facts.updated_at = updated_at;
        statement.refunds.push((refund.clone(), lines.clone()));
        self.mail.tells(statement.clone());
        let says = Says::Refund(order.clone(), refund, lines);
        self.posts(&order.channel, &says)?;
        match self.knobs.reads && self.dice.happens(0.5) {
            true => Ok(()),
            false => self.posts(&order.channel, &Says::Order(Box::new(statement))),
        }
    }

    fn posts(&mut self, channel: &ChannelId, says: &Says) -> Result<(), Broken> {
        let times = 1 + u32::from(self.dice.happens(TWICE));
        for _ in 0..times {
            let number = self.mail.letters.len();
            let same_id = number > 0 && self.dice.happens(SAME_ID);
            let name = if same_id { number - 1 } else { number };
            self.mail.letters.push(Letter {
                insert: says.insert(channel, name.to_string())?,
                left: self.knobs.posted_times,
                is_acknowledged: false,
            });
            self.sends(number);
        }
        Ok(())
    }

    pub(super) fn posted(&mut self, what: Post) -> Result<(), Broken> {
        match what {
            Post::Sends(number) => self.sends(number),
            Post::Arrives(number) => {
                let now = self.now().node;
                let Some(letter) = self.mail.letters.get(number) else {
                    return Ok(());
                };
                let mut insert = letter.insert.clone();
                insert.received_at = now;
                self.stores(insert, Some(number));
            }
            Post::Answered(number, is_stored) => self.acknowledged(number, is_stored),
            Post::Reads => self.reads()?,
            Post::Maps(channel, listing) => {
                let target = self.mail.targets.get(&(channel.clone(), listing.clone()));
                let Some(target) = target.cloned() else {
                    return Ok(());
                };
                let to = EntityId::Bucket(channel, bucket_of(&listing));
                let map = Command::Bucket(BucketCommand::Map { listing, target });
                self.make(Wish {
                    to,
                    command: map,
                    means: Means::Nothing,
                })?;
            }
        }
        Ok(())
    }

    fn sends(&mut self, number: usize) {
        let Some(letter) = self.mail.letters.get_mut(number) else {
            return;
        };
        if letter.is_acknowledged {
            return;
        }
        if self.knobs.reads {
            // What is given up is found by reading.
            let Some(left) = letter.left.checked_sub(1) else {
                return self.marks.note("delivery_given_up");
            };
            letter.left = left;
        }
        let times = 1 + u32::from(self.dice.happens(self.knobs.doubled));
        for _ in 0..times {
            let span = Duration::from_ms(self.dice.below(self.knobs.call_ms + 1));
            match self.dice.happens(self.knobs.lost) {
                true => self.marks.note("delivery_lost"),
                false => self.note(span, Event::Post(Post::Arrives(number))),
            }
        }
        self.note(AGAIN_AFTER, Event::Post(Post::Sends(number)));
    }

    fn acknowledged(&mut self, number: usize, is_stored: bool) {
        let Some(letter) = self.mail.letters.get_mut(number) else {
            return;
        };
        if is_stored {
            self.mail.promised.insert(number);
            letter.is_acknowledged |= !self.dice.happens(self.knobs.lost);
        }
    }

    fn stores(&mut self, insert: InboxInsert, letter: Option<usize>) {
        let (node, mut around) = super::node_in!(self);
        if let Some(node) = node {
            node.receives(insert, letter, &mut around);
        }
    }

    /// Orders that the node does not know as their channels state them are read, and what was read is stored.
    fn reads(&mut self) -> Result<(), Broken> {
        self.note(READS_EVERY, Event::Post(Post::Reads));
        let Some(node) = &self.node else {
            return Ok(());
        };
        let (by, window) = (
            meta(&self.by, self.now().node),
            self.knobs.limits.dedup_window,
        );
        let mut read = Vec::new();
        for (order, told) in &mut self.mail.told {
            if told.is_known {
                continue;
            }
            let entity = EntityId::Order(order.clone());
            let stored = node.stored(&self.disk, &entity, window)?;
            let known = check::stated_at(&stored, &by);
            let updated_at = told.statement.facts.updated_at;
            told.is_known = known == Some(updated_at);
            if !told.is_known {
                let says = Says::Order(Box::new(told.statement.clone()));
                let name = format!("read-{}-{}", order.external, updated_at.as_ms());
                read.push((says.insert(&order.channel, name)?, known.is_none()));
            }
        }
        for (insert, is_new) in read {
            if self.dice.happens(self.knobs.lost) {
                continue;
            }
            self.marks.note_if(is_new, "found_by_reading");
            self.stores(insert, None);
        }
        Ok(())
    }
}
