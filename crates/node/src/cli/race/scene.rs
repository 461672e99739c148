//! What is for sale in a race, and what each buyer wants of it.

use std::collections::BTreeMap;

use super::Mode;

/// Locations over which the stock lies in [`Mode::Locations`].
const LOCATIONS: u32 = 3;
/// Units of the second component in a kit.
const KIT_SECOND: u32 = 2;

/// What is for sale. Names carry the run, so that races can follow each other on one server.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub mode: Mode,
    /// How many buyers the stock is enough for.
    pub units: u32,
    /// The run's own mark.
    pub mark: String,
    /// Locations that hold stock.
    pub locations: Vec<String>,
    /// Stock: SKU, location, units.
    pub stock: Vec<(String, String, u32)>,
    /// The kit, if there is one: its SKU and what it is made of.
    pub kit: Option<(String, Vec<(String, u32)>)>,
}

impl Scene {
    /// Stock for `units` buyers.
    pub(super) fn new(mode: Mode, units: u32, mark: &str) -> Self {
        let spread = if mode == Mode::Locations {
            LOCATIONS
        } else {
            1
        };
        let locations: Vec<String> = (1..=spread).map(|n| format!("race-{mark}-{n}")).collect();
        let sku = |letter: &str| format!("RACE-{mark}-{letter}");
        let counted: Vec<(String, u32)> = match mode {
            Mode::One
            | Mode::Locations
            | Mode::HoldsAgainstOrders
            | Mode::CancelAgainstShip
            | Mode::ExpiryAgainstConfirm
            | Mode::Duplicates => vec![(sku("A"), 1)],
            Mode::TwoLines | Mode::Crossed => vec![(sku("A"), 1), (sku("B"), 1)],
            Mode::SameSku => vec![(sku("A"), 2)],
            Mode::Kit => vec![(sku("A"), 1), (sku("B"), KIT_SECOND)],
        };
        let mut stock = Vec::new();
        for (sku, each) in &counted {
            for (index, location) in (0..spread).zip(&locations) {
                let share = units / spread + u32::from(index < units % spread);
                stock.push((sku.clone(), location.clone(), share * each));
            }
        }
        let kit = (mode == Mode::Kit).then(|| (sku("KIT"), counted));
        Self {
            mode,
            units,
            mark: mark.to_owned(),
            locations,
            stock,
            kit,
        }
    }

    /// The lines a buyer orders: SKU and units.
    pub(super) fn basket(&self, buyer: u32) -> Vec<(String, u32)> {
        let mut skus: Vec<&String> = self.counted().into_keys().collect();
        match (self.mode, &self.kit) {
            (Mode::Crossed, _) if buyer % 2 == 1 => skus.reverse(),
            (Mode::SameSku, _) => skus = skus.repeat(2),
            (_, Some((kit, _))) => skus = vec![kit],
            _ => {}
        }
        skus.into_iter().map(|sku| (sku.clone(), 1)).collect()
    }

    /// SKUs whose stock is counted, and the units of each that one buyer takes.
    pub(super) fn counted(&self) -> BTreeMap<&String, u32> {
        let each = |index: usize| match self.mode {
            Mode::SameSku => 2,
            Mode::Kit => [1, KIT_SECOND][index.min(1)],
            Mode::One
            | Mode::TwoLines
            | Mode::Crossed
            | Mode::Locations
            | Mode::HoldsAgainstOrders
            | Mode::CancelAgainstShip
            | Mode::ExpiryAgainstConfirm
            | Mode::Duplicates => 1,
        };
        let skus: std::collections::BTreeSet<&String> =
            self.stock.iter().map(|(sku, ..)| sku).collect();
        skus.into_iter()
            .enumerate()
            .map(|(index, sku)| (sku, each(index)))
            .collect()
    }

    /// Units of a SKU at all locations before the race.
    pub(super) fn stock_of(&self, sku: &str) -> u64 {
        let of_sku = self.stock.iter().filter(|(found, ..)| found == sku);
        of_sku.map(|(.., units)| u64::from(*units)).sum()
    }

    /// How many of the buyers have theirs before the race, in a mode in which units come back: all that there is.
    pub(super) fn owners(&self, buyers: u32) -> u32 {
        match self.mode.gives_back() {
            true => self.units.min(buyers),
            false => 0,
        }
    }

    /// Whether a buyer places a hold where others place orders.
    pub(super) fn holds_against(&self, buyer: u32) -> bool {
        self.mode == Mode::HoldsAgainstOrders && buyer.is_multiple_of(2)
    }

    /// What a buyer's hold or order is called.
    pub(super) fn name(&self, buyer: u32) -> String {
        format!("race-{}-{buyer}", self.mark)
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn the_stock_is_enough_for_exactly_the_units() {
        for mode in Mode::value_variants() {
            let scene = Scene::new(*mode, 50, "x");
            for (sku, each) in scene.counted() {
                assert_eq!(scene.stock_of(sku), 50 * u64::from(each), "{mode:?} {sku}");
            }
        }
    }

    #[test]
    fn baskets_are_what_the_modes_say() {
        let basket = |mode, buyer| -> Vec<String> {
            let basket = Scene::new(mode, 4, "x").basket(buyer);
            basket
                .into_iter()
                .map(|(sku, _)| sku.replace("RACE-x-", ""))
                .collect()
        };
        assert_eq!(basket(Mode::One, 0), ["A"]);
        assert_eq!(basket(Mode::Crossed, 0), ["A", "B"]);
        assert_eq!(basket(Mode::Crossed, 1), ["B", "A"]);
        assert_eq!(basket(Mode::SameSku, 0), ["A", "A"]);
        assert_eq!(basket(Mode::Kit, 1), ["KIT"]);
        assert_eq!(Scene::new(Mode::Locations, 50, "x").locations.len(), 3);
    }

    #[test]
    fn owners_have_all_that_there_is() {
        let owners = |mode, buyers| Scene::new(mode, 50, "x").owners(buyers);
        assert_eq!(owners(Mode::CancelAgainstShip, 200), 50);
        assert_eq!(owners(Mode::ExpiryAgainstConfirm, 20), 20);
        assert_eq!(owners(Mode::Duplicates, 200), 0);
    }
}
