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
