//! What SKUs say to the buckets that list them, and calls to channels: what the most dangerous number is goes first.

use std::collections::BTreeMap;

use crossdock_engine::{
    Announcement, Announcer, Budget, Desk, DeskLimits, Ended, Message, Number, ReplyTo,
};
use crossdock_logic::bucket::Offers;
use crossdock_logic::sku::Publication;
use crossdock_model::answer::{NumberCall, NumberCallKind};
use crossdock_model::command::{BucketCommand, CallEnd};
use crossdock_model::v1::CallOutcome;
use crossdock_model::{
    Answer, ChannelId, Class, Command, Duration, EntityId, Rejection, SkuId, Timestamp,
};

use super::super::Event;
use super::super::plant::Plant;
use super::super::shops::Said;
use super::{Caller, Inside, Node, Surroundings};

/// A call to a channel that takes longer has no answer.
const CALL_MAX: Duration = Duration::from_s(6);
/// What an entity is asked that does not answer so long is taken for refused.
const ASK_MAX: Duration = Duration::from_s(10);
const LIMITS: DeskLimits = DeskLimits {
    batch_max: 1,
    calls_max: 2,
    cost: 1,
    reads_max: 1,
    read_cost: 1,
};

/// A call under way to a channel.
#[derive(Debug, Clone)]
pub(in super::super) struct ChannelCall {
    pub channel: ChannelId,
    bucket: u16,
    pub call: NumberCall,
    asked_at: Timestamp,
}

/// What a bucket is asked, and what then is to be done.
#[derive(Debug)]
enum Ask {
    /// To take over what SKUs say.
    Takes,
    /// To forget calls that another process began.
    Loses,
    /// To begin a call.
    Begins(ChannelId, Number),
    /// To hear how one ended. Whether the channel had answered.
    Ends(ChannelId, Number, bool),
}

/// What publishes.
#[derive(Debug, Default)]
pub(super) struct Publishing {
    announcer: Announcer,
    desks: BTreeMap<ChannelId, (Desk, Budget)>,
    /// Buckets whose numbers wait until their channel's orders are read.
    waits: BTreeMap<(ChannelId, u16), Timestamp>,
    asks: BTreeMap<u64, (EntityId, Ask)>,
    asked: u64,
    /// Buckets that have yet to forget the calls of another process.
    unlost: usize,
}

impl Publishing {
    pub fn is_told(&self, sku: &SkuId, version: u64) -> bool {
        self.announcer.is_told(sku, version)
    }
}

impl Node {
    /// Buckets whose numbers wait for proof.
    pub fn waits(&self) -> impl Iterator<Item = &(ChannelId, u16)> {
        self.publishing.waits.keys()
    }

    /// Calls that another process began are of unknown outcome.
    pub(super) fn lose_calls(&mut self, around: &mut Surroundings<'_>) {
        for entity in around.disk.entities() {
            if let EntityId::Bucket(..) = entity {
                self.publishing.unlost += 1;
                self.ask(entity, BucketCommand::Lose, Ask::Loses, around);
            }
        }
    }

    fn ask(
        &mut self,
        bucket: EntityId,
        command: BucketCommand,
        ask: Ask,
        around: &mut Surroundings<'_>,
    ) {
        self.publishing.asked += 1;
        let number = self.publishing.asked;
        self.publishing.asks.insert(number, (bucket.clone(), ask));
        let message = Message {
            command: Command::Bucket(command),
            meta: self.meta(around.now()),
            reply: ReplyTo::Caller(Caller::Publishing(number)),
            class: Class::Announcement,
            life: None,
        };
        self.send(bucket, message, around);
        self.later(ASK_MAX, Inside::Unanswered(number), around);
    }

    /// What was asked is answered, or will not be.
    pub(super) fn told(
        &mut self,
        number: u64,
        result: Option<Result<Answer, Rejection>>,
        around: &mut Surroundings<'_>,
    ) {
        let Some((bucket, ask)) = self.publishing.asks.remove(&number) else {
            return;
        };
        let now = around.now();
        match ask {
            Ask::Takes => {
                let was_taken = matches!(result, Some(Ok(_)))
                    || around.knobs.plant == Some(Plant::StatementsForgotten);
                around.marks.note_if(!was_taken, "said_again");
                let next = self.publishing.announcer.ended(&bucket, was_taken, now);
                self.say(next, around);
            }
            Ask::Loses => match result {
                Some(_) => self.publishing.unlost -= 1,
                None => self.ask(bucket, BucketCommand::Lose, Ask::Loses, around),
            },
            Ask::Begins(channel, number) => match result {
                Some(Ok(Answer::Calls(calls))) => {
                    self.begun(&bucket, channel, &number, calls, around);
                }
                _ => self.rests(&channel, &number, Ended::Refused, now),
            },
            Ask::Ends(channel, number, was_answered) => {
                let Some((desk, _)) = self.publishing.desks.get_mut(&channel) else {
                    return;
                };
                match was_answered {
                    true => {
                        desk.ended(&number, Ended::Done, now);
                        desk.answered();
                    }
                    false => {
                        desk.ended(&number, Ended::Failed, now);
                        let is_away = desk.unanswered(now);
                        around.marks.note_if(is_away, "channel_away");
                    }
                }
            }
        }
        self.picks(around);
    }

    /// Nothing came of it.
    fn rests(&mut self, channel: &ChannelId, number: &Number, ended: Ended, now: Timestamp) {
        if let Some((desk, _)) = self.publishing.desks.get_mut(channel) {
            desk.ended(number, ended, now);
            desk.idle();
        }
    }

    /// A SKU speaks.
    pub(super) fn speaks(&mut self, said: Vec<Publication>, around: &mut Surroundings<'_>) {
        let messages = self.publishing.announcer.say(said, around.now());
        self.say(messages, around);
    }

    fn say(
        &mut self,
        messages: impl IntoIterator<Item = Announcement>,
        around: &mut Surroundings<'_>,
    ) {
        for Announcement { to, stock } in messages {
            self.ask(to, BucketCommand::Stock(stock), Ask::Takes, around);
        }
    }

    /// Statements are made again, and numbers picked, whose pause is over.
    pub(super) fn publishes(&mut self, around: &mut Surroundings<'_>) {
        let due = self.publishing.announcer.due(around.now());
        self.say(due, around);
        self.picks(around);
    }

    /// A bucket offers what it would have sent.
    pub(super) fn offered(&mut self, offers: Offers, around: &mut Surroundings<'_>) {
        let (channel, now) = (offers.channel.clone(), around.now());
        let waits = &mut self.publishing.waits;
        match offers.unproven {
            Some(at) => drop(waits.insert((channel.clone(), offers.bucket), at)),
            None => drop(waits.remove(&(channel.clone(), offers.bucket))),
        }
        let desk = self.publishing.desks.entry(channel.clone());
        let (desk, _) = desk.or_insert_with(|| {
            let budget = Budget::new(2, 40, now);
            (Desk::of(channel, LIMITS), budget)
        });
        desk.offered(offers);
        self.picks(around);
    }

    fn picks(&mut self, around: &mut Surroundings<'_>) {
        if self.publishing.unlost > 0 {
            return;
        }
        let now = around.now();
        let mut picks = Vec::new();
        for (channel, (desk, budget)) in &mut self.publishing.desks {
            while let Some(pick) = desk.pick(&mut *budget, now) {
                let numbers = pick.into_iter();
                picks.extend(numbers.map(|(bucket, numbers)| (channel.clone(), bucket, numbers)));
            }
        }
        for (channel, bucket, numbers) in picks {
            for number in numbers {
                let begin = BucketCommand::Begin {
                    numbers: vec![number.clone()],
                };
                let entity = EntityId::Bucket(channel.clone(), bucket);
                self.ask(entity, begin, Ask::Begins(channel.clone(), number), around);
            }
        }
    }

    fn begun(
        &mut self,
        bucket: &EntityId,
        channel: ChannelId,
        number: &Number,
        calls: Vec<NumberCall>,
        around: &mut Surroundings<'_>,
    ) {
        let now = around.now();
        let (Some(call), EntityId::Bucket(_, bucket)) = (calls.into_iter().next(), bucket) else {
            around.marks.note("nothing_to_send");
            return self.rests(&channel, number, Ended::Done, now);
        };
        let call = ChannelCall {
            channel,
            bucket: *bucket,
            call,
            asked_at: now,
        };
        let ends_at = now + CALL_MAX;
        if let NumberCallKind::Set { until, .. } = &call.call.kind
            && ends_at > *until
        {
            around.marks.note("begun_too_late");
            return self.said(call, Some(Said::Set(CallOutcome::NotDone)), around);
        }
        let gets_there = !around.dice.happens(around.knobs.lost);
        let comes_back = gets_there && !around.dice.happens(around.knobs.lost);
        around.marks.note_if(!comes_back, "number_call_lost");
        let span = around.up_to(around.knobs.call_ms);
        if gets_there {
            let back_to = comes_back.then_some(self.number);
            around.after(span, Event::NumberCalled(Box::new(call.clone()), back_to));
        }
        if !comes_back {
            self.later(CALL_MAX, Inside::Said(Box::new(call), None), around);
        }
    }

    /// A channel has answered a call, or did not.
    pub(super) fn said(
        &mut self,
        call: ChannelCall,
        said: Option<Said>,
        around: &mut Surroundings<'_>,
    ) {
        let ChannelCall {
            channel,
            bucket,
            call,
            asked_at,
        } = call;
        let bucket = EntityId::Bucket(channel.clone(), bucket);
        let number = (call.listing.clone(), call.place.clone());
        let was_answered = said.is_some();
        let command = match (said, call.kind) {
            (Some(Said::Shows(level)), NumberCallKind::Read) => BucketCommand::Show {
                listing: call.listing,
                level,
                asked_at: Some(asked_at),
            },
            (said, NumberCallKind::Set { call: begun, .. }) => {
                let outcome = match said {
                    Some(Said::Set(outcome)) => outcome,
                    _ if around.knobs.plant == Some(Plant::UnknownIsConfirmed) => {
                        CallOutcome::Confirmed { at: asked_at }
                    }
                    _ => CallOutcome::Unknown,
                };
                around.marks.note_if(outcome == CallOutcome::Stale, "stale");
                let end = CallEnd {
                    listing: call.listing,
                    place: call.place,
                    call: begun,
                    outcome,
                };
                BucketCommand::End { calls: vec![end] }
            }
            (_, NumberCallKind::Read) => {
                // Nothing was learned: it is offered again.
                let now = around.now();
                if let Some((desk, _)) = self.publishing.desks.get_mut(&channel) {
                    desk.ended(&number, Ended::Failed, now);
                    desk.unanswered(now);
                }
                return;
            }
        };
        let ends = Ask::Ends(channel, number, was_answered);
        self.ask(bucket, command, ends, around);
    }
}
