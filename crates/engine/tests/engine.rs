//! The engine's promises: nothing leaves before it is durable, and what rests on a lost append never leaves.
#![allow(clippy::unwrap_used, reason = "a test target")]

use crossdock_engine::{
    Asker, AtOnce, Batch, Committer, Completed, Core, Destination, Handed, Limits, Message,
    ReplyTo, ShardOutcome, Step, StepKind, answer, recover, route,
};
use crossdock_logic::Entity;
use crossdock_model::command::{BucketCommand, OrderCommand, SkuCommand};
use crossdock_model::v1::{
    ChannelPlace, Fallback, LineFacts, ListingTarget, OrderFacts, Origin, Part, Payment, Plan,
    Publishing, Sale, Tracking, Writes,
};
use crossdock_model::{
    Answer, ChannelId, Class, Command, CommandKey, CredentialId, EntityId, LineId, ListingId, Meta,
    ShardId, SkuId, SourceId, Timestamp,
};

type Engine = Committer<u32, (), u32>;

fn bucket() -> EntityId {
    "bucket:shop:1".parse().unwrap()
}

fn meta(key: Option<&str>) -> Meta {
    Meta {
        principal: CredentialId::new("test").unwrap(),
        reason: None,
        key: key.map(|key| CommandKey::new(key).unwrap()),
        body_hash: 1,
        issued_at: Timestamp::default(),
        effective_at: None,
        trace: None,
    }
}

fn map(caller: u32, listing: &str) -> Message<u32> {
    let listing = ListingId::new(listing).unwrap();
    let target = ListingTarget::Sku {
        sku: SkuId::new("A").unwrap(),
        multiplier: 1,
    };
    Message {
        command: Command::Bucket(BucketCommand::Map { listing, target }),
        meta: meta(None),
        reply: ReplyTo::Caller(caller),
        class: Class::AskFirst,
        life: None,
    }
}

fn read(caller: u32) -> Message<u32> {
    Message {
        command: Command::Read,
        meta: meta(None),
        reply: ReplyTo::Caller(caller),
        class: Class::AskFirst,
        life: None,
    }
}

fn live(life: u64) -> Core<u32> {
    Core::new(Entity::new(bucket()), 0, life, Limits::default())
}

fn engine() -> Engine {
    Committer::new(ShardId::all().map(|shard| (shard, 1, 0)), 1000, 1 << 20)
}

fn steps(core: &mut Core<u32>, messages: Vec<Message<u32>>) -> Vec<Step<u32>> {
    let (mut steps, mut at_once) = (Vec::new(), AtOnce::default());
    core.handle(messages, Timestamp::from_ms(1), &mut steps, &mut at_once)
        .unwrap();
    steps
}

/// Hands the steps over; the callers whose steps are refused because their life has ended.
fn push(engine: &mut Engine, steps: Vec<Step<u32>>) -> Vec<u32> {
    let refused = steps
        .into_iter()
        .filter_map(|step| match engine.push(step) {
            Handed::Refused(release) => Some(release),
            Handed::Waits | Handed::Leaves(_) => None,
        });
    refused
        .flat_map(|release| callers(release.answers))
        .collect()
}

/// Hands the steps over; the callers who are answered at once.
fn answered_at_once(engine: &mut Engine, steps: Vec<Step<u32>>) -> Vec<u32> {
    let left = steps
        .into_iter()
        .filter_map(|step| match engine.push(step) {
            Handed::Leaves(release) => Some(release),
            Handed::Waits | Handed::Refused(_) => None,
        });
    left.flat_map(|release| callers(release.answers)).collect()
}

fn callers<R>(answers: Vec<(ReplyTo<u32>, R)>) -> Vec<u32> {
    let caller = |(reply, _)| match reply {
        ReplyTo::Caller(caller) => Some(caller),
        ReplyTo::Nobody | ReplyTo::Entity(_) => None,
    };
    answers.into_iter().filter_map(caller).collect()
}

fn released(completed: Completed<u32, u32>) -> Vec<u32> {
    completed
        .released
        .into_iter()
        .flat_map(|(_, release)| callers(release.answers))
        .collect()
}

fn durable(_: ShardId) -> ShardOutcome {
    ShardOutcome::Durable
}

#[test]
fn nothing_leaves_before_it_is_durable_and_reads_wait_for_what_they_saw() {
    let (mut core, mut engine) = (live(1), engine());
    let batch = steps(&mut core, vec![map(1, "a"), read(2)]);
    push(&mut engine, batch);
    let batch = engine.next_batch().unwrap();
    assert_eq!(batch.shards.len(), 1);
    assert_eq!(
        (batch.shards[0].expected_seq, batch.shards[0].records.len()),
        (1, 1)
    );
    let later = steps(&mut core, vec![map(3, "b")]);
    push(&mut engine, later);
    assert!(
        engine.next_batch().is_none(),
        "one batch is in flight at a time"
    );
    assert_eq!(released(engine.completed(durable)), [1, 2]);
    assert_eq!(engine.next_batch().unwrap().shards[0].expected_seq, 2);
    assert_eq!(released(engine.completed(durable)), [3]);
}

/// Nothing of it waits for a disk: not for the flush under way, and for none of its own.
#[test]
fn what_rests_on_durable_state_leaves_at_once() {
    let (mut core, mut engine) = (live(1), engine());
    let batch = steps(&mut core, vec![read(1)]);
    assert_eq!(answered_at_once(&mut engine, batch), [1]);
    let batch = steps(&mut core, vec![map(2, "a")]);
    assert_eq!(answered_at_once(&mut engine, batch), []);
    engine.next_batch().unwrap();
    let of_another = steps(&mut live(2), vec![read(3)]);
    assert_eq!(answered_at_once(&mut engine, of_another), [3]);
    assert_eq!(released(engine.completed(durable)), [2]);
    let batch = steps(&mut core, vec![read(4)]);
    assert_eq!(answered_at_once(&mut engine, batch), [4]);
    assert!(!engine.has_work());
}

/// It needs no flush of its own, and is lost with the one that it rests on.
#[test]
fn a_read_of_what_is_in_flight_leaves_with_it() {
    for refused in [false, true] {
        let (mut core, mut engine) = (live(1), engine());
        let batch = steps(&mut core, vec![map(1, "a")]);
        push(&mut engine, batch);
        engine.next_batch().unwrap();
        let batch = steps(&mut core, vec![read(2)]);
        assert_eq!(answered_at_once(&mut engine, batch), []);
        let completed = engine.completed(|_| match refused {
            true => ShardOutcome::Refused { next_seq: Some(1) },
            false => ShardOutcome::Durable,
        });
        assert_eq!(completed.lost.len(), if refused { 2 } else { 0 });
        let left = released(completed);
        assert_eq!(left, if refused { vec![] } else { vec![1, 2] });
        assert!(!engine.has_work());
    }
}

/// Append k fails while k+1 and k+2 are queued: nothing computed from them leaves.
#[test]
fn a_failed_append_loses_everything_that_was_computed_from_it() {
    let (mut core, mut engine) = (live(1), engine());
    let first = steps(&mut core, vec![map(1, "a")]);
    push(&mut engine, first);
    engine.next_batch().unwrap();
    for (caller, listing) in [(2, "b"), (3, "c")] {
        let queued = steps(&mut core, vec![map(caller, listing), read(caller + 10)]);
        push(&mut engine, queued);
    }
    let completed = engine.completed(|_| ShardOutcome::Refused { next_seq: Some(1) });
    assert!(completed.released.is_empty());
    assert_eq!(completed.ended, [(bucket(), 1)]);
    let lost: Vec<u32> = completed
        .lost
        .into_iter()
        .flat_map(|r| callers(r.answers))
        .collect();
    assert_eq!(lost, [1, 2, 12, 3, 13]);
    assert!(
        engine.next_batch().is_none(),
        "nothing of that life is left to be written"
    );

    let still_deciding = steps(&mut core, vec![map(4, "d")]);
    assert_eq!(push(&mut engine, still_deciding), [4], "the life has ended");
    let mut next = live(2);
    let steps = steps(&mut next, vec![map(5, "a")]);
    push(&mut engine, steps);
    assert_eq!(engine.next_batch().unwrap().shards[0].expected_seq, 1);
    assert_eq!(released(engine.completed(durable)), [5]);
}

#[test]
fn a_shard_that_is_not_ours_any_more_takes_nothing() {
    let (mut core, mut engine) = (live(1), engine());
    let first = steps(&mut core, vec![map(1, "a")]);
    push(&mut engine, first);
    engine.next_batch().unwrap();
    assert!(released(engine.completed(|_| ShardOutcome::Refused { next_seq: None })).is_empty());
    let again = steps(&mut live(2), vec![map(2, "a")]);
    push(&mut engine, again);
    assert_eq!(engine.next_batch(), Some(Batch { shards: Vec::new() }));
    let completed = engine.completed(durable);
    assert!(completed.released.is_empty());
    assert_eq!(completed.lost.len(), 1);
}

#[test]
fn a_durable_checkpoint_covers_the_log_and_a_lost_one_does_not() {
    let (mut core, mut engine) = (live(1), engine());
    let first = steps(&mut core, vec![map(1, "a"), map(2, "b")]);
    push(&mut engine, first);
    engine.next_batch();
    engine.completed(durable);
    assert_eq!(engine.uncovered_after(&bucket()), Some(0));
    assert_eq!(engine.overdue_checkpoints(2, 10), [bucket()]);

    let checkpoint = core.checkpoint().unwrap().unwrap();
    assert!(
        core.checkpoint().unwrap().is_none(),
        "the same state is not written twice"
    );
    push(&mut engine, vec![checkpoint]);
    engine.next_batch();
    engine.completed(|_| ShardOutcome::Refused { next_seq: Some(3) });
    assert_eq!(
        engine.uncovered_after(&bucket()),
        Some(0),
        "the checkpoint was lost"
    );

    let mut core = live(2);
    steps(&mut core, vec![map(1, "a"), map(2, "b")]);
    push(&mut engine, vec![core.checkpoint().unwrap().unwrap()]);
    engine.next_batch();
    engine.completed(durable);
    assert_eq!(engine.uncovered_after(&bucket()), None);
}

#[test]
fn a_crashed_life_loses_its_queue_and_keeps_what_is_in_flight() {
    let (mut core, mut engine) = (live(1), engine());
    let first = steps(&mut core, vec![map(1, "a")]);
    push(&mut engine, first);
    engine.next_batch();
    let queued = steps(&mut core, vec![map(2, "b")]);
    push(&mut engine, queued);
    let ended = engine.end_life(&bucket(), 1);
    assert_eq!(
        ended
            .lost
            .into_iter()
            .flat_map(|r| callers(r.answers))
            .collect::<Vec<_>>(),
        [2]
    );
    assert_eq!(released(engine.completed(durable)), [1]);
    assert_eq!(engine.uncovered_after(&bucket()), Some(0));
}

#[test]
fn recovery_passes_over_what_the_checkpoint_covers() {
    let mut core = live(1);
    let bodies: Vec<Vec<u8>> = steps(&mut core, vec![map(1, "a"), map(2, "b"), map(3, "c")])
        .into_iter()
        .filter_map(|step| match step.kind {
            StepKind::Record(body) => Some(body),
            StepKind::Checkpoint { .. } | StepKind::Barrier => None,
        })
        .collect();
    let window = Limits::default().dedup_window;
    let replay = |checkpoint: Option<&[u8]>, from: usize| {
        recover(
            &bucket(),
            checkpoint,
            bodies[from..].iter().map(Vec::as_slice),
            window,
        )
    };
    let whole = replay(None, 0).unwrap().entity;
    assert_eq!(&whole, core.entity());
    let mut first = live(1);
    steps(&mut first, vec![map(1, "a"), map(2, "b")]);
    let checkpoint = first.entity().encode().unwrap();
    for from in 0..=2 {
        let recovered = replay(Some(&checkpoint), from).unwrap();
        assert_eq!((&recovered.entity, recovered.checkpointed), (&whole, 2));
    }
    assert!(replay(None, 1).is_err(), "a gap is no history");
}

fn sold(units: u32) -> Message<u32> {
    let line = LineFacts {
        line: LineId::new("1").unwrap(),
        title: "A".to_owned(),
        ordered_units: units,
        cancelled_units: 0,
        parts: vec![Part {
            sku: SkuId::new("A").unwrap(),
            units_per_line_unit: 1,
        }],
        unit_price: None,
        ships: true,
    };
    let facts = OrderFacts {
        name: "#1".to_owned(),
        placed_at: Timestamp::default(),
        updated_at: Timestamp::default(),
        sale: Sale::AlreadySold,
        lines: vec![line],
        destination: None,
        service_level: None,
        ship_by: None,
        deliver_by: None,
        payment: Payment::Ready,
        cancelled: None,
        total: None,
        tags: Vec::new(),
        test: false,
    };
    let command = Command::Order(OrderCommand::State {
        facts: Box::new(facts),
        origin: Origin::Api,
        settle: false,
    });
    Message {
        command,
        meta: meta(None),
        reply: ReplyTo::Nobody,
        class: Class::AskFirst,
        life: None,
    }
}

/// A plan that places nothing, as an answer to `asker`.
fn planned(asker: &Asker) -> Message<u32> {
    let plan = Plan {
        allocations: Vec::new(),
        candidates: Vec::new(),
        allowed: Vec::new(),
        tried: Vec::new(),
        rule_set: 0,
        rule: String::new(),
        unplaced: Vec::new(),
        fallback: Fallback::Backorder,
    };
    let command = Command::Answered {
        effect: asker.effect,
        from: asker.entity.clone(),
        result: Ok(Answer::Plan(Box::new(plan))),
    };
    Message {
        command,
        meta: meta(None),
        reply: ReplyTo::Nobody,
        class: Class::AskFirst,
        life: Some(asker.life),
    }
}

/// A life that is lost takes its effect numbers along: the next life gives them to other effects.
#[test]
fn an_answer_to_a_lost_life_is_no_answer_to_the_next() {
    let order: EntityId = "order:shop:1".parse().unwrap();
    let begin = |life, units| {
        let mut core = Core::new(Entity::new(order.clone()), 0, life, Limits::default());
        let (mut steps, mut at_once) = (Vec::new(), AtOnce::default());
        core.handle(
            [sold(units)],
            Timestamp::from_ms(1),
            &mut steps,
            &mut at_once,
        )
        .unwrap();
        assert_eq!(at_once.effects.len(), 1, "the plan is asked for at once");
        (core, at_once.effects.remove(0).from)
    };
    let (_lost, earlier) = begin(1, 1);
    let (mut core, asker) = begin(2, 2);
    assert_eq!(earlier.effect, asker.effect, "the number is used again");
    assert_eq!((earlier.life, asker.life), (1, 2));
    let pending = core.entity().pending().clone();
    assert!(steps(&mut core, vec![planned(&earlier)]).is_empty());
    assert_eq!(core.entity().pending(), &pending);
    assert_eq!(steps(&mut core, vec![planned(&asker)]).len(), 1);
    assert_ne!(core.entity().pending(), &pending);
}

/// Under constant load something always waits; an entity becomes passive all the same once its own work is durable.
#[test]
fn an_entity_is_settled_whatever_others_have_waiting() {
    let (mut core, mut engine) = (live(1), engine());
    let first = steps(&mut core, vec![map(1, "a")]);
    push(&mut engine, first);
    push(&mut engine, vec![core.checkpoint().unwrap().unwrap()]);
    assert!(!engine.is_settled(&bucket()), "its record waits");
    engine.next_batch().unwrap();
    assert!(!engine.is_settled(&bucket()), "its record is in flight");
    let other: EntityId = "bucket:shop:2".parse().unwrap();
    let mut busy = Core::new(Entity::new(other.clone()), 0, 2, Limits::default());
    let queued = steps(&mut busy, vec![map(2, "b")]);
    push(&mut engine, queued);
    push(&mut engine, vec![busy.checkpoint().unwrap().unwrap()]);
    engine.completed(durable);
    assert!(engine.waiting() > 0);
    assert!(engine.is_settled(&bucket()));
    assert!(!engine.is_settled(&other));
    engine.end_life(&other, 2);
    assert!(engine.is_settled(&other), "nothing of it is left");
}

#[test]
fn callers_that_have_gone_keep_no_entity_live() {
    let order = Entity::new("order:shop:1".parse().unwrap());
    let mut core: Core<u32> = Core::new(order, 0, 1, Limits::default());
    let waits = |caller| {
        let mut message = sold(1);
        message.reply = ReplyTo::Caller(caller);
        if let Command::Order(OrderCommand::State { settle, .. }) = &mut message.command {
            *settle = true;
        }
        message
    };
    steps(&mut core, vec![waits(1), waits(2)]);
    assert!(!core.is_idle());
    core.forget_gone(|caller| *caller == 1);
    assert!(!core.is_idle(), "the other one still waits");
    core.forget_gone(|_| true);
    assert!(core.is_idle());
}

/// A SKU serves buyers and imports alike: what it does for whom is of the class of who asked.
#[test]
fn work_keeps_the_class_that_it_came_in() {
    let order: EntityId = "order:shop:7".parse().unwrap();
    for class in [Class::ChannelOrder, Class::AskFirst, Class::Import] {
        let mut core = Core::new(Entity::new(order.clone()), 0, 1, Limits::default());
        let message = Message { class, ..sold(1) };
        let (mut steps, mut at_once) = (Vec::new(), AtOnce::default());
        let now = Timestamp::from_ms(1);
        core.handle([message], now, &mut steps, &mut at_once)
            .unwrap();
        let classes = steps.iter().map(|step| step.release.class);
        assert!(classes.eq([class]), "{steps:?}");
        let asked = at_once.effects.remove(0);
        assert_eq!(asked.class, class);
        let Destination::Router(planning) = route::<u32>(asked, meta(None)) else {
            panic!("an order asks for a plan first");
        };
        assert_eq!(planning.class, class);
        let back = answer::<u32>(
            &planning.from,
            order.clone(),
            Ok(Answer::Done),
            class,
            meta(None),
        );
        assert_eq!((back.class, back.life), (class, Some(1)));
    }
}

/// What is announced of a SKU makes the step that it tells of no more urgent; by itself it is the SKU's own work.
#[test]
fn an_announcement_joins_a_step_in_the_class_of_that() {
    let sku: EntityId = "sku:A".parse().unwrap();
    let mut core = Core::new(Entity::new(sku.clone()), 0, 1, Limits::default());
    let define = SkuCommand::Define {
        title: "A".to_owned(),
        tracking: Tracking::Tracked,
    };
    let define = Message {
        command: Command::Sku(define),
        class: Class::Import,
        ..read(1)
    };
    let told = |steps: &[Step<u32>]| -> Vec<_> {
        let releases = steps.iter().map(|step| &step.release);
        let told = releases.map(|one| (one.class, one.announcement.is_some()));
        told.collect()
    };
    assert_eq!(
        told(&steps(&mut core, vec![define])),
        [(Class::Import, true)]
    );
    let mut again = Core::new(core.entity().clone(), 0, 2, Limits::default());
    assert_eq!(
        told(&steps(&mut again, Vec::new())),
        [(Class::ChannelOrder, true)]
    );
}

/// What a bucket would have sent is offered before that is durable, so that what begins of it joins the same flush.
#[test]
fn offers_leave_at_once() {
    let mut core = live(1);
    let place = ChannelPlace {
        place: SourceId::new("shop/1").unwrap(),
        locations: Vec::new(),
    };
    let publishing = Publishing {
        version: 1,
        ..Publishing::plain(Writes::Absolute, vec![place])
    };
    let publish = Message {
        command: Command::Bucket(BucketCommand::Publish(Box::new(publishing))),
        ..map(1, "40001")
    };
    let mut offered = |message| {
        let (mut steps, mut at_once) = (Vec::new(), AtOnce::default());
        core.handle([message], Timestamp::from_ms(1), &mut steps, &mut at_once)
            .unwrap();
        let waits = steps.iter().all(|step| !step.release.answers.is_empty());
        assert!(waits, "the answer leaves with the step: {steps:?}");
        at_once.offers.map(|offers| (offers.channel, offers.bucket))
    };
    let of = Some((ChannelId::new("shop").unwrap(), 1));
    assert_eq!(offered(map(1, "40001")), None, "nothing is published");
    assert_eq!(offered(publish), of);
    assert_eq!(offered(map(1, "40002")), of);
    assert_eq!(offered(read(1)), None, "nothing has changed");
}
