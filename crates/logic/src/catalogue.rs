//! What becomes of each variant that a channel sells, by its SKU text and by what is mapped already.
//!
//! A SKU text is one of ours if it is the same text: without the blanks around it, and otherwise character for character,
//! capital letters too. So it is where an order is mapped by SKU.

use std::collections::BTreeMap;

use crossdock_model::v1::ListingTarget;
use crossdock_model::{ListingId, SkuId};

/// Other variants of the same SKU that are named.
const OTHERS_NAMED: usize = 3;

/// What a variant's SKU text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
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

/// Why nothing is mapped of a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// All of it stands for something already.
    Known,
    /// One of its listings stands for something else than its SKU says, or than its other one.
    Conflict(ListingId, ListingTarget),
    /// It has no SKU that says what it is.
    Unnamed(Named),
}

/// What is to be done about a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// These listings are to stand for that.
    Map(Vec<ListingId>, ListingTarget),
    /// Nothing.
    Left(Left),
}

/// What the SKU text of each variant names, as far as these say, which are all that the channel sells: whether there is a
/// SKU of that name is another question.
#[must_use]
pub fn named<'a>(
    variants: impl Iterator<Item = (&'a ListingId, Option<&'a str>)> + Clone,
) -> Vec<Named> {
    let variants = variants.map(|(listing, text)| (listing, text.unwrap_or_default().trim()));
    let mut of: BTreeMap<&str, Vec<&ListingId>> = BTreeMap::new();
    for (listing, text) in variants.clone() {
        of.entry(text).or_default().push(listing);
    }
    let named = |(listing, text): (&ListingId, &str)| match (text, SkuId::new(text)) {
        ("", _) => Named::Nothing,
        (_, Err(_)) => Named::Unknown,
        (text, Ok(sku)) => match of.get(text) {
            Some(all) if all.len() > 1 => {
                let others = all.iter().filter(|other| **other != listing);
                let first = others.take(OTHERS_NAMED).map(|other| (*other).clone());
                let first: Vec<ListingId> = first.collect();
                let more = all.len() - 1 - first.len();
                Named::Repeated(first, more)
            }
            Some(_) | None => Named::Ours(sku),
        },
    };
    variants.map(named).collect()
}

/// What is to be done about a variant. What stands for something is never changed; and where one listing is something
/// else than the SKU says, the other one is not mapped either, as it may be the SKU that is wrong. `listings`: the variant
/// itself, and its inventory item. `stands_for`: what these are mapped to.
#[must_use]
pub fn settle(
    listings: [&ListingId; 2],
    named: Named,
    stands_for: [Option<ListingTarget>; 2],
) -> Settled {
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
        return Settled::Left(Left::Conflict(listing.clone(), target.clone()));
    }
    match wanted {
        _ if is_whole => Settled::Left(Left::Known),
        None => Settled::Left(Left::Unnamed(named)),
        Some(target) => {
            let free = listings.into_iter().zip(&stands_for);
            let free = free.filter(|(_, target)| target.is_none());
            Settled::Map(free.map(|(listing, _)| listing.clone()).collect(), target)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(id: impl ToString) -> ListingId {
        ListingId::new(id.to_string()).unwrap()
    }

    fn of(sku: &str, multiplier: u32) -> ListingTarget {
        let sku = SkuId::new(sku).unwrap();
        ListingTarget::Sku { sku, multiplier }
    }

    fn ours(sku: &str) -> Named {
        Named::Ours(SkuId::new(sku).unwrap())
    }

    /// The same text, without blanks around it; which of several it is, nobody can say.
    #[test]
    fn texts_name_skus_character_by_character() {
        let texts = [
            None,
            Some(" "),
            Some("A"),
            Some("a"),
            Some(" A-1 "),
            Some("A-1"),
            Some("B\u{7}"),
        ];
        let ids: Vec<ListingId> = (0..texts.len()).map(listing).collect();
        let expected = [
            Named::Nothing,
            Named::Nothing,
            ours("A"),
            ours("a"),
            Named::Repeated(vec![listing(5)], 0),
            Named::Repeated(vec![listing(4)], 0),
            Named::Unknown,
        ];
        assert_eq!(named(ids.iter().zip(texts)), expected);
    }

    /// Of many that have the same SKU the first are named, and the others counted; never the variant itself.
    #[test]
    fn of_many_that_have_the_same_sku_some_are_named() {
        let ids: Vec<ListingId> = (0..6).map(listing).collect();
        let told = named(ids.iter().map(|id| (id, Some("A"))));
        let named = |first: [usize; OTHERS_NAMED]| {
            let first = first.into_iter().map(listing);
            Named::Repeated(first.collect(), 2)
        };
        assert_eq!(told[1], named([0, 2, 3]));
        assert_eq!(told[5], named([0, 1, 2]));
    }

    #[test]
    fn only_what_stands_for_nothing_is_mapped() {
        let [sold, counted] = [listing(1), listing("inventory_item:2")];
        let (a, six) = (|| Some(of("A", 1)), || Some(of("A", 6)));
        let map = |listings: &[&ListingId]| {
            let listings = listings.iter().map(|listing| (*listing).clone());
            Settled::Map(listings.collect(), of("A", 1))
        };
        let conflict =
            |listing: &ListingId| Settled::Left(Left::Conflict(listing.clone(), of("A", 6)));
        let known = || Settled::Left(Left::Known);
        let unnamed = |named| Settled::Left(Left::Unnamed(named));
        let repeated = || Named::Repeated(vec![sold.clone()], 0);
        let table = [
            (ours("A"), [None, None], map(&[&sold, &counted])),
            (ours("A"), [a(), None], map(&[&counted])),
            (ours("A"), [None, a()], map(&[&sold])),
            (ours("A"), [a(), a()], known()),
            (ours("A"), [six(), None], conflict(&sold)),
            (ours("A"), [None, six()], conflict(&counted)),
            (ours("A"), [a(), six()], conflict(&counted)),
            (ours("A"), [six(), six()], conflict(&sold)),
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
            let settled = settle([&sold, &counted], named, stands_for);
            assert_eq!(settled, expected, "{told}");
        }
    }
}
