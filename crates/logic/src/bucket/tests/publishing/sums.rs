//! Random stock, places and settings: what all places should show together can be sold.

use proptest::prelude::*;

use super::*;

const LOCATIONS: [&str; 4] = ["reno", "york", "ulm", "till"];
const PLACES: [&str; 3] = ["shop/1", "shop/2", "shop/3"];
/// Named by the settings before, and by the present ones no more.
const LEFT: &str = "shop/9";

/// What one of a listing is: units of A; so many times two of A and one of B; or so many of the kit K of these.
#[derive(Debug, Clone, Copy)]
enum Made {
    Sku,
    Parts,
    Kit { may_split: bool },
}

#[derive(Debug, Clone)]
struct Case {
    made: Made,
    multiplier: u32,
    /// Of A and of B, by location; `None`: never counted there.
    stock: [[Option<u32>; 4]; 2],
    /// Which place sells what lies at a location; one behind the last: none does.
    sold_at: [usize; 4],
    /// What the place shows that is named no more.
    left: Option<u32>,
    kept_units: u32,
    is_measured: bool,
    share_permille: u16,
    paused_at: Option<usize>,
    mode: ChannelMode,
    writes: Writes,
}

fn cases() -> impl Strategy<Value = Case> {
    let made = prop::sample::select(vec![
        Made::Sku,
        Made::Parts,
        Made::Kit { may_split: false },
        Made::Kit { may_split: true },
    ]);
    let units = prop::option::weighted(0.9, 0..60_u32);
    let stock = prop::array::uniform2(prop::array::uniform4(units));
    let sold_at = prop::array::uniform4(0..=PLACES.len());
    let left = prop::option::of(0..20_u32);
    let kept = (0..5_u32, any::<bool>(), 1..=1_000_u16);
    let paused_at = prop::option::of(0..LOCATIONS.len());
    let mode = prop::sample::select(vec![
        ChannelMode::Active,
        ChannelMode::Active,
        ChannelMode::Observed,
        ChannelMode::Paused,
    ]);
    let writes = prop::sample::select(vec![Writes::CompareAndSet, Writes::Absolute]);
    let settings = (paused_at, mode, writes);
    (made, 1..4_u32, stock, sold_at, left, kept, settings).prop_map(
        |(made, multiplier, stock, sold_at, left, kept, (paused_at, mode, writes))| Case {
            made,
            multiplier,
            stock,
            sold_at,
            left,
            kept_units: kept.0,
            is_measured: kept.1,
            share_permille: kept.2,
            paused_at,
            mode,
            writes,
        },
    )
}

fn at(location: &str) -> LocationId {
    LocationId::new(location).unwrap()
}

fn parts() -> Vec<Component> {
    let part = |(id, units_per_kit)| Component {
        sku: sku(id),
        units_per_kit,
    };
    [("A", 2), ("B", 1)].map(part).into()
}

impl Case {
    fn target(&self) -> ListingTarget {
        match self.made {
            Made::Sku => single("A", self.multiplier),
            Made::Kit { .. } => single("K", self.multiplier),
            Made::Parts => ListingTarget::Kit {
                components: parts(),
                multiplier: self.multiplier,
            },
        }
    }

    /// Units of A and of B in one of the listing.
    fn units_per_listing(&self) -> [u32; 2] {
        match self.made {
            Made::Sku => [self.multiplier, 0],
            Made::Parts | Made::Kit { .. } => [2 * self.multiplier, self.multiplier],
        }
    }

    fn places(&self) -> Vec<ChannelPlace> {
        let locations = |number: usize| {
            let all = LOCATIONS.iter().zip(self.sold_at);
            let here = all.filter(|(_, place)| *place == number);
            here.map(|(location, _)| at(location)).collect()
        };
        let place = |(number, name): (usize, &&str)| ChannelPlace {
            place: SourceId::new(*name).unwrap(),
            locations: locations(number),
        };
        PLACES.iter().enumerate().map(place).collect()
    }

    fn publishing(&self, version: u64, mode: ChannelMode, places: Vec<ChannelPlace>) -> Publishing {
        let paused = self.paused_at.map(|paused| at(LOCATIONS[paused]));
        Publishing {
            version,
            places,
            paused_locations: paused.into_iter().collect(),
            buffer: match self.is_measured {
                false => Buffer::Fixed {
                    units: self.kept_units,
                },
                true => Buffer::Measured {
                    risk_ppm: 1_000,
                    lag: Duration::from_s(5),
                    floor_units: self.kept_units,
                    cap_units: 100,
                },
            },
            ..publishing(mode, self.writes)
        }
    }

    /// Units of A or of B that are for sale at any place.
    fn for_sale(&self, part: usize) -> u64 {
        let all = (0..LOCATIONS.len()).filter(|location| {
            self.sold_at[*location] < PLACES.len() && self.paused_at != Some(*location)
        });
        let units = all.map(|location| u64::from(self.stock[part][location].unwrap_or(0)));
        units.sum()
    }

    fn shop(&self) -> Shop {
        let mut shop = Shop(Scene::new("bucket:shop:3"));
        shop.tell(BucketCommand::Map {
            listing: listing("1"),
            target: self.target(),
        });
        shop.tell(BucketCommand::SetListingMode {
            listing: listing("1"),
            mode: ListingMode::Live {
                share_permille: self.share_permille,
            },
        });
        let everything = ChannelPlace {
            place: SourceId::new(LEFT).unwrap(),
            locations: LOCATIONS.map(at).into(),
        };
        let before = self.publishing(1, ChannelMode::Active, vec![everything]);
        shop.tell(BucketCommand::Publish(Box::new(before)));
        if let Made::Kit { may_split } = self.made {
            let kit = Kit {
                components: parts(),
                may_split,
            };
            shop.say_stock(PublishedStock {
                tracking: Tracking::Kit(kit),
                ats: Vec::new(),
                ..Shop::stock("K", 1, 0, &[])
            });
        }
        for (id, units) in ["A", "B"].into_iter().zip(self.stock) {
            if shop.asks().iter().any(|(_, asked)| *asked == sku(id)) {
                let counted = LOCATIONS.iter().zip(units);
                let counted = counted.filter_map(|(location, units)| Some((at(location), units?)));
                shop.say_stock(PublishedStock {
                    ats: counted.collect(),
                    ..Shop::stock(id, 1, 0, &[])
                });
            }
        }
        if let Some(units) = self.left {
            shop.reads_at(LEFT, units.into());
        }
        let now = self.publishing(2, self.mode, self.places());
        shop.tell(BucketCommand::Publish(Box::new(now)));
        shop
    }

    fn check(&self) {
        let mut shop = self.shop();
        let look = Command::Bucket(BucketCommand::LookNumbers);
        let Ok(Answer::Numbers(views)) = shop.0.ask(look) else {
            panic!("it says its numbers");
        };
        let (mut shown, mut left) = (0, 0);
        for view in &views {
            match view.place.as_str() == LEFT {
                true => left += view.shown.unwrap_or(0).max(0).unsigned_abs(),
                false => shown += u64::from(view.should.unwrap_or(0)),
            }
        }
        if self.mode == ChannelMode::Paused {
            assert_eq!(shown, 0);
        }
        if shown == 0 {
            return;
        }
        // Nobody takes back what is shown where the channel was only observed.
        let left = if self.mode == ChannelMode::Observed {
            0
        } else {
            left
        };
        for (part, per) in self.units_per_listing().into_iter().enumerate() {
            let sold = (shown + left + u64::from(self.kept_units)) * u64::from(per);
            let there = self.for_sale(part);
            assert!(sold <= there, "{sold} of {there}: {views:?}");
        }
    }
}

proptest! {
    #[test]
    fn all_places_together_show_no_more_than_there_is(case in cases()) {
        case.check();
    }
}
