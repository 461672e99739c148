//! What is nearly always as it was at first, and takes no room as long as it is.
//!
//! A bucket remembers hundreds of thousands of numbers, of which few have a call under way or were ever refused.

use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Serialize};

/// What a value is at first.
pub(crate) trait AtFirst: Clone + PartialEq + 'static {
    const AT_FIRST: &'static Self;
}

/// A value of which nothing is kept while it is as at first.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Seldom<T>(Option<Box<T>>);

impl<T> Default for Seldom<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: AtFirst> Seldom<T> {
    /// Gives back its room if it is as at first again.
    pub fn give_room_back(&mut self) {
        if self.0.as_deref() == Some(T::AT_FIRST) {
            self.0 = None;
        }
    }
}

impl<T: AtFirst> Deref for Seldom<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::AT_FIRST)
    }
}

impl<T: AtFirst> DerefMut for Seldom<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_with(|| Box::new(T::AT_FIRST.clone()))
    }
}

impl<T: AtFirst> PartialEq for Seldom<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: AtFirst + Eq> Eq for Seldom<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    impl AtFirst for u32 {
        const AT_FIRST: &'static Self = &7;
    }

    #[test]
    fn nothing_is_kept_of_what_is_as_at_first() {
        let mut value: Seldom<u32> = Seldom::default();
        assert_eq!((*value, value.0.is_none()), (7, true));
        *value += 1;
        value.give_room_back();
        assert_eq!((*value, value.0.is_some()), (8, true));
        assert!(value != Seldom::default());
        *value -= 1;
        assert!(value == Seldom::default());
        value.give_room_back();
        assert!(value.0.is_none());
    }
}
