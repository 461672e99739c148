//! Who is let in, how often, and calls whose answer is lost.

use super::*;

#[tokio::test]
async fn tokens_are_renewed_before_they_run_out_and_when_they_are_refused() {
    let scene = Scene::plain().await;
    let tokens = || (scene.market.seen().tokens, scene.market.seen().denied);
    for minutes in [0, 58] {
        scene.pass(minutes);
        scene.read("TEE").await.unwrap();
        assert_eq!(tokens(), (1, 0), "one is used as long as it is good");
    }
    scene.pass(1);
    scene.read("TEE").await.unwrap();
    assert_eq!(tokens(), (2, 0), "no call meets one that has run out");
    scene.market.revoke_tokens();
    assert_eq!(scene.set("TEE", 3).await, Ok(scene.confirmed()));
    assert_eq!((tokens(), scene.shown("TEE")), ((3, 1), Some(3)));
}

#[tokio::test]
async fn of_many_callers_one_asks_for_a_token() {
    let scene = Scene::plain().await;
    for granted in [1, 2] {
        let number = || vec![("TEE".parse().unwrap(), "amazon/DEFAULT".parse().unwrap())];
        let reads: Vec<_> = (0..5)
            .map(|_| tokio::spawn(scene.seller.read(number())))
            .collect();
        for read in reads {
            assert!(read.await.unwrap().is_ok());
        }
        assert_eq!(scene.market.seen().tokens, granted);
        scene.market.revoke_tokens();
        scene.pass(1);
    }
}

#[tokio::test]
async fn who_is_not_authorised_hears_what_to_do() {
    let scene = Scene::plain().await;
    let mut withdrawn = account(&scene.endpoint, &Options::default());
    withdrawn.refresh_token = Secret::new("withdrawn-token");
    let seller = client(withdrawn, &scene.clock);
    let Err(CallError::NotDone(why)) = seller.get_feed("feed-1").await else {
        panic!("nothing was done");
    };
    assert!(
        why.contains("invalid_grant") && why.contains("authorise"),
        "{why}"
    );
    assert!(!why.contains("withdrawn-token"), "{why}");
    // Every token is refused: one is asked for, once, and the call is surely not done.
    let options = Options {
        faults: Faults {
            lost_tokens: 1.0,
            ..Faults::default()
        },
        ..Options::default()
    };
    let scene = Scene::new(options).await;
    let refused = scene.set("TEE", 1).await.unwrap_err();
    assert!(
        matches!(&refused, CallError::NotDone(why) if why.contains("roles")),
        "{refused:?}"
    );
    assert_eq!(
        (scene.market.seen().tokens, scene.shown("TEE")),
        (2, Some(10))
    );
}

#[tokio::test]
async fn calls_beyond_the_rate_are_throttled_and_say_for_how_long() {
    let scene = Scene::plain().await;
    for _ in 0..Operation::PatchListingsItem.burst() {
        assert_eq!(scene.set("TEE", 5).await, Ok(scene.confirmed()));
    }
    let retry_after = Duration::from_ms(200);
    assert_eq!(
        scene.set("TEE", 6).await,
        Err(CallError::Throttled { retry_after })
    );
    assert_eq!(scene.shown("TEE"), Some(5), "nothing was done");
    assert_eq!(
        scene.read("TEE").await,
        Ok(Some(5)),
        "each operation has its own bucket"
    );
    scene.clock.advance(Duration::from_ms(200));
    assert_eq!(scene.set("TEE", 6).await, Ok(scene.confirmed()));
}

/// Whoever keeps to what the connector says of rates is never throttled.
#[tokio::test]
async fn rates_are_not_above_what_is_granted() {
    for operation in Operation::ALL {
        let mut gate = gate::Gate::new(Options::default(), Timestamp::from_ms(0));
        let form = [
            ("grant_type", "refresh_token"),
            ("client_secret", "simulated-client-secret"),
            ("refresh_token", "simulated-refresh-token"),
        ];
        let form = form.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (_, granted) = gate.grant(&form.into(), Timestamp::from_ms(0));
        let token = granted["access_token"].as_str();
        let mut pass = |at| {
            gate.pass(operation.name(), token, Timestamp::from_ms(at))
                .is_ok()
        };
        let burst = (0..operation.burst()).all(|_| pass(0));
        let pause_ms = i64::from(3_600_000_u32.div_ceil(operation.per_hour()));
        let steady = (1..9).all(|at| pass(at * pause_ms));
        assert!(burst && steady, "{operation:?}");
    }
}

#[tokio::test]
async fn what_has_no_answer_is_unknown() {
    let options = |server_errors, lost_answers| Options {
        faults: Faults {
            server_errors,
            lost_answers,
            ..Faults::default()
        },
        ..Options::default()
    };
    // (chance of 5xx, of a lost answer, units shown behind the call)
    for (server_errors, lost_answers, shown) in [(1.0, 0.0, 10), (0.0, 1.0, 3)] {
        let scene = Scene::new(options(server_errors, lost_answers)).await;
        let unknown = scene.set("TEE", 3).await;
        assert!(matches!(unknown, Err(CallError::Unknown(_))), "{unknown:?}");
        assert_eq!(scene.shown("TEE"), Some(shown));
        let seen = scene.market.seen();
        assert_eq!(
            (seen.server_errors, seen.lost_answers),
            (server_errors as u64, lost_answers as u64)
        );
    }
}

/// A token is granted, and then nobody takes the call: it was surely not done.
#[tokio::test]
async fn what_nobody_took_was_not_done() {
    let scene = Scene::plain().await;
    let mut account = account(&scene.endpoint, &Options::default());
    "http://127.0.0.1:1".clone_into(&mut account.endpoint);
    let refused = client(account, &scene.clock).get_feed("feed-1").await;
    assert_eq!(refused, Err(CallError::NotDone("no connection".to_owned())));
    assert_eq!(scene.market.seen().tokens, 1);
}

/// Token and call have their time together: nobody sends a number that was given up.
#[tokio::test]
async fn a_call_ends_within_its_time() {
    let scene = Scene::plain().await;
    let slow = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut account = account(&scene.endpoint, &Options::default());
    account.call_max = Wait::from_millis(500);
    account.token_endpoint = format!("http://{}/", slow.local_addr().unwrap());
    account.endpoint.clone_from(&account.token_endpoint);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = slow.accept().await {
            tokio::time::sleep(Wait::from_millis(300)).await;
            let body = r#"{"access_token":"t","expires_in":3600}"#;
            let head = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    let seller = client(account, &scene.clock);
    // Where the machine stalls the token is late too: then there was no call.
    let late = CallError::NotDone("no access token in time".to_owned());
    let mut ended = Err(late.clone());
    for _ in 0..20 {
        ended = seller.get_feed("feed-1").await;
        if ended != Err(late.clone()) {
            break;
        }
    }
    assert_eq!(ended, Err(CallError::Unknown("nothing in time".to_owned())));
}

/// As long as there is no token nothing is sent, by whoever asks for it or waits for that.
#[tokio::test]
async fn what_waits_for_a_token_in_vain_was_not_done() {
    let scene = Scene::plain().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut account = account(&scene.endpoint, &Options::default());
    account.call_max = Wait::from_millis(200);
    account.token_endpoint = format!("http://{}/", silent.local_addr().unwrap());
    let seller = client(account, &scene.clock);
    let begin = || seller.create_feed("document-1");
    let (first, second, third) = tokio::join!(begin(), begin(), begin());
    for ended in [first, second, third] {
        assert!(matches!(ended, Err(CallError::NotDone(_))), "{ended:?}");
    }
}

/// A package whose confirmation was taken and not answered is said again, and is one package.
#[tokio::test]
async fn what_was_done_and_not_answered_is_done_once() {
    let options = Options {
        faults: Faults {
            lost_answers: 0.5,
            ..Faults::default()
        },
        ..Options::default()
    };
    let scene = Scene::new(options).await;
    let id = scene.buy("TEE", 2).unwrap().parse().unwrap();
    scene.pass(4);
    let line = scene
        .market
        .with(|account, _| account.orders()[0].item.clone());
    let sent = Package {
        number: 1,
        lines: vec![LineUnits {
            line: line.parse().unwrap(),
            units: 2,
        }],
        tracking: ParcelTracking {
            carrier: None,
            number: None,
            url: None,
        },
        carrier_code: None,
        method: None,
        shipped_at: scene.clock.now(),
    };
    let mut unknown = 0;
    while let Err(CallError::Unknown(_)) = scene.seller.confirm_shipment(&id, &sent).await {
        unknown += 1;
        assert!(unknown < 9, "it is never answered");
    }
    let packages = scene
        .market
        .with(|account, _| account.orders()[0].packages());
    assert_eq!((packages, unknown > 0), (1, true));
}

/// Only once it was done, and to no other operation.
#[tokio::test]
async fn what_is_to_go_wrong_does_so_once() {
    let mut scene = Scene::plain().await;
    let mut hasty = account(&scene.endpoint, &Options::default());
    hasty.call_max = LOST_MAX;
    scene.seller = client(hasty, &scene.clock);
    let id = scene.buy("TEE", 1).unwrap().parse().unwrap();
    for operation in ["patchListingsItem", "confirmShipment", "createFeed"] {
        scene.market.surely(Fault::LostAnswer, operation);
    }
    let stated = read(&scene.seller.get_order(&id).await.unwrap().unwrap());
    let parcel = package(&stated, 1, 1);
    let early = scene.seller.confirm_shipment(&id, &parcel).await;
    assert!(matches!(early, Ok(Taken::Refused(_))), "{early:?}");
    scene.pass(4);
    let lost = CallError::Unknown("nothing in time".to_owned());
    assert_eq!(scene.set("TEE", 4).await, Err(lost.clone()));
    assert_eq!(scene.shown("TEE"), Some(4));
    assert_eq!(scene.set("TEE", 5).await, Ok(scene.confirmed()));
    for expected in [Err(lost), Ok(Taken::Done)] {
        let said = scene.seller.confirm_shipment(&id, &parcel).await;
        assert_eq!(said, expected);
    }
    let number = ("TEE".parse().unwrap(), "amazon/DEFAULT".parse().unwrap(), 7);
    let begun = scene.seller.set_by_feed(&[number]).await;
    assert!(matches!(begun, Err(CallError::Unknown(_))), "{begun:?}");
    assert_eq!(scene.market.with(|account, _| account.feeds_begun()), 1);
    for (operation, times) in [
        ("patchListingsItem", 1),
        ("confirmShipment", 1),
        ("createFeed", 1),
        ("getOrder", 0),
    ] {
        let lost = scene.market.happened(Fault::LostAnswer, operation);
        assert_eq!(lost, times, "{operation}");
    }
    scene.market.surely(Fault::ServerError, "patchListingsItem");
    let failed = scene.set("TEE", 3).await;
    assert!(matches!(failed, Err(CallError::Unknown(_))), "{failed:?}");
    assert_eq!(scene.shown("TEE"), Some(5));
    scene.market.surely(Fault::TooMany, "patchListingsItem");
    let refused = scene.set("TEE", 2).await;
    assert!(
        matches!(refused, Err(CallError::Throttled { .. })),
        "{refused:?}"
    );
    assert_eq!(scene.set("TEE", 2).await, Ok(scene.confirmed()));
    let refused = scene.market.happened(Fault::TooMany, "patchListingsItem");
    assert_eq!(refused, 1);
}

/// Each call has its turn, and each answer says how many are granted, also one to a call too many.
#[tokio::test]
async fn what_is_granted_is_told_with_every_answer() {
    let scene = Scene::plain().await;
    let heard = Arc::new(Heard::default());
    let account = account(&scene.endpoint, &Options::default());
    let seller = heard_by(account, &scene.clock, Arc::clone(&heard));
    scene.market.surely(Fault::TooMany, "createFeedDocument");
    let refused = seller.create_feed_document().await;
    assert!(
        matches!(refused, Err(CallError::Throttled { .. })),
        "{refused:?}"
    );
    let now = scene.clock.now();
    seller.has_open_feeds(now, now).await.unwrap();
    let asked = [Operation::CreateFeedDocument, Operation::GetFeeds];
    assert_eq!(*heard.turns.lock().unwrap(), asked);
    let told = [(asked[0], Some(0.5), true), (asked[1], Some(0.0222), false)];
    assert_eq!(*heard.told.lock().unwrap(), told);
}

/// Orders are dated by Amazon's clock, and a number was set before or after them: also where ours is wrong, by hours.
#[tokio::test]
async fn a_number_is_known_to_be_set_by_amazons_clock() {
    let scene = Scene::plain().await;
    for (ahead_ms, within) in [(400, 0), (-400, 999), (7_200_000, 999), (-7_200_000, 999)] {
        let ours = Timestamp::from_ms(scene.clock.now().as_ms() + ahead_ms);
        let account = account(&scene.endpoint, &Options::default());
        let seller = client(account, &Arc::new(PausedClock::new(ours)));
        let number = NumberSet {
            listing: "TEE".parse().unwrap(),
            place: "amazon/DEFAULT".parse().unwrap(),
            units: 3,
            change_from: None,
            key: "amazon:1:1".to_owned(),
        };
        let there = match within {
            0 => ours,
            _ => Timestamp::from_ms(scene.clock.now().as_ms() + within),
        };
        let set = seller.set(vec![number]).await.unwrap();
        assert_eq!(set, [SetOutcome::Confirmed { at: there }], "{ahead_ms}");
        let number = ("TEE".parse().unwrap(), "amazon/DEFAULT".parse().unwrap());
        let read = seller.read(vec![number]).await.unwrap().remove(0).unwrap();
        assert_eq!(read.at, there, "{ahead_ms}");
    }
}
