//! The own-lag trap: a channel whose writes replace its number, and whose sales are heard of minutes later, beside a
//! slow one. A write that lowers what *we* believe can raise what it shows, and puts sold units back on sale.

use crossdock_model::Duration;
use crossdock_model::v1::Writes;
use serde::Serialize;

use super::LabError;
use super::book::Rates;
use super::estimate::Estimate;
use super::floor::{Outlet, Span, Supply};
use super::keeper::{Keeper, sell};

/// How the fast channel's number is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Arm {
    /// What we believe there is, whenever it differs.
    Naive,
    /// The same, raised with proof.
    Proof,
    /// As production does: with room for sales that were not heard of yet besides.
    ProofAndUnseen,
}

/// All arms.
pub const ARMS: [Arm; 3] = [Arm::Naive, Arm::Proof, Arm::ProofAndUnseen];

/// One arm.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trapped {
    /// What there was to sell.
    pub flow: Flow,
    /// How the fast channel's number was kept.
    pub arm: Arm,
    /// Stock-outs, or arrivals if goods arrive all the time.
    pub episodes: u64,
    /// Units that were ordered.
    pub orders: u64,
    /// Oversold units per episode.
    pub oversold: Estimate,
    /// Oversold units of the fast channel and of the slow one.
    pub by_channel: Vec<u64>,
}

/// What there is to sell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Flow {
    /// Sixty units are sold to the last.
    SellDown,
    /// Twelve units arrive every four minutes.
    Restocks,
}

/// The trap: 200 per hour, replaced and heard of after three minutes, beside 20 per hour, compared and heard of after
/// a second.
///
/// # Errors
/// [`LabError`] when the experiment cannot be carried out.
pub fn trap(seed: u64, arm: Arm, flow: Flow, episodes: u64) -> Result<Trapped, LabError> {
    let outlet = |name, per_h, writes, heard_after| Outlet {
        name,
        per_h,
        shape: None,
        writes,
        heard_after: Span::fixed(heard_after),
        shown_after: Span::fixed(Duration::from_s(1)),
        lost: 0.0,
    };
    let production = Keeper::Bucket {
        buffer_risk_ppm: None,
        unseen_risk_ppm: 1_000,
    };
    let keeper = match arm {
        Arm::Naive => Keeper::Naive,
        Arm::Proof => Keeper::Proven,
        Arm::ProofAndUnseen => production,
    };
    let amazon = outlet("amazon", 200.0, Writes::Absolute, Duration::from_minutes(3));
    let shop = outlet("shop", 20.0, Writes::CompareAndSet, Duration::from_s(1));
    let supply = match flow {
        Flow::SellDown => Supply {
            units: 60,
            arrivals: None,
        },
        Flow::Restocks => Supply {
            units: 60,
            arrivals: Some((Duration::from_minutes(4), 12)),
        },
    };
    let channels = [(amazon, keeper), (shop, production)];
    let outcome = sell(seed, supply, Rates::Known, &channels, episodes)?;
    Ok(Trapped {
        flow,
        arm,
        episodes: outcome.episodes,
        orders: outcome.orders,
        oversold: outcome.oversold,
        by_channel: outcome.by_channel,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arms(flow: Flow, episodes: u64) -> [f64; 3] {
        ARMS.map(|arm| trap(7, arm, flow, episodes).unwrap().oversold.mean)
    }

    /// In a pure sell-down every naive write is a lowering, and puts unseen sales back on sale: proof changes nothing, room
    /// for unseen sales does.
    #[test]
    fn unseen_sales_are_not_put_back_on_sale() {
        let [naive, proof, unseen] = arms(Flow::SellDown, 120);
        assert!((8.0..11.0).contains(&naive), "{naive}");
        assert!((proof - naive).abs() < 0.7, "{proof} for {naive}");
        assert!(unseen < 0.01, "{unseen}");
    }

    /// Where goods arrive in the middle of a sale, a raise without proof puts unseen sales back as well.
    #[test]
    fn a_raise_waits_until_what_was_sold_is_read() {
        let [naive, proof, unseen] = arms(Flow::Restocks, 300);
        assert!(proof < naive / 5.0, "{proof} for {naive}");
        assert!(unseen < 0.01 && proof > 0.1, "{unseen} for {proof}");
    }
}
