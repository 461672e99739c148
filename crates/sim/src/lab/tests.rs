//! Production buckets whose calls are lost.

use crossdock_model::Duration;
use crossdock_model::v1::Writes;

use super::{Keeper, Outlet, Rates, Span, Supply, sell};

/// Nothing is heard of one call in ten; one in two of those is carried out, too late. In the end every unit is sold all
/// the same, and none twice where the lag alone would not do so.
#[test]
fn lost_calls_keep_nothing_back_and_sell_nothing_twice() {
    for (writes, heard_s, per_h) in [
        (Writes::CompareAndSet, 1, 20.0),
        (Writes::Absolute, 180, 20.0),
        (Writes::Absolute, 180, 200.0),
    ] {
        let outlet = |name, writes, heard_s, per_h| Outlet {
            name,
            per_h,
            shape: None,
            writes,
            heard_after: Span::fixed(Duration::from_s(heard_s)),
            shown_after: Span {
                min: Duration::from_ms(200),
                max: Duration::from_s(2),
            },
            lost: 0.1,
        };
        let keeper = Keeper::Bucket {
            buffer_risk_ppm: None,
            unseen_risk_ppm: 1_000,
        };
        let channels = [
            (outlet("market", writes, heard_s, per_h), keeper),
            (outlet("shop", Writes::CompareAndSet, 1, 10.0), keeper),
        ];
        let supply = Supply {
            units: 40,
            arrivals: None,
        };
        let outcome = sell(5, supply, Rates::Known, &channels, 60).unwrap();
        let oversold: u64 = outcome.by_channel.iter().sum();
        assert_eq!(outcome.orders, 60 * 40 + oversold, "{writes:?} {outcome:?}");
        assert!(outcome.oversold.mean < 0.1, "{writes:?} {outcome:?}");
    }
}
