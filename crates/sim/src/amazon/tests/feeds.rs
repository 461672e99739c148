//! Many numbers in one document, which the account works on later.

use crossdock_channels::amazon::UploadPlace;

use super::*;

/// A feed is worked on minutes later, over what was set meanwhile.
#[tokio::test]
async fn a_feed_sets_its_numbers_when_it_is_worked_on() {
    let scene = Scene::plain().await;
    let number = |sku: &str, units| {
        (
            sku.parse().unwrap(),
            "amazon/DEFAULT".parse().unwrap(),
            units,
        )
    };
    let numbers = [number("TEE", 7), number("UNHEARD", 1)];
    let feed = scene.seller.set_by_feed(&numbers).await.unwrap();
    assert_eq!(scene.seller.get_feed(&feed).await, Ok(FeedState::Open));
    scene.set("TEE", 0).await.unwrap();
    assert_eq!(scene.shown("TEE"), Some(0));
    scene.pass(3);
    assert_eq!(
        scene.shown("TEE"),
        Some(7),
        "what was lowered meanwhile is to be sent again"
    );
    let Ok(FeedState::Done {
        report: Some(report),
    }) = scene.seller.get_feed(&feed).await
    else {
        panic!("it is done");
    };
    let problem = "4000001: The SKU or its attributes are invalid".to_owned();
    let expected = FeedReport {
        accepted: 1,
        refused: vec![(2, problem)],
    };
    assert_eq!(scene.seller.feed_report(&report).await, Ok(expected));
}

/// Neither a call nor a feed takes away what else the listing says.
#[tokio::test]
async fn a_number_leaves_the_handling_time_as_it_was() {
    let scene = Scene::plain().await;
    let days = || scene.market.with(|account, _| account.handling_days("TEE"));
    scene
        .market
        .with(|account, _| account.handle_within("TEE", 12));
    scene.set("TEE", 3).await.unwrap();
    assert_eq!((scene.shown("TEE"), days()), (Some(3), Some(12)));
    let number = ("TEE".parse().unwrap(), "amazon/DEFAULT".parse().unwrap(), 7);
    scene.seller.set_by_feed(&[number]).await.unwrap();
    scene.pass(3);
    assert_eq!((scene.shown("TEE"), days()), (Some(7), Some(12)));
}

/// The seller has no listing for the first number.
#[tokio::test]
async fn a_feed_says_of_each_number_whether_it_was_set() {
    let scene = Scene::plain().await;
    let number = |sku: &str, units| {
        (
            sku.parse().unwrap(),
            "amazon/DEFAULT".parse().unwrap(),
            units,
        )
    };
    let numbers = vec![number("UNHEARD", 1), number("TEE", 7)];
    let feed = scene.seller.hand_over(numbers).await.unwrap();
    let look = |count| scene.seller.look(feed.clone(), count);
    assert_eq!(look(2).await, Ok(BulkState::Open));
    let begun_at = scene.clock.now();
    let is_open = |at| scene.seller.is_open(at, at);
    assert_eq!(is_open(begun_at).await, Ok(true));
    let later = begun_at + Duration::from_minutes(11);
    assert_eq!(is_open(later).await, Ok(false), "begun before");
    let earlier = begun_at - Duration::from_minutes(11);
    assert_eq!(is_open(earlier).await, Ok(false), "begun by others since");
    scene.pass(3);
    assert_eq!(is_open(begun_at).await, Ok(false));
    let problem = "4000001: The SKU or its attributes are invalid".to_owned();
    let done = BulkState::Done {
        at: scene.clock.now(),
        refused: [(0, problem)].into(),
    };
    assert_eq!(look(2).await, Ok(done));
    let lost = look(3).await;
    assert!(
        matches!(lost, Ok(BulkState::Lost(_))),
        "the report says nothing of the third: {lost:?}"
    );
}

/// One is packed, one is not, and one is only said to be: each says what was set.
#[tokio::test]
async fn a_report_is_read_however_it_is_packed() {
    let scene = Scene::plain().await;
    let number = ("TEE".parse().unwrap(), "amazon/DEFAULT".parse().unwrap(), 7);
    let mut packed = Vec::new();
    for _ in 0..3 {
        let numbers = vec![number.clone()];
        let feed = scene.seller.hand_over(numbers).await.unwrap();
        scene.pass(3);
        let done = scene.seller.look(feed.clone(), 1).await;
        assert!(matches!(done, Ok(BulkState::Done { .. })), "{done:?}");
        let Ok(FeedState::Done {
            report: Some(report),
        }) = scene.seller.get_feed(&feed).await
        else {
            panic!("it is done");
        };
        packed.push(scene.market.with(|account, _| {
            let is_marked = account
                .get_document(&report, "")
                .1
                .get("compressionAlgorithm")
                .is_some();
            let bytes = account.feeds.document(&report).unwrap();
            (is_marked, bytes.starts_with(&[0x1f, 0x8b]))
        }));
    }
    assert_eq!(packed, [(true, true), (false, false), (true, false)]);
}

#[tokio::test]
async fn of_a_feed_that_was_given_up_nobody_knows_what_was_set() {
    let options = Options {
        faults: Faults {
            fatal_feeds: 1.0,
            ..Faults::default()
        },
        ..Options::default()
    };
    let scene = Scene::new(options).await;
    let number = ("TEE".parse().unwrap(), "amazon/DEFAULT".parse().unwrap(), 7);
    let feed = scene.seller.hand_over(vec![number]).await.unwrap();
    scene.pass(3);
    let state = scene.seller.look(feed, 1).await;
    assert!(matches!(state, Ok(BulkState::Lost(_))), "{state:?}");
}

/// One call too many has done nothing, and says how long to wait.
#[tokio::test]
async fn a_document_too_many_is_told_as_that() {
    let scene = Scene::plain().await;
    scene.market.surely(Fault::TooMany, "createFeedDocument");
    let number = ("TEE".parse().unwrap(), "amazon/DEFAULT".parse().unwrap(), 7);
    let refused = scene.seller.hand_over(vec![number]).await;
    assert!(
        matches!(refused, Err(CallError::Throttled { .. })),
        "{refused:?}"
    );
}

/// A document has a time of its own, as it may be large.
#[tokio::test]
async fn a_document_may_take_longer_than_a_call() {
    let scene = Scene::plain().await;
    let slow = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/document", slow.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = slow.accept().await.unwrap();
        tokio::time::sleep(Wait::from_millis(500)).await;
        let head = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(head).await.unwrap();
        // The rest of what is sent is taken until the other side has its answer.
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    });
    let mut account = account(&scene.endpoint, &Options::default());
    account.call_max = Wait::from_millis(50);
    let place = UploadPlace {
        document: "document-1".to_owned(),
        url: Secret::new(url),
    };
    let put = client(account, &scene.clock)
        .upload(&place, b"{}".to_vec())
        .await;
    assert_eq!(put, Ok(Taken::Done));
}

/// As many numbers as a feed may have go in one document; one more is not sent.
#[tokio::test]
async fn a_feed_has_a_limit() {
    let scene = Scene::plain().await;
    let number = ("TEE".parse().unwrap(), "amazon/DEFAULT".parse().unwrap(), 7);
    let mut numbers = vec![number; FEED_NUMBERS_MAX];
    assert!(scene.seller.set_by_feed(&numbers).await.is_ok());
    numbers.push(numbers[0].clone());
    let refused = scene.seller.set_by_feed(&numbers).await;
    assert!(matches!(refused, Err(CallError::NotDone(_))), "{refused:?}");
}
