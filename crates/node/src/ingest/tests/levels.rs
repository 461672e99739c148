//! A shop's numbers: counts where the shop is the source of stock truth, and never where they were once ours.

use crossdock_model::command::{LocationCommand, SkuCommand};
use crossdock_model::v1::{ChannelMode, ChannelPlace, LocationFacts, Publishing, Tracking, Writes};
use crossdock_model::{Duration, LocationId, SourceId};

use super::*;
use crate::testing::is_open;

/// 2026-11-02T08:00:00Z.
const START: Timestamp = Timestamp::from_ms(1_793_606_400_000);
const PLACE: &str = "shop/8050";

fn shop() -> ChannelId {
    ChannelId::checked("shop").unwrap()
}

fn reno() -> LocationId {
    LocationId::new("reno").unwrap()
}

fn mug() -> SkuId {
    SkuId::new("MUG").unwrap()
}

/// A shop at whose place 8050 the mug of `reno` is counted.
struct Shop(InMemory);

impl Shop {
    async fn start() -> Self {
        let shop = Self(InMemory::start(START).await);
        shop.tell(ChannelCommand::Connect(ChannelSettings {
            connector: "shopify".to_owned(),
            sale: Sale::AlreadySold,
            map_by_sku: false,
        }))
        .await;
        shop.name_source(Some(PLACE)).await;
        let define = Command::Sku(SkuCommand::Define {
            title: "Mug".to_owned(),
            tracking: Tracking::Tracked,
        });
        shop.ask(EntityId::Sku(mug()), define).await.unwrap();
        let listing = ListingId::new("inventory_item:77").unwrap();
        let bucket = bucket_of(&listing);
        let map = Command::Bucket(BucketCommand::Map {
            listing,
            target: ListingTarget::Sku {
                sku: mug(),
                multiplier: 1,
            },
        });
        shop.ask(EntityId::Bucket(self::shop(), bucket), map)
            .await
            .unwrap();
        let handle = shop.0.node.handle();
        super::start(&handle, &Ways::default(), &Links::default(), None);
        shop
    }

    async fn ask(&self, entity: EntityId, command: Command) -> Result<Reply, AskError> {
        let by = By::new(CredentialId::new("test").unwrap());
        self.0.node.handle().ask(entity, command, by).await
    }

    async fn tell(&self, command: ChannelCommand) {
        let told = self.ask(EntityId::Channel(shop()), Command::Channel(command));
        told.await.unwrap();
    }

    async fn name_source(&self, source: Option<&str>) {
        let define = LocationCommand::Define(Box::new(LocationFacts {
            stock_source: source.map(|source| SourceId::new(source).unwrap()),
            ..LocationFacts::plain(reno(), "US")
        }));
        let told = self.ask(EntityId::Location(reno()), Command::Location(define));
        told.await.unwrap();
    }

    async fn publish_at(&self, places: &[&str]) {
        let places = places.iter().map(|place| ChannelPlace {
            place: SourceId::new(*place).unwrap(),
            locations: vec![reno()],
        });
        let publishing = Publishing {
            counted: "inventory_item:".to_owned(),
            ..Publishing::plain(Writes::CompareAndSet, places.collect())
        };
        self.tell(ChannelCommand::PublishAs(Box::new(publishing)))
            .await;
    }

    /// The shop says a minute later how many there are, as of `ago_s` seconds before.
    async fn shows(&self, units: i64, ago_s: u64) {
        self.0.clock.advance(Duration::from_minutes(1));
        let now = self.0.clock.now();
        let at = jiff::Timestamp::from_millisecond(now.as_ms() - 1_000 * ago_s as i64).unwrap();
        let id = InboxId {
            channel: shop(),
            delivery: now.as_ms().to_string(),
        };
        let body = json!({
            "inventory_item_id": 77, "location_id": 8050, "available": units, "updated_at": at.to_string(),
        });
        let delivery = InboxInsert {
            id: id.clone(),
            received_at: now,
            topic: "inventory_levels/update".to_owned(),
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
        };
        assert_eq!(self.0.node.handle().receive(delivery).await, Ok(true));
        testing::until("it is worked on", async || {
            self.0.journal.inbox_row(&id).unwrap().unwrap().state == InboxState::Done
        })
        .await;
    }

    async fn on_hand(&self) -> i64 {
        let read = self.0.node.handle().read(EntityId::Sku(mug())).await;
        match read.unwrap().answer {
            Answer::Stock(stock) => stock.locations.iter().map(|one| one.on_hand).sum(),
            other => panic!("{other:?}"),
        }
    }

    /// Whether it is open that the place is not counted, for so many times.
    async fn is_told(&self, episode: u32) -> bool {
        let about = ("not_counted", PLACE, episode);
        is_open(&self.0.node.handle(), Some(&shop()), about).await
    }
}

/// Publishing ends and sets what was shown to 0; that is no count, whether the place is taken out or the channel is
/// observed again. Somebody counts there again once the location names the place anew.
#[tokio::test]
async fn a_number_of_ours_is_no_count_after_publishing_has_ended() {
    for ends_observed in [false, true] {
        let shop = Shop::start().await;
        shop.shows(7, 0).await;
        assert_eq!(shop.on_hand().await, 7);
        shop.publish_at(&[PLACE]).await;
        shop.shows(8, 0).await;
        assert_eq!(shop.on_hand().await, 8, "it is only observed");
        shop.tell(ChannelCommand::SetMode(ChannelMode::Active))
            .await;
        shop.shows(5, 0).await;
        assert_eq!((shop.on_hand().await, shop.is_told(1).await), (8, false));
        match ends_observed {
            true => {
                let observed = ChannelCommand::SetMode(ChannelMode::Observed);
                shop.tell(observed).await;
            }
            false => shop.publish_at(&[]).await,
        }
        for _ in 0..2 {
            shop.shows(0, 0).await;
            assert_eq!((shop.on_hand().await, shop.is_told(1).await), (8, true));
        }
        // Naming what is named already is nothing new.
        shop.name_source(Some(PLACE)).await;
        shop.shows(1, 0).await;
        assert_eq!((shop.on_hand().await, shop.is_told(1).await), (8, true));
        shop.name_source(None).await;
        shop.shows(2, 0).await;
        assert_eq!((shop.on_hand().await, shop.is_told(1).await), (8, false));
        shop.name_source(Some(PLACE)).await;
        // As of before it was named anew: told late.
        shop.shows(3, 90).await;
        assert_eq!(shop.on_hand().await, 8);
        shop.shows(6, 0).await;
        assert_eq!((shop.on_hand().await, shop.is_told(2).await), (6, false));
        shop.0.node.stop().await;
    }
}

/// Where numbers are ours again, nobody needs to see to what they count.
#[tokio::test]
async fn a_place_that_is_published_to_again_needs_nobody() {
    let shop = Shop::start().await;
    shop.publish_at(&[PLACE]).await;
    shop.tell(ChannelCommand::SetMode(ChannelMode::Active))
        .await;
    shop.publish_at(&[]).await;
    shop.shows(0, 0).await;
    assert!(shop.is_told(1).await);
    shop.publish_at(&[PLACE]).await;
    assert!(!shop.is_told(1).await);
    shop.0.node.stop().await;
}
