//! Places that the settings name no more, and those that they name since numbers are sent.

use super::*;

const OTHER: &str = "shop/2";

fn at(place: &str, location: &str) -> ChannelPlace {
    ChannelPlace {
        place: SourceId::new(place).unwrap(),
        locations: vec![LocationId::new(location).unwrap()],
    }
}

fn named(mode: ChannelMode, version: u64, places: Vec<ChannelPlace>) -> BucketCommand {
    BucketCommand::Publish(Box::new(Publishing {
        version,
        places,
        ..publishing(mode, Writes::CompareAndSet)
    }))
}

impl Shop {
    fn should(&mut self) -> Vec<(String, Option<u32>)> {
        let look = Command::Bucket(BucketCommand::LookNumbers);
        let Ok(Answer::Numbers(views)) = self.0.ask(look) else {
            panic!("it says its numbers");
        };
        let views = views.into_iter();
        views
            .map(|view| (view.place.to_string(), view.should))
            .collect()
    }
}

fn number(place: &str, units: u32) -> (String, Option<u32>) {
    (place.to_owned(), Some(units))
}

/// What it showed is sold at another place from now on: there it is shown only once it is not here any more.
#[test]
fn a_place_that_is_left_shows_none_and_is_forgotten() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    shop.reads(10);
    assert_eq!(shop.offered(), None);
    shop.tell(named(ChannelMode::Active, 2, vec![at(OTHER, "reno")]));
    shop.reads_at(OTHER, 0);
    assert_eq!(
        shop.should(),
        [number(PLACE, 0), number(OTHER, 0)],
        "nowhere twice"
    );
    assert_eq!(
        shop.begin(),
        [NumberCallKind::Read],
        "others may have sold there meanwhile"
    );
    shop.reads(9);
    assert_eq!(shop.should(), [number(PLACE, 0), number(OTHER, 1)]);
    assert_eq!(shop.begin(), set(1, 0, Some(9)));
    shop.confirm(1);
    assert_eq!(shop.should(), [number(OTHER, 10)]);
    assert_eq!(shop.begin(), [], "it is not ours any more");
    shop.shows(7);
    assert_eq!(shop.should(), [(PLACE.to_owned(), None), number(OTHER, 10)]);
    assert_eq!(shop.begin(), []);
}

#[test]
fn a_place_that_is_named_again_has_its_number() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    shop.reads(10);
    shop.tell(named(ChannelMode::Active, 2, Vec::new()));
    assert_eq!(shop.should(), [number(PLACE, 0)], "no place at all");
    shop.tell(named(ChannelMode::Active, 3, vec![at(PLACE, "reno")]));
    assert_eq!(shop.should(), [number(PLACE, 10)]);
    shop.reads(10);
    assert_eq!(shop.offered(), None);
}

/// A place that is gone from the channel, or does not count it, shows nothing.
#[test]
fn a_place_that_has_no_number_is_forgotten() {
    for is_there in [false, true] {
        let mut shop = Shop::active(Writes::CompareAndSet);
        shop.reads(10);
        shop.tell(named(ChannelMode::Active, 2, vec![at(OTHER, "reno")]));
        if is_there {
            let level = ShownLevel {
                place: place(),
                units: None,
                at: shop.0.now,
            };
            let listing = listing("1");
            let asked_at = Some(shop.0.now);
            let show = BucketCommand::Show {
                listing,
                level,
                asked_at,
            };
            assert!(shop.0.ask(Command::Bucket(show)).is_ok());
        } else {
            let numbers = vec![(listing("1"), place())];
            let asked_at = shop.0.now;
            shop.tell(BucketCommand::Miss { numbers, asked_at });
        }
        assert_eq!(shop.should(), [number(OTHER, 10)], "{is_there}");
    }
}

/// What was never sent is not taken back.
#[test]
fn a_place_of_an_observed_channel_is_left_as_it_is() {
    let mut shop = Shop::new(publishing(ChannelMode::Observed, Writes::CompareAndSet));
    shop.say("A", 1, 10, &[]);
    shop.reads(25);
    shop.tell(named(ChannelMode::Observed, 2, vec![at(OTHER, "reno")]));
    shop.tell(named(ChannelMode::Active, 3, vec![at(OTHER, "reno")]));
    assert_eq!(shop.should(), [(PLACE.to_owned(), None), number(OTHER, 10)]);
    assert_eq!(shop.begin(), []);
}

fn waiting(version: u64, places: &[ChannelPlace], place: &str) -> Publishing {
    Publishing {
        version,
        places: places.to_vec(),
        observed_places: vec![SourceId::new(place).unwrap()],
        buffer: Buffer::Fixed { units: 3 },
        ..publishing(ChannelMode::Active, Writes::CompareAndSet)
    }
}

impl Shop {
    /// The calls about another place's number.
    fn begin_at(&mut self, place: &str) -> Vec<NumberCallKind> {
        let numbers = vec![(listing("1"), SourceId::new(place).unwrap())];
        match self
            .0
            .ask(Command::Bucket(BucketCommand::Begin { numbers }))
        {
            Ok(Answer::Calls(calls)) => timeless(calls.into_iter().map(|call| call.kind).collect()),
            other => panic!("{other:?}"),
        }
    }
}

/// What would be there is in the preview, and what is kept back is kept back where numbers are sent.
#[test]
fn a_place_that_is_named_later_is_read_and_set_once_it_is_let_in() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    shop.reads(7);
    let places = [at(PLACE, "reno"), at(OTHER, "york")];
    let both = |units| PublishedStock {
        ats: vec![
            (LocationId::new("reno").unwrap(), 10),
            (LocationId::new("york").unwrap(), units),
        ],
        ..Shop::stock("A", 5, 10, &[])
    };
    let publish = |publishing: Publishing| BucketCommand::Publish(Box::new(publishing));
    shop.tell(publish(waiting(2, &places, OTHER)));
    shop.say_stock(both(40));
    assert_eq!(shop.begin_at(OTHER), [NumberCallKind::Read]);
    shop.reads_at(OTHER, 99);
    assert_eq!(shop.should(), [number(PLACE, 7), number(OTHER, 37)]);
    shop.reads(7);
    assert_eq!((shop.offers(), shop.begin_at(OTHER)), (vec![], vec![]));
    assert_eq!(shop.0.deadline(), None, "nobody is told of it");
    // Somebody sets it there: that is no drift.
    shop.reads_at(OTHER, 98);
    assert_eq!(shop.offers(), []);
    shop.tell(publish(Publishing {
        version: 3,
        observed_places: Vec::new(),
        ..waiting(3, &places, OTHER)
    }));
    assert_eq!(shop.should(), [number(PLACE, 10), number(OTHER, 37)]);
    assert_eq!(shop.begin_at(OTHER), [NumberCallKind::Read]);
    shop.reads_at(OTHER, 98);
    assert_eq!(shop.begin_at(OTHER), set(1, 37, Some(98)));
}

/// What one place gives to another is shown there once it is not shown here any more.
#[test]
fn a_location_that_another_place_gets_is_not_shown_twice() {
    let sells = |place: &str, locations: &[&str]| ChannelPlace {
        place: SourceId::new(place).unwrap(),
        locations: locations
            .iter()
            .map(|id| LocationId::new(*id).unwrap())
            .collect(),
    };
    let before = vec![sells(PLACE, &["reno", "york"]), sells(OTHER, &["tulsa"])];
    let after = vec![sells(PLACE, &["reno"]), sells(OTHER, &["tulsa", "york"])];
    let mut shop = Shop::new(publishing(ChannelMode::Active, Writes::CompareAndSet));
    shop.tell(named(ChannelMode::Active, 2, before));
    let stock = |version, reno| PublishedStock {
        ats: [("reno", reno), ("york", 6), ("tulsa", 1)]
            .map(|(id, units)| (LocationId::new(id).unwrap(), units))
            .into(),
        ..Shop::stock("A", version, 0, &[])
    };
    shop.say_stock(stock(1, 4));
    shop.reads(10);
    shop.reads_at(OTHER, 1);
    assert_eq!(shop.offers(), []);
    shop.tell(named(ChannelMode::Active, 3, after));
    assert_eq!(shop.should(), [number(PLACE, 4), number(OTHER, 1)]);
    shop.reads(10);
    assert_eq!(shop.begin(), set(1, 4, Some(10)));
    assert_eq!(shop.should(), [number(PLACE, 4), number(OTHER, 1)]);
    shop.confirm(1);
    assert_eq!(shop.should(), [number(PLACE, 4), number(OTHER, 7)]);
    // That is over: what is too much later says nothing of the other place.
    shop.say_stock(stock(2, 3));
    assert_eq!(shop.should(), [number(PLACE, 3), number(OTHER, 7)]);
}

/// A place that the channel does not stock it at any more shows none of it: nothing is kept back for it elsewhere.
#[test]
fn a_place_that_does_not_have_it_any_more_keeps_nothing_back() {
    let both = |place: &str| ChannelPlace {
        locations: ["reno", "york"]
            .map(|id| LocationId::new(id).unwrap())
            .into(),
        ..at(place, "reno")
    };
    let mut shop = Shop::new(publishing(ChannelMode::Active, Writes::CompareAndSet));
    let before = vec![both(PLACE), at(OTHER, "tulsa")];
    shop.tell(named(ChannelMode::Active, 2, before));
    shop.say_stock(PublishedStock {
        ats: [("reno", 4), ("york", 6)]
            .map(|(id, units)| (LocationId::new(id).unwrap(), units))
            .into(),
        ..Shop::stock("A", 1, 0, &[])
    });
    shop.reads(10);
    shop.reads_at(OTHER, 0);
    let after = vec![at(PLACE, "reno"), at(OTHER, "york")];
    shop.tell(named(ChannelMode::Active, 3, after));
    assert_eq!(shop.should(), [number(PLACE, 4), number(OTHER, 0)]);
    let asked_at = shop.0.now;
    shop.tell(BucketCommand::Miss {
        numbers: vec![(listing("1"), place())],
        asked_at,
    });
    assert_eq!(shop.should(), [number(PLACE, 4), number(OTHER, 6)]);
}

/// What a place shows that was never let in is somebody else's: nothing is kept back for it.
#[test]
fn a_place_that_was_never_let_in_gives_nothing() {
    let mut shop = Shop::active(Writes::CompareAndSet);
    shop.reads(10);
    let publish = |publishing: Publishing| BucketCommand::Publish(Box::new(publishing));
    let places = [at(PLACE, "reno"), at(OTHER, "york")];
    shop.tell(publish(waiting(2, &places, OTHER)));
    shop.say_stock(PublishedStock {
        ats: [("reno", 4), ("york", 9)]
            .map(|(id, units)| (LocationId::new(id).unwrap(), units))
            .into(),
        ..Shop::stock("A", 5, 0, &[])
    });
    shop.reads_at(OTHER, 99);
    let places = [at(PLACE, "york"), at(OTHER, "reno")];
    shop.tell(publish(waiting(3, &places, OTHER)));
    assert_eq!(shop.should()[0], number(PLACE, 6));
}
