//! A channel that is paused.

use super::*;

/// All show none then; where others may buy most of what is shown too many comes first.
#[test]
fn the_most_dangerous_listing_shows_none_first() {
    let mut shop = Shop::new(publishing(ChannelMode::Active, Writes::CompareAndSet));
    // (listing and SKU, units a thousandth of which sell here in an hour)
    let goods = [("1", "A", 3_000), ("2", "B", 90_000), ("3", "C", 20_000)];
    for (id, name, milli_per_h) in goods {
        if id != "1" {
            shop.tell(BucketCommand::Map {
                listing: listing(id),
                target: single(name, 1),
            });
        }
        shop.say_stock(PublishedStock {
            rates: vec![SellingRate {
                channel: ChannelId::new("shop").unwrap(),
                milli_per_h,
                shape_milli: 1_000,
            }],
            ..Shop::stock(name, 1, 10, &[])
        });
        let level = ShownLevel {
            place: place(),
            units: Some(10),
            at: shop.0.now,
        };
        let show = Command::Bucket(BucketCommand::Show {
            listing: listing(id),
            level,
            asked_at: Some(shop.0.now),
        });
        assert!(shop.0.ask(show).is_ok());
    }
    assert_eq!(shop.offers(), [], "all of it is right");
    let paused = Publishing {
        version: 2,
        ..publishing(ChannelMode::Paused, Writes::CompareAndSet)
    };
    shop.tell(BucketCommand::Publish(Box::new(paused)));
    let offers = shop.offers();
    let order: Vec<&str> = offers.iter().map(|offer| offer.listing.as_str()).collect();
    assert_eq!(order, ["2", "3", "1"]);
    assert!(offers.iter().all(|offer| offer.urgency == Urgency::Lower));
    let look = Command::Bucket(BucketCommand::LookNumbers);
    let Ok(Answer::Numbers(views)) = shop.0.ask(look) else {
        panic!("it says its numbers");
    };
    assert!(views.iter().all(|view| view.should == Some(0)), "{views:?}");
}
