//! What becomes of one variant that a channel sells, by its SKU and by what is mapped already.
//!
//! A SKU text is one of ours if it is the same text: without the blanks around it, and otherwise character for character,
//! capital letters too. So it is where an order is mapped by SKU.

use crossdock_channels::Variant;
use crossdock_model::v1::ListingTarget;
use crossdock_model::{ChannelId, ListingId, SkuId};

/// Other variants of the same SKU that are named.
pub(super) const OTHERS_NAMED: usize = 3;

/// What a variant's SKU text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    /// There is no text.
    Nothing,
    /// No SKU or kit of ours.
    Unknown,
    /// So do other variants, the first of which are named, and so many more: which of them is to sell it, a person must
    /// say.
    Repeated(Vec<ListingId>, usize),
    /// A SKU or kit of ours.
    Ours(SkuId),
}

/// What becomes of a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// What was not mapped of it is.
    Mapped,
    /// All of it stood for something already.
    Known,
    /// One of its listings stands for something else than its SKU says, or than its other one.
    Conflict(ListingId, ListingTarget),
    /// It has no SKU that says what it is.
    Unnamed(Named),
    /// It could not be done for the moment, and why.
    Failed(String),
}

/// What is to be done about a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Settled {
    /// These listings are to stand for that.
    Map(Vec<ListingId>, ListingTarget),
    /// Nothing.
    Left(Outcome),
}

/// What is to be done about a variant. What stands for something is never changed; and where one listing is something
/// else than the SKU says, the other one is not mapped either, as it may be the SKU that is wrong. `stands_for`: what the
/// variant, and what its inventory item, is mapped to.
pub(super) fn settle(
    variant: &Variant,
    named: Named,
    stands_for: [Option<ListingTarget>; 2],
) -> Settled {
    let listings = [&variant.sold_as, &variant.counted_as];
    let mapped = listings.into_iter().zip(&stands_for);
    let mapped = mapped.filter_map(|(listing, target)| Some((listing, target.as_ref()?)));
    let wanted = match &named {
        Named::Ours(sku) => Some(ListingTarget::Sku {
            sku: sku.clone(),
            multiplier: 1,
        }),
        Named::Nothing | Named::Unknown | Named::Repeated(..) => None,
    };
    let is_whole = stands_for.iter().all(Option::is_some);
    // Without a SKU the listing of orders says what the other one should be.
    let expected = wanted.clone().or_else(|| stands_for[0].clone());
    let mut others = mapped.filter(|(_, target)| Some(*target) != expected.as_ref());
    if let Some((listing, target)) = others.next()
        && expected.is_some()
    {
        return Settled::Left(Outcome::Conflict(listing.clone(), target.clone()));
    }
    match wanted {
        _ if is_whole => Settled::Left(Outcome::Known),
        None => Settled::Left(Outcome::Unnamed(named)),
        Some(target) => {
            let free = listings.into_iter().zip(&stands_for);
            let free = free.filter(|(_, target)| target.is_none());
            Settled::Map(free.map(|(listing, _)| listing.clone()).collect(), target)
        }
    }
}

/// What a person is to do about a variant; `None`: nothing.
pub(super) fn to_do(channel: &ChannelId, variant: &Variant, outcome: &Outcome) -> Option<String> {
    let map =
        |listing: &ListingId, sku: &str| format!("crossdock listing map {channel} {listing} {sku}");
    let by_hand = || {
        let listings = [&variant.sold_as, &variant.counted_as];
        let [sold, counted] = listings.map(|listing| map(listing, "SKU"));
        format!("map it: {sold}; {counted}")
    };
    let sku = variant.sku.as_deref().unwrap_or_default();
    Some(match outcome {
        Outcome::Mapped | Outcome::Known => return None,
        Outcome::Failed(why) => format!("{why}. Import again: what is done stays done"),
        Outcome::Conflict(listing, target) => {
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
        Outcome::Unnamed(Named::Nothing) => {
            format!(
                "it has no SKU: give it one of ours in the shop, or {}",
                by_hand()
            )
        }
        Outcome::Unnamed(Named::Unknown | Named::Ours(_)) => format!(
            "no SKU or kit here is called {sku:?}: define it, correct it in the shop, or {}",
            by_hand()
        ),
        Outcome::Unnamed(Named::Repeated(others, more)) => format!(
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
    use super::*;

    fn variant(sku: Option<&str>) -> Variant {
        Variant {
            sold_as: ListingId::new("1").unwrap(),
            counted_as: ListingId::new("inventory_item:2").unwrap(),
            sku: sku.map(str::to_owned),
            title: "Tee".to_owned(),
            is_tracked: true,
        }
    }

    fn of(sku: &str, multiplier: u32) -> ListingTarget {
        let sku = SkuId::new(sku).unwrap();
        ListingTarget::Sku { sku, multiplier }
    }

    #[test]
    fn only_what_stands_for_nothing_is_mapped() {
        let [sold, counted] = [variant(None).sold_as, variant(None).counted_as];
        let ours = || Named::Ours(SkuId::new("A").unwrap());
        let (a, six) = (|| Some(of("A", 1)), || Some(of("A", 6)));
        let map = |listings: &[&ListingId]| {
            let listings = listings.iter().map(|listing| (*listing).clone());
            Settled::Map(listings.collect(), of("A", 1))
        };
        let conflict =
            |listing: &ListingId| Settled::Left(Outcome::Conflict(listing.clone(), of("A", 6)));
        let known = || Settled::Left(Outcome::Known);
        let unnamed = |named| Settled::Left(Outcome::Unnamed(named));
        let repeated = || Named::Repeated(vec![sold.clone()], 0);
        let table = [
            (ours(), [None, None], map(&[&sold, &counted])),
            (ours(), [a(), None], map(&[&counted])),
            (ours(), [None, a()], map(&[&sold])),
            (ours(), [a(), a()], known()),
            (ours(), [six(), None], conflict(&sold)),
            (ours(), [None, six()], conflict(&counted)),
            (ours(), [a(), six()], conflict(&counted)),
            (ours(), [six(), six()], conflict(&sold)),
            (Named::Nothing, [None, None], unnamed(Named::Nothing)),
            (Named::Unknown, [six(), None], unnamed(Named::Unknown)),
            (Named::Unknown, [None, six()], unnamed(Named::Unknown)),
            (repeated(), [None, None], unnamed(repeated())),
            // Mapped by hand, whatever the shop calls it; and not alike.
            (Named::Nothing, [six(), six()], known()),
            (repeated(), [a(), a()], known()),
            (Named::Unknown, [a(), six()], conflict(&counted)),
        ];
        for (named, stands_for, expected) in table {
            let told = format!("{named:?} {stands_for:?}");
            let settled = settle(&variant(Some("A")), named, stands_for);
            assert_eq!(settled, expected, "{told}");
        }
    }

    /// Each says what is wrong, and a command that can be copied.
    #[test]
    fn what_is_left_says_what_to_do() {
        let channel = ChannelId::checked("shop").unwrap();
        let told = |sku: Option<&str>, outcome| to_do(&channel, &variant(sku), &outcome);
        assert_eq!(told(Some("A"), Outcome::Mapped), None);
        assert_eq!(told(Some("A"), Outcome::Known), None);
        let other = || Outcome::Conflict(variant(None).sold_as, of("A", 6));
        let many = [7, 8].map(|id: u64| ListingId::new(id.to_string()).unwrap());
        let repeated =
            |count: usize, more| Outcome::Unnamed(Named::Repeated(many[..count].to_vec(), more));
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
            (None, Outcome::Unnamed(Named::Nothing), "it has no SKU"),
            (None, Outcome::Unnamed(Named::Nothing), by_hand),
            (
                Some("B"),
                Outcome::Unnamed(Named::Unknown),
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
