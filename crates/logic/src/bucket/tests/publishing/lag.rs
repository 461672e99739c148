//! Since when changes wait, and which calls tell how far a channel is behind.

use super::*;

/// A call tells of all changes since the last one that was confirmed, and says how old the oldest of them is.
#[test]
fn a_call_is_as_old_as_the_oldest_change_it_tells_of() {
    let mut shop = Shop::new(publishing(ChannelMode::Active, Writes::CompareAndSet));
    let say = |shop: &mut Shop, version, units, ms| {
        let at = Timestamp::from_ms(ms);
        let stock = Shop::stock("A", version, units, &[]);
        shop.say_stock(PublishedStock { at, ..stock });
    };
    let since = |shop: &mut Shop| match shop.begin_timed()[..] {
        [NumberCallKind::Set { since, .. }] => since.map(Timestamp::as_ms),
        ref other => panic!("{other:?}"),
    };
    shop.say("A", 1, 9, &[]);
    shop.shows(9);
    say(&mut shop, 2, 5, 10);
    say(&mut shop, 3, 4, 20);
    assert_eq!(since(&mut shop), Some(10));
    say(&mut shop, 4, 3, 30);
    shop.confirm(1);
    assert_eq!(since(&mut shop), Some(30));
    shop.end(2, CallOutcome::NotDone);
    say(&mut shop, 5, 2, 40);
    assert_eq!(since(&mut shop), Some(30));
    shop.confirm(3);
    say(&mut shop, 6, 1, 50);
    assert_eq!(since(&mut shop), Some(50));
}

/// What is lowered tells how far the channel is behind; what is raised waits for more than the channel, and so does what
/// was refused. That a number waited to be let in says nothing of it.
#[test]
fn only_what_is_lowered_tells_the_lag_of_a_channel() {
    let told = |shop: &mut Shop| match shop.begin_timed()[..] {
        [
            NumberCallKind::Set {
                since, tells_lag, ..
            },
        ] => (since.is_some(), tells_lag),
        ref other => panic!("{other:?}"),
    };
    let mut shop = Shop::new(publishing(ChannelMode::Observed, Writes::CompareAndSet));
    shop.say("A", 1, 9, &[]);
    shop.shows(12);
    shop.say("A", 2, 8, &[]);
    shop.tell(BucketCommand::Publish(Box::new(Publishing {
        version: 2,
        ..publishing(ChannelMode::Active, Writes::CompareAndSet)
    })));
    shop.reads(12);
    assert_eq!(told(&mut shop), (false, true));
    shop.confirm(1);
    shop.say("A", 3, 7, &[]);
    assert_eq!(told(&mut shop), (true, true));
    shop.confirm(2);
    shop.say("A", 4, 9, &[]);
    assert_eq!(told(&mut shop), (true, false));
    shop.confirm(3);
    shop.say("A", 5, 6, &[]);
    assert!(told(&mut shop).1);
    let problem = "no such item".to_owned();
    shop.end(4, CallOutcome::Refused { problem });
    assert_eq!(told(&mut shop), (true, false));
}

/// The first number of what was not counted, or not mapped, is no late one.
#[test]
fn what_had_no_number_waited_for_none() {
    let mut shop = Shop::new(publishing(ChannelMode::Active, Writes::CompareAndSet));
    let say = |shop: &mut Shop, version, ats: Option<u32>, ms| {
        let at = Timestamp::from_ms(ms);
        let mut stock = Shop::stock("A", version, ats.unwrap_or(0), &[]);
        stock.ats.truncate(usize::from(ats.is_some()));
        shop.say_stock(PublishedStock { at, ..stock });
    };
    let since = |shop: &mut Shop| match shop.begin_timed()[..] {
        [NumberCallKind::Set { since, .. }] => since.map(Timestamp::as_ms),
        ref other => panic!("{other:?}"),
    };
    shop.shows(9);
    say(&mut shop, 1, None, 10);
    say(&mut shop, 2, Some(5), 50);
    assert_eq!(since(&mut shop), Some(50));
    shop.confirm(1);
    say(&mut shop, 3, Some(4), 60);
    shop.tell(BucketCommand::Unmap {
        listing: listing("1"),
    });
    shop.tell(BucketCommand::Map {
        listing: listing("1"),
        target: single("A", 1),
    });
    shop.reads(9);
    say(&mut shop, 4, Some(3), 90);
    assert_eq!(since(&mut shop), Some(90));
}

/// A raise waits for proof; what is sold meanwhile has not waited as long.
#[test]
fn a_lowering_is_not_as_late_as_the_raise_before_it() {
    let mut shop = Shop::active(Writes::Absolute);
    shop.reads(10);
    let asked_at = shop.0.now;
    shop.say_stock(PublishedStock {
        at: asked_at,
        ..Shop::stock("A", 2, 15, &[])
    });
    assert_eq!(shop.begin_timed(), [], "it waits until orders are read");
    shop.0.now = asked_at + Duration::from_minutes(4);
    let sold_at = shop.0.now;
    shop.say_stock(PublishedStock {
        at: sold_at,
        ..Shop::stock("A", 3, 4, &[])
    });
    let lag = |shop: &mut Shop| match shop.begin_timed()[..] {
        [
            NumberCallKind::Set {
                since, tells_lag, ..
            },
        ] => (since, tells_lag),
        ref other => panic!("{other:?}"),
    };
    assert_eq!(lag(&mut shop), (Some(sold_at), true));
    // It waits on if the call was in vain.
    shop.end(1, CallOutcome::NotDone);
    shop.0.now = sold_at + Duration::from_minutes(1);
    assert_eq!(lag(&mut shop), (Some(sold_at), true));
}
