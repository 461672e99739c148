//! What a person is to do about a variant that could not be mapped.

use crossdock_channels::Variant;
use crossdock_model::v1::ListingTarget;
use crossdock_model::{ChannelId, ListingId};
use crossdock_runtime::catalogue::{Left, Named};

/// What became of a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// What was not mapped of it is.
    Mapped,
    /// Nothing was mapped.
    Left(Left),
    /// Nothing was mapped, as the channel sends it itself.
    SentByChannel,
    /// It could not be done for the moment, and why.
    Failed(String),
}

/// What a person is to do about a variant; `None`: nothing.
pub(super) fn to_do(channel: &ChannelId, variant: &Variant, outcome: &Outcome) -> Option<String> {
    let map =
        |listing: &ListingId, sku: &str| format!("crossdock listing map {channel} {listing} {sku}");
    let by_hand = || {
        let listings = [&variant.sold_as, &variant.counted_as];
        let [sold, counted] = listings.map(|listing| map(listing, "SKU"));
        match sold == counted {
            true => format!("map it: {sold}"),
            false => format!("map it: {sold}; {counted}"),
        }
    };
    let sku = variant.sku.as_deref().unwrap_or_default();
    Some(match outcome {
        Outcome::Mapped | Outcome::SentByChannel | Outcome::Left(Left::Known) => return None,
        Outcome::Failed(why) => format!("{why}. Import again: what is done stays done"),
        Outcome::Left(Left::Conflict(listing, target)) => {
            let target = words(target);
            match sku {
                "" => format!(
                    "{listing} stands for {target}, and its other listing for something else: nothing was changed. \
                     Map the one that is wrong"
                ),
                sku => format!(
                    "{listing} stands for {target}, and its SKU is {sku}: nothing was changed. If the SKU is right: {}",
                    map(listing, &argument(sku))
                ),
            }
        }
        Outcome::Left(Left::Unnamed(Named::Nothing)) => {
            format!(
                "it has no SKU: give it one of ours in the shop, or {}",
                by_hand()
            )
        }
        Outcome::Left(Left::Unnamed(Named::Unknown | Named::Ours(_))) => format!(
            "no SKU or kit here is called {sku:?}: define it, correct it in the shop, or {}",
            by_hand()
        ),
        Outcome::Left(Left::Unnamed(Named::Repeated(others, more))) => format!(
            "{} the same SKU, and each would show all of it: give each its own in the shop, or, if this one is to sell \
             it, {}",
            others_named(others, *more),
            by_hand()
        ),
    })
}

fn others_named(others: &[ListingId], more: usize) -> String {
    let named = others.iter().map(ToString::to_string);
    let named = named.collect::<Vec<_>>().join(", ");
    match (others.len(), more) {
        (1, 0) => format!("variant {named} has"),
        (_, 0) => format!("variants {named} have"),
        (_, more) => format!("variants {named} and {more} more have"),
    }
}

fn words(target: &ListingTarget) -> String {
    match target {
        ListingTarget::Sku { sku, multiplier: 1 } => sku.to_string(),
        ListingTarget::Sku { sku, multiplier } => format!("{multiplier} of {sku}"),
        ListingTarget::Kit { .. } => "a kit of its own".to_owned(),
    }
}

/// A SKU as an argument of a command line, where what follows its last `:` would be read as a number of units.
fn argument(sku: &str) -> String {
    let text = match sku.contains(':') {
        true => format!("{sku}:1"),
        false => sku.to_owned(),
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
    match text.chars().all(is_plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use crossdock_model::SkuId;

    use super::*;

    fn variant(sku: Option<&str>) -> Variant {
        Variant {
            sold_as: ListingId::new("1").unwrap(),
            counted_as: ListingId::new("inventory_item:2").unwrap(),
            sku: sku.map(str::to_owned),
            title: "Tee".to_owned(),
            is_tracked: true,
            is_sent_by_channel: false,
        }
    }

    fn six_of_a() -> ListingTarget {
        ListingTarget::Sku {
            sku: SkuId::new("A").unwrap(),
            multiplier: 6,
        }
    }

    /// Each says what is wrong, and a command that can be copied.
    #[test]
    fn what_is_left_says_what_to_do() {
        let channel = ChannelId::checked("shop").unwrap();
        let unnamed = |named| Outcome::Left(Left::Unnamed(named));
        let told = |sku: Option<&str>, outcome| to_do(&channel, &variant(sku), &outcome);
        assert_eq!(told(Some("A"), Outcome::Mapped), None);
        assert_eq!(told(Some("A"), Outcome::Left(Left::Known)), None);
        let other = || Outcome::Left(Left::Conflict(variant(None).sold_as, six_of_a()));
        let many = [7, 8].map(|id: u64| ListingId::new(id.to_string()).unwrap());
        let repeated = |count: usize, more| unnamed(Named::Repeated(many[..count].to_vec(), more));
        let by_hand = "map it: crossdock listing map shop 1 SKU; crossdock listing map shop inventory_item:2 SKU";
        let cases = [
            (
                Some("A"),
                other(),
                "1 stands for 6 of A, and its SKU is A: nothing was changed",
            ),
            (Some("B"), other(), "crossdock listing map shop 1 B"),
            (
                Some("b c:2"),
                other(),
                "crossdock listing map shop 1 'b c:2:1'",
            ),
            (None, other(), "and its other listing for something else"),
            (None, unnamed(Named::Nothing), "it has no SKU"),
            (None, unnamed(Named::Nothing), by_hand),
            (
                Some("B"),
                unnamed(Named::Unknown),
                "no SKU or kit here is called \"B\"",
            ),
            (
                Some("B"),
                repeated(2, 9),
                "variants 7, 8 and 9 more have the same SKU",
            ),
            (Some("B"), repeated(1, 0), "variant 7 has the same SKU"),
            (
                Some("B"),
                Outcome::Failed("too busy".to_owned()),
                "too busy. Import again",
            ),
        ];
        for (sku, outcome, expected) in cases {
            let text = told(sku, outcome).unwrap();
            assert!(text.contains(expected), "{expected} in {text}");
        }
    }
}
