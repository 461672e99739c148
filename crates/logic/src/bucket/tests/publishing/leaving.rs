//! Places that the settings name no more.

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
            shop.tell(BucketCommand::Miss { numbers });
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
